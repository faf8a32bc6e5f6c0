"""Programs of elementwise commands with any shapes, pitches and waits, for any device."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fpga_rt.arithmetic.operations import Addition, AveragePool, MaximumPool
from fpga_rt.arithmetic.requantise import AdditionRule, Requantisation
from fpga_rt.contract.command import COMMAND, Segment, address
from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE, align
from fpga_rt.contract.sequencer import Timeline
from fpga_rt.contract.submission import Placement, Ring, Submission
from fpga_rt.device.interface import Buffer, Completion, Device
from fpga_rt.modules.layer import Computed, Layer, Operands, Place
from fpga_rt.modules.module import Module
from tests.device.programs import module_named

TENSORS = (Segment.INPUT, Segment.FEATURES, Segment.OUTPUT)
"""What a command reads, adds to that, and writes."""
Waits = tuple[int, int, int, int]
ON_CHIP_BYTES = 1 << 15
IN_DRAM_BYTES = 1 << 17


@dataclass(frozen=True)
class Work:
    """A command: its shape (H, W, C), where its tensors begin, and what lies between their bytes.

    `gaps`: bytes behind each pixel of the input, of the output, and behind each row of both.
    """

    shape: tuple[int, int, int]
    offsets: tuple[int, int, int] = (0, 0, 0)
    gaps: tuple[int, int, int, int] = (0, 0, 0, 0)
    waits: Waits = (0, 0, 0, 0)

    def fields(self, module: Module, index: int, table: int) -> tuple[dict[str, int], bytes]:
        """Return descriptor and table for a module."""
        height, width, channels = self.shape
        layer = Layer("layer", _operation(module.family, channels), self.shape, self.shape)
        places = [Place(segment, 0, self.shape) for segment in TENSORS]
        operands = Operands(
            places[0],
            places[2],
            places[1] if layer.has_residual else None,
            address(Segment.WEIGHTS, 0),
            address(Segment.TABLES, table),
        )
        (tile,) = module.tiles(layer)
        fields = module.command(layer, tile, operands)
        names = ("input", "residual", "output") if layer.has_residual else ("input", "", "output")
        for name, segment, offset in zip(names, TENSORS, self.offsets, strict=True):
            if name:
                fields[name] = address(segment, offset)
        for side, pixel, row in zip(("input", "output"), self.gaps[:2], self.gaps[2:], strict=True):
            if width > 1:
                fields[f"{side}_pixel_pitch"] = channels + pixel
            if height > 1:
                fields[f"{side}_row_pitch"] = width * (channels + pixel) + row
        fields |= {f"wait{p}": count for p, count in enumerate(self.waits)}
        data = module.parameters(layer, tile).table
        return fields | {"sequence": index}, data + bytes(align(len(data)) - len(data))


def run(
    device: Device,
    rings: Mapping[int, tuple[str, Sequence[Work]]],
    on_chip: Mapping[Segment, bool],
    repeat: int = 1,
    depth: int = 1,
) -> tuple[Timeline, bytes]:
    """Run rings of commands, each on the module of its partition, which is active.

    Returns:
        When every command ran, and the bytes that all have left in DRAM.
    """
    sizes = {s: depth * IN_DRAM_BYTES for s in TENSORS if not on_chip[s]}
    tables, commands = _encode(rings)
    sizes |= {Segment.TABLES: len(tables), Segment.WEIGHTS: 64}
    buffers: list[Buffer] = []

    def place(data: bytes | int) -> Buffer:
        size = data if isinstance(data, int) else len(data)
        buffers.append(device.allocate(-(-size // 128) * 128))
        if isinstance(data, bytes):
            buffers[-1].view[:size] = np.frombuffer(data, np.uint8)
        return buffers[-1]

    pad = device.allocate(64)  # so that blocks may start on 128 bytes
    ballast = [] if (pad.address + 64) % 128 == 0 else [device.allocate(64)]
    places = {
        segment: Placement(FEATURE_MEMORY_BASE + i * ON_CHIP_BYTES, 8192, depth)
        for i, segment in enumerate(TENSORS)
        if on_chip[segment]
    }
    for segment, size in sizes.items():
        values = np.random.default_rng(int(segment)).integers(0, 256, size, np.uint8)
        data = tables if segment is Segment.TABLES else values.tobytes()
        stride = IN_DRAM_BYTES if segment in TENSORS else 0
        places[segment] = Placement(place(data).address, stride, depth if stride else 1)
    starts = {p: Ring(place(data).address, len(data) // 64) for p, data in commands.items()}
    done: Completion = device.wait(device.submit(Submission(starts, places, repeat)))
    contents = b"".join(b.view.tobytes() for b in buffers)
    for buffer in (pad, *ballast, *buffers):
        buffer.free()
    assert done.timeline is not None
    return done.timeline, contents


def _encode(rings: Mapping[int, tuple[str, Sequence[Work]]]) -> tuple[bytes, dict[int, bytes]]:
    """Return all tables, and the descriptors of each ring."""
    tables, commands = b"", {}
    for partition, (name, works) in rings.items():
        commands[partition] = b""
        for index, work in enumerate(works):
            fields, table = work.fields(module_named(name), index, len(tables))
            tables += table
            commands[partition] += COMMAND.encode(fields)
    return tables, commands


def _operation(family: str, channels: int) -> Computed:
    if family == "add":
        return Addition(AdditionRule.from_scales((0.7, 0.9), (-3, 8), 2))
    if family == "clamp":
        return MaximumPool((1, 1), low=-90, high=100)
    scales = Requantisation.from_scales(np.full(channels, 0.7), 1 << 20, 3)
    return AveragePool((1, 1), np.arange(channels, dtype=np.int32), scales)


def random_work(chooser: random.Random, lanes: int) -> Work:
    """Return a command of a few rows, aligned or not, in one piece a row or in many."""
    group = chooser.choice([lanes, 8])
    shape = (chooser.randint(1, 6), chooser.randint(1, 8), chooser.randint(1, 5) * group)
    offsets = tuple(8 * chooser.randint(0, 3) + chooser.choice([0, 0, 1, 3]) for _ in range(3))
    pixel = chooser.choice([0, 0, 8, 5])
    rows = chooser.choice([0, 8, 5]), chooser.choice([0, 8, 1])
    return Work(shape, (offsets[0], offsets[1], offsets[2]), (pixel, pixel, *rows))


def random_waits(chooser: random.Random, lengths: Sequence[int]) -> list[list[Waits]]:
    """Return waits for rings of some lengths, each for commands before it in some order."""
    order = [p for p, length in enumerate(lengths) for _ in range(length)]
    chooser.shuffle(order)
    done = [0] * len(lengths)
    waits: list[list[Waits]] = [[] for _ in lengths]
    for p in order:
        counts = [
            chooser.randint(0, done[other]) if other < len(done) and chooser.random() < 0.6 else 0
            for other in range(4)
        ]
        waits[p].append((counts[0], counts[1], counts[2], counts[3]))
        done[p] += 1
    return waits
