"""Measure what the goals of this project are stated in, on this machine.

    python -m benchmarks [--output FILE] [--only NAME ...]

Wall-clock figures are measured, each alone, and on one core where they do not say otherwise; those
of the virtual clock are modelled and say so. A benchmark is skipped, with its reason, where a
package, a tool or data that it needs are not here, which its `obstacle` says before it begins. What
goes wrong after that is a failure.
"""

from __future__ import annotations

import os

# One core: the goals are stated for one, and BLAS reads this when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

from benchmarks.machine import processor
from benchmarks.measurement import Measurement
from fpga_rt.errors import FpgaRtError

BENCHMARKS = (
    "startup",
    "golden",
    "bitstream",
    "swap",
    "pynq_swap",
    "planner",
    "schedules",
    "three_models",
    "grid",
    "online",
    "loadgen",
    "mlperf_tiny",
    "simulation",
    "nngen",
    "networks",
    "update_campaign",
)
OWN = ("benchmarks", "fpga_rt", "hw", "sim")
"""Packages of this repository: one that is missing is a fault, not an obstacle."""


def main() -> int:
    """Run the benchmarks; 1 when a goal is missed or a benchmark failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS)
    arguments = parser.parse_args()
    outcomes = {name: _run(name) for name in arguments.only}
    if arguments.output:
        arguments.output.write_text(json.dumps(_document(outcomes), indent=2) + "\n")
    return int(any(outcome.bad for outcome in outcomes.values()))


@dataclass(frozen=True)
class Outcome:
    """What became of a benchmark: its figures, or why there are none."""

    measurements: Sequence[Measurement] = ()
    skipped: str | None = None
    failed: str | None = None

    @property
    def bad(self) -> bool:
        """Whether it failed or misses a goal."""
        return self.failed is not None or any(m.missed for m in self.measurements)


def _run(name: str) -> Outcome:
    outcome = _outcome(name)
    for measurement in outcome.measurements:
        print(measurement)
    if outcome.skipped is not None:
        print(f"{name}: skipped: {outcome.skipped}")
    if outcome.failed is not None:
        print(f"{name}: FAILED: {outcome.failed}")
    sys.stdout.flush()
    return outcome


def _outcome(name: str) -> Outcome:
    try:
        benchmark = import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] in OWN:
            raise
        return Outcome(skipped=str(error))
    missing = benchmark.obstacle() if hasattr(benchmark, "obstacle") else None
    if missing is not None:
        return Outcome(skipped=missing)
    try:
        return Outcome(benchmark.run())
    except FpgaRtError as error:
        return Outcome(failed=f"{type(error).__name__}: {error}")


def _document(outcomes: Mapping[str, Outcome]) -> dict[str, object]:
    return {
        "command": "python -m benchmarks",
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "results": [vars(m) for outcome in outcomes.values() for m in outcome.measurements],
        "skipped": {name: o.skipped for name, o in outcomes.items() if o.skipped is not None},
        "failed": {name: o.failed for name, o in outcomes.items() if o.failed is not None},
    }


if __name__ == "__main__":
    sys.exit(main())
