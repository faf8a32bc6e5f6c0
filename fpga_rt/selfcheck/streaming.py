"""Programs that do nothing but move data: single pixels through a module, again and again.

Their time is known in terms of the memory behind them (`contract.sequencer`, the modules' cycle
formulas), so a time that was measured says how fast the memory is. One iteration is the difference
between many and few divided by their number: what a doorbell and the look at the end cost is in
both, and falls out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.boards import MemoryPort
from fpga_rt.arithmetic.operations import AveragePool, MaximumPool, Shape
from fpga_rt.arithmetic.requantise import Requantisation
from fpga_rt.contract.command import COMMAND, STREAM_BYTES, Segment, address
from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE, align
from fpga_rt.contract.sequencer import CommandCost, timeline
from fpga_rt.contract.submission import Placement, Ring, Submission
from fpga_rt.device.interface import Buffer, Device
from fpga_rt.errors import DifferenceError
from fpga_rt.modules.geometry import Ports
from fpga_rt.modules.layer import Layer, Operands, Place
from fpga_rt.modules.module import Module

FEW = 4
"""Iterations of the shorter of two programs: enough to fill what is read ahead."""
_LOW, _HIGH = -100, 90
_MORE_ROWS = 16


def layers(shape: Shape) -> tuple[Layer, ...]:
    """Return the layers that move a tensor with as little arithmetic as there is."""
    scales = np.full(shape[2], 0.5)
    bias = np.zeros(shape[2], np.int32)
    halved = AveragePool((1, 1), bias, Requantisation.from_scales(scales, 128, 0))
    clamped = MaximumPool((1, 1), low=_LOW, high=_HIGH)
    return tuple(Layer("stream", operation, shape, shape) for operation in (clamped, halved))


def streaming_layer(module: Module, shape: Shape) -> Layer | None:
    """Return the layer that a module moves a tensor with, None when it computes neither."""
    return next((layer for layer in layers(shape) if module.refusal(layer) is None), None)


@dataclass(frozen=True)
class _Work:
    """What one partition does."""

    module: Module
    layer: Layer
    commands: Sequence[dict[str, int]]


def _work(module: Module, shape: Shape, offset: int, tables: list[bytes]) -> _Work:
    """Return the commands for a tensor at an offset; append their tables to those there are."""
    layer = streaming_layer(module, shape)
    if layer is None:
        raise ValueError(f"{module.name} moves no tensor of {shape}: see streaming_layer")
    operands = Operands(Place(Segment.INPUT, offset, shape), Place(Segment.OUTPUT, offset, shape))
    commands: list[dict[str, int]] = []
    for tile in module.tiles(layer):
        table = module.parameters(layer, tile).table
        at = address(Segment.TABLES, sum(map(len, tables)))
        tables.append(table + bytes(align(len(table)) - len(table)))
        fields = module.command(layer, tile, replace(operands, table=at))
        commands.append(fields | {"sequence": len(commands)})
    return _Work(module, layer, commands)


def beat_cycles(module: Module, row: Shape) -> float:
    """Return the cycles that a module takes for a beat of 8 bytes from a memory that is not slow.

    Args:
        module: that has a streaming layer for the shape.
        row: shape of a tensor of one row.
    """
    fast = MemoryPort(0)
    short, long = (
        sum(
            module.cost(fields, Ports(fast, fast, fast, fast)).compute
            for fields in _work(module, (rows, *row[1:]), 0, []).commands
        )
        for rows in (1, 1 + _MORE_ROWS)
    )
    return (long - short) * STREAM_BYTES / (_MORE_ROWS * row[1] * row[2])


class Streaming:
    """A program on one or more partitions, in device memory until `free`."""

    def __init__(
        self, device: Device, modules: Mapping[int, Module], shape: Shape, on_chip: bool = False
    ) -> None:
        """Lay a program out.

        Args:
            device: on which the modules are active.
            modules: by partition; each computes a tensor of its own.
            shape: of a tensor (height, width, channels).
            on_chip: tensors lie in the feature memory; what they hold is unknown.

        Raises:
            DeviceError: the device's memory is full.
        """
        self._device = device
        self._size = align(int(np.prod(shape)))
        self._on_chip = on_chip
        self._buffers: list[Buffer] = []
        tables: list[bytes] = []
        self._work = {
            partition: _work(module, shape, rank * self._size, tables)
            for rank, (partition, module) in enumerate(sorted(modules.items()))
        }
        total = self._size * len(modules)
        self._input, self._output = self._allocate(total), self._allocate(total)
        codes = np.arange(total, dtype=np.int64) * 37 % 251 - 125
        self._input.view[:] = codes.astype(np.int8).view(np.uint8)
        self._input.flush()
        self._tables = self._store(b"".join(tables) or b"\0")
        self._rings = {
            partition: Ring(
                self._store(b"".join(COMMAND.encode(c) for c in work.commands)).address,
                len(work.commands),
            )
            for partition, work in self._work.items()
        }

    def submission(self, repeat: int) -> Submission:
        """Return what runs it so many times."""
        source, target = self._input.address, self._output.address
        if self._on_chip:
            source = FEATURE_MEMORY_BASE
            target = source + self._size * len(self._work)
        segments = {
            Segment.INPUT: Placement(source),
            Segment.OUTPUT: Placement(target),
            Segment.FEATURES: Placement(target),
            Segment.WEIGHTS: Placement(self._tables.address),
            Segment.TABLES: Placement(self._tables.address),
        }
        return Submission(self._rings, segments, repeat)

    def run_ps(self, repeat: int) -> int:
        """Run it and return the picoseconds from doorbell to end.

        Raises:
            FpgaRtError: the program failed.
        """
        done = self._device.wait(self._device.submit(self.submission(repeat)))
        return done.ended_ps - done.started_ps

    def iteration_ps(self, repeat: int, tries: int) -> float:
        """Return the picoseconds of one iteration, from the shortest of some tries.

        Raises:
            FpgaRtError: the program failed.
        """
        few = min(self.run_ps(FEW) for _ in range(tries))
        many = min(self.run_ps(FEW + repeat) for _ in range(tries))
        return (many - few) / repeat

    def iteration_cycles(self, dram: MemoryPort, on_chip: MemoryPort, repeat: int) -> float:
        """Return the cycles of one iteration that the formulas give for a memory."""
        behind = dram.shared(len(self._work))
        tensors = on_chip if self._on_chip else behind
        ports = Ports(tensors, tensors, tensors, behind)
        costs: dict[int, list[CommandCost]] = {
            partition: [work.module.cost(fields, ports) for fields in work.commands]
            for partition, work in self._work.items()
        }
        few, many = (timeline(costs, dram, times).total for times in (FEW, FEW + repeat))
        return (many - few) / repeat

    def check(self) -> None:
        """Compare the output with the arithmetic; after a run with the tensors in DRAM.

        Raises:
            DifferenceError: it differs.
        """
        self._output.invalidate()
        for rank, (partition, work) in enumerate(self._work.items()):
            shape = work.layer.input_shape
            part = slice(rank * self._size, rank * self._size + int(np.prod(shape)))
            codes: NDArray[np.int8] = self._input.view[part].view(np.int8).reshape(1, *shape)
            expected = work.layer.operation.apply(codes)  # type: ignore[call-arg]  # one operand
            got = self._output.view[part].view(np.int8).reshape(expected.shape)
            wrong = np.argwhere(got != expected)
            if len(wrong):
                at = tuple(wrong[0])
                raise DifferenceError(
                    f"{work.module.name} in partition {partition} moved {shape} wrongly:"
                    f" {len(wrong):,} of {expected.size:,} values differ, the first at"
                    f" {tuple(int(i) for i in at[1:])}: got {got[at]}, expected {expected[at]};"
                    " check the memory behind the partition"
                )

    def free(self) -> None:
        """Give its memory back; again: harmless."""
        buffers, self._buffers = self._buffers, []
        for buffer in buffers:
            buffer.free()

    def _allocate(self, size_bytes: int) -> Buffer:
        buffer = self._device.allocate(size_bytes)
        self._buffers.append(buffer)
        return buffer

    def _store(self, data: bytes) -> Buffer:
        buffer = self._allocate(len(data))
        buffer.view[:] = np.frombuffer(data, np.uint8)
        buffer.flush()
        return buffer
