"""What a runtime did as a trace for Perfetto (ui.perfetto.dev) and chrome://tracing.

Source: Trace Event Format (Chrome's catapult project), JSON object format: complete events `X`,
counters `C`, metadata `M`, times in microseconds. The process is the device; its threads are the
requests, the configuration port and the partitions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.device.interface import Capabilities
from fpga_rt.runtime.records import Log, Span, SwapRecord
from fpga_rt.runtime.report import to_us

_PROCESS = 1
_REQUESTS, _PORT, _FIRST_PARTITION = 1, 2, 3
_PHASES_BEFORE, _PHASES_AFTER = ("decouple", "load"), ("recouple", "identify", "reset")

Event = dict[str, Any]


def write(log: Log, capabilities: Capabilities, port: str, path: str | os.PathLike[str]) -> None:
    """Write the trace of a log as JSON, whole or not at all.

    Raises:
        ArtifactError: the file cannot be written.
    """
    write_atomically(path, [json.dumps(trace(log, capabilities, port)).encode()])


def trace(log: Log, capabilities: Capabilities, port: str) -> dict[str, Any]:
    """Return the trace of a log as plain data for `json.dumps`."""
    events = [
        *_names(capabilities, port),
        *_request_events(log),
        *_swap_events(log),
        *_program_events(log),
        *_exposed_counter(log),
    ]
    return {
        "traceEvents": events,
        "displayTimeUnit": "ns",
        "otherData": {
            "device": capabilities.device,
            "board": capabilities.board.name,
            "clock": capabilities.clock,
            "origin": capabilities.origin,
            "assumptions": list(capabilities.assumptions),
        },
    }


def _names(capabilities: Capabilities, port: str) -> Iterator[Event]:
    board = capabilities.board
    process = f"{capabilities.device} {board.name} ({capabilities.clock}, {capabilities.origin})"
    threads = {_REQUESTS: "requests", _PORT: f"configuration port {port}"}
    threads |= {_FIRST_PARTITION + p.index: f"partition {p.name}" for p in board.partitions}
    yield _event("process_name", "M", 0, args={"name": process})
    for thread, name in threads.items():
        yield _event("thread_name", "M", thread, args={"name": name})
        yield _event("thread_sort_index", "M", thread, args={"sort_index": thread})


def _request_events(log: Log) -> Iterator[Event]:
    for record in log.requests:
        details = {
            "network": record.model,
            "request": record.request,
            "images": record.images,
            "bank": record.bank,
        }
        span = (record.started_ps, record.ended_ps)
        yield _complete(f"{record.model} #{record.request}", "request", _REQUESTS, span, details)


def _swap_events(log: Log) -> Iterator[Event]:
    for swap in log.swaps:
        details = {
            "module": swap.module,
            "replaced": swap.replaced,
            "initial": swap.initial,
            "ahead": swap.ahead,
            "outcome": swap.outcome,
            "bitstream_bytes": swap.size_bytes,
            "hidden_us": to_us(log.hidden_ps(swap)),
            "exposed_us": to_us(log.exposed_ps(swap)),
            "phases_us": {name: to_us(value) for name, value in swap.phases_ps.items()},
        }
        name = f"load {swap.module}"
        yield _complete(name, "swap", _PORT, swap.span, details)
        for phase, span in _phase_spans(swap).items():
            yield _complete(phase, "phase", _PORT, span, {"module": swap.module})
        thread = _FIRST_PARTITION + swap.partition
        yield _complete(name, "swap", thread, swap.span, {"module": swap.module})


def _phase_spans(swap: SwapRecord) -> dict[str, Span]:
    """Place the phases: from the start on what precedes the load, from the end back the rest."""
    spans = {}
    at = swap.started_ps
    for name in _PHASES_BEFORE:
        spans[name] = (at, at := at + swap.phases_ps.get(name, 0))
    at = swap.ended_ps
    for name in _PHASES_AFTER:
        start = at - swap.phases_ps.get(name, 0)
        spans[name], at = (start, at), start
    return {name: span for name, span in spans.items() if span[0] < span[1]}


def _program_events(log: Log) -> Iterator[Event]:
    for record in log.programs:
        details = {
            "network": record.model,
            "request": record.request,
            "launch": record.launch,
            "bank": record.bank,
            "doorbell_us": to_us(record.started_ps),
            "completion_us": to_us(record.ended_ps),
        }
        for partition, span in record.busy_ps.items():
            name = f"{record.model} launch {record.launch}"
            yield _complete(name, "program", _FIRST_PARTITION + partition, span, details)


def _exposed_counter(log: Log) -> Iterator[Event]:
    """Count the time of loads that nothing computed beside, at the end of every load."""
    total_ps = 0
    for swap in log.swaps:
        total_ps += log.exposed_ps(swap)
        yield _event("exposed load time", "C", 0, swap.ended_ps, {"us": to_us(total_ps)})


def _complete(name: str, category: str, thread: int, span: Span, args: Mapping[str, Any]) -> Event:
    event = _event(name, "X", thread, span[0], args)
    return event | {"cat": category, "dur": to_us(span[1] - span[0])}


def _event(
    name: str, kind: str, thread: int, at_ps: int = 0, args: Mapping[str, Any] | None = None
) -> Event:
    return {
        "name": name,
        "ph": kind,
        "pid": _PROCESS,
        "tid": thread,
        "ts": to_us(at_ps),
        "args": dict(args or {}),
    }
