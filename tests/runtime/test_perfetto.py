"""Traces obey the Trace Event Format and say what the log says."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.interface import Capabilities
from fpga_rt.errors import ArtifactError
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime import perfetto
from fpga_rt.runtime.records import Log, ProgramRecord, RequestRecord, SwapRecord
from fpga_rt.runtime.runtime import Runtime
from tests.random_networks import Builder

CAPABILITIES = Capabilities("toy", board("pynq-z2"), "virtual", "modelled", 64, 1 << 20, ("a",))
US = 1_000_000
PHASES = {
    "queue": 2 * US,
    "decouple": US,
    "load": 5 * US,
    "reset": US,
    "identify": 0,
    "recouple": US,
}


def _log() -> Log:
    first = SwapRecord(1, "pool", None, False, 0, 10 * US, 4096, {"load": 10 * US})
    second = SwapRecord(1, "conv", "pool", True, 20 * US, 30 * US, 4096, PHASES)
    program = ProgramRecord("net", 0, 0, 10 * US, 24 * US, {0: (11 * US, 23 * US)}, 0)
    return Log([first, second], [program], [RequestRecord("net", 0, 4, 0, 24 * US, 0)])


def _events(log: Log) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = perfetto.trace(log, CAPABILITIES, "icap")["traceEvents"]
    return events


def _named(events: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(event for event in events if event["name"] == name)


def test_the_process_is_the_device_and_threads_are_lanes() -> None:
    events = _events(_log())
    assert _named(events, "process_name")["args"] == {"name": "toy pynq-z2 (virtual, modelled)"}
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert list(names.values()) == [
        "requests",
        "configuration port icap",
        "partition rp0",
        "partition rp1",
        "partition rp2",
    ]


def test_clock_and_origin_are_in_the_trace() -> None:
    other = perfetto.trace(_log(), CAPABILITIES, "icap")["otherData"]
    assert other == {
        "device": "toy",
        "board": "pynq-z2",
        "clock": "virtual",
        "origin": "modelled",
        "assumptions": ["a"],
    }


def test_a_swap_has_its_times_and_nested_phases() -> None:
    events = _events(_log())
    load = _named(events, "load conv")
    assert (load["ph"], load["ts"], load["dur"]) == ("X", 20.0, 10.0)
    assert load["args"]["hidden_us"] == 4.0
    assert load["args"]["exposed_us"] == 6.0
    assert load["args"]["replaced"] == "pool"
    assert load["args"]["phases_us"]["load"] == 5.0
    phases = [
        (event["name"], event["ts"], event["dur"])
        for event in events
        if event.get("cat") == "phase" and event["ts"] >= 20
    ]
    assert phases == [
        ("decouple", 20.0, 1.0),
        ("load", 21.0, 5.0),
        ("recouple", 29.0, 1.0),
        ("reset", 28.0, 1.0),
    ]


def test_programs_lie_on_their_partition() -> None:
    events = _events(_log())
    program = _named(events, "net launch 0")
    assert (program["ts"], program["dur"], program["tid"]) == (11.0, 12.0, 3)
    assert program["args"]["completion_us"] == 24.0


def test_exposed_time_is_counted_up() -> None:
    counted = [(e["ts"], e["args"]["us"]) for e in _events(_log()) if e["ph"] == "C"]
    assert counted == [(10.0, 10.0), (30.0, 16.0)]


def test_a_written_trace_of_a_real_run_is_well_formed(tmp_path: Path) -> None:
    builder = Builder(np.random.default_rng(1), (6, 6, 8))
    builder.convolution(8, 3)
    builder.depthwise(3)
    builder.maximum(2, 2)
    network = builder.build()
    codes = np.zeros((4, 6, 6, 8), np.int8)
    with Emulator("pynq-z2", memory_bytes=4 << 20) as device, Runtime(device) as runtime:
        runtime.run(runtime.load(compile_network(network, board("pynq-z2"), 2)), codes, 2)
        perfetto.write(runtime.log, device.capabilities, "icap", tmp_path / "trace.json")
        loads = len(runtime.log.swaps)
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert {event["ph"] for event in events} == {"M", "X", "C"}
    assert sum(event.get("cat") == "swap" for event in events) == 2 * loads > 4
    lanes = defaultdict(list)
    for event in events:
        assert event["pid"] == 1
        if event["ph"] == "X":
            assert event["dur"] >= 0
            lanes[event["tid"], event["cat"]].append((event["ts"], event["ts"] + event["dur"]))
    for spans in lanes.values():
        spans.sort()
        for (_, end), (start, _) in pairwise(spans):
            assert end <= start + 1e-6


def test_an_empty_log_gives_a_trace_of_names_only() -> None:
    assert {event["ph"] for event in _events(Log())} == {"M"}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="make the folder"):
        perfetto.write(_log(), CAPABILITIES, "icap", tmp_path / "none" / "trace.json")
