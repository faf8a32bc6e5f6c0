"""Axes: where values and names lie, and which ticks they get."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_NICE = (1, 2, 5, 10)
_MOST_MARKED = 8


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high` laid over `start` to `end`; of names, one a unit from 0 on."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    names: tuple[str, ...] = ()
    marked: tuple[float, ...] = ()
    """Values that get the ticks, in the place of round ones."""

    def __call__(self, value: float | str) -> float:
        """Return where a value lies."""
        if isinstance(value, str):
            value = self.names.index(value) + 0.5
        low, high, at = (self._of(v) for v in (self.low, self.high, value))
        return self.start + (at - low) / ((high - low) or 1) * (self.end - self.start)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Return positions and texts of at most about `most` ticks."""
        if self.names:
            return [(self(name), name) for name in self.names]
        values = self.marked or (self._decades() if self.log else self._round(most))
        return [(self(value), f"{value:,g}") for value in values]

    def _of(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def _decades(self) -> Sequence[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        steps = (1, 2, 5) if last - first <= 2 else (1,)
        values = [step * 10.0**power for power in range(first, last + 1) for step in steps]
        return [value for value in values if self.low <= value <= self.high]

    def _round(self, most: int) -> Sequence[float]:
        span = (self.high - self.low) or 1.0
        power = 10.0 ** math.floor(math.log10(span / most))
        step = next(n * power for n in _NICE if span / (n * power) <= most)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(index * step, 12) for index in range(first, last + 1)]


def scale_of(
    values: Sequence[float | str], start: float, end: float, log: bool, mark: bool = False
) -> Scale:
    """Return an axis for values; one of numbers that is not logarithmic begins at 0.

    Args:
        values: numbers, or names.
        start: where the axis begins on the page.
        end: where it ends.
        log: it is logarithmic; all values are above 0 then.
        mark: ticks stand at the values themselves, where they are few.
    """
    names = tuple(dict.fromkeys(value for value in values if isinstance(value, str)))
    if names:
        return Scale(0, len(names), start, end, names=names)
    numbers = [value for value in values if isinstance(value, float)] or [0.0]
    low, high = min(numbers), max(numbers)
    distinct = tuple(sorted(set(numbers)))
    marked = distinct if mark and len(distinct) <= _MOST_MARKED else ()
    if log:
        return Scale(low / 1.15, high * 1.15, start, end, log=True, marked=marked)
    return Scale(min(0.0, low), (high * 1.04) or 1.0, start, end, marked=marked)
