"""Snaps a Vivado pblock to the columns and rows that loading it writes, and says what that costs.

Ref: Vivado Design Suite User Guide: Dynamic Function eXchange
Document: UG909, Creating Pblocks; Automatic Adjustments for Reconfigurable Pblocks (SNAPPING_MODE)

A pblock is drawn in sites (`SLICE_X38Y0:SLICE_X45Y50`), but frames are as tall as a clock region
and neighbouring columns share their interconnect. Vivado therefore keeps a programmable unit only
when the pblock holds all of it, and takes every clock region it touches as a whole: a pblock that
overhangs by one slice row is loaded with all frames of that row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fpga_rt.arch.devices import Device
from fpga_rt.arch.families import INT
from fpga_rt.arch.partials import Cell, stream_bytes
from fpga_rt.arch.sites import SiteKind, SiteRange, check_numbering, numbered, site_kinds
from fpga_rt.errors import PlanningError

_RANGE = re.compile(r"([A-Z][A-Z0-9]*)_X(\d+)Y(\d+):([A-Z][A-Z0-9]*)_X(\d+)Y(\d+)")
_EXAMPLE = "SLICE_X38Y0:SLICE_X45Y49"


@dataclass(frozen=True)
class PartRow:
    """A clock-region row that the pblock covers in part; loading it is charged as a whole.

    Attributes:
        row: its name.
        covered: rows of sites inside, of the kind that covers most.
        height: rows of sites it has.
        site: that kind of site.
        extra_bytes: bytes of the partial that go away with this row.
        overhang: whether the region has rows besides this one.
    """

    row: str
    covered: int
    height: int
    site: str
    extra_bytes: int
    overhang: bool

    def __str__(self) -> str:
        """Return the finding as a sentence."""
        found = f"row {self.row} is loaded whole for {self.covered} of its {self.height} rows of"
        found += f" {self.site} sites"
        if not self.overhang:
            return f"{found}: a pblock that covers it costs no more"
        return f"{found}: without the overhang the partial is {self.extra_bytes:,} bytes shorter"


@dataclass(frozen=True)
class Snapped:
    """What becomes of a pblock: the cells that are loaded, cut columns, rows covered in part."""

    cells: frozenset[Cell]
    cut_columns: tuple[int, ...]
    part_rows: tuple[PartRow, ...]

    @property
    def findings(self) -> tuple[str, ...]:
        """What a designer should look at, a sentence each."""
        found = [str(part) for part in self.part_rows]
        if self.cut_columns:
            names = ", ".join(map(str, self.cut_columns))
            found.append(
                f"columns {names} are given up: the pblock cuts their programmable units, which"
                " are loaded whole or not at all"
            )
        return tuple(found)


def parse_pblock(device: Device, text: str) -> tuple[SiteRange, ...]:
    """Return the site ranges of a pblock, written as for Vivado's `resize_pblock -add`.

    Raises:
        PlanningError: `text` is no list of site ranges of this device.
    """
    parts = re.split(r"[\s,{}]+", text.strip(" {},"))
    return tuple(_range(device, part) for part in parts)


def snap(device: Device, ranges: Iterable[SiteRange]) -> Snapped:
    """Return the columns and rows that a pblock is loaded with, and what it loses or wastes.

    Raises:
        PlanningError: The device's site numbers are not known, or no programmable unit is whole.
    """
    ranges = tuple(ranges)
    check_numbering(device)
    inside, halves = _columns_inside(device, ranges)
    kept: set[Cell] = set()
    cut: set[int] = set(halves)
    for unit in device.units:
        columns = range(unit[0], unit[1] + 1)
        sites = [c for c in columns if device.columns[c] != INT]
        for row in device.rows:
            held = [c for c in sites if Cell(row, c) in inside]
            whole = len(held) == len(sites) and all(device.is_fabric(c, row) for c in columns)
            kept.update(Cell(row, c) for c in columns if whole)
            cut.update(() if whole else held)
    if not kept:
        raise PlanningError(
            f"pblock on {device.name}: no programmable unit lies inside it whole; widen it to "
            f"columns of full units, or give them with --columns and --rows"
        )
    return Snapped(frozenset(kept), tuple(sorted(cut)), _part_rows(device, ranges, kept))


def _range(device: Device, text: str) -> SiteRange:
    found = _RANGE.fullmatch(text)
    known = site_kinds(device)
    if not found or found.group(1) != found.group(4) or found.group(1) not in known:
        raise PlanningError(
            f"pblock range {text!r}: expected two sites of one kind of {device.name} "
            f"({', '.join(known)}), as in {_EXAMPLE}"
        )
    x0, y0, x1, y1 = (int(found.group(i)) for i in (2, 3, 5, 6))
    kind = known[found.group(1)]
    rows = len(device.rows) * kind.height
    columns = kind.across * len(numbered(device, kind.column))
    if x0 > x1 or y0 > y1 or (columns and (x1 >= columns or y1 >= rows)):
        raise PlanningError(
            f"pblock range {text!r}: expected its lower left before its upper right, within "
            f"X0-{columns - 1} and Y0-{rows - 1} of {device.name}"
        )
    return SiteRange(found.group(1), (x0, x1), (y0, y1))


def _columns_inside(device: Device, ranges: Iterable[SiteRange]) -> tuple[set[Cell], set[int]]:
    """Return the cells whose sites' X lie in a range, and the columns of which only a part does."""
    inside: set[Cell] = set()
    halves: set[int] = set()
    for found in ranges:
        kind = site_kinds(device)[found.kind]
        for number, column in enumerate(numbered(device, kind.column)):
            first, last = number * kind.across, (number + 1) * kind.across - 1
            if found.x[0] <= first and last <= found.x[1]:
                rows = (device.row_of[name] for name, _ in _heights(found, kind))
                inside.update(Cell(row, column) for row in rows if device.is_fabric(column, row))
            elif first <= found.x[1] and found.x[0] <= last:
                halves.add(column)
    return inside, halves


def _heights(found: SiteRange, kind: SiteKind) -> Iterator[tuple[str, int]]:
    """Yield the rows that a range touches, and how many rows of sites it holds of each."""
    for number in range(found.y[0] // kind.height, found.y[1] // kind.height + 1):
        low, high = number * kind.height, (number + 1) * kind.height - 1
        yield f"Y{number}", min(found.y[1], high) - max(found.y[0], low) + 1


def _part_rows(device: Device, ranges: Iterable[SiteRange], kept: set[Cell]) -> tuple[PartRow, ...]:
    best: dict[str, tuple[int, int, str]] = {}
    for found in ranges:
        kind = site_kinds(device)[found.kind]
        for name, covered in _heights(found, kind):
            before = best.get(name, (0, 1, ""))
            if covered * before[1] > before[0] * kind.height:
                best[name] = (covered, kind.height, found.kind)
    rows = {cell.row.name for cell in kept}
    parts = []
    for name, (covered, height, site) in sorted(best.items()):
        if covered == height or name not in rows:
            continue
        rest = {cell for cell in kept if cell.row.name != name}
        extra = stream_bytes(device, kept) - stream_bytes(device, rest) if rest else 0
        parts.append(PartRow(name, covered, height, site, extra, bool(rest)))
    return tuple(parts)
