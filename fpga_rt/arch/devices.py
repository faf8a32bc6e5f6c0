"""The geometry of a device: its columns, its clock-region rows, and the frames they hold.

A data file gives the columns of a device once, one letter each, since every row of a supported
device has the same: C CLB, D DSP, B block RAM, U UltraRAM, I interconnect, O I/O, M clock
management, K clock spine or configuration centre. A digit (0-9, a-f) is a column of another kind
with that many frames. What differs between rows is where hard blocks leave no fabric.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from fpga_rt.arch import data_files, families
from fpga_rt.arch.families import BRAM, FABRIC, INT, OTHER, Family, FrameAddress
from fpga_rt.arch.resources import Resources
from fpga_rt.errors import DeviceError

PAD_FRAMES = 2
"""Zero frames that follow every (block type, row) of a full bitstream."""

_KINDS = {
    "C": families.CLB,
    "D": families.DSP,
    "B": families.BRAM,
    "U": families.URAM,
    "I": families.INT,
    "O": families.IOB,
    "M": families.CMT,
    "K": families.CLOCK,
}


@dataclass(frozen=True)
class Row:
    """A clock-region row: Vivado's name for it (Y0 is the lowest), and its number in the FAR.

    `no_fabric` are inclusive column ranges that hard blocks take, or that are not known to be free.
    """

    name: str
    row: int
    bottom: bool = False
    no_fabric: tuple[tuple[int, int], ...] = ()

    def has_fabric(self, column: int) -> bool:
        """Tell whether hard blocks leave the column free in this row."""
        return not any(first <= column <= last for first, last in self.no_fabric)


@dataclass(frozen=True)
class Device:
    """A device: `columns` are the kinds of column from left to right, `rows` from top to bottom.

    `resources` is the total of the data sheet; `idcode` the one in bitstreams, which differs from
    the JTAG one on Zynq UltraScale+; its top nibble is the revision and never compared. A device of
    unknown geometry has no columns and no rows.
    """

    name: str
    family: Family
    idcode: int
    resources: Resources
    source: str
    columns: tuple[str, ...] = field(default=(), repr=False)
    column_frames: tuple[int, ...] = field(default=(), repr=False)
    rows: tuple[Row, ...] = field(default=(), repr=False)

    @cached_property
    def row_of(self) -> Mapping[str, Row]:
        """The rows by name."""
        return {row.name: row for row in self.rows}

    @cached_property
    def block_ram_columns(self) -> tuple[int, ...]:
        """The columns with block RAM; their order is the column number of block type 1."""
        return tuple(c for c, kind in enumerate(self.columns) if kind == BRAM)

    @property
    def row_frames(self) -> int:
        """Frames of one clock-region row, block RAM content included, pads not."""
        return sum(self.column_frames) + len(self.block_ram_columns) * self.family.block_ram_frames

    @property
    def total_frames(self) -> int:
        """Frames of the device, without pads."""
        return self.row_frames * len(self.rows)

    @property
    def full_stream_frames(self) -> int:
        """Frames in the data of a full, uncompressed bitstream: pads included."""
        return self.total_frames + 2 * PAD_FRAMES * len(self.rows)

    @cached_property
    def units(self) -> tuple[tuple[int, int], ...]:
        """The programmable units: inclusive ranges of columns that change together or not at all.

        7-series: an even and the odd column beside it, back to back. Since UltraScale: an
        interconnect column with its neighbours (one that serves two belongs to the left); what
        lies between such groups is a unit without fabric.
        """
        if not self.family.has_interconnect_columns:
            return tuple((c, c + 1) for c in range(0, len(self.columns), 2))
        units: list[tuple[int, int]] = []
        start = 0
        for centre in (c for c, kind in enumerate(self.columns) if kind == INT):
            first = max(start, centre - 1)
            if first > start:
                units.append((start, first - 1))
            units.append((first, centre + 1))
            start = centre + 2
        if start < len(self.columns):
            units.append((start, len(self.columns) - 1))
        return tuple(units)

    def is_fabric(self, column: int, row: Row) -> bool:
        """Tell whether a partition may hold this column of this row."""
        return self.columns[column] in FABRIC and row.has_fabric(column)

    def column_resources(self, column: int) -> Resources:
        """Return what a column offers in a row where it is fabric."""
        return self.family.column_resources.get(self.columns[column], Resources())

    def fabric_resources(self) -> Resources:
        """Return the sum over everything a partition may hold: at most `resources`."""
        total = Resources()
        for row in self.rows:
            for column in range(len(self.columns)):
                if self.is_fabric(column, row):
                    total += self.column_resources(column)
        return total

    def address(self, row: Row, column: int, minor: int = 0) -> int:
        """Return the FAR of a frame of a column (block type 0)."""
        return self.family.address.encode(FrameAddress(0, row.row, column, minor, row.bottom))

    def block_ram_address(self, row: Row, column: int, minor: int = 0) -> int:
        """Return the FAR of a content frame of a block RAM column (block type 1).

        Raises:
            ValueError: The column has no block RAM.
        """
        index = self.block_ram_columns.index(column)
        return self.family.address.encode(FrameAddress(1, row.row, index, minor, row.bottom))


@cache
def device(name: str) -> Device:
    """Return the device called `name`, for example `xc7z020`.

    Raises:
        DeviceError: There is no data file of that name; the message lists those there are.
    """
    if name not in devices():
        known = ", ".join(devices())
        raise DeviceError(
            f"unknown FPGA {name!r}: no geometry file of that name; use one of {known}"
        )
    return _parse(data_files.read("devices", name))


def devices() -> tuple[str, ...]:
    """Return the names of the devices with a data file, sorted."""
    return data_files.names("devices")


def _parse(data: Mapping[str, Any]) -> Device:
    family = families.family(data["family"])
    letters = data["columns"].replace(" ", "")
    kinds = tuple(_KINDS.get(letter, OTHER) for letter in letters)
    return Device(
        name=data["name"],
        family=family,
        idcode=int(data["idcode"], 16),
        resources=Resources(**data["resources"]),
        source=data["source"],
        columns=kinds,
        column_frames=tuple(
            int(letter, 16) if kind == OTHER else family.column_frames[kind]
            for letter, kind in zip(letters, kinds, strict=True)
        ),
        rows=tuple(
            Row(
                name=row["name"],
                row=row["row"],
                bottom=row.get("half") == "bottom",
                no_fabric=tuple((first, last) for first, last in row["no_fabric"]),
            )
            for row in data["rows"]
        ),
    )
