"""Sites: what a pblock is drawn in, and how they are numbered.

Ref: Vivado Design Suite User Guide: Dynamic Function eXchange
Document: UG909, Creating Pblocks

Sites are numbered from the left over the columns that have fabric in some row, from the bottom over
all rows. That equals the site numbers of the XC7Z020; it is inferred for the others, and nothing is
said about a device whose columns do not add up to its data sheet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from fpga_rt.arch.devices import Device
from fpga_rt.arch.families import BRAM, CLB, DSP, URAM
from fpga_rt.arch.partials import Cell
from fpga_rt.errors import PlanningError


@dataclass(frozen=True)
class SiteKind:
    """A kind of site: the column it lies in, sites across a column, sites up a clock region."""

    column: str
    across: int
    height: int


_SERIES7 = {
    "SLICE": SiteKind(CLB, 2, 50),
    "DSP48": SiteKind(DSP, 1, 20),
    "RAMB36": SiteKind(BRAM, 1, 10),
    "RAMB18": SiteKind(BRAM, 1, 20),
}
_ULTRASCALE = {
    "SLICE": SiteKind(CLB, 1, 60),
    "DSP48E2": SiteKind(DSP, 1, 24),
    "RAMB36": SiteKind(BRAM, 1, 12),
    "RAMB18": SiteKind(BRAM, 1, 24),
    "URAM288": SiteKind(URAM, 1, 16),
}


@dataclass(frozen=True)
class SiteRange:
    """A rectangle of sites of one kind, corners included."""

    kind: str
    x: tuple[int, int]
    y: tuple[int, int]

    def __str__(self) -> str:
        """Return it as Vivado's `resize_pblock -add` takes it."""
        (x0, x1), (y0, y1) = self.x, self.y
        return f"{self.kind}_X{x0}Y{y0}:{self.kind}_X{x1}Y{y1}"


def site_kinds(device: Device) -> Mapping[str, SiteKind]:
    """Return the kinds of site of a device, by the names that pblocks use."""
    return _ULTRASCALE if device.family.has_interconnect_columns else _SERIES7


def numbered(device: Device, kind: str) -> list[int]:
    """Return the columns of a kind in the order of their sites' X."""
    return [
        column
        for column, found in enumerate(device.columns)
        if found == kind and any(row.has_fabric(column) for row in device.rows)
    ]


def check_numbering(device: Device) -> None:
    """Check that the sites of a device have known numbers.

    Raises:
        PlanningError: Columns are missing from its geometry.
    """
    if not device.rows or device.fabric_resources() != device.resources:
        raise PlanningError(
            f"pblock on {device.name}: its site numbers are not known, since some columns are "
            "missing from its geometry; give --columns and --rows instead"
        )


def site_ranges(device: Device, cells: Collection[Cell]) -> tuple[SiteRange, ...]:
    """Return the site ranges of a pblock that holds exactly some columns of rows.

    Rectangles of equal width that lie on each other are one range. Columns of interconnect have no
    sites: they follow their neighbours.

    Raises:
        PlanningError: The device's site numbers are not known.
    """
    check_numbering(device)
    found: list[SiteRange] = []
    for name, kind in site_kinds(device).items():
        columns = {column: number for number, column in enumerate(numbered(device, kind.column))}
        rows: dict[int, list[int]] = {}
        for cell in cells:
            if cell.column in columns:
                rows.setdefault(int(cell.row.name[1:]), []).append(columns[cell.column])
        spans = {row: tuple(_spans(numbers)) for row, numbers in rows.items()}
        found += _rectangles(name, kind, spans)
    return tuple(found)


def _spans(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield runs of consecutive numbers, first and last."""
    ordered = sorted(numbers)
    first = last = ordered[0]
    for number in ordered[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last


def _rectangles(
    name: str, kind: SiteKind, spans: Mapping[int, tuple[tuple[int, int], ...]]
) -> Iterator[SiteRange]:
    """Yield the ranges of a kind; `spans` are runs of site columns by row."""
    since: dict[tuple[int, int], int] = {}
    for row in range(min(spans, default=0), max(spans, default=0) + 2):
        here = spans.get(row, ())
        for first, last in [span for span in since if span not in here]:
            x = (first * kind.across, (last + 1) * kind.across - 1)
            yield SiteRange(
                name, x, (since.pop((first, last)) * kind.height, row * kind.height - 1)
            )
        for span in here:
            since.setdefault(span, row)
