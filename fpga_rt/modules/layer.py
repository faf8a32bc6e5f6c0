"""What a module is asked to compute: a layer, and the tile of it that one command covers."""

from __future__ import annotations

from dataclasses import dataclass

from fpga_rt.arithmetic.accumulate import Padding
from fpga_rt.arithmetic.operations import (
    NO_PADDING,
    Addition,
    AveragePool,
    Convolution,
    Dense,
    DepthwiseConvolution,
    MaximumPool,
    Pair,
    Shape,
)
from fpga_rt.arithmetic.requantise import AdditionRule
from fpga_rt.contract.command import Segment, address

Computed = Convolution | DepthwiseConvolution | Dense | AveragePool | MaximumPool | Addition


@dataclass(frozen=True, eq=False)
class Layer:
    """An operation between tensors of known shape, with an addition fused behind it or none."""

    name: str
    operation: Computed
    input_shape: Shape
    output_shape: Shape
    addition: AdditionRule | None = None

    @property
    def window(self) -> tuple[Pair, Pair, Padding]:
        """Kernel, stride and padding; 1x1 for operations without a window."""
        operation = self.operation
        if isinstance(operation, (Dense, Addition)):
            return (1, 1), (1, 1), NO_PADDING
        return operation.kernel, operation.stride, operation.padding

    @property
    def has_residual(self) -> bool:
        """Tell whether a second tensor is read."""
        return self.addition is not None or isinstance(self.operation, Addition)


@dataclass(frozen=True)
class Tile:
    """A range of output channels and a range of output columns (first, one past the last)."""

    channels: Pair
    columns: Pair


@dataclass(frozen=True)
class Place:
    """Where a tensor lies: segment and offset of its first byte, and its shape there."""

    segment: Segment
    offset: int
    shape: Shape

    @property
    def pixel_pitch(self) -> int:
        """Bytes from a pixel to the next."""
        return self.shape[2]

    @property
    def row_pitch(self) -> int:
        """Bytes from a row to the next."""
        return self.shape[1] * self.shape[2]

    def at(self, column: int, channel: int) -> int:
        """Return the command address of a column and channel in the first row."""
        return address(self.segment, self.offset + column * self.pixel_pitch + channel)


@dataclass(frozen=True)
class Operands:
    """The tensors and parameter blocks of one command."""

    input: Place
    output: Place
    residual: Place | None = None
    weights: int = 0
    table: int = 0


def split(layer: Layer, channels: int, columns: int) -> tuple[Tile, ...]:
    """Cut a layer into tiles of `channels` x `columns`; the last ones may be smaller."""
    _, width, depth = layer.output_shape
    return tuple(Tile(c, x) for x in _ranges(width, columns) for c in _ranges(depth, channels))


def _ranges(total: int, most: int) -> list[Pair]:
    return [(first, min(first + most, total)) for first in range(0, total, most)]
