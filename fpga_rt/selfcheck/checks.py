"""Checks: what was tried, how it ended, and that the rest goes on whatever one of them met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from fpga_rt.errors import FpgaRtError

Result = Literal["passed", "failed", "skipped"]
_Value = TypeVar("_Value")


class NotDoneError(Exception):
    """A check that cannot be made here, and why; nothing is wrong with the device."""


@dataclass(frozen=True)
class Check:
    """How a check ended.

    Attributes:
        name: of the check, dotted from the general to the particular.
        result: `skipped` when it could not be made here.
        detail: what was found, or why it failed or was skipped.
        error: what a failed one met.
    """

    name: str
    result: Result
    detail: str
    error: Exception | None = field(default=None, compare=False)

    @property
    def exit_code(self) -> int:
        """Exit code of the family of its error; 0 when it did not fail."""
        if self.error is None:
            return 0
        family = self.error if isinstance(self.error, FpgaRtError) else FpgaRtError
        return family.exit_code


@dataclass
class Checks:
    """Checks in the order in which they ended; `ended` is told of each."""

    ended: Callable[[Check], None] = lambda check: None
    done: list[Check] = field(default_factory=list)

    def run(self, name: str, action: Callable[[], tuple[_Value, str]]) -> _Value | None:
        """Make a check and keep how it ended.

        Args:
            name: of the check.
            action: returns what it found, and the same in words.

        Returns:
            What it found, None when it failed or was skipped.
        """
        try:
            value, detail = action()
        except NotDoneError as reason:
            self._add(Check(name, "skipped", str(reason)))
        except FpgaRtError as error:
            self._add(Check(name, "failed", str(error), error))
        except Exception as error:  # noqa: BLE001 - a driver's surprise must not cost the report
            self._add(Check(name, "failed", f"{type(error).__name__}: {error}", error))
        else:
            self._add(Check(name, "passed", detail))
            return value
        return None

    @property
    def failure(self) -> Exception | None:
        """What the first check that failed met, None when none did."""
        return next((check.error for check in self.done if check.error is not None), None)

    def _add(self, check: Check) -> None:
        self.done.append(check)
        self.ended(check)
