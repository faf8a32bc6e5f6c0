"""Small programs made by hand: one layer on one partition, laid out in device memory.

They flush what the device reads and invalidate what it wrote, as host code has to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.contract.command import COMMAND, Segment, address
from fpga_rt.contract.memory_map import align
from fpga_rt.contract.static_region import CONTROLLER_PORT
from fpga_rt.contract.submission import Placement, Ring, Submission
from fpga_rt.device.interface import Buffer, Device, Staged
from fpga_rt.modules.layer import Layer, Operands, Place
from fpga_rt.modules.module import Module
from fpga_rt.modules.registry import modules

Codes = NDArray[np.int8]


def module_named(name: str) -> Module:
    return next(module for module in modules() if module.name == name)


def stage(device: Device, partition: int, module: Module) -> Staged:
    board = device.capabilities.board
    stream = simulation_bitstream(board.device, board.partitions[partition], module.module_id)
    return device.stage(stream, partition)


def load_port(device: Device) -> str:
    """Return the port that loads go through: the board's default, if the device has it.

    The RTL has no processor, and so none of its ports.
    """
    is_rtl = device.capabilities.device == "rtl"
    return CONTROLLER_PORT if is_rtl else device.capabilities.board.default_port


def activate(device: Device, partition: int, name: str, port: str | None = None) -> Staged:
    """Take a partition through a whole swap, through `load_port` unless told."""
    port = port or load_port(device)
    staged = stage(device, partition, module_named(name))
    device.decouple(partition)
    device.wait(device.begin_load(partition, staged, port))
    device.reset(partition)
    assert device.identify(partition) == staged.module_id
    device.recouple(partition)
    return staged


@dataclass
class LayerProgram:
    """A layer's commands in device memory, for a batch of images."""

    device: Device
    module: Module
    layer: Layer
    images: int
    partition: int = 0
    commands: list[dict[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Lay out segments, parameter blocks and the ring."""
        shapes = {
            Segment.INPUT: self.layer.input_shape,
            Segment.FEATURES: self.layer.output_shape,  # the residual
            Segment.OUTPUT: self.layer.output_shape,
        }
        self.buffers: dict[Segment, Buffer] = {}
        self.placements: dict[Segment, Placement] = {}
        for segment, shape in shapes.items():
            stride = align(int(np.prod(shape)))
            self.buffers[segment] = self.device.allocate(stride * self.images)
            self.placements[segment] = Placement(self.buffers[segment].address, stride, self.images)
        places = {segment: Place(segment, 0, shape) for segment, shape in shapes.items()}
        blocks = {Segment.WEIGHTS: b"", Segment.TABLES: b""}
        for tile in self.module.tiles(self.layer):
            parameters = self.module.parameters(self.layer, tile)
            operands = Operands(
                places[Segment.INPUT],
                places[Segment.OUTPUT],
                places[Segment.FEATURES] if self.layer.has_residual else None,
                address(Segment.WEIGHTS, len(blocks[Segment.WEIGHTS])),
                address(Segment.TABLES, len(blocks[Segment.TABLES])),
            )
            for segment, data in (
                (Segment.WEIGHTS, parameters.weights),
                (Segment.TABLES, parameters.table),
            ):
                blocks[segment] += data + bytes(align(len(data)) - len(data))
            fields = self.module.command(self.layer, tile, operands)
            self.commands.append(fields | {"sequence": len(self.commands)})
        for segment, data in blocks.items():
            self.buffers[segment] = self.device.allocate(max(len(data), 64))
            self.buffers[segment].view[: len(data)] = np.frombuffer(data, np.uint8)
            self.buffers[segment].flush()
            self.placements[segment] = Placement(self.buffers[segment].address)
        self.ring = self.device.allocate(64 * len(self.commands))

    def tensor(self, segment: Segment) -> Codes:
        """View a segment as int8 (images, H, W, C), as the device left it."""
        self.buffers[segment].invalidate()
        shape = self.layer.input_shape if segment is Segment.INPUT else self.layer.output_shape
        rows = self.buffers[segment].view.view(np.int8).reshape(self.images, -1)
        return rows[:, : int(np.prod(shape))].reshape(self.images, *shape)

    def fill(self, codes: Codes, residual: Codes | None = None) -> None:
        """Write input and residual."""
        stride = self.placements[Segment.INPUT].stride
        view = self.buffers[Segment.INPUT].view.view(np.int8).reshape(-1, stride)
        view[:, : codes[0].size] = codes.reshape(self.images, -1)
        if residual is not None:
            stride = self.placements[Segment.FEATURES].stride
            view = self.buffers[Segment.FEATURES].view.view(np.int8).reshape(-1, stride)
            view[:, : residual[0].size] = residual.reshape(self.images, -1)
        for segment in (Segment.INPUT, Segment.FEATURES):
            self.buffers[segment].flush()

    def submission(self, bank: int = 0) -> Submission:
        """Write the ring and return what to submit."""
        data = b"".join(COMMAND.encode(fields) for fields in self.commands)
        if len(data) != len(self.ring.view):
            self.ring.free()
            self.ring = self.device.allocate(len(data))
        self.ring.view[:] = np.frombuffer(data, np.uint8)
        self.ring.flush()
        rings = {self.partition: Ring(self.ring.address, len(self.commands))}
        return Submission(rings, self.placements, self.images, bank)

    def free(self) -> None:
        """Give all memory back."""
        for buffer in (*self.buffers.values(), self.ring):
            buffer.free()

    def run(self, codes: Codes, residual: Codes | None = None) -> Codes:
        """Run on the device and return the output."""
        self.fill(codes, residual)
        self.device.wait(self.device.submit(self.submission()))
        return np.array(self.tensor(Segment.OUTPUT))


def random_codes(seed: int | Sequence[int], shape: tuple[int, ...]) -> Codes:
    return np.random.default_rng(seed).integers(-128, 128, shape, np.int8)
