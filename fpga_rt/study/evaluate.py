"""The figures of one point of a study. All times are of the virtual clock, none is measured."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import ceil
from typing import Any

from fpga_rt.arch.boards import Board
from fpga_rt.errors import FpgaRtError, PlanningError
from fpga_rt.planner.admission import Work
from fpga_rt.planner.bounds import lower_bound_ps
from fpga_rt.planner.compile import choose_partitions
from fpga_rt.planner.predict import Prediction, predict
from fpga_rt.planner.requests import jobs_of, most_of, row_of
from fpga_rt.planner.schedule import POLICIES, Load
from fpga_rt.study.axes import Point
from fpga_rt.study.columns import Figures
from fpga_rt.study.context import Context
from fpga_rt.study.drift import Stream
from fpga_rt.study.drift_target import drifted
from fpga_rt.study.full_bitstreams import full_bitstreams_ps, full_load_ps
from fpga_rt.study.online import Ends, simulate
from fpga_rt.study.optimum import optimum, proves
from fpga_rt.study.updates import Updates
from fpga_rt.study.workload import Workload

SERVER_POLICIES = ("none", "aggressive")
_NO_SERVER = {
    **dict.fromkeys(
        ("lru", "belady"),
        "moves modules between partitions, but a request is promised its end in those that its"
        " network was compiled for",
    ),
    **dict.fromkeys(
        ("look-ahead", "exact"),
        "plans requests that are all known, but those of a server come while it runs",
    ),
}
"""Why the other policies cannot serve."""


def evaluate(context: Context, point: Point) -> Figures:
    """Return the figures of a point; one that cannot be has its reason in `error`."""
    workload = context.study.workloads[point.workload]
    seed = seed_of(context.study.seed, workload)
    try:
        if workload.kind == "server":
            return _server(context, point, workload, seed)
        if workload.updates is not None:
            return _drift(context, point, workload, workload.updates)
        return _row(context, point, workload, seed)
    except FpgaRtError as error:
        return Figures(error=" ".join(str(error).split()))
    except (OverflowError, MemoryError) as error:
        return Figures(
            error=f"its figures are beyond what can be worked out ({type(error).__name__}); set it"
            " to less extreme values"
        )


def seed_of(seed: int, workload: Workload) -> int:
    """Return the seed of a workload: the same for every point, so all see the same requests."""
    digest = hashlib.sha256(f"{seed} {workload.name}".encode()).digest()
    return int.from_bytes(digest[:8], "little")


def nearest_rank(values: Sequence[int], percent: float) -> int:
    """Return a percentile of sorted values by nearest rank."""
    return values[max(0, ceil(len(values) * percent / 100) - 1)]


def _row(context: Context, point: Point, workload: Workload, seed: int) -> Figures:
    """Return the figures of requests that are known in advance."""
    names = workload.networks(seed)
    board, kinds = context.board(point), list(dict.fromkeys(names))
    compiled = context.deployments(point, kinds)
    requests = [(compiled[name], point.batch) for name in names]
    timelines = context.timelines(point)
    jobs = jobs_of([(i, *request) for i, request in enumerate(requests)], True)
    deployments = [deployment for deployment, _ in requests]
    row = row_of(board, board.default_port, jobs, deployments, timelines)
    bound, proven = lower_bound_ps(row), False
    if point.policy == "exact":
        best = optimum(row, context.study.exact_seconds)
        prediction = predict(board, requests, best.outcome.plan, timelines=timelines)
        bound, proven = best.bound_ps, best.proven and not _slowed(board, prediction)
    else:
        policy = next(policy for policy in POLICIES if policy == point.policy)
        prediction = predict(board, requests, policy, timelines=timelines)
    counts = [float(names.count(name)) for name in kinds]
    static = context.static(point, kinds, counts)
    static_ps = (
        sum(n * t for n, t in zip(counts, static.latencies_ps, strict=True)) if static else None
    )
    return Figures(
        origin=board.origin,
        **_times(prediction, point.batch, bound, proven),
        **_against(static_ps, prediction.total_ps),
        static_modules=" ".join(static.modules) if static else "",
        area_lut=_area_lut(board, point),
        **_against_full(context, point, names, prediction.total_ps),
    )


def _area_lut(board: Board, point: Point) -> int:
    """Return the LUTs of a point's partitions, which are those of its static design too."""
    chosen = None if isinstance(point.partitions, str) else point.partitions
    return sum(board.partitions[i].resources.lut for i in choose_partitions(board, chosen))


