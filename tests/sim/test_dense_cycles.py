"""What the emulator says dense commands take is what they take on the RTL, clock by clock."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from fpga_rt.arithmetic.operations import Dense
from fpga_rt.arithmetic.requantise import Requantisation
from fpga_rt.contract.command import COMMAND, Segment, address
from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE, align
from fpga_rt.contract.sequencer import Timeline
from fpga_rt.contract.submission import Placement, Ring, Submission
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.interface import Buffer, Device
from fpga_rt.modules.layer import Layer, Operands, Place
from sim.device import RtlDevice
from sim.toolchain import obstacle
from tests.device.programs import activate, module_named

pytestmark = pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))

MEMORY_BYTES = 1 << 23
ON_CHIP_BYTES = 1 << 15
BURST_BYTES = 128


@dataclass(frozen=True)
class Work:
    """A dense command: inputs, outputs, bits of a weight, where input and output begin."""

    inputs: int
    outputs: int
    bits: int
    offsets: tuple[int, int]


def encoded(name: str, works: list[Work]) -> tuple[bytes, bytes, bytes]:
    """Return descriptors, tables and weights."""
    module, blocks = module_named(name), {"table": b"", "weights": b""}
    ring = b""
    for index, work in enumerate(works):
        numbers = np.random.default_rng(index)
        largest = (1 << (work.bits - 1)) - 1
        weights = numbers.integers(-largest, largest + 1, (work.outputs, work.inputs), np.int8)
        bias = numbers.integers(-999, 999, work.outputs).astype(np.int32)
        rule = Requantisation.from_scales(np.full(work.outputs, 4e-4), 1 << 26, -3)
        operation = Dense(weights, bias, rule, work.bits)
        shapes = (1, 1, work.inputs), (1, 1, work.outputs)
        layer = Layer("layer", operation, *shapes)
        (tile,) = module.tiles(layer)
        operands = Operands(
            Place(Segment.INPUT, work.offsets[0], shapes[0]),
            Place(Segment.OUTPUT, work.offsets[1], shapes[1]),
            None,
            address(Segment.WEIGHTS, len(blocks["weights"])),
            address(Segment.TABLES, len(blocks["table"])),
        )
        parameters = module.parameters(layer, tile)
        for block in blocks:
            data = getattr(parameters, block)
            blocks[block] += data + bytes(align(len(data)) - len(data))
        ring += COMMAND.encode(module.command(layer, tile, operands) | {"sequence": index})
    return ring, blocks["table"], blocks["weights"]


def run(
    device: Device, name: str, works: list[Work], on_chip: Mapping[Segment, bool]
) -> tuple[Timeline, bytes]:
    """Run commands that read one input each; return when they ran and what they left in DRAM.

    Segments in DRAM start on whole bursts.
    """
    buffers: list[Buffer] = []

    def place(data: bytes) -> Placement:
        pad = device.allocate(64)
        if (pad.address + 64) % BURST_BYTES:
            buffers.append(device.allocate(64))
        buffers.extend([pad, device.allocate(align(len(data)))])
        buffers[-1].view[: len(data)] = np.frombuffer(data, np.uint8)
        return Placement(buffers[-1].address)

    ring, tables, weights = encoded(name, works)
    places = {Segment.TABLES: place(tables), Segment.WEIGHTS: place(weights)}
    for index, segment in enumerate((Segment.INPUT, Segment.OUTPUT)):
        values = np.random.default_rng(index).integers(0, 256, ON_CHIP_BYTES, np.uint8)
        places[segment] = place(values.tobytes())
        if on_chip[segment]:
            places[segment] = Placement(FEATURE_MEMORY_BASE + index * ON_CHIP_BYTES)
    submission = Submission({0: Ring(place(ring).base, len(works))}, places)
    done = device.wait(device.submit(submission))
    contents = b"".join(buffer.view.tobytes() for buffer in buffers)
    for buffer in buffers:
        buffer.free()
    assert done.timeline is not None
    return done.timeline, contents


def random_works(chooser: random.Random, aligned: bool) -> list[Work]:
    """Return commands of any shape."""

    def offset() -> int:
        return 8 * chooser.randint(0, 20) + (0 if aligned else chooser.choice([0, 1, 5]))

    return [
        Work(
            chooser.choice([1, 8, chooser.randint(1, 60), chooser.randint(1, 700)]),
            chooser.choice([chooser.randint(1, 60), chooser.randint(1, 200)]),
            chooser.choice([8, 8, 4]),
            (offset(), offset()),
        )
        for _ in range(chooser.randint(1, 4))
    ]


@pytest.fixture(scope="module", params=["dense_8", "dense_2"])
def devices(request: pytest.FixtureRequest) -> Iterator[tuple[str, Device, Device]]:
    """Open both devices with the module in a partition."""
    with (
        RtlDevice("pynq-z2", memory_bytes=MEMORY_BYTES, load_time="stream") as rtl,
        Emulator("pynq-z2", memory_bytes=MEMORY_BYTES) as emulator,
    ):
        for device in (rtl, emulator):
            activate(device, 0, request.param)
        yield request.param, rtl, emulator


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_tensors_on_chip_take_exactly_as_long(
    devices: tuple[str, Device, Device], seed: int
) -> None:
    name, *both = devices
    works = random_works(random.Random(seed), False)
    chip = {Segment.INPUT: True, Segment.OUTPUT: True}
    found, expected = (run(device, name, works, chip)[0] for device in both)
    assert found.start[0].tolist() == expected.start[0].tolist()
    assert found.end[0].tolist() == expected.end[0].tolist()
    assert found.total == expected.total


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_tensors_in_dram_take_a_few_cycles_more_or_less(
    devices: tuple[str, Device, Device], seed: int
) -> None:
    name, *both = devices
    chooser = random.Random(seed)
    works = random_works(chooser, bool(seed % 2))
    places = {Segment.INPUT: chooser.random() < 0.3, Segment.OUTPUT: chooser.random() < 0.3}
    (rtl, bytes_rtl), (emulated, bytes_emulated) = (run(d, name, works, places) for d in both)
    assert bytes_rtl == bytes_emulated
    took, said = ((t.end[0] - t.start[0]).ravel() for t in (rtl, emulated))
    # Results that come faster than one in three clocks fill a burst while another is stored.
    slack = [4 if work.inputs > 24 else 16 for work in works]
    assert (np.abs(took - said) <= slack).all(), (works, took.tolist(), said.tolist())
