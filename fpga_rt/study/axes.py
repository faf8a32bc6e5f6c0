"""What a study may sweep: the axes, what they may be set to, and the grid of points they span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product

from fpga_rt.planner.schedule import POLICIES

STUDY_POLICIES: tuple[str, ...] = (*POLICIES, "exact")
PLACEMENTS = ("apart", "together")
ALL = "all"
DEFAULT_BOARD = "pynq-z2"

Value = str | int | float | tuple[int, ...] | tuple[str, ...]


@dataclass(frozen=True)
class Point:
    """One setting of everything that a study may sweep; a field for each axis.

    Attributes:
        workload: name of one of the study's workloads.
        board: name.
        calibration: file of measurements, empty for the board's own figures.
        port: configuration port, `default` for the board's.
        contention: percent that a load takes longer while a program uses the DRAM; -1 for what the
            port has.
        partitions: `all`, the first so many, or which.
        modules: `all`, or the variants to choose from.
        placement: networks planned `apart`, or `together` for requests in turn.
        bitstream: `reset` (as Vivado writes partials that reset their region), `plain` (every frame
            once), or the ratio to `reset` that compression reaches.
        policy: see `fpga_rt.planner.schedule`, or `exact`.
        batch: images of a request.
    """

    workload: str
    board: str = DEFAULT_BOARD
    calibration: str = ""
    port: str = "default"
    contention: int = -1
    partitions: str | int | tuple[int, ...] = ALL
    modules: str | tuple[str, ...] = ALL
    placement: str = "apart"
    bitstream: str | float = "reset"
    policy: str = "aggressive"
    batch: int = 1

    def cells(self) -> dict[str, str]:
        """Return every setting as text, by axis."""
        return {name: text(getattr(self, name)) for name in AXES}


AXES = tuple(field.name for field in fields(Point))


def text(value: object) -> str:
    """Return a setting as text: lists with `+` between their values, which CSV does not quote."""
    if isinstance(value, tuple):
        return "+".join(map(str, value))
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)  # results tell points apart by it
    return str(value)


def grid(sweep: Mapping[str, Sequence[Value]]) -> list[Point]:
    """Return the points of a sweep, the last axis changing fastest."""
    names = [name for name in AXES if name in sweep]
    return [
        Point(**dict(zip(names, values, strict=True)))  # type: ignore[arg-type]
        for values in product(*(sweep[name] for name in names))
    ]


def name_of(point: Point, sweep: Mapping[str, Sequence[Value]]) -> str:
    """Return the name of a point: its settings of the axes that have several."""
    cells = point.cells()
    varied = [f"{axis}={cells[axis]}" for axis in AXES if len(sweep.get(axis, ())) > 1]
    return " ".join(varied) or "only"
