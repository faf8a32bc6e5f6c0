"""`fpga-rt bitstream locate`: partitions, columns and rows that a bitstream touches."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from fpga_rt.arch.boards import Board, board
from fpga_rt.arch.devices import Device, device
from fpga_rt.cli.bitstream.files import add_file, add_json, read_file
from fpga_rt.cli.bitstream.size import rectangle_data, rectangle_text
from fpga_rt.cli.table import indented, table

if TYPE_CHECKING:
    from fpga_rt.bitstream.locate import Location


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_file(parser)
    parser.add_argument("--board", help="board whose partitions to look at")
    parser.add_argument("--device", help="FPGA name; by default the one that FILE is for")
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Print where the frames lie."""
    from fpga_rt.bitstream.locate import device_of, locate
    from fpga_rt.bitstream.read import frames, parse

    if arguments.board is not None and arguments.device is not None:
        raise argparse.ArgumentTypeError("--board and --device are both given, expected one")
    target = board(arguments.board) if arguments.board is not None else None
    stream = parse(read_file(arguments.file))
    expected = target.device if target else device(arguments.device) if arguments.device else None
    chip = device_of(stream, expected)
    partitions = target.partitions if target else ()
    found = locate(chip, frames(stream, chip).addresses, partitions)
    print(json.dumps(_data(chip, target, found), indent=2) if arguments.json
          else _text(chip, target, found))  # fmt: skip


def _data(chip: Device, target: Board | None, found: Location) -> dict[str, Any]:
    return {
        "device": chip.name,
        "board": target.name if target else None,
        "frames": found.frames,
        "rectangles": rectangle_data(found.rectangles),
        "partitions": [
            {"name": t.partition, "frames": t.frames, "of_frames": t.of_frames, "whole": t.whole}
            for t in found.partitions
        ],
        "outside_frames": found.outside_frames,
        "home": found.home,
    }


def _text(chip: Device, target: Board | None, found: Location) -> str:
    lines = [f"{chip.name} ({chip.family}): {found.frames:,} frames"]
    lines += [f"  {rectangle_text(rectangle)}" for rectangle in found.rectangles]
    if target is None:
        return "\n".join(lines)
    rows: list[tuple[object, ...]]
    rows = [(t.partition, t.frames, t.of_frames, f"{t.frames / t.of_frames:.0%}")
            for t in found.partitions]  # fmt: skip
    rows.append(("none", found.outside_frames, None, ""))
    headers = (f"partition of {target.name}", "frames", "of", "share")
    lines += ["", indented(table(headers, "<>>>", rows)), "", _verdict(target, found)]
    return "\n".join(lines)


def _verdict(target: Board, found: Location) -> str:
    if found.home:
        return f"every frame lies inside {found.home}; `bitstream verify` says if it may be loaded"
    names = ", ".join(t.partition for t in found.partitions)
    if found.outside_frames:
        outside = f"frames lie outside {names}" if names else "it touches none"
        return f"it fits no partition of {target.name}: {outside}"
    return f"it fits no single partition of {target.name}: it touches {names}"
