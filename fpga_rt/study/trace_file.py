"""Recorded traces of requests: CSV with a line each, in order of time.

    at_us,network,deadline_us
    0,ic,20000
    1250.5,kws,8000

`deadline_us` is how long after its arrival a request must have ended; the column, or a cell of it,
may be left out where a workload says it for all. Lines that are empty or begin with `#` are passed
over. An error names the file, the line and what would have been right.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fpga_rt.errors import ArtifactError
from fpga_rt.study.text_file import read_text

REQUIRED = ("at_us", "network")
COLUMNS = (*REQUIRED, "deadline_us")
_MOST_US = 1e15
"""31 years."""


@dataclass(frozen=True)
class Recorded:
    """A request: when it came, for which network, and how long it may take (None: not said)."""

    at_us: float
    network: str
    deadline_us: float | None = None


def read_trace(path: Path, networks: Collection[str]) -> tuple[Recorded, ...]:
    """Return the requests of a file.

    Args:
        path: of the file.
        networks: that requests may name.

    Raises:
        ArtifactError: it cannot be read, has no requests, or a line is wrong.
    """
    found = tuple(_requests(path, read_text(path).splitlines(), networks))
    if not found:
        raise ArtifactError(f"{path} has no requests, expected a line each behind the header")
    return found


def _requests(path: Path, lines: Sequence[str], networks: Collection[str]) -> Iterator[Recorded]:
    header: list[str] = []
    last_us = 0.0
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in next(csv.reader([line]))]
        if not header:
            header = _header(path, number, cells)
            continue
        if len(cells) != len(header):
            raise _error(
                path, number, f"{len(cells)} cells, expected {len(header)}: {', '.join(header)}"
            )
        request = _request(path, number, dict(zip(header, cells, strict=True)), networks)
        if request.at_us < last_us:
            raise _error(
                path, number,
                f"at_us is {request.at_us:g}, expected at least {last_us:g} of the request before;"
                " sort the lines by time",
            )  # fmt: skip
        last_us = request.at_us
        yield request


def _header(path: Path, number: int, cells: list[str]) -> list[str]:
    missing = [name for name in REQUIRED if name not in cells]
    unknown = [cell for cell in cells if cell not in COLUMNS]
    if missing or unknown or len(set(cells)) < len(cells):
        raise _error(
            path, number, f"the header is {','.join(cells)!r}, expected {','.join(REQUIRED)!r} and"
            f" perhaps {COLUMNS[-1]!r}",
        )  # fmt: skip
    return cells


def _request(path: Path, number: int, cells: dict[str, str], networks: Collection[str]) -> Recorded:
    if cells["network"] not in networks:
        raise _error(
            path, number,
            f"unknown network {cells['network']!r}, expected one of {', '.join(networks)}",
        )  # fmt: skip
    deadline = cells.get("deadline_us", "")
    return Recorded(
        _number(path, number, "at_us", cells["at_us"], 0),
        cells["network"],
        _number(path, number, "deadline_us", deadline, 1) if deadline else None,
    )


def _number(path: Path, line: int, name: str, text: str, least: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not least <= value <= _MOST_US:
        raise _error(
            path, line,
            f"{name} is {text!r}, expected a number of at least {least} and at most {_MOST_US:g}",
        )  # fmt: skip
    return value


def _error(path: Path, line: int, message: str) -> ArtifactError:
    return ArtifactError(f"{path}:{line}: {message}")
