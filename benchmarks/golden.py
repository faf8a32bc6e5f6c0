"""Golden execution of ResNet8, batch 256, one core."""

from __future__ import annotations

import time

from benchmarks import datasets
from benchmarks.measurement import Measurement
from fpga_rt.frontend import load
from fpga_rt.network import golden

IMAGES = 256
RUNS = 9


def obstacle() -> str | None:
    """Return what is missing here, None when nothing is."""
    return datasets.obstacle("tflite", "PIL")


def run() -> list[Measurement]:
    """Return milliseconds an image, median of several runs."""
    network = load(datasets.model_path("resnet8"))
    codes, _ = datasets.cifar10(IMAGES)
    golden.run(network, codes)
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        golden.run(network, codes)
        times.append(time.perf_counter() - start)
    value = sorted(times)[RUNS // 2] / IMAGES * 1e3
    note = f"batch {IMAGES}, one core, median of {RUNS}; LiteRT reference kernels 3.52 ms"
    return [Measurement("golden execution of ResNet8", value, "ms/image", "wall", 1.5, note=note)]