def _against_full(
    context: Context, point: Point, names: Sequence[str], got_ps: int
) -> dict[str, Any]:
    """Return the figures of a full bitstream for each network, where several take turns."""
    if len(set(names)) < 2:
        return {}

    def alone_ps(name: str) -> int | None:
        design = context.static(point, [name], [1.0])
        return design.latencies_ps[0] if design else None

    ratio = point.bitstream if isinstance(point.bitstream, float) else 1.0
    load_ps = full_load_ps(context.board(point), ratio)
    full_ps = full_bitstreams_ps(names, load_ps, alone_ps)
    return {"full_ms": full_ps / 1e9, "full_ratio": full_ps / got_ps} if full_ps else {}


def _slowed(board: Board, prediction: Prediction) -> bool:
    """Return whether contention lengthens loads, of which the exact planner knows nothing."""
    return bool(board.ports[board.default_port].contention_percent and prediction.hidden_ps)


def _times(prediction: Prediction, batch: int, bound_ps: int, proven: bool) -> dict[str, Any]:
    total_ps = prediction.total_ps
    return {
        **_answers([end - start for start, end in prediction.requests], batch, total_ps),
        **_loads(len(prediction.loads), prediction.load_ps, prediction.hidden_ps),
        "bound_ms": bound_ps / 1e9,
        "gap_percent": 100 * (total_ps / bound_ps - 1),
        "proven": proven or proves(bound_ps, total_ps),
    }


def _answers(latencies_ps: Sequence[int], batch: int, total_ps: int) -> dict[str, Any]:
    """Return the figures of requests that are all answered."""
    images = len(latencies_ps) * batch
    return {
        "requests": len(latencies_ps),
        "images": images,
        "total_ms": total_ps / 1e9,
        "image_ms": total_ps / 1e9 / images,
        "images_per_s": images * 1e12 / total_ps,
        **_percentiles(sorted(latencies_ps)),
    }


def _loads(count: int, load_ps: int, hidden_ps: int) -> dict[str, Any]:
    return {
        "loads": count,
        "load_ms": load_ps / 1e9,
        "hidden_ms": hidden_ps / 1e9,
        "exposed_ms": (load_ps - hidden_ps) / 1e9,
        "hidden_share": hidden_ps / load_ps if load_ps else 1.0,
    }


def _percentiles(latencies: Sequence[int]) -> dict[str, Any]:
    ranks = {"p50_ms": 50, "p90_ms": 90, "p99_ms": 99, "worst_ms": 100}
    return {name: nearest_rank(latencies, rank) / 1e9 for name, rank in ranks.items()}


def _against(static_ps: float | None, got_ps: float) -> dict[str, Any]:
    if static_ps is None:
        return {}
    return {"static_ms": static_ps / 1e9, "static_ratio": static_ps / got_ps}


def _server(context: Context, point: Point, workload: Workload, seed: int) -> Figures:
    """Return the figures of requests that arrive."""
    if point.policy not in SERVER_POLICIES:
        raise PlanningError(
            f"policy {point.policy} {_NO_SERVER[point.policy]}; expected"
            f" {' or '.join(SERVER_POLICIES)} for a server, so leave it out there"
        )
    names = list(workload.mix)
    board, compiled = context.board(point), context.deployments(point, names)
    networks: list[Sequence[Work]] = []
    loads: dict[Load, int] = {}
    for name in names:
        works, needed = most_of(
            board, board.default_port, compiled[name], point.batch, context.timelines(point)
        )
        networks.append(works)
        loads |= needed
    ahead = point.policy == "aggressive"
    ends = _served(point, workload, seed, networks, loads, ahead)
    static = context.static(point, names, list(workload.mix.values()))
    fixed: Ends | None = None
    if static:
        alone = [(Work((), latency),) for latency in static.latencies_ps]
        fixed = _served(point, workload, seed, alone, {}, ahead)
    if not any(those.latencies_ps for those in (ends, fixed) if those):
        raise PlanningError(
            f"none of {workload.requests} requests was answered in time, nor by a static design of"
            f" the same area; give them longer than {workload.longest_us:g} us"
        )
    return Figures(
        origin=board.origin,
        requests=workload.requests,
        **_answered(ends, point.batch),
        loads=ends.loads,
        **_against_served(fixed, ends),
        static_modules=" ".join(static.modules) if static else "",
        area_lut=_area_lut(board, point),
        **_goodput(fixed, ends),
        accepted=ends.accepted,
        refused_full=ends.refused["full"],
        refused_late=ends.refused["late"],
        late=ends.ended["late"],
        lost=ends.lost,
    )


