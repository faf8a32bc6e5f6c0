"""Faults that the emulator is told to have: what can go wrong on a board, at will.

Loads and submissions are counted from 1 since the device was opened or its static region loaded.
The same faults and the same calls give the same results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar


@dataclass(frozen=True)
class CorruptLoad:
    """A bit of the stream flips between memory and port: the CRC in the stream does not match."""

    load: int


@dataclass(frozen=True)
class StalledPort:
    """The configuration port takes `factor` times as long, or never ends (None)."""

    load: int
    factor: int | None = None


@dataclass(frozen=True)
class WrongModule:
    """After the load, the module in the partition answers another identity."""

    load: int
    module_id: int


@dataclass(frozen=True)
class LostCompletion:
    """The device never reports the end of a load or of a program."""

    kind: Literal["load", "program"]
    number: int


Fault = CorruptLoad | StalledPort | WrongModule | LostCompletion
_LoadFault = TypeVar("_LoadFault", CorruptLoad, StalledPort, WrongModule)


@dataclass(frozen=True)
class Faults:
    """What to do wrong, looked up by kind and number."""

    planned: Sequence[Fault] = ()

    def of_load(self, kind: type[_LoadFault], load: int) -> _LoadFault | None:
        """Return the fault of a kind that the load of this number has."""
        found = (f for f in self.planned if isinstance(f, kind) and f.load == load)
        return next(found, None)

    def loses(self, kind: Literal["load", "program"], number: int) -> bool:
        """Tell whether a completion is lost."""
        return LostCompletion(kind, number) in self.planned
