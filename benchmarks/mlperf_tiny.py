"""MLPerf Tiny on PYNQ-Z2's floorplan: accuracy, latency and the static baseline.

Times are modelled (142.9 MHz and the memory are assumed, load rates calibrated) and stand beside
the published results of fpgaConvNet, which uses a full bitstream of its own for each task.
"""

from __future__ import annotations

import numpy as np

from benchmarks import datasets
from benchmarks.measurement import Measurement
from fpga_rt.arch.boards import board
from fpga_rt.frontend import load
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.planner.baseline import static_baseline
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.predict import predict

GOALS_MS = {"resnet8": 0.41, "ds-cnn": 0.32, "vww": 9.5}
"""The latency of fpgaConvNet on the same part."""
BATCH = 16


def obstacle() -> str | None:
    """Return what is missing here, None when nothing is."""
    return datasets.obstacle("tflite", "PIL")


def run() -> list[Measurement]:
    """Return accuracy and modelled latencies of every model."""
    measurements = _accuracies()
    target = board("pynq-z2")
    for name in datasets.MODELS:
        measurements += _latencies(name, load(datasets.model_path(name)))
    sizes = ", ".join(f"{p.name} {p.bitstream_bytes:,} B" for p in target.partitions)
    port = target.ports[target.default_port]
    slowest = max(port.load_ps(p.bitstream_bytes) for p in target.partitions) / 1e9
    return [
        *measurements,
        Measurement("swap, largest partition", slowest, "ms", "virtual", note=sizes),
    ]


def _accuracies() -> list[Measurement]:
    images, labels = datasets.cifar10()
    resnet = _accuracy(load(datasets.model_path("resnet8")), images, labels)
    samples, words = datasets.keywords()
    keywords = _accuracy(load(datasets.model_path("ds-cnn")), samples, words)
    return [
        Measurement("resnet8 accuracy", resnet, "%", "none", 75.1, False, f"{len(labels)} images"),
        Measurement("ds-cnn accuracy", keywords, "%", "none", 90.0, False, f"{len(words)} samples"),
    ]


def _accuracy(network: Network, codes: np.ndarray, labels: np.ndarray) -> float:
    outputs = golden.run(network, codes).reshape(len(codes), -1)
    return float((outputs.argmax(axis=1) == labels).mean() * 100)


def _latencies(name: str, network: Network) -> list[Measurement]:
    target = board("pynq-z2")
    deployment = compile_network(network, target)
    first, warm = predict(target, [(deployment, 1)] * 2).requests
    _, batched = predict(target, [(deployment, BATCH)] * 2).requests
    measurements = [
        Measurement(
            f"{name} warm latency", (warm[1] - warm[0]) / 1e9, "ms", "virtual", GOALS_MS.get(name)
        ),
        Measurement(f"{name} cold latency", (first[1] - first[0]) / 1e9, "ms", "virtual"),
        Measurement(
            f"{name} throughput, batch {BATCH}",
            BATCH * 1e12 / (batched[1] - batched[0]),
            "images/s",
            "virtual",
        ),
    ]
    baseline = static_baseline(network, target)
    if baseline:
        latency = baseline.latency_ps / 1e9
        note = " + ".join(baseline.modules)
        measurements.append(
            Measurement(f"{name} static baseline", latency, "ms", "virtual", note=note)
        )
    return measurements
