"""`fpga-rt bitstream shrink`: fewer configuration words, the same final frames."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from fpga_rt.cli.bitstream.files import add_file, add_json, add_output, read_file
from fpga_rt.cli.options import refuse_overwriting


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_file(parser)
    add_output(parser, "OUT")
    parser.add_argument(
        "--against", type=Path, metavar="BASE",
        help="leave out frames that equal those of this bitstream; OUT may then be loaded over"
        " BASE only",
    )  # fmt: skip
    parser.add_argument(
        "--single-pass", action="store_true",
        help="write frames once that FILE writes twice; not documented to be enough for a reset",
    )  # fmt: skip
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the shrunk bitstream and say by how much."""
    from fpga_rt.bitstream.locate import device_of
    from fpga_rt.bitstream.read import frames, parse
    from fpga_rt.bitstream.shrink import shrink
    from fpga_rt.deployment.atomic_file import write_atomically

    inputs = [arguments.file] if arguments.against is None else [arguments.file, arguments.against]
    refuse_overwriting(arguments.output, inputs)
    data = read_file(arguments.file)
    chip = device_of(parse(data))
    base = None
    if arguments.against is not None:
        below = parse(read_file(arguments.against))
        base = frames(below, device_of(below, chip))
    done = shrink(data, chip, base, arguments.single_pass)
    write_atomically(arguments.output, [done.data])
    result = {
        "file": str(arguments.file),
        "output": str(arguments.output),
        "device": chip.name,
        "against": None if arguments.against is None else str(arguments.against),
        "words_before": done.words_before,
        "words_after": done.words_after,
        "ratio": round(done.ratio, 4),
    }
    print(json.dumps(result, indent=2) if arguments.json else _text(result))


def _text(result: dict[str, Any]) -> str:
    before, after = result["words_before"], result["words_after"]
    if before == after:
        return f"written: {result['output']}, as it was: no way was found to say it in fewer words"
    text = (
        f"written: {result['output']}, {after:,} configuration words instead of {before:,} "
        f"({after / before:.1%})"
    )
    if result["against"] is not None:
        text += (
            f"\nload it over {result['against']} only, loaded afresh: equal frames were left out,"
            " and a module that ran has changed its memories"
        )
    return text
