"""A type of finite numbers for options."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def number(expected: str, good: Callable[[float], bool]) -> Callable[[str], float]:
    """Return a type of finite numbers that a condition holds for; `expected` says which."""

    def check(value: str) -> float:
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        if not (math.isfinite(found) and good(found)):
            raise argparse.ArgumentTypeError(f"got {value!r}, expected a number, {expected}")
        return found

    return check
