"""How long planning takes: the networks of MLPerf Tiny, compiled and predicted."""

from __future__ import annotations

import time

from benchmarks import datasets
from benchmarks.measurement import Measurement
from fpga_rt.arch.boards import board
from fpga_rt.frontend import load
from fpga_rt.planner.compile import compile_network

RUNS = 5


def obstacle() -> str | None:
    """Return what is missing here, None when nothing is."""
    return datasets.obstacle("tflite")


def run() -> list[Measurement]:
    """Return milliseconds of a compilation, the median of several."""
    measurements = []
    for name in datasets.MODELS:
        network = load(datasets.model_path(name))
        times = []
        for _ in range(RUNS):
            start = time.perf_counter()
            compile_network(network, board("pynq-z2"))
            times.append(time.perf_counter() - start)
        value = sorted(times)[RUNS // 2] * 1e3
        measurements.append(Measurement(f"compile {name} for pynq-z2", value, "ms", "wall"))
    return measurements
