"""A trace in Perfetto's own format, protocol buffers, made of the one in Chrome's.

Source: Perfetto, protos/perfetto/trace/track_event (track descriptors, slices, counters). Its times
are whole nanoseconds, so picoseconds are rounded. Needs the classes of the package `perfetto`
(`pip install 'fpga-rt[study]'`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fpga_rt.errors import ToolchainError

Event = dict[str, Any]

_SEQUENCE = 1
_PROCESS, _COUNTERS, _THREADS = 1, 1000, 2000
"""Identifiers of tracks: the process, then counters and threads from these numbers on."""
_ENDS, _BEGINS = 0, 1


@dataclass(frozen=True)
class _Mark:
    """A moment on a track, ordered so that slices nest: what ends first, then the longest."""

    at_ns: int
    order: tuple[int, int, int]
    kind: str
    event: Event


def encode(trace: Mapping[str, Any]) -> bytes:
    """Return what `fpga_rt.runtime.perfetto.trace` returned as a native trace.

    Raises:
        ToolchainError: the package `perfetto` is missing.
    """
    try:
        from perfetto.trace_builder.proto_builder import TraceProtoBuilder
    except ImportError as error:
        raise ToolchainError(
            "native traces need the package perfetto; pip install 'fpga-rt[study]', or use the"
            " trace.json"
        ) from error
    builder = TraceProtoBuilder()
    events: list[Event] = trace["traceEvents"]
    counters = sorted({event["name"] for event in events if event["ph"] == "C"})
    numbers = {name: _COUNTERS + index for index, name in enumerate(counters)}
    _describe(builder, events, numbers)
    for mark in sorted(_marks(events), key=lambda mark: (mark.at_ns, mark.order)):
        packet = builder.add_packet()
        packet.timestamp = mark.at_ns
        packet.trusted_packet_sequence_id = _SEQUENCE
        _fill(packet.track_event, mark, numbers)
    content: bytes = builder.serialize()
    return content


def _describe(builder: Any, events: list[Event], counters: Mapping[str, int]) -> None:  # noqa: ANN401
    """Add the process, its threads and its counters as tracks."""
    names = {
        (event["name"], event["tid"]): event["args"]["name"]
        for event in events
        if event["ph"] == "M" and "name" in event["args"]
    }
    for (kind, thread), name in names.items():
        packet = builder.add_packet()
        packet.trusted_packet_sequence_id = _SEQUENCE
        track = packet.track_descriptor
        if kind == "process_name":
            packet.sequence_flags = 1  # SEQ_INCREMENTAL_STATE_CLEARED
            track.uuid = _PROCESS
            track.process.pid, track.process.process_name = _PROCESS, name
        else:
            track.uuid, track.parent_uuid = _THREADS + thread, _PROCESS
            track.thread.pid, track.thread.tid = _PROCESS, thread
            track.thread.thread_name = name
    for name, uuid in counters.items():
        packet = builder.add_packet()
        packet.trusted_packet_sequence_id = _SEQUENCE
        track = packet.track_descriptor
        track.uuid, track.parent_uuid, track.name = uuid, _PROCESS, name
        track.counter.unit_name = "us"


def _marks(events: list[Event]) -> Iterator[_Mark]:
    for index, event in enumerate(events):
        start = round(event["ts"] * 1000)
        if event["ph"] == "C":
            yield _Mark(start, (_BEGINS, 0, index), "COUNTER", event)
        if event["ph"] != "X":
            continue
        end = round((event["ts"] + event["dur"]) * 1000)
        if end == start:
            yield _Mark(start, (_BEGINS, 0, index), "INSTANT", event)
            continue
        yield _Mark(start, (_BEGINS, start - end, index), "SLICE_BEGIN", event)
        yield _Mark(end, (_ENDS, 0, index), "SLICE_END", event)


def _fill(track_event: Any, mark: _Mark, counters: Mapping[str, int]) -> None:  # noqa: ANN401
    """Fill in a packet's event; an end closes the innermost slice of its track."""
    event = mark.event
    track_event.type = getattr(type(track_event), f"TYPE_{mark.kind}")
    if mark.kind == "COUNTER":
        track_event.track_uuid = counters[event["name"]]
        track_event.double_counter_value = event["args"]["us"]
        return
    track_event.track_uuid = _THREADS + event["tid"]
    if mark.kind == "SLICE_END":
        return
    track_event.name = event["name"]
    track_event.categories.append(event["cat"])
    for name, value in event["args"].items():
        annotation = track_event.debug_annotations.add()
        annotation.name = name
        _annotate(annotation, value)


def _annotate(annotation: Any, value: object) -> None:  # noqa: ANN401 - a protobuf class
    if isinstance(value, bool):
        annotation.bool_value = value
    elif isinstance(value, int):
        annotation.int_value = value
    elif isinstance(value, float):
        annotation.double_value = value
    elif isinstance(value, dict):
        for name, part in value.items():
            entry = annotation.dict_entries.add()
            entry.name = name
            _annotate(entry, part)
    else:
        annotation.string_value = str(value)
