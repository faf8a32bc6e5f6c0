"""Convolutions of every shape on the RTL: what they compute, and for how long.

The largest and the odd ones; random networks have `convolution_4x4` and `depthwise_8`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fpga_rt.arithmetic.operations import Convolution, DepthwiseConvolution
from fpga_rt.arithmetic.requantise import Requantisation
from fpga_rt.device.emulator import Emulator
from fpga_rt.modules.layer import Layer
from sim.device import RtlDevice
from sim.toolchain import obstacle
from tests.device.layers import addition
from tests.device.programs import LayerProgram, activate, module_named, random_codes
from tests.sim.test_window_cycles import MEMORY_BYTES, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(obstacle() is not None, reason=str(obstacle())),
]

NAMES = (
    *(f"convolution_{lanes}" for lanes in ("16x32", "16x16", "16x8", "8x16", "4x16", "4x8", "2x4")),
    *(f"depthwise_{lanes}" for lanes in (64, 32, 16)),
)
CHANNELS = 70
"""More than the lanes of any module."""


def layer_for(name: str) -> Layer:
    """Return a layer that fills all lanes, and some of them once more."""
    random = np.random.default_rng(4)
    bias = random.integers(-2000, 2000, CHANNELS).astype(np.int32)
    rule = Requantisation.from_scales(np.full(CHANNELS, 2e-4), 1 << 23, -3)
    shape = (7, 5, CHANNELS if name.startswith("depthwise") else 19)
    size = (3, 3, CHANNELS) if name.startswith("depthwise") else (CHANNELS, 3, 3, shape[2])
    weights = random.integers(-127, 128, size, np.int8)
    kind = DepthwiseConvolution if name.startswith("depthwise") else Convolution
    operation = kind(weights, bias, rule, (2, 1), (1, 1, 1, 1), 9)
    fused = addition(random) if kind is Convolution else None
    return Layer("layer", operation, shape, operation.output_shape(shape), fused)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_golden_and_cycles_the_emulators(name: str) -> None:
    layer = layer_for(name)
    codes, residual = random_codes(1, (2, *layer.input_shape)), None
    operation: Any = layer.operation
    expected = operation.apply(codes)
    if layer.addition is not None:
        residual = random_codes(2, (2, *layer.output_shape))
        expected = layer.addition.apply(expected, residual)
    with (
        RtlDevice("pynq-z2", memory_bytes=MEMORY_BYTES, load_time="stream") as rtl,
        Emulator("pynq-z2", memory_bytes=MEMORY_BYTES) as emulator,
    ):
        for device in (rtl, emulator):
            activate(device, 0, name)
        program = LayerProgram(rtl, module_named(name), layer, 2)
        assert (program.run(codes, residual) == expected).all()
        program.free()
        if len(program.commands) > 1:  # the weights do not fit at once
            return
        found, said = (run(device, 0, name, layer, 3) for device in (rtl, emulator))
        assert found.start[0].tolist() == said.start[0].tolist()
        assert found.end[0].tolist() == said.end[0].tolist()
