"""A thousand points of three models in turn: how long a sweep takes on two cores.

The study is `examples/studies/grid.toml`. What is timed is all that `fpga-rt study run` does: two
processes that start, load the models, compile them, and evaluate every point. The points' own times
are modelled; how long evaluating them takes is measured.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import datasets
from benchmarks.measurement import Measurement
from fpga_rt.cli.progress import Progress
from fpga_rt.errors import PlanningError
from fpga_rt.study import file, sweep

STUDY = Path(__file__).parent.parent / "examples" / "studies" / "grid.toml"
PROCESSES, GOAL_S = 2, 120


def obstacle() -> str | None:
    """Return what is missing here, None when nothing is."""
    return datasets.obstacle("tflite")


def run() -> list[Measurement]:
    """Return how long all points take."""
    study = file.read(STUDY, datasets.model_path("resnet8").parent)
    count = 0

    def done(points: int) -> None:
        nonlocal count
        count = points

    with (
        TemporaryDirectory() as folder,
        Progress("grid", len(study.points), lambda: count, True, "points"),
    ):
        started = time.perf_counter()
        rows = sweep.run(study, Path(folder), PROCESSES, done)
        took_s = time.perf_counter() - started
    bad = [row["error"] for row in rows if row["error"]]
    if bad:
        raise PlanningError(
            f"{len(bad)} of {len(rows)} points cannot be, the first because {bad[0]}"
        )
    name = f"{len(rows):,} points of three models, {PROCESSES} processes"
    return [
        Measurement(
            name, took_s, "s", "wall", GOAL_S, note=f"{took_s / len(rows) * 1e3:.0f} ms each"
        )
    ]
