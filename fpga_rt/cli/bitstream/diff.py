"""`fpga-rt bitstream diff`: frames and words that differ, by kind of column."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fpga_rt.arch.floorplan import Rectangle
from fpga_rt.cli.bitstream.files import add_file, add_json, read_file
from fpga_rt.cli.bitstream.size import rectangle_data, rectangle_text
from fpga_rt.cli.table import indented, table

if TYPE_CHECKING:
    from fpga_rt.arch.devices import Device
    from fpga_rt.bitstream.diff import Difference

_HEADERS = ("column", "frames\nin both", "differ", "share", "words\ndiffer", "share", "only\nin A",
            "only\nin B")  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_file(parser, "a")
    add_file(parser, "b")
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Print how the frames of two bitstreams differ; the exit code is 0 either way."""
    from fpga_rt.bitstream.diff import difference
    from fpga_rt.bitstream.locate import device_of
    from fpga_rt.bitstream.read import frames, parse

    first = parse(read_file(arguments.a))
    second = parse(read_file(arguments.b))
    chip = device_of(first)
    device_of(second, chip)
    found = difference(frames(first, chip), frames(second, chip), chip)
    data = _data(chip, found)
    print(json.dumps(data, indent=2) if arguments.json else _text(data))


def _data(chip: Device, found: Difference) -> dict[str, Any]:
    from fpga_rt.bitstream.locate import touched_cells
    from fpga_rt.bitstream.size import rectangles_of

    where = rectangles_of(chip, touched_cells(chip, found.addresses))
    return {
        "device": chip.name,
        "equal": found.is_empty,
        "frame_words": found.frame_words,
        "kinds": [asdict(kind) for kind in found.kinds],
        "total": asdict(found.total),
        "differ_in": rectangle_data(where),
    }


def _text(data: dict[str, Any]) -> str:
    if data["equal"]:
        frames = data["total"]["frames"]
        return f"{data['device']}: the same {frames:,} frames with the same contents"
    kinds = [*data["kinds"], data["total"]]
    rows = [_row(kind, data["frame_words"]) for kind in kinds]
    lines = [data["device"], indented(table(_HEADERS, "<>>>>>>>", rows))]
    places = [Rectangle(tuple(r["columns"]), tuple(r["rows"])) for r in data["differ_in"]]
    lines += [f"contents differ in {rectangle_text(place)}" for place in places]
    return "\n".join(lines)


def _row(kind: dict[str, Any], frame_words: int) -> tuple[object, ...]:
    frames, differ, words = kind["frames"], kind["differ"], kind["words"]
    shares = (differ / frames, words / (frames * frame_words)) if frames else (0.0, 0.0)
    frame_share, word_share = (f"{share:.1%}" for share in shares)
    return (
        kind["kind"], frames, differ, frame_share, words, word_share,
        kind["only_first"], kind["only_second"],
    )  # fmt: skip
