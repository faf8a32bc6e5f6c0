"""Where reconfiguration starts to pay along an axis, all else being equal."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from fpga_rt.study.axes import AXES, text
from fpga_rt.study.file import Study

_ORDERED = ("batch", "bitstream", "contention", "partitions")
"""Axes whose values have an order, where they are numbers."""


@dataclass(frozen=True)
class Crossing:
    """Two neighbours on an axis between which the better design changes.

    Attributes:
        axis: that changes.
        before: setting of the axis, and how many times as long the static design takes there.
        after: the same of the next setting.
        others: settings of the other axes that vary.
    """

    axis: str
    before: tuple[str, float]
    after: tuple[str, float]
    others: str

    @property
    def text(self) -> str:
        """Return the crossing as a sentence."""
        (low, first), (high, second) = self.before, self.after
        verb = "pays from" if second > first else "loses from"
        where = f" ({self.others})" if self.others else ""
        return (
            f"It {verb} {self.axis} {high} on: static / reconfigured is {first:.2f} at {low},"
            f" {second:.2f} at {high}{where}."
        )


def crossings(study: Study, rows: Sequence[dict[str, str]]) -> list[Crossing]:
    """Return every crossing in rows that have a `static_ratio`."""
    found = []
    for axis in _ORDERED:
        numbers = [v for v in study.sweep.get(axis, ()) if isinstance(v, (int, float))]
        values = [text(value) for value in sorted(numbers)]
        if len(values) < 2:
            continue
        others = [a for a in AXES if a != axis and len(study.sweep.get(a, ())) > 1]
        lines: dict[tuple[str, ...], dict[str, float]] = {}
        for row in rows:
            key = tuple(f"{a}={row[a]}" for a in others)
            lines.setdefault(key, {})[row[axis]] = float(row["static_ratio"])
        for key, ratios in lines.items():
            along = [(value, ratios[value]) for value in values if value in ratios]
            for before, after in itertools.pairwise(along):
                if (before[1] > 1) != (after[1] > 1):
                    found.append(Crossing(axis, before, after, " ".join(key)))
    return found