def _answered(ends: Ends, batch: int) -> dict[str, Any]:
    """Return what a server answered; no times where that is nothing."""
    images = len(ends.latencies_ps) * batch
    if not images:
        return {"images": 0, "images_per_s": 0.0}
    return {
        "images": images,
        "total_ms": ends.last_ps / 1e9,
        "images_per_s": images * 1e12 / ends.last_ps,
        **_percentiles(sorted(ends.latencies_ps)),
    }


def _against_served(fixed: Ends | None, ends: Ends) -> dict[str, Any]:
    """Return the p99 of the static design, its ratio only where both accept as many requests."""
    if fixed is None:
        return {}
    figures: dict[str, Any] = {"static_accepted": fixed.accepted}
    if fixed.latencies_ps:
        p99_ps = nearest_rank(sorted(fixed.latencies_ps), 99)
        figures["static_ms"] = p99_ps / 1e9
        if fixed.accepted == ends.accepted:
            figures |= _against(p99_ps, nearest_rank(sorted(ends.latencies_ps), 99))
    return figures


def _goodput(fixed: Ends | None, ends: Ends) -> dict[str, Any]:
    """Return answers in time a second of both designs, over the same time: to the last of either.

    Each by its own last answer would favour the one that refuses what comes late.
    """
    last_ps = max(those.last_ps for those in (fixed, ends) if those)
    rates = [len(those.latencies_ps) * 1e12 / last_ps for those in (ends, fixed) if those]
    figures: dict[str, Any] = dict(zip(("goodput", "static_goodput"), rates, strict=False))
    if fixed and fixed.latencies_ps:
        figures["goodput_ratio"] = rates[0] / rates[1]
    return figures


def _drift(context: Context, point: Point, workload: Workload, updates: Updates) -> Figures:
    """Return the figures of a stream with updates."""
    found = drifted(context, point, workload, updates)
    stream, fixed, board = found.stream, found.static, context.board(point)
    return Figures(
        origin=board.origin,
        **_answers(stream.latencies_ps, point.batch, stream.total_ps),
        **_loads(stream.loads, stream.load_ps, stream.hidden_ps),
        **_against(found.static_ps, stream.total_ps),
        static_modules=" ".join(found.modules),
        area_lut=_area_lut(board, point),
        update_way=updates.way,
        **_of_updates(stream),
        **_of_static_updates(fixed),
    )


def _of_static_updates(fixed: Stream | None) -> dict[str, Any]:
    found = _of_updates(fixed) if fixed else {}
    return {f"static_{name}": found.get(name) for name in ("sent_to_answer_ms", "delay_ms")}


def _of_updates(stream: Stream) -> dict[str, Any]:
    """Return what a stream's updates took, empty where none was in place."""
    longest = stream.longest
    if longest is None:
        return {}
    return {
        "updates": len(stream.updates),
        "update_bytes": longest.size_bytes,
        "link_ms": longest.link_ps / 1e9,
        "wait_ms": longest.wait_ps / 1e9,
        "self_test_ms": longest.test_ps / 1e9,
        "switch_ms": longest.switch_ps / 1e9,
        "answer_ms": longest.answer_ps / 1e9,
        "sent_to_answer_ms": longest.total_ps / 1e9,
        "delay_ms": stream.delay_ps / 1e9,
        "updates_per_hour": stream.per_hour,
        "update_time_share": stream.busy_ps / stream.total_ps,
    }


def _served(
    point: Point,
    workload: Workload,
    seed: int,
    networks: Sequence[Sequence[Work]],
    loads: dict[Load, int],
    ahead: bool,
) -> Ends:
    arrivals = workload.arrivals(seed)
    return simulate(arrivals, networks, loads, workload.queue, ahead=ahead)
