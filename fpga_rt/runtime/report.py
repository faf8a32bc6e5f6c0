"""The report of a run: latencies, swaps, bytes; every figure with its clock and origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpga_rt.device.interface import Capabilities
from fpga_rt.runtime.records import SWAP_PHASES, Log, RequestRecord, SwapRecord
from fpga_rt.runtime.report_text import render

_PS_PER_US = 1_000_000


def to_us(time_ps: float) -> float:
    """Turn picoseconds into microseconds."""
    return time_ps / _PS_PER_US


@dataclass(frozen=True)
class Report:
    """What a run took.

    Attributes:
        device: name of the device.
        board: name of the board.
        clock: `virtual` or `wall`.
        origin: `modelled`, `rtl`, `measured` or `replayed`.
        assumptions: what the times rest on.
        policy: of loading ahead.
        requests: number of requests.
        inferences: number of images.
        latency_us: p50, p90 and p99 over warm inferences (over all when none was warm), an image
            taking as long as its batch.
        warm_requests: requests during which no empty partition was filled.
        cold_latency_us: of the first request, loads into empty partitions included.
        inferences_per_s: warm images over the time of warm requests, 0 when none was warm.
        swaps: count, initial, failed, restored, reused, ahead, hidden_us, exposed_us, failed_us,
            phases (mean us by name).
        bytes: bitstream (all loads) and parameters (sent once).
        accuracy: share of right answers, when labels were given.
    """

    device: str
    board: str
    clock: str
    origin: str
    assumptions: Sequence[str]
    policy: str
    requests: int
    inferences: int
    latency_us: Mapping[str, float]
    warm_requests: int
    cold_latency_us: float
    inferences_per_s: float
    swaps: Mapping[str, Any]
    bytes: Mapping[str, int]
    accuracy: float | None = None
    networks: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain data for `json.dumps`; `accuracy` only when labels were given."""
        data = dict(vars(self))
        if self.accuracy is None:
            del data["accuracy"]
        data["assumptions"] = list(self.assumptions)
        return data

    def __str__(self) -> str:
        """Return the report as lines of text."""
        return render(self.to_json())


def make_report(capabilities: Capabilities, log: Log, policy: str) -> Report:
    """Sum a log up."""
    warm = _warm(log)
    elapsed_ps = sum(r.ended_ps - r.started_ps for r in warm)
    first = log.requests[0] if log.requests else None
    names = dict.fromkeys(r.model for r in log.requests)
    return Report(
        device=capabilities.device,
        board=capabilities.board.name,
        clock=capabilities.clock,
        origin=capabilities.origin,
        assumptions=capabilities.assumptions,
        policy=policy,
        requests=len(log.requests),
        inferences=sum(r.images for r in log.requests),
        latency_us=_percentiles(warm or log.requests),
        warm_requests=len(warm),
        cold_latency_us=to_us(first.ended_ps - first.started_ps) if first else 0.0,
        inferences_per_s=sum(r.images for r in warm) * 1e12 / elapsed_ps if elapsed_ps else 0.0,
        swaps=_swaps(log),
        bytes={
            "bitstream": sum(swap.size_bytes for swap in log.swaps),
            "parameters": log.parameter_bytes,
        },
        networks={
            name: _percentiles([r for r in warm or log.requests if r.model == name])
            for name in names
        },
    )


def _warm(log: Log) -> list[RequestRecord]:
    """Return the requests during which no empty partition was filled."""
    initial = [swap.span for swap in log.swaps if swap.initial]
    return [
        r
        for r in log.requests
        if not any(start < r.ended_ps and r.started_ps < end for start, end in initial)
    ]


def _percentiles(requests: Sequence[RequestRecord]) -> dict[str, float]:
    """Return p50, p90 and p99 in microseconds by nearest rank, as MLPerf LoadGen takes them."""
    latencies = np.repeat(
        [to_us(r.ended_ps - r.started_ps) for r in requests], [r.images for r in requests]
    )
    if not len(latencies):
        return {"p50": 0.0, "p90": 0.0, "p99": 0.0}
    ordered = np.sort(latencies)
    return {
        f"p{percent}": float(ordered[-(-len(ordered) * percent // 100) - 1])
        for percent in (50, 90, 99)
    }


def _swaps(log: Log) -> dict[str, Any]:
    loads = [swap for swap in log.swaps if swap.outcome == "loaded"]
    others = [swap for swap in log.swaps if swap.outcome != "loaded"]
    swaps = [swap for swap in loads if not swap.initial]
    return {
        "count": len(swaps),
        "initial": len(loads) - len(swaps),
        "failed": sum(swap.outcome == "failed" for swap in others),
        "restored": sum(swap.outcome == "restored" for swap in others),
        "reused": log.reused,
        "ahead": sum(swap.ahead for swap in swaps),
        "hidden_us": to_us(sum(log.hidden_ps(swap) for swap in swaps)),
        "exposed_us": to_us(sum(log.exposed_ps(swap) for swap in swaps)),
        "failed_us": to_us(sum(swap.ended_ps - swap.started_ps for swap in others)),
        "phases": _phases(swaps or loads),
    }


def _phases(swaps: Sequence[SwapRecord]) -> dict[str, float]:
    """Return the mean of every phase in microseconds."""
    if not swaps:
        return dict.fromkeys(SWAP_PHASES, 0.0)
    return {
        name: to_us(sum(swap.phases_ps.get(name, 0) for swap in swaps) / len(swaps))
        for name in SWAP_PHASES
    }
