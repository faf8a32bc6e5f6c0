"""The tensors of a command as engines walk them: pieces of contiguous bytes in beats of memory.

The gateware's side of `fpga_rt.modules.geometry.row_beats`: a piece takes as many clocks and, in
DRAM, as many beats as that formula says. The beat that the formula adds for a piece whose bytes do
not need it is read from DRAM, or written there without strobes, unless it would be the first of
another 4 KiB: an engine touches no page that its tensor does not lie in.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth import Mux
from amaranth.hdl import Value
from amaranth.lib.data import View

from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE
from hw.blocks.axi import BOUNDARY_BYTES, DATA_BYTES

SIZE_BITS = 24
"""Width of the bytes of a piece: as row pitches."""
STEP_BITS = SIZE_BITS - 2
"""Width of the number of a beat in a piece."""

_BYTE_BITS = (DATA_BYTES - 1).bit_length()
_PAGE_BITS = (BOUNDARY_BYTES - 1).bit_length()


@dataclass(frozen=True)
class Operand:
    """A tensor of a command, each field a value of the logic."""

    start: Value
    height: Value
    width: Value
    channels: Value
    pixel_pitch: Value
    row_pitch: Value

    @property
    def contiguous(self) -> Value:
        """Whether a row is one piece."""
        return (self.width == 1) | (self.pixel_pitch == self.channels)

    @property
    def pieces(self) -> Value:
        """Pieces of a row."""
        return Mux(self.contiguous, 1, self.width)

    @property
    def piece_pixels(self) -> Value:
        """Pixels of a piece; times the channels they are its bytes."""
        return Mux(self.contiguous, self.width, 1)

    @property
    def empty(self) -> Value:
        """Whether there is nothing to move."""
        return (self.height == 0) | (self.width == 0) | (self.channels == 0)

    @property
    def misaligned(self) -> Value:
        """Whether every piece takes one clock more than it has beats."""
        pitches = self.start | self.row_pitch | Mux(self.contiguous, 0, self.pixel_pitch)
        return pitches[:_BYTE_BITS].any()

    @property
    def on_chip(self) -> Value:
        """Whether it lies in the feature memory, see `contract.memory_map.on_chip`."""
        return self.start >= FEATURE_MEMORY_BASE


def operand(command: View, name: str) -> Operand:
    """Return the `input`, `residual` or `output` of a `ResolvedCommand`."""
    side = "input" if name == "input" else "output"
    fields = ("height", "width", "channels", "pixel_pitch", "row_pitch")
    return Operand(command[name], *(command[f"{side}_{field}"] for field in fields))


def clamped(product: Value) -> tuple[Value, Value]:
    """Return the size of a piece from width times channels, and whether it is too large."""
    too_large = product[SIZE_BITS:].any()
    return Mux(too_large, (1 << SIZE_BITS) - 1, product[:SIZE_BITS]), too_large


def last_step(size_bytes: Value, misaligned: Value) -> Value:
    """Return the number of the last clock of a piece, from 0 on."""
    more = size_bytes[:_BYTE_BITS].any() + misaligned - 1
    return (size_bytes[_BYTE_BITS:] + more)[:STEP_BITS]


@dataclass(frozen=True)
class Span:
    """Where a piece lies: `beats` to move, and whether there is one in its last clock as well."""

    beats: Value
    tail: Value


def span(size_bytes: Value, address: Value, misaligned: Value, on_chip: Value) -> Span:
    """Return the beats of memory to move for the piece at `address`."""
    whole, rest = size_bytes[_BYTE_BITS:], size_bytes[:_BYTE_BITS]
    begun = (address[:_BYTE_BITS] + rest + (DATA_BYTES - 1))[_BYTE_BITS:]
    spread = begun > rest.any()
    end = (address[_BYTE_BITS:_PAGE_BITS] + whole + begun)[: _PAGE_BITS - _BYTE_BITS]
    padded = misaligned & ~spread & ~on_chip & (end != 0)
    return Span(whole + (begun + padded), spread | padded)
