"""How long a user waits before anything happens: imports and the command line."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.measurement import Measurement

RUNS = 15
_IMPORT = "import time; t = time.perf_counter(); import fpga_rt; print(time.perf_counter() - t)"


def run() -> list[Measurement]:
    """Return the medians of fresh processes."""
    imports = [
        float(
            subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, check=True).stdout
        )
        for _ in range(RUNS)
    ]
    helps = [_seconds([sys.executable, "-m", "fpga_rt.cli.main", "--help"]) for _ in range(RUNS)]
    note = f"median of {RUNS} processes"
    return [
        Measurement("import fpga_rt", _median(imports), "s", "wall", 0.15, note=note),
        Measurement("fpga-rt --help", _median(helps), "s", "wall", 0.3, note=note),
    ]


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - start


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
