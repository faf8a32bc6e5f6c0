"""The tensors of a command as engines walk them: pieces of contiguous bytes in beats of memory.

The gateware's side of `fpga_rt.modules.geometry.row_beats`: a piece takes as many clocks and, in
DRAM, as many beats as that formula says. The beat that the formula adds for a piece whose bytes do
not need it is read from DRAM, or written there without strobes, unless it would be the first of
another 4 KiB: an engine touches no page that its tensor does not lie in.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth import Cat, Const, Mux
from amaranth.hdl import Value
from amaranth.lib.data import StructLayout, View

from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE
from hw.blocks.axi import BOUNDARY_BYTES, DATA_BYTES

SIZE_BITS = 24
"""Width of the bytes of a piece: as row pitches."""
STEP_BITS = SIZE_BITS - 2
"""Width of the number of a beat in a piece."""
COMMAND_CYCLES = 4
"""From a command to all that is known of its pieces; an engine starts two clocks before that."""

BYTE_BITS = (DATA_BYTES - 1).bit_length()
"""Of the place of a byte in a beat."""
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
    def empty(self) -> Value:
        """Whether there is nothing to move."""
        return (self.height == 0) | (self.width == 0) | (self.channels == 0)

    def misaligned(self, contiguous: Value) -> Value:
        """Tell whether every piece takes one clock more than it has beats."""
        pitches = self.start | self.row_pitch | Mux(contiguous, 0, self.pixel_pitch)
        return pitches[:BYTE_BITS].any()

    @property
    def on_chip(self) -> Value:
        """Whether it lies in the feature memory, see `contract.memory_map.on_chip`."""
        return self.start >= FEATURE_MEMORY_BASE


def operand(command: View, name: str) -> Operand:
    """Return the `input`, `residual` or `output` of a `ResolvedCommand`."""
    side = "input" if name == "input" else "output"
    fields = ("height", "width", "channels", "pixel_pitch", "row_pitch")
    return Operand(command[name], *(command[f"{side}_{field}"] for field in fields))


PieceSize = StructLayout(
    {
        "on_chip": 1,
        "gap": 1,
        "single": 1,
        "after": 16,
        "rest": BYTE_BITS,
        "beats": STEP_BITS,
        "beats_and_tail": STEP_BITS,
        "end": _PAGE_BITS - BYTE_BITS,
        "last": STEP_BITS,
        "short": 1,
        "one": 1,
    }
)
"""What all pieces of a tensor have in common.

`gap`: a piece takes a clock more; `single`: a row is one piece, else there are `after` more;
`rest`: its bytes modulo 8; `beats` hold its bytes if it starts at byte 0 of one, `beats_and_tail`
is one more; `end` is the beat of its page that it starts at if it ends with that page; `last` is
the number of its last clock, from 0 on, `short` says that this is 0; `one` that `beats` are 1.
"""

_SPREADS = sum(
    1 << (place + DATA_BYTES * rest)
    for place in range(DATA_BYTES)
    for rest in range(DATA_BYTES)
    if place + (rest or DATA_BYTES) > DATA_BYTES
)
"""By the place of its first byte and `rest`: whether a piece has bytes in a beat more."""


def has_tail(size: View, address: Value) -> Value:
    """Tell whether memory has one beat more, in the last clock of the piece at `address`."""
    place = Cat(address[:BYTE_BITS], size.rest)
    spread = Const(_SPREADS, DATA_BYTES**2).bit_select(place, 1)
    inside = address[BYTE_BITS:_PAGE_BITS] != size.end
    return size.gap & (spread | (inside & ~size.on_chip))
