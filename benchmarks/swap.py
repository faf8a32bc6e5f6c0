"""What the host's software adds to a swap: 1,000 staged swaps on the emulator.

The time of the emulator's own bookkeeping is included, the virtual time of the load is not (it
costs no wall time).
"""

from __future__ import annotations

import time

import numpy as np

from benchmarks.measurement import Measurement
from fpga_rt.arch.boards import board
from fpga_rt.arithmetic.operations import Convolution, DepthwiseConvolution
from fpga_rt.arithmetic.requantise import Requantisation
from fpga_rt.device.registry import open_device
from fpga_rt.network.graph import Network, Node, Tensor
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.runtime import Runtime

SWAPS = 1000


def run() -> list[Measurement]:
    """Return the median and the 90th percentile."""
    deployment = compile_network(_network(), board("pynq-z2"), 1)
    names = sorted(deployment.module_ids)
    with open_device("emulator", "pynq-z2") as device, Runtime(device) as runtime:
        model = runtime.load(deployment)
        times = []
        for index in range(SWAPS + 1):
            start = time.perf_counter()
            runtime.activate(model, names[index % 2], 0)
            times.append(time.perf_counter() - start)
        loads = len(runtime.log.swaps)
        virtual = runtime.report().swaps["phases"]["load"]
    ordered = np.sort(times[1:]) * 1e6
    p50, p90 = float(ordered[SWAPS // 2]), float(ordered[SWAPS * 9 // 10])
    note = f"{loads - 1} swaps, emulator included"
    return [
        Measurement("software time of a staged swap, p50", p50, "us", "wall", 250, note=note),
        Measurement("software time of a staged swap, p90", p90, "us", "wall", note=note),
        Measurement("load of rp0 by ICAP", virtual, "us", "virtual", note="calibrated, 382 MB/s"),
    ]


def _network() -> Network:
    """Return two layers that need two modules."""
    shape = (4, 4, 16)
    rule = Requantisation.from_scales(np.full(16, 0.01), 1 << 16, 0)
    bias = np.zeros(16, np.int32)
    nodes = (
        Node("a", Convolution(np.ones((16, 1, 1, 16), np.int8), bias, rule), ("x",), "y"),
        Node("b", DepthwiseConvolution(np.ones((1, 1, 16), np.int8), bias, rule), ("y",), "z"),
    )
    tensors = {name: Tensor(name, shape, 1.0, 0) for name in "xyz"}
    return Network("two layers", tensors, nodes, "x", "z")
