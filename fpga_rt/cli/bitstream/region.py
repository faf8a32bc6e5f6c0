"""The region that a command is about: a partition of a board, or columns and rows of a device."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass

from fpga_rt.arch.boards import Board, board
from fpga_rt.arch.devices import Device, device
from fpga_rt.arch.floorplan import Partition, Rectangle
from fpga_rt.arch.partials import Cell

_ROW_RANGE = re.compile(r"Y(\d{1,3}):Y(\d{1,3})")


@dataclass(frozen=True)
class Region:
    """A region of a device.

    Attributes:
        device: the device.
        cells: its columns of rows; None where nothing but the device was named, empty for a
            partition of unknown geometry.
        board: the board, when one was named.
        partition: its partition, when one was named.
        findings: what a designer should look at, a sentence each.
    """

    device: Device
    cells: frozenset[Cell] | None = None
    board: Board | None = None
    partition: Partition | None = None
    findings: tuple[str, ...] = ()


def columns(text: str) -> tuple[int, int]:
    """Return the first and last column of `A:B`.

    Raises:
        ArgumentTypeError: it is no such range.
    """
    first, colon, last = text.partition(":")
    if "," in text:
        raise argparse.ArgumentTypeError(
            f"got {text!r}, expected one range FIRST:LAST; give --columns and --rows once more for "
            "a second rectangle"
        )
    if not (first.isdecimal() and last.isdecimal() and colon):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected FIRST:LAST, for example 28:31")
    return int(first), int(last)


def rows(text: str) -> tuple[str, ...]:
    """Return the names of `Y0,Y1`, where a part may be a range, `Y0:Y2`."""
    return tuple(name for part in text.split(",") for name in _row_range(part))


def _row_range(text: str) -> list[str]:
    """Return the names of `Y0:Y2`, or what is no such range as it is."""
    found = _ROW_RANGE.fullmatch(text)
    if found is None:
        return [text]
    first, last = sorted(int(number) for number in found.groups())
    return [f"Y{number}" for number in range(first, last + 1)]


def add_region(parser: argparse.ArgumentParser) -> None:
    """Add what names a region."""
    parser.add_argument("--board", help="board name; `fpga-rt devices` lists them")
    parser.add_argument("--partition", metavar="P", help="a partition of --board")
    parser.add_argument("--device", help="FPGA name, for example xc7z020, instead of --board")
    parser.add_argument(
        "--columns", type=columns, action="append", default=[], metavar="A:B",
        help="first and last configuration column; again, with --rows, for a second rectangle",
    )  # fmt: skip
    parser.add_argument(
        "--rows", type=rows, action="append", default=[], metavar="Y0,Y1",
        help="clock-region rows of --columns, or a range of them, Y0:Y2",
    )  # fmt: skip
    parser.add_argument(
        "--pblock", metavar="SITES",
        help="site ranges as Vivado writes them, SLICE_X38Y0:SLICE_X45Y49, instead of --columns",
    )  # fmt: skip


def region_of(arguments: argparse.Namespace) -> Region | None:
    """Return the region that was named, None if none was.

    Raises:
        ArgumentTypeError: arguments contradict each other or one is missing.
        DeviceError: there is no such board, partition or device.
        PlanningError: the region is not legal on its device.
    """
    _check_combination(arguments)
    if arguments.board is not None:
        return _on_board(arguments)
    if arguments.device is None:
        return None
    chip = device(arguments.device)
    return _drawn(chip, arguments, None) if _is_drawn(arguments) else Region(chip)


def _on_board(arguments: argparse.Namespace) -> Region:
    from fpga_rt.arch.floorplan import cells
    from fpga_rt.bitstream.locate import partition_of

    target = board(arguments.board)
    if _is_drawn(arguments):
        return _drawn(target.device, arguments, target)
    if arguments.partition is None:
        return Region(target.device, board=target)
    partition = partition_of(target, arguments.partition)
    return Region(target.device, cells(target.device, partition), target, partition)


def _drawn(chip: Device, arguments: argparse.Namespace, target: Board | None) -> Region:
    from fpga_rt.bitstream.pblock import parse_pblock, snap
    from fpga_rt.bitstream.size import region_cells

    if arguments.pblock is None:
        pairs = zip(arguments.columns, arguments.rows, strict=True)
        rectangles = [Rectangle(first_last, names) for first_last, names in pairs]
        return Region(chip, region_cells(chip, rectangles), target)
    snapped = snap(chip, parse_pblock(chip, arguments.pblock))
    return Region(chip, snapped.cells, target, findings=snapped.findings)


def _is_drawn(arguments: argparse.Namespace) -> bool:
    return bool(arguments.columns or arguments.rows or arguments.pblock)


def _check_combination(arguments: argparse.Namespace) -> None:
    """Refuse arguments that contradict each other."""
    fault = None
    if arguments.board is not None and arguments.device is not None:
        fault = "--board and --device are both given, expected one"
    elif arguments.partition is not None and arguments.board is None:
        fault = "--partition without --board; add the board it is on"
    elif arguments.partition is not None and _is_drawn(arguments):
        fault = "--partition and columns are both given, expected one"
    elif _is_drawn(arguments) and arguments.board is None and arguments.device is None:
        fault = "columns without a device; add --device or --board"
    elif arguments.pblock is not None and (arguments.columns or arguments.rows):
        fault = "--pblock and --columns are both given, expected one"
    elif len(arguments.columns) != len(arguments.rows):
        fault = (
            f"{len(arguments.columns)} --columns and {len(arguments.rows)} --rows, expected one "
            "--rows for each --columns"
        )
    if fault:
        raise argparse.ArgumentTypeError(fault)
