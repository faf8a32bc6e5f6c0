"""Predicts a partial bitstream from the columns and rows it loads: frames, bytes, resources, time.

The rules are those of `fpga_rt.arch.partials`: 7-series sizes equal real Vivado files to the byte,
UltraScale+ ones within 1 %. Bytes are those that enter the configuration port; a `.bit` file has a
text header of about 120 bytes more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fpga_rt.arch import boards, partials
from fpga_rt.arch.devices import Device
from fpga_rt.arch.floorplan import Rectangle, cells, place
from fpga_rt.arch.partials import Cell
from fpga_rt.arch.ports import ConfigurationPort
from fpga_rt.arch.resources import Resources

_SERIES_LETTERS = 4
"""`xc7z` or `xczu`: devices that share so much of their name have the same ports."""


@dataclass(frozen=True)
class Form:
    """One way to write a region: frames through the port, pads and repetitions included; bytes."""

    name: str
    frames: int
    size_bytes: int


@dataclass(frozen=True)
class RegionSize:
    """What a region of a device offers, and what loading it takes.

    Attributes:
        device: name of the device.
        rectangles: columns and rows, merged where neighbouring rows have the same columns.
        resources: what a module may use.
        frames: configuration frames of the region, without pads.
        forms: `vivado`, a partial that resets its region after loading, and `plain`, every frame
            once.
        exact: whether real files of this family were equal to the byte; within 1 % otherwise.
    """

    device: str
    rectangles: tuple[Rectangle, ...]
    resources: Resources
    frames: int
    forms: tuple[Form, Form]
    exact: bool


def region_cells(device: Device, rectangles: Sequence[Rectangle]) -> frozenset[Cell]:
    """Return the cells of a region that a partition may hold.

    Raises:
        PlanningError: A rectangle leaves the device, cuts a programmable unit, holds a column
            without fabric, or overlaps another.
    """
    return cells(device, place(device, "region", 0, rectangles))


def region_size(device: Device, region: Iterable[Cell]) -> RegionSize:
    """Return the size of a region of whole programmable units; see `region_cells`."""
    found = frozenset(region)
    content = partials.runs(device, found)
    plain_frames = sum(run.frames + run.pads for run in content)
    return RegionSize(
        device=device.name,
        rectangles=rectangles_of(device, found),
        resources=sum((device.column_resources(cell.column) for cell in found), Resources()),
        frames=sum(run.frames for run in content),
        forms=(
            Form(
                "vivado",
                partials.stream_frames(device, found),
                partials.stream_bytes(device, found),
            ),
            Form("plain", plain_frames, partials.plain_bytes(device, found)),
        ),
        exact=not device.family.has_interconnect_columns,
    )


def rectangles_of(device: Device, region: Iterable[Cell]) -> tuple[Rectangle, ...]:
    """Return a region as rectangles, from the top: rows with the same columns are merged."""
    found = frozenset(region)
    rows: dict[tuple[int, int], list[str]] = {}
    for row in device.rows:
        columns = sorted(cell.column for cell in found if cell.row == row)
        for run in _neighbours(columns):
            rows.setdefault(run, []).append(row.name)
    return tuple(Rectangle(columns, tuple(names)) for columns, names in rows.items())


def ports_of(device: Device) -> Mapping[str, ConfigurationPort]:
    """Return the configuration ports of a device, by name: those of a board that carries it.

    A device without a board has those of a relative, so none when it has no relative either.
    """
    known = [boards.board(name) for name in boards.boards()]
    same = [board for board in known if board.device.name == device.name]
    series = device.name[:_SERIES_LETTERS]
    alike = [board for board in known if board.device.name.startswith(series)]
    return next((board.ports for board in (*same, *alike)), {})


def _neighbours(columns: Sequence[int]) -> list[tuple[int, int]]:
    """Return sorted numbers as inclusive ranges of neighbours."""
    found: list[tuple[int, int]] = []
    for column in columns:
        if found and found[-1][1] == column - 1:
            found[-1] = (found[-1][0], column)
        else:
            found.append((column, column))
    return found
