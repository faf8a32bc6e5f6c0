"""Measure what the goals of this project are stated in, on this machine.

    python -m benchmarks [--output FILE] [--only NAME ...]

Wall-clock figures are measured, each alone on one core; figures of the virtual clock are modelled
and say so. A benchmark whose data are not here is skipped with its reason.
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
from collections.abc import Callable
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
    "online",
    "mlperf_tiny",
    "simulation",
    "nngen",
    "networks",
    "update_campaign",
)


def main() -> int:
    """Run the benchmarks; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS)
    arguments = parser.parse_args()
    measurements = [m for name in arguments.only for m in _run(name)]
    if arguments.output:
        arguments.output.write_text(json.dumps(_document(measurements), indent=2) + "\n")
    return int(any(m.missed for m in measurements))


def _run(name: str) -> list[Measurement]:
    run: Callable[[], list[Measurement]] = import_module(f"benchmarks.{name}").run
    try:
        measurements = run()
    except (FpgaRtError, ImportError) as error:
        print(f"{name}: skipped: {error}")
        return []
    for measurement in measurements:
        print(measurement)
    sys.stdout.flush()
    return measurements


def _document(measurements: list[Measurement]) -> dict[str, object]:
    return {
        "command": "python -m benchmarks",
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "results": [vars(m) for m in measurements],
    }


if __name__ == "__main__":
    sys.exit(main())
