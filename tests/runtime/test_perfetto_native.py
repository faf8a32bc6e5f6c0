"""Native traces, read back with Perfetto's own classes: the same slices as in Chrome's format."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

import fpga_rt
from fpga_rt.runtime import perfetto
from fpga_rt.runtime.perfetto_native import encode
from tests.random_networks import Builder

Json = dict[str, Any]


@pytest.fixture(scope="module")
def trace() -> Json:
    """Return the trace of a network that swaps, four requests long."""
    pytest.importorskip("perfetto")
    builder = Builder(np.random.default_rng(4), (8, 8, 16))
    builder.convolution(16, 3)
    builder.depthwise(3)
    network = builder.build("two")
    codes = np.zeros((1, 8, 8, 16), np.int8)
    with fpga_rt.open_device("emulator", board="pynq-z2") as device:
        with fpga_rt.Runtime(device) as runtime:
            model = runtime.load(fpga_rt.compile(network, "pynq-z2", 1))
            runtime.trace([fpga_rt.Request(model, codes)] * 4)
            return perfetto.trace(runtime.log, device.capabilities, "icap")


def _parsed(trace: Json) -> Any:  # noqa: ANN401 - a protobuf class
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

    parsed = Trace()
    parsed.ParseFromString(encode(trace))
    return parsed


def _slices(parsed: Any) -> dict[str, list[tuple[str, int, int]]]:  # noqa: ANN401
    """Return name, begin and end of every slice by thread, as a reader of the format finds them."""
    threads, open_, found = {}, defaultdict(list), defaultdict(list)
    for packet in parsed.packet:
        track = packet.track_descriptor
        if packet.HasField("track_descriptor") and track.HasField("thread"):
            threads[track.uuid] = track.thread.thread_name
        if not packet.HasField("track_event"):
            continue
        event = packet.track_event
        if event.type == type(event).TYPE_SLICE_BEGIN:
            open_[event.track_uuid].append((event.name, packet.timestamp))
        if event.type == type(event).TYPE_SLICE_END:
            name, begin = open_[event.track_uuid].pop()
            found[threads[event.track_uuid]].append((name, begin, packet.timestamp))
        if event.type == type(event).TYPE_INSTANT:
            at = packet.timestamp
            found[threads[event.track_uuid]].append((event.name, at, at))
    assert not any(open_.values())
    return found


def test_slices_are_those_of_the_other_format(trace: Json) -> None:
    names = {
        e["tid"]: e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"
    }
    expected = defaultdict(list)
    for event in trace["traceEvents"]:
        if event["ph"] == "X":
            begin, end = (round(us * 1000) for us in (event["ts"], event["ts"] + event["dur"]))
            expected[names[event["tid"]]].append((event["name"], begin, end))
    found = _slices(_parsed(trace))
    assert {k: sorted(v) for k, v in found.items()} == {k: sorted(v) for k, v in expected.items()}
    assert sum(map(len, found.values())) > 20


def test_time_never_runs_back_and_the_sequence_begins_anew(trace: Json) -> None:
    parsed = _parsed(trace)
    times = [packet.timestamp for packet in parsed.packet if packet.HasField("track_event")]
    assert times == sorted(times)
    assert {packet.trusted_packet_sequence_id for packet in parsed.packet} == {1}
    assert parsed.packet[0].sequence_flags == 1


def test_details_and_the_counter_come_along(trace: Json) -> None:
    events = [p.track_event for p in _parsed(trace).packet if p.HasField("track_event")]
    swap = next(e for e in events if e.name.startswith("load ") and len(e.debug_annotations) > 1)
    details = {annotation.name: annotation for annotation in swap.debug_annotations}
    assert details["initial"].bool_value is True
    assert details["bitstream_bytes"].int_value > 100_000
    assert "load" in {entry.name for entry in details["phases_us"].dict_entries}
    counted = [e.double_counter_value for e in events if e.type == type(e).TYPE_COUNTER]
    assert counted == sorted(counted)
    assert counted[-1] > 0
