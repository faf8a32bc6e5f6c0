"""One figure: its value, what it means, and the goal it is held to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Measurement:
    """A figure.

    Attributes:
        name: what was measured.
        value: how much.
        unit: of value and goal.
        clock: `wall` for measured figures, `virtual` for modelled ones, `rtl` for what was
            counted in simulated gateware, `none` for counts.
        goal: bound, None where there is no goal.
        at_most: the goal is an upper bound (otherwise a lower one).
        note: how it was measured, what stands beside it.
    """

    name: str
    value: float
    unit: str
    clock: Literal["wall", "virtual", "rtl", "none"]
    goal: float | None = None
    at_most: bool = True
    note: str = ""

    @property
    def missed(self) -> bool:
        """Whether the goal is missed."""
        if self.goal is None:
            return False
        return self.value > self.goal if self.at_most else self.value < self.goal

    def __str__(self) -> str:
        """Return a line for people."""
        origins = {"wall": "measured", "virtual": "modelled", "rtl": "simulated", "none": "counted"}
        origin = origins[self.clock]
        line = f"{self.name:<46} {self.value:>12,.3f} {self.unit:<10} {origin}"
        if self.goal is not None:
            verdict = "MISSED" if self.missed else "met"
            line += f"  goal {'<=' if self.at_most else '>='} {self.goal:g}: {verdict}"
        return f"{line}  {self.note}".rstrip()
