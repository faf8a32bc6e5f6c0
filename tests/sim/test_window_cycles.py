"""What the emulator says commands with a sliding window take is what they take on the RTL.

One command after the other, each alone and with its tensors on chip: every clock is accounted for.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from fpga_rt.arithmetic.operations import (
    Addition,
    AveragePool,
    Convolution,
    Dense,
    DepthwiseConvolution,
    MaximumPool,
)
from fpga_rt.arithmetic.requantise import AdditionRule, Requantisation
from fpga_rt.contract.command import COMMAND, Segment
from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE
from fpga_rt.contract.sequencer import Timeline
from fpga_rt.contract.submission import Placement
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.interface import Device
from fpga_rt.modules.layer import Computed, Layer
from sim.device import RtlDevice
from sim.toolchain import obstacle
from tests.device.programs import LayerProgram, activate, module_named

pytestmark = pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))

MODULES = ("convolution_4x4", "depthwise_8", "pooling_8")
"""One in each partition."""
SMALLER = ("convolution_2x4", "depthwise_2", "pooling_2")
TENSORS = (Segment.INPUT, Segment.FEATURES, Segment.OUTPUT)
ON_CHIP_BYTES = 1 << 15
MEMORY_BYTES = 1 << 22


def opened(modules: tuple[str, ...]) -> Iterator[tuple[Device, Device]]:
    """Open both devices with a module in each partition."""
    with (
        RtlDevice("pynq-z2", memory_bytes=MEMORY_BYTES, load_time="stream") as rtl,
        Emulator("pynq-z2", memory_bytes=MEMORY_BYTES) as emulator,
    ):
        for partition, name in enumerate(modules):
            activate(rtl, partition, name)
            activate(emulator, partition, name)
        yield rtl, emulator


@pytest.fixture(scope="module")
def devices() -> Iterator[tuple[Device, Device]]:
    yield from opened(MODULES)


@pytest.fixture(scope="module")
def smaller() -> Iterator[tuple[Device, Device]]:
    yield from opened(SMALLER)


def rule_for(channels: int) -> tuple[NDArray[np.int32], Requantisation]:
    """Return biases and a rule; what is computed does not matter here."""
    scales = np.full(channels, 0.01)
    return np.zeros(channels, np.int32), Requantisation.from_scales(scales, 1, 0)


def operation_for(family: str, chooser: random.Random, channels: int) -> Computed:
    """Return an operation of a family with any window that it takes."""
    numbers = np.random.default_rng(chooser.randrange(1 << 30))
    kernel = (chooser.randint(1, 4), chooser.randint(1, 5))
    stride = (chooser.randint(1, 3), chooser.randint(1, 3))
    top, bottom, left, right = (chooser.randint(0, kernel[n // 2] - 1) for n in range(4))
    padding = (top, bottom, left, right)
    bits = chooser.choice([8, 8, 4])
    most = (1 << (bits - 1)) - 1
    if family == "depthwise" and chooser.random() < 0.7:
        weights = numbers.integers(-most, most + 1, (*kernel, channels), np.int8)
        return DepthwiseConvolution(weights, *rule_for(channels), stride, padding, 0, bits)
    if family == "pooling" and chooser.random() < 0.7:
        if chooser.random() < 0.5:
            return Addition(AdditionRule.from_scales((0.7, 0.9), (-3, 8), 2))
        return MaximumPool(kernel, stride, padding)
    if family == "convolution" and chooser.random() < 0.8:
        outputs = chooser.randint(1, 20)
        weights = numbers.integers(-most, most + 1, (outputs, *kernel, channels), np.int8)
        return Convolution(weights, *rule_for(outputs), stride, padding, 0, bits)
    return AveragePool(kernel, *rule_for(channels), stride, padding)


def random_layer(module: str, chooser: random.Random) -> Layer:
    """Return a layer of a few rows that is a command, with an addition fused or none."""
    host = module_named(module)
    while True:
        channels = chooser.choice([1, 3, 8, 16, chooser.randint(1, 40)])
        shape = (chooser.randint(1, 9), chooser.randint(1, 12), channels)
        if chooser.random() < 0.1 and host.family == "convolution":
            shape = (1, 1, channels)
            numbers = np.random.default_rng(chooser.randrange(1 << 30))
            count = chooser.randint(1, 20)
            weights = numbers.integers(-127, 128, (count, channels), np.int8)
            operation: Computed = Dense(weights, *rule_for(count))
        else:
            operation = operation_for(host.family, chooser, channels)
        output = operation.output_shape(shape)
        if min(output) < 1:
            continue
        addition = None
        if host.family == "convolution" and chooser.random() < 0.3:
            addition = AdditionRule.from_scales((0.7, 0.9), (-3, 8), 2)
        layer = Layer("layer", operation, shape, output, addition)
        if host.refusal(layer) is None and len(host.tiles(layer)) == 1:
            return layer


def change_places(fields: dict[str, int], chooser: random.Random) -> None:
    """Begin tensors at any byte, and put bytes between pixels and rows.

    Pixels of few channels follow each other: columns of a kernel may share a step there.
    """
    for name in ("input", "residual", "output"):
        fields[name] += 8 * chooser.randint(0, 3) + chooser.choice([0, 0, 1, 5])
    for side in ("input", "output"):
        gap = chooser.choice([0, 0, 8, 5]) * (fields[f"{side}_channels"] > 2)
        if fields[f"{side}_width"] > 1:
            fields[f"{side}_pixel_pitch"] += gap
        if fields[f"{side}_height"] > 1:
            pitch = fields[f"{side}_width"] * (fields[f"{side}_channels"] + gap)
            fields[f"{side}_row_pitch"] = pitch + chooser.choice([0, 8, 3])


def run(device: Device, partition: int, module: str, layer: Layer, seed: int) -> Timeline:
    """Run the command of a layer with all tensors on chip, placed by the seed."""
    program = LayerProgram(device, module_named(module), layer, 1, partition)
    (fields,) = program.commands
    change_places(fields, random.Random(seed))
    fields.update(COMMAND.decode(COMMAND.encode(fields)))
    for number, segment in enumerate(TENSORS):
        start = FEATURE_MEMORY_BASE + number * ON_CHIP_BYTES
        program.placements[segment] = Placement(start, ON_CHIP_BYTES, 1)
    done = device.wait(device.submit(program.submission()))
    program.free()
    assert done.timeline is not None
    return done.timeline


def check(devices: tuple[Device, Device], modules: tuple[str, ...], seed: int) -> None:
    """Run a random command, and fail unless both devices say the same of it."""
    chooser = random.Random(seed)
    partition = seed % len(modules)
    layer = random_layer(modules[partition], chooser)
    found, said = (run(d, partition, modules[partition], layer, seed) for d in devices)
    assert found.start[partition].tolist() == said.start[partition].tolist()
    assert found.end[partition].tolist() == said.end[partition].tolist()
    assert found.total == said.total


@pytest.mark.parametrize("seed", range(12))
def test_a_command_alone_on_chip(devices: tuple[Device, Device], seed: int) -> None:
    check(devices, MODULES, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12, 192))
def test_more_commands_alone_on_chip(devices: tuple[Device, Device], seed: int) -> None:
    check(devices, MODULES, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(90))
def test_commands_of_smaller_modules(smaller: tuple[Device, Device], seed: int) -> None:
    check(smaller, SMALLER, seed)


WIDE = [
    ((255, 200), (255, 255), (254, 254, 199, 199), (3, 3, 8)),
    ((255, 255), (255, 255), (254, 254, 254, 254), (300, 1, 8)),
    ((255, 1), (255, 255), (254, 254, 0, 0), (300, 1, 8)),
    ((1, 1), (255, 255), (0, 0, 0, 0), (2, 250, 8)),
    ((1, 1), (1, 1), (0, 0, 0, 0), (1, 1, 8)),
]
"""Kernel, stride, padding, input: numbers that take longest to decode, and the least work."""


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "stride", "padding", "shape"), WIDE)
def test_a_descriptor_is_decoded_in_time(
    devices: tuple[Device, Device],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    shape: tuple[int, int, int],
) -> None:
    """The shortest table has four beats."""
    operation = MaximumPool(kernel, stride, padding)
    layer = Layer("layer", operation, shape, operation.output_shape(shape))
    found, said = (run(device, 2, "pooling_8", layer, 0) for device in devices)
    assert found.end[2].tolist() == said.end[2].tolist()
