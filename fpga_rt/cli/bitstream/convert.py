"""`fpga-rt bitstream convert`: plain words for a driver or a port."""

from __future__ import annotations

import argparse
import json

from fpga_rt.cli.bitstream.files import add_file, add_json, add_output, read_file
from fpga_rt.cli.options import refuse_overwriting

_ORDERS = {"fpga_manager": "little", "port": "big"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_file(parser)
    add_output(parser, "OUT.bin")
    parser.add_argument(
        "--order", choices=tuple(_ORDERS), default="fpga_manager",
        help="bytes of every word reversed, as the driver takes them (the default), or as a port"
        " does",
    )  # fmt: skip
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the words and say what was changed."""
    from fpga_rt.bitstream.convert import convert
    from fpga_rt.deployment.atomic_file import write_atomically

    refuse_overwriting(arguments.output, [arguments.file])
    done = convert(read_file(arguments.file), "little" if arguments.order != "port" else "big")
    write_atomically(arguments.output, [done.data])
    data = {
        "file": str(arguments.file),
        "output": str(arguments.output),
        "bytes": len(done.data),
        "header_removed": done.had_header,
        "source_order": next(name for name, order in _ORDERS.items() if order == done.was),
        "order": arguments.order,
    }
    print(json.dumps(data, indent=2) if arguments.json else _text(data))


def _text(data: dict[str, object]) -> str:
    changes = ["header removed"] if data["header_removed"] else []
    same = data["source_order"] == data["order"]
    changes.append("word order kept" if same else f"words turned from {data['source_order']} order")
    return (
        f"written: {data['output']} ({data['bytes']:,} bytes), {data['order']} order; "
        f"{', '.join(changes)}; every CRC matches"
    )
