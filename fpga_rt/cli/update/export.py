"""`fpga-rt update export`: the active version as an archive."""

from __future__ import annotations

import argparse

from fpga_rt import api
from fpga_rt.cli.options import file_of
from fpga_rt.cli.update.arguments import add_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_store(parser)
    parser.add_argument(
        "-o", "--output", type=file_of(".frt"), required=True, metavar="CURRENT.frt",
        help="archive to write: for `fpga-rt run`, and as the base of the next update",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Write it."""
    from fpga_rt.update.store import Store

    store = Store(arguments.store)
    api.save(store.deployment(), arguments.output)
    print(f"written: {arguments.output}, version {store.state.active.number}")
