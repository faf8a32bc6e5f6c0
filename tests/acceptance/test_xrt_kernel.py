"""Networks on the device `xrt`, over the Verilog of the kernels that `fpga-rt build` packages.

Every swap is another kernel, the card's memory lies beyond 32 bits and is emptied in between.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

import fpga_rt
from fpga_rt.device.xrt.device import Xrt
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.runtime.runtime import Runtime
from fpga_rt.selfcheck.network import INPUT, small_network
from sim.toolchain import obstacle
from tests.acceptance.test_alternating_modules import MODULES, alternating
from tests.standin.xrt import installed
from tests.standin.xrt_rtl import RtlKernel, kernel_library

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(obstacle() is not None, reason=str(obstacle())),
]
BOARD = "alveo-u200-xrt"
MEMORY_BYTES = 1 << 22


def run(network: Network, codes: NDArray[np.int8], modules: Sequence[str]) -> list[str]:
    """Run a network in one request, compare it with golden execution, and return its swaps."""
    for module in modules:
        kernel_library(BOARD, module)  # a load waits for it no longer than for a card
    with (
        installed(BOARD, RtlKernel) as (machine, folder),
        Xrt(BOARD, xclbins=folder, memory_bytes=MEMORY_BYTES, xrt=machine.library) as device,
        Runtime(device) as runtime,
    ):
        model = runtime.load(fpga_rt.compile(network, BOARD, 1, modules))
        outputs = runtime.run(model, codes, batch=len(codes))
        swaps = [swap.module for swap in runtime.log.swaps]
    assert np.array_equal(outputs, golden.run(network, codes))
    return swaps


def test_modules_that_take_turns() -> None:
    codes = np.random.default_rng(7).integers(-128, 128, (3, 6, 5, 24)).astype(np.int8)
    assert run(alternating(), codes, MODULES) == [*MODULES] * 3


def test_layers_with_weights() -> None:
    """Tensors and parameters come through one port, each as it is needed."""
    modules = ("convolution_4x8", "depthwise_8", "pooling_2")
    codes = np.random.default_rng(1).integers(-128, 128, (2, *INPUT)).astype(np.int8)
    assert set(run(small_network(), codes, modules)) == set(modules)
