"""Three models in turn on a PYNQ-Z2: what every policy hides, beside the exact planner.

The study is `examples/studies/three-models.toml`; totals are those of its largest batch. All times
are modelled, but for that of planning the trace itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import datasets
from benchmarks.measurement import Measurement
from fpga_rt.planner.look_ahead import look_ahead
from fpga_rt.planner.plan import Row
from fpga_rt.planner.requests import jobs_of, row_of
from fpga_rt.study import file, sweep
from fpga_rt.study.against_exact import against_exact
from fpga_rt.study.axes import Point
from fpga_rt.study.context import Context

STUDY = Path(__file__).parent.parent / "examples" / "studies" / "three-models.toml"
STEPS, RUNS = 100, 7


def obstacle() -> str | None:
    """Return what is missing here, None when nothing is."""
    return datasets.obstacle("tflite", "ortools")


def run() -> list[Measurement]:
    """Return every policy's time and what it hides, and how long planning takes."""
    study = file.read(STUDY, datasets.model_path("resnet8").parent)
    with TemporaryDirectory() as folder:
        rows = sweep.run(study, Path(folder), processes=1)
    largest = max(study.points.values(), key=lambda point: point.batch)
    point = replace(largest, policy="look-ahead")
    return [*_policies(rows, point.batch), _planning(Context(study), point)]


def _policies(rows: Sequence[Mapping[str, str]], batch: int) -> Iterator[Measurement]:
    """Yield every policy's time at a batch, and how it compares with exact at all of them."""
    against = {found.policy: found for found in against_exact(rows)}
    for row in rows:
        if row["batch"] != str(batch) or row["error"]:
            continue
        policy, total = row["policy"], float(row["total_ms"])
        static = (
            f"static design {float(row['static_ms']):.1f} ms"
            if row["static_ms"]
            else "no static one"
        )
        hidden = f"{float(row['hidden_ms']):.1f} of {float(row['load_ms']):.1f} ms of loads hidden"
        note = (
            f"batch {batch}, {hidden}, {float(row['gap_percent']):.2f} % above the bound, {static}"
        )
        yield Measurement(f"three models, {policy}", total, "ms", "virtual", note=note)
        if policy not in against:
            continue
        found = against[policy]
        least, most = 100 * min(found.hidden.values()), 100 * (max(found.longer.values()) - 1)
        goal = 99 if policy == "look-ahead" and all(found.proven.values()) else None
        note = f"at least, {found.proof} batches"
        yield Measurement("  hidden of what exact hides", least, "%", "virtual", goal, False, note)
        yield Measurement("  longer than exact", most, "%", "virtual", note="at most")


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
