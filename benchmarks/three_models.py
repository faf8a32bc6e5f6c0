"""Three models in turn on a PYNQ-Z2: what every policy hides, beside the exact planner.

The study is `examples/studies/three-models.toml` at its largest batch. All times are modelled, but
for that of planning the trace itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import datasets
from benchmarks.measurement import Measurement
from fpga_rt.planner.look_ahead import look_ahead
from fpga_rt.planner.plan import Row
from fpga_rt.planner.requests import jobs_of, row_of
from fpga_rt.study import file
from fpga_rt.study.axes import Point
from fpga_rt.study.context import Context
from fpga_rt.study.evaluate import Figures, evaluate

STUDY = Path(__file__).parent.parent / "examples" / "studies" / "three-models.toml"
STEPS, RUNS = 100, 7


def obstacle() -> str | None:
    """Return what is missing here, None when nothing is."""
    return datasets.obstacle("tflite", "ortools")


def run() -> list[Measurement]:
    """Return every policy's time and what it hides, and how long planning takes."""
    study = file.read(STUDY, datasets.model_path("resnet8").parent)
    context = Context(study)
    largest = max(point.batch for point in study.points.values())
    points = {p.policy: p for p in study.points.values() if p.batch == largest}
    figures = {policy: evaluate(context, point) for policy, point in points.items()}
    return [*_policies(figures, largest), _planning(context, points["look-ahead"])]


def _policies(figures: dict[str, Figures], batch: int) -> Iterator[Measurement]:
    exact = figures["exact"]
    for policy, found in figures.items():
        if found.total_ms is None or found.hidden_ms is None or not exact.hidden_ms:
            continue
        static = f"static design {found.static_ms:.1f} ms" if found.static_ms else "no static one"
        note = f"batch {batch}, {found.gap_percent:.2f} % above the bound, {static}"
        yield Measurement(f"three models, {policy}", found.total_ms, "ms", "virtual", note=note)
        share = 100 * found.hidden_ms / exact.hidden_ms
        note = f"{found.hidden_ms:.1f} of {found.load_ms:.1f} ms of loads hidden"
        goal = 99 if policy == "look-ahead" else None
        yield Measurement("  hidden of what exact hides", share, "%", "virtual", goal, False, note)


def _planning(context: Context, point: Point) -> Measurement:
    row = _row(context, point)
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        look_ahead(row)
        times.append(time.process_time() - start)
    note = f"{len(row.jobs)} launches, processor time"
    return Measurement("planning three models", min(times) * 1e3, "ms", "wall", 10, note=note)


def _row(context: Context, point: Point) -> Row:
    """Return about a hundred launches of the trace."""
    board = context.board(point)
    [name] = context.study.workloads
    workload = replace(context.study.workloads[name], requests=STEPS)
    names = workload.networks(context.study.seed)
    compiled = context.deployments(point, list(dict.fromkeys(names)))
    jobs = jobs_of([(i, compiled[name], point.batch) for i, name in enumerate(names)], True)
    deployments = [compiled[job] for job in names]
    timelines = context.timelines(point)
    return row_of(board, board.default_port, jobs[:STEPS], deployments, timelines)
