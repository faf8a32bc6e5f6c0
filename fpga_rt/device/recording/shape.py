"""What plain data of a file has to look like: checks that are put together as the data is.

A check takes a value and what it is called, and raises `ValueError` for another shape.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Check = Callable[[Any, str], None]
_LONGEST_NUMBER = 9
"""Digits of a partition or a buffer."""


def a(kind: type) -> Check:
    """Return the check of a value of exactly one type: True is no int."""

    def check(value: Any, what: str) -> None:  # noqa: ANN401 - of a file, so anything
        if type(value) is not kind:
            raise _other(value, what, kind.__name__)

    return check


def one_of(*words: str) -> Check:
    """Return the check of a word among some."""

    def check(value: Any, what: str) -> None:  # noqa: ANN401 - see `a`
        if value not in words:
            raise _other(value, what, " or ".join(words))

    return check


def optional(inner: Check) -> Check:
    """Return the check of a value that may be None."""

    def check(value: Any, what: str) -> None:  # noqa: ANN401 - see `a`
        if value is not None:
            inner(value, what)

    return check


def nothing(value: Any, what: str) -> None:  # noqa: ANN401 - see `a`
    """Check that there is no value."""
    if value is not None:
        raise _other(value, what, "none")


def listed(inner: Check, length: int | None = None) -> Check:
    """Return the check of a list, of a length where one is given."""

    def check(value: Any, what: str) -> None:  # noqa: ANN401 - see `a`
        a(list)(value, what)
        if length is not None and len(value) != length:
            raise _other(value, what, f"a list of {length}")
        for index, one in enumerate(value):
            inner(one, f"{what}[{index}]")

    return check


def fields(**inner: Check) -> Check:
    """Return the check of an object that has these fields and no other; one may lack as None."""

    def check(value: Any, what: str) -> None:  # noqa: ANN401 - see `a`
        a(dict)(value, what)
        unknown = sorted(set(value) - set(inner))
        if unknown:
            raise ValueError(f"{what} has {unknown[0]!r}, expected {', '.join(inner)} only")
        for name, one in inner.items():
            one(value.get(name), f"{what}.{name}")

    return check


def by_name(inner: Check) -> Check:
    """Return the check of an object with any names."""

    def check(value: Any, what: str) -> None:  # noqa: ANN401 - see `a`
        a(dict)(value, what)
        for name, one in value.items():
            inner(one, f"{what}.{name}")

    return check


def by_number(inner: Check) -> Check:
    """Return the check of an object whose names are numbers."""

    def check(value: Any, what: str) -> None:  # noqa: ANN401 - see `a`
        by_name(inner)(value, what)
        for name in value:
            if not (name.isdecimal() and len(name) <= _LONGEST_NUMBER):
                raise _other(name, f"a name in {what}", "a number")

    return check


def rows(value: Any, what: str) -> None:  # noqa: ANN401 - see `a`
    """Check that a value is a table of whole numbers: rows of one length."""
    a(list)(value, what)
    for row in value:
        if not isinstance(row, list) or any(type(number) is not int for number in row):
            raise _other(value, what, "rows of whole numbers")
    if len({len(row) for row in value}) > 1:
        raise _other(value, what, "rows of one length")
    array = np.array(value)
    if array.ndim != 2 or (array.size and array.dtype.kind != "i"):  # none, or beyond 64 bits
        raise _other(value, what, "rows of whole numbers")


def same_shape(*names: str) -> Check:
    """Return the check that some tables by number in an object agree in numbers and in shape."""

    def check(value: Mapping[str, Any], what: str) -> None:
        found = [{n: np.shape(table) for n, table in value[name].items()} for name in names]
        if any(one != found[0] for one in found):
            raise ValueError(f"{what}: {', '.join(names)} are of different shapes")

    return check


def both(first: Check, second: Check) -> Check:
    """Return the check that a value passes one check and then another."""

    def check(value: Any, what: str) -> None:  # noqa: ANN401 - see `a`
        first(value, what)
        second(value, what)

    return check


def _other(value: Any, what: str, expected: str) -> ValueError:  # noqa: ANN401 - see `a`
    return ValueError(f"{what} is {reprlib.repr(value)}, expected {expected}")
