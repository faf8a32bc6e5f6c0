"""What the devices of a family share: frames, frame addresses, and what a column holds.

Ref: 7 Series FPGAs Configuration User Guide
Document: UG470, Configuration Memory Frames and Frame Address Register
Ref: UltraScale Architecture Configuration User Guide
Document: UG570, Configuration Memory Frames
Ref: Vivado Design Suite User Guide: Dynamic Function eXchange
Document: UG909, Creating a Floorplan

A *frame* is the smallest piece of configuration memory that can be written: one bit-slice of a
column of tiles, as tall as a clock region. That is why a region is made of whole clock-region
rows: a module that overhangs by a single slice row costs every frame of the next row too.

A column has a number of frames ("minors") that depends on its kind alone. Block RAM is
odd: its interconnect is a column like any other (block type 0), but its content lies on a bus of
its own (block type 1) whose columns are counted separately: only block RAM columns have one.

In the 7-series, rows count outwards from the middle of the device: a bit says top or bottom half
and row 0 is the one next to the middle, so in the bottom half rows are numbered *downwards*. Two
neighbouring columns, one even and one odd, share their interconnect back to back; neither can be
reconfigured without the other. Since UltraScale rows count from the bottom, and the interconnect
is a column itself (INT) with a column of logic on either side. Such a smallest group is a
*programmable unit*, and Vivado snaps a region to whole ones.

UltraScale+ numbers for DSP and block RAM are inferred from the frames of real files and the
totals of the data sheets; UltraRAM is unknown and never given to a partition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fpga_rt.arch.resources import Resources
from fpga_rt.errors import DeviceError

CLB, DSP, BRAM, URAM, INT = "CLB", "DSP", "BRAM", "URAM", "INT"
IOB, CMT, CLOCK, OTHER = "IOB", "CMT", "CLK/CFG", "other"

FABRIC = frozenset({CLB, DSP, BRAM, INT})
"""The kinds of column that may lie in a partition."""

BYTES_PER_WORD = 4


@dataclass(frozen=True)
class FrameAddress:
    """Where a frame lies: `block_type` 0 logic, 1 block RAM content, 2 the 7-series reset mask."""

    block_type: int
    row: int
    column: int
    minor: int = 0
    bottom: bool = False


@dataclass(frozen=True)
class AddressFields:
    """The bit fields of the frame address register (FAR), each as (highest, lowest) bit."""

    block_type: tuple[int, int]
    row: tuple[int, int]
    column: tuple[int, int]
    minor: tuple[int, int]
    bottom: tuple[int, int] | None = None

    def encode(self, address: FrameAddress) -> int:
        """Return the 32-bit register value.

        Raises:
            ValueError: A part of the address does not fit its field.
        """
        word = 0
        for name, (high, low) in self._fields():
            value = int(getattr(address, name))
            if not 0 <= value < 1 << (high - low + 1):
                raise ValueError(f"{name} {value} does not fit FAR bits [{high}:{low}]")
            word |= value << low
        if address.bottom and self.bottom is None:
            raise ValueError("this family has no bottom half: rows count from the bottom")
        return word

    def decode(self, word: int) -> FrameAddress:
        """Return the address in a register value; bits outside the fields are ignored."""
        values = {
            name: (word >> low) & ((1 << (high - low + 1)) - 1)
            for name, (high, low) in self._fields()
        }
        return FrameAddress(
            values["block_type"],
            values["row"],
            values["column"],
            values["minor"],
            bool(values.get("bottom", 0)),
        )

    def _fields(self) -> list[tuple[str, tuple[int, int]]]:
        fields = [
            ("block_type", self.block_type),
            ("row", self.row),
            ("column", self.column),
            ("minor", self.minor),
        ]
        return fields if self.bottom is None else [*fields, ("bottom", self.bottom)]


@dataclass(frozen=True)
class Family:
    """One configuration architecture.

    `column_frames` and `column_resources` are per column and clock-region row, by kind of column;
    `block_ram_frames` are the content frames of one block RAM column. `end_address` is the FAR
    that ends a stream: past every frame.
    """

    name: str
    frame_words: int
    address: AddressFields
    end_address: int
    block_ram_frames: int
    column_resources: Mapping[str, Resources] = field(repr=False, hash=False)
    column_frames: Mapping[str, int] = field(repr=False, hash=False)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return self.frame_words * BYTES_PER_WORD

    @property
    def has_interconnect_columns(self) -> bool:
        """Whether the interconnect is a column itself, as it is since UltraScale."""
        return INT in self.column_frames

    def __str__(self) -> str:
        """Return the name."""
        return self.name


SERIES7 = Family(
    name="7-series",
    frame_words=101,
    address=AddressFields((25, 23), row=(21, 17), column=(16, 7), minor=(6, 0), bottom=(22, 22)),
    end_address=0x03BE0000,
    block_ram_frames=128,
    # 50 CLBs of two slices of four LUTs; 10 tiles of two DSP48E1; 10 RAMB36.
    column_resources={CLB: Resources(lut=400), DSP: Resources(dsp=20), BRAM: Resources(bram36=10)},
    column_frames={CLB: 36, DSP: 28, BRAM: 28, CLOCK: 30, CMT: 30, IOB: 42},
)

_ULTRASCALE_COLUMNS = {
    # 60 CLBs of one slice of eight LUTs; 24 DSP48E2; 12 RAMB36.
    CLB: Resources(lut=480),
    DSP: Resources(dsp=24),
    BRAM: Resources(bram36=12),
}

ULTRASCALE = Family(
    name="UltraScale",
    frame_words=123,
    address=AddressFields((25, 23), row=(22, 17), column=(16, 7), minor=(6, 0)),
    end_address=0x03BE0000,
    block_ram_frames=128,
    column_resources=_ULTRASCALE_COLUMNS,
    column_frames={INT: 58, CLB: 12},
)

ULTRASCALE_PLUS = Family(
    name="UltraScale+",
    frame_words=93,
    address=AddressFields((26, 24), row=(23, 18), column=(17, 8), minor=(7, 0)),
    end_address=0x07FC0000,
    block_ram_frames=256,
    column_resources=_ULTRASCALE_COLUMNS,
    column_frames={INT: 76, CLB: 16, DSP: 8, BRAM: 6, URAM: 9},
)

FAMILIES = {f.name: f for f in (SERIES7, ULTRASCALE, ULTRASCALE_PLUS)}


def family(name: str) -> Family:
    """Return the family called `name`.

    Raises:
        DeviceError: There is none of that name.
    """
    try:
        return FAMILIES[name]
    except KeyError:
        known = ", ".join(FAMILIES)
        raise DeviceError(f"unknown family {name!r}: use one of {known}") from None
