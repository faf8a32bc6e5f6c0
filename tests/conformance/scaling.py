"""Programs of one layer for devices under conformance, and what devices differ in."""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.arithmetic.operations import AveragePool
from fpga_rt.arithmetic.requantise import Requantisation
from fpga_rt.device.interface import Device
from fpga_rt.modules.layer import Layer
from tests.device.programs import LayerProgram, activate, module_named, random_codes


def last(device: Device) -> int:
    """Return the last partition: another than 0 where there is one."""
    return len(device.capabilities.board.partitions) - 1


def two_partitions(device: Device) -> None:
    """Skip what needs two of them."""
    if not last(device):
        pytest.skip(f"{device.capabilities.board.name} has one partition")


def scale_layer() -> Layer:
    """Each of 10 channels of 5x6 pixels times its own factor, with its own bias."""
    random = np.random.default_rng(5)
    bias = random.integers(-90, 90, 10).astype(np.int32)
    scales = Requantisation.from_scales(random.uniform(0.1, 1.9, 10), 1 << 20, 3)
    return Layer("scale", AveragePool((1, 1), bias, scales), (5, 6, 10), (5, 6, 10))


def run_scale(device: Device, images: int = 2) -> LayerProgram:
    activate(device, 0, "scale_2")
    program = LayerProgram(device, module_named("scale_2"), scale_layer(), images)
    program.fill(random_codes(7, (images, 5, 6, 10)))
    return program
