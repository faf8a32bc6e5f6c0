"""Reconfigurable partitions: where they lie, what they offer, and what loading one costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fpga_rt.arch import partials
from fpga_rt.arch.devices import Device, Row
from fpga_rt.arch.families import FrameAddress
from fpga_rt.arch.partials import Cell
from fpga_rt.arch.resources import Resources
from fpga_rt.errors import PlanningError

DECLARED_FRAMES = 16
"""Frames of the stand-in region of a partition whose geometry is unknown."""


@dataclass(frozen=True)
class Rectangle:
    """Configuration columns (first and last, both included) of whole clock-region rows."""

    columns: tuple[int, int]
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Partition:
    """A reconfigurable partition (RP).

    `place` computes one from its rectangles; where the geometry is unknown its figures are
    declared, and `rectangles` is empty.

    Attributes:
        name: its name in the design.
        index: its number in commands and rings.
        resources: what a module may use.
        frames: configuration frames of the region, without pads.
        bitstream_bytes: bytes through the port for a Vivado partial that resets the region.
        plain_bytes: bytes when every frame is written once.
        rectangles: where it lies; several make an L.
    """

    name: str
    index: int
    resources: Resources
    frames: int
    bitstream_bytes: int
    plain_bytes: int
    rectangles: tuple[Rectangle, ...] = ()

    @property
    def is_estimate(self) -> bool:
        """Whether the figures were declared instead of computed from geometry."""
        return not self.rectangles


def declared_start(device: Device, partition: Partition) -> int:
    """Return where the stand-in region of a partition begins whose geometry is unknown.

    It is frames 0 to 15 of the logic column in row 0 whose number is the partition's index.
    """
    return device.family.address.encode(FrameAddress(0, 0, partition.index))


def place(device: Device, name: str, index: int, rectangles: Sequence[Rectangle]) -> Partition:
    """Return the partition that the rectangles make.

    Raises:
        PlanningError: A rectangle leaves the device, cuts a programmable unit, holds a column
            without fabric, or overlaps another.
    """
    where = f"partition {name!r} of {device.name}"
    found: list[Cell] = []
    for rectangle in rectangles:
        found += _cells(device, rectangle, where)
    region = set(found)
    if not region or len(region) < len(found):
        fault = "its rectangles overlap" if region else "it has no area"
        raise PlanningError(f"{where}: {fault}; give it rectangles that share no column of a row")
    content = partials.runs(device, region)
    return Partition(
        name=name,
        index=index,
        resources=_sum(device.column_resources(cell.column) for cell in region),
        frames=sum(run.frames for run in content),
        bitstream_bytes=partials.stream_bytes(device, region),
        plain_bytes=partials.plain_bytes(device, region),
        rectangles=tuple(rectangles),
    )


def cells(device: Device, partition: Partition) -> frozenset[Cell]:
    """Return the columns and rows a partition covers; none for one whose figures were declared."""
    where = f"partition {partition.name!r} of {device.name}"
    return frozenset(c for r in partition.rectangles for c in _cells(device, r, where))


def check_disjoint(device: Device, partitions: Iterable[Partition]) -> None:
    """Check that no two partitions share a column of a row.

    Raises:
        PlanningError: Two do.
    """
    owner: dict[Cell, str] = {}
    for partition in partitions:
        for cell in sorted(cells(device, partition), key=lambda c: (c.row.name, c.column)):
            other = owner.setdefault(cell, partition.name)
            if other != partition.name:
                raise PlanningError(
                    f"partitions {other!r} and {partition.name!r} of {device.name} overlap at "
                    f"column {cell.column} of row {cell.row.name}: move one of them"
                )


def static_resources(device: Device, partitions: Iterable[Partition]) -> Resources:
    """Return what the partitions leave to the static region, by the totals of the data sheet."""
    return device.resources - _sum(partition.resources for partition in partitions)


def _sum(amounts: Iterable[Resources]) -> Resources:
    return sum(amounts, Resources())


def _cells(device: Device, rectangle: Rectangle, where: str) -> list[Cell]:
    rows = [_row(device, name, where) for name in rectangle.rows]
    _check_columns(device, rectangle.columns, where)
    first, last = rectangle.columns
    found = [Cell(row, column) for row in rows for column in range(first, last + 1)]
    for cell in found:
        if not device.is_fabric(cell.column, cell.row):
            raise PlanningError(
                f"{where}: column {cell.column} ({device.columns[cell.column]}) of row "
                f"{cell.row.name} has no fabric for a module; leave it out of {first}-{last}"
            )
    return found


def _row(device: Device, name: str, where: str) -> Row:
    try:
        return device.row_of[name]
    except KeyError:
        known = ", ".join(device.row_of) or "not known"
        raise PlanningError(
            f"{where}: no clock-region row {name!r}; the rows of {device.name} are {known}"
        ) from None


def _check_columns(device: Device, columns: tuple[int, int], where: str) -> None:
    first, last = columns
    if not 0 <= first <= last < len(device.columns):
        raise PlanningError(
            f"{where}: columns {first}-{last} are not a range within 0-{len(device.columns) - 1}"
        )
    legal_first = next(unit[0] for unit in device.units if unit[1] >= first)
    legal_last = next(unit[1] for unit in device.units if unit[1] >= last)
    if columns != (legal_first, legal_last):
        raise PlanningError(
            f"{where}: columns {first}-{last} cut a programmable unit, which is loaded as a whole; "
            f"use {legal_first}-{legal_last}"
        )
