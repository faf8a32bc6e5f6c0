"""`fpga-rt geometry learn`: the frame map of a device from a compressed full bitstream."""

from __future__ import annotations

import argparse
import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpga_rt.cli.bitstream.files import add_file, add_json, read_file
from fpga_rt.cli.options import refuse_overwriting
from fpga_rt.cli.table import indented, table

if TYPE_CHECKING:
    from fpga_rt.bitstream.learn import FrameMap

_BLOCKS = {0: "logic", 1: "block RAM content"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_file(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="MAP.json", help="write the frame map as JSON too"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Print the frames of each column of each row."""
    from fpga_rt.bitstream.learn import learn
    from fpga_rt.deployment.atomic_file import write_atomically

    if arguments.output is not None:
        refuse_overwriting(arguments.output, [arguments.file])
    data = _data(learn(read_file(arguments.file)))
    text = json.dumps(data, indent=2)
    if arguments.output is not None:
        write_atomically(arguments.output, [f"{text}\n".encode()])
    print(text if arguments.json else _text(data))


def _data(found: FrameMap) -> dict[str, Any]:
    from fpga_rt.bitstream.locate import device_named

    known = device_named(found.idcode)
    return {
        "family": found.family.name,
        "idcode": f"0x{found.idcode:08X}",
        "device": known.name if known else None,
        "known_frames": known.total_frames if known and known.columns else None,
        "frames": found.total_frames,
        "rows": [
            {
                "block_type": key.block_type,
                "half": "bottom" if key.bottom else "top",
                "row": key.row,
                "column_frames": list(frames),
            }
            for key, frames in sorted(found.rows.items())
        ],
    }


def _text(data: dict[str, Any]) -> str:
    rows = [
        (
            _BLOCKS.get(row["block_type"], str(row["block_type"])),
            row["half"] if data["family"] == "7-series" else "",
            row["row"],
            len(row["column_frames"]),
            sum(row["column_frames"]),
            _runs(row["column_frames"]),
        )
        for row in data["rows"]
    ]
    headers = ("what", "half", "row", "columns", "frames", "frames of each column")
    name = data["device"] or "a device without a data file"
    lines = [
        f"{data['family']}, IDCODE {data['idcode']} ({name}): {data['frames']:,} frames",
        indented(table(headers, "<<>>><", rows)),
    ]
    if data["known_frames"] is not None:
        same = data["known_frames"] == data["frames"]
        verdict = "as many" if same else f"{data['known_frames']:,}"
        lines.append(f"the data file of {data['device']} has {verdict}")
    return "\n".join(lines)


def _runs(frames: list[int]) -> str:
    """Return numbers with repeats counted: `42 30 36x4`."""
    runs = [(number, len(list(group))) for number, group in groupby(frames)]
    return " ".join(f"{number}x{count}" if count > 1 else f"{number}" for number, count in runs)
