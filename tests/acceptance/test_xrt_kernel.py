"""A network on the device `xrt`, over the Verilog of the kernels that `fpga-rt build` packages.

Every swap is another kernel, the card's memory lies beyond 32 bits and is emptied in between.
"""

from __future__ import annotations

import numpy as np
import pytest

import fpga_rt
from fpga_rt.device.xrt.device import Xrt
from fpga_rt.network import golden
from fpga_rt.runtime.runtime import Runtime
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


def test_a_network_runs_on_the_kernels() -> None:
    network = alternating()
    codes = np.random.default_rng(7).integers(-128, 128, (3, 6, 5, 24)).astype(np.int8)
    for module in MODULES:
        kernel_library(BOARD, module)  # a load waits for it no longer than for a card
    with (
        installed(BOARD, RtlKernel) as (machine, folder),
        Xrt(BOARD, xclbins=folder, memory_bytes=MEMORY_BYTES, xrt=machine.library) as device,
        Runtime(device) as runtime,
    ):
        model = runtime.load(fpga_rt.compile(network, BOARD, 1, MODULES))
        outputs = runtime.run(model, codes, batch=3)
        swaps = [swap.module for swap in runtime.log.swaps]
    assert np.array_equal(outputs, golden.run(network, codes))
    assert swaps == [*MODULES] * 3
