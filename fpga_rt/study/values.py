"""Checks of the values in a study file: each returns the value, or says what was expected."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeGuard

from fpga_rt.arch.boards import Board, board, boards
from fpga_rt.arch.calibration import calibrate
from fpga_rt.arch.measurements import decode
from fpga_rt.errors import DeviceError
from fpga_rt.modules.registry import modules, named
from fpga_rt.planner.compile import choose_partitions
from fpga_rt.study.axes import ALL, PLACEMENTS, STUDY_POLICIES, Value
from fpga_rt.study.text_file import read_text

Check = Callable[[Any], Any]
MOST_WHOLE = 10**18
_MOST_NUMBER = 1e18
_MOST_IMAGES = 65_536
"""Of a request: each is worked out."""
_MOST_CONTENTION = 10_000
"""Percent: a load would take 101 times as long."""
_MOST_RATIO = 100.0


def is_text(value: object) -> str:
    """Return text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("text")
    return value


def whole(least: int, most: int = MOST_WHOLE) -> Callable[[Any], int]:
    """Return a check for a whole number in a range whose ends are in it."""
    up_to = "" if most == MOST_WHOLE else f" and at most {most:,}"

    def check(value: object) -> int:
        if not _is_whole(value) or value < least:
            raise ValueError(f"a whole number of at least {least}{up_to}")
        if value > most:
            raise ValueError(f"a whole number of at least {least} and at most {most:,}")
        return value

    return check


natural, positive = whole(0), whole(1)


def number(least: float, most: float) -> Callable[[Any], float]:
    """Return a check for a number in a range whose ends are in it.

    Numbers beyond overflow, or make times of no use, in the midst of a study.
    """

    def check(value: object) -> float:
        if not _is_number(value) or not least <= value <= most:
            raise ValueError(f"a number of at least {least:g} and at most {most:g}")
        return float(value)

    return check


rate = number(1e-6, 1e12)
"""Of something a second; of the least rate, one in 11 days."""
weight = number(1e-6, 1e6)
"""Of one among several."""
seconds, milliseconds, microseconds = (number(1e-12 * n, 1e9 * n) for n in (1, 1e3, 1e6))
"""From a picosecond, the unit of the virtual clock, to 31 years."""


def above_zero(value: object) -> float:
    """Return a number above 0 and at most 1e18."""
    if not _is_number(value) or not 0 < value <= _MOST_NUMBER:
        raise ValueError(f"a number above 0 and at most {_MOST_NUMBER:g}")
    return float(value)


def or_zero(check: Callable[[Any], float]) -> Callable[[Any], float]:
    """Return a check that passes 0 as well."""

    def checked(value: object) -> float:
        try:
            return 0.0 if value == 0 and not isinstance(value, bool) else check(value)
        except ValueError as error:
            raise ValueError(f"0, or {error}") from None

    return checked


def share(value: object) -> float:
    """Return a share of a whole: above 0, at most 1."""
    if not _is_number(value) or not 0 < value <= 1:
        raise ValueError("a share of the parameters' bytes, above 0 and at most 1")
    return float(value)


def one_of(choices: Collection[str]) -> Check:
    """Return a check for one of some texts."""

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return value

    return check


def unused(where: str, only: str) -> Check:
    """Return a check that passes nothing: there is no such key here, only elsewhere."""

    def check(value: object) -> float:
        raise ValueError(f"no such key in {where}, only {only}")

    return check


def axis(name: str, workloads: Collection[str], folder: Path) -> Check:
    """Return the check for the values of an axis; files are relative to a folder."""
    checks: dict[str, Check] = {
        "workload": one_of(workloads),
        "board": one_of(boards()),
        "calibration": lambda value: str(folder / is_text(value)) if value != "" else "",
        "port": is_text,
        "contention": whole(0, _MOST_CONTENTION),
        "partitions": partitions,
        "modules": _modules,
        "placement": one_of(PLACEMENTS),
        "bitstream": _bitstream,
        "policy": one_of(STUDY_POLICIES),
        "batch": whole(1, _MOST_IMAGES),
    }
    return checks[name]


def choices(name: str, named_boards: Collection[Value]) -> str:
    """Return what an axis may be set to where its check alone cannot tell; empty elsewhere."""
    if name == "port":
        ports = (port for each in named_boards for port in board(str(each)).ports)
        return f"one of default, {', '.join(dict.fromkeys(ports))}"
    if name == "modules":
        return f"`all`, or lists of {', '.join(module.name for module in modules())}"
    return "files of measurements" if name == "calibration" else ""


def check_board(name: str, axis: str, value: Value) -> None:
    """Refuse a calibration, port or partitions that a board does not have.

    Raises:
        FpgaRtError: it does not have it.
    """
    target = board(name)
    if axis == "calibration" and value:
        calibrated(target, str(value))
    elif axis == "port" and value != "default" and value not in target.ports:
        raise DeviceError(
            f"board {name} has no configuration port {value!r}, expected one of"
            f" {', '.join(target.ports)}, or `default` for {target.default_port}"
        )
    elif axis == "partitions" and value != ALL:
        chosen = partitions(list(value) if isinstance(value, tuple) else value)
        choose_partitions(target, None if isinstance(chosen, str) else chosen)


def calibrated(target: Board, file: str) -> Board:
    """Return a board with the measurements of a file, itself for none.

    Raises:
        ArtifactError: the file cannot be read, or is of another board.
    """
    if not file:
        return target
    return calibrate(target, decode(read_text(Path(file)), file, "calibration"), file)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def partitions(value: object) -> str | int | tuple[int, ...]:
    """Return `all`, how many partitions, or which."""
    if value == ALL:
        return ALL
    if isinstance(value, list) and value and all(map(_is_whole, value)):
        return tuple(value)
    try:
        return positive(value)
    except ValueError:
        raise ValueError("`all`, how many, or a list of indices as [0, 2]") from None


def _modules(value: object) -> str | tuple[str, ...]:
    if value == ALL:
        return ALL
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise ValueError('`all`, or a list of module variants as ["convolution_8x16"]')
    named(value)
    return tuple(value)


def _bitstream(value: object) -> str | float:
    if value in ("reset", "plain"):
        return str(value)
    if not _is_number(value) or not 0 < value <= _MOST_RATIO:
        raise ValueError(
            f"`reset`, `plain`, or a ratio to `reset` above 0 and at most {_MOST_RATIO:g}"
        )
    return float(value)
