"""Where reconfiguration starts to pay along an axis, all else being equal, and where it loses.

Results are cut into lines along every axis whose settings have an order: batch, bitstream size and
contention by number, partitions by their area. A line crosses where `static_ratio` passes 1. Of
workloads, which have names and no order, it is said how often it pays in each.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from fpga_rt.runtime.report_text import count_text
from fpga_rt.study.axes import AXES
from fpga_rt.study.rivals import accepts_text, alone, by_measure, judged

Row = Mapping[str, str]

_NUMBERS = ("batch", "bitstream", "contention")
_AREA, _MIX = "partitions", "workload"
_MOST_TOLD = 16
"""Crossings of an axis that are told one by one."""


@dataclass(frozen=True)
class Crossing:
    """Two neighbours on an axis between which the better design changes.

    Attributes:
        axis: that changes.
        before: setting of the axis, and how many times as long the static design takes there.
        after: the same of the next setting.
        others: settings of the other axes that vary.
        point: name of the first point.
    """

    axis: str
    before: tuple[str, float]
    after: tuple[str, float]
    others: str
    point: str = ""

    @property
    def text(self) -> str:
        """Return the crossing as a sentence."""
        (low, first), (high, second) = self.before, self.after
        verb = "pays from" if second > first else "loses from"
        where = f" ({self.others})" if self.others else ""
        return (
            f"It {verb} {self.axis} {high} on: static / reconfigured is {_ratio(first)} at {low},"
            f" {_ratio(second)} at {high}{where}."
        )


@dataclass(frozen=True)
class Line:
    """Results along an axis, everything else being equal.

    Attributes:
        axis: that changes.
        others: settings of the other axes that vary.
        rows: in the order of the axis.
    """

    axis: str
    others: str
    rows: tuple[Row, ...]

    @property
    def ratios(self) -> list[float]:
        """How many times as long the static design takes."""
        return [float(row["static_ratio"]) for row in self.rows]

    @property
    def crossings(self) -> list[Crossing]:
        """Where the better design changes."""
        points = list(zip(self.rows, self.ratios, strict=True))
        return [
            Crossing(
                self.axis, (row[self.axis], ratio), (then[self.axis], later), self.others,
                row["point"],
            )
            for (row, ratio), (then, later) in itertools.pairwise(points)
            if (ratio > 1) != (later > 1)
        ]  # fmt: skip


def lines(rows: Sequence[Row]) -> list[Line]:
    """Return every line of at least two results that have a `static_ratio`."""
    points = judged(rows)
    varied = [axis for axis in AXES if len({row[axis] for row in rows}) > 1]
    found = []
    for axis in varied:
        order = _order(axis)
        if order is None:
            continue
        groups: dict[str, list[Row]] = {}
        for row in points:
            others = " ".join(f"{other}={row[other]}" for other in varied if other != axis)
            groups.setdefault(others, []).append(row)
        for others, group in groups.items():
            placed = [(place, row) for row in group if (place := order(row)) is not None]
            ordered = [row for _, row in sorted(placed, key=lambda pair: pair[0])]
            if len(ordered) > 1:
                found.append(Line(axis, others, tuple(ordered)))
    return found


def sentences(
    rows: Sequence[Row], refined: Callable[[Crossing], Crossing] | None = None
) -> list[str]:
    """Say where reconfiguration pays and where it loses.

    Args:
        rows: results without errors.
        refined: returns a crossing with neighbours that are closer.
    """
    groups = [(before, judged(group)) for before, group in by_measure(rows)]
    found = [before + _whole(group) for before, group in groups if group]
    if accepts := accepts_text(rows):
        found.append(accepts)
    if without := alone(rows):
        found.append(
            f"In {count_text(len(without), 'point')} no static design of the same area holds all"
            " modules: there it runs only with reconfiguration."
        )
    found += _against_full(rows)
    for before, group in groups:
        along = lines(group)
        for axis in _told_first(line.axis for line in along):
            told = _along([line for line in along if line.axis == axis], refined)
            found += [before + line for line in told]
        found += [before + line for line in _by_name(group)]
    return found


def _told_first(axes: Iterable[str]) -> list[str]:
    """Return axes once each, those of numbers first: there the break-even itself is found."""
    return sorted(dict.fromkeys(axes), key=lambda axis: axis not in _NUMBERS)


def _order(axis: str) -> Callable[[Row], float | None] | None:
    """Return what sorts an axis, None for one without an order."""
    if axis in _NUMBERS:
        return partial(_number, axis)
    if axis == _AREA:
        return lambda row: _number("area_lut", row)
    return None


def _number(column: str, row: Row) -> float | None:
    try:
        return float(row[column])
    except ValueError:
        return None


def _whole(rows: Sequence[Row]) -> str:
    ratios = {row["point"]: float(row["static_ratio"]) for row in rows}
    wins = sum(ratio > 1 for ratio in ratios.values())
    worst, best = min(ratios, key=ratios.__getitem__), max(ratios, key=ratios.__getitem__)
    return (
        f"Reconfiguration pays in {wins} of {count_text(len(rows), 'point')}: the static design of"
        f" the same area takes {ratios[worst]:.2f} ({worst}) to {ratios[best]:.2f} ({best}) times"
        " as long."
    )


def _by_name(rows: Sequence[Row]) -> Iterator[str]:
    """Yield how often it pays in each workload, where there are several."""
    groups: dict[str, list[float]] = {}
    for row in judged(rows):
        groups.setdefault(row[_MIX], []).append(float(row["static_ratio"]))
    if len(groups) > 1:
        told = [
            f"in {sum(r > 1 for r in ratios)} of {count_text(len(ratios), 'point')} of {name}"
            for name, ratios in groups.items()
        ]
        yield f"By workload it pays {', '.join(told[:-1])} and {told[-1]}."


def _along(found: Sequence[Line], refined: Callable[[Crossing], Crossing] | None) -> Iterator[str]:
    """Yield what the lines of one axis say."""
    axis = found[0].axis
    changes = [change for line in found for change in line.crossings]
    if refined is not None and axis in _NUMBERS:
        changes = [refined(change) for change in changes]
    if len(changes) <= _MOST_TOLD:
        yield from (change.text for change in changes)
    else:
        crossed = sum(bool(line.crossings) for line in found)
        yield (
            f"The better design changes along {axis} in {crossed} of {len(found)} settings of the"
            f" rest: {', '.join(_turns(changes))}."
        )
    never = [line for line in found if not line.crossings]
    for verb in ("loses", "pays"):
        group = [line for line in never if (line.ratios[0] > 1) == (verb == "pays")]
        if group:
            yield _throughout(verb, group, len(found))


def _throughout(verb: str, group: Sequence[Line], count: int) -> str:
    """Say where one design is the better one along a whole axis."""
    axis, (first, *_, last) = group[0].axis, group[0].rows
    ratios = [ratio for line in group for ratio in line.ratios]
    where = f" in {len(group)} of {count} settings of the rest" if count > 1 else ""
    if len(group) == 1 and group[0].others:
        where = f" ({group[0].others})"
    along = f"at every {axis} from {first[axis]} to {last[axis]}"
    if axis == _AREA:
        along = f"in every area, partitions {first[axis]} to {last[axis]}" + "," * bool(where)
    least, most = _ratio(min(ratios)), _ratio(max(ratios))
    return f"It {verb} {along}{where}: static / reconfigured is {least} to {most}."


def _turns(changes: Sequence[Crossing]) -> Iterator[str]:
    """Yield at which settings it starts to pay, and to lose, and how often."""
    for verb in ("pays", "loses"):
        starts = [c.after[0] for c in changes if (c.after[1] > 1) == (verb == "pays")]
        if not starts:
            continue
        try:
            least, most = min(starts, key=float), max(starts, key=float)
            where = least if least == most else f"some setting between {least} and {most}"
        except ValueError:
            where = " or ".join(dict.fromkeys(starts))
        yield f"it {verb} from {where} on in {len(starts)}"


def _ratio(ratio: float) -> str:
    """Return a ratio with as many digits as show on which side of 1 it is."""
    return f"{ratio:.2f}" if f"{ratio:.2f}" != "1.00" else f"{ratio:.4f}"


def _against_full(rows: Sequence[Row]) -> list[str]:
    """Say how networks that change by full bitstreams compare."""
    ratios = {row["point"]: float(row["full_ratio"]) for row in rows if row["full_ratio"]}
    if not ratios:
        return []
    wins = sum(ratio > 1 for ratio in ratios.values())
    worst, best = min(ratios, key=ratios.__getitem__), max(ratios, key=ratios.__getitem__)
    return [
        f"Against a full bitstream for each network swapped modules pay in {wins} of"
        f" {count_text(len(ratios), 'point')}: full bitstreams take {ratios[worst]:.2f}"
        f" ({worst}) to {ratios[best]:.2f} ({best}) times as long."
    ]
