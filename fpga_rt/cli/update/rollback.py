"""`fpga-rt update rollback`: back to the version before."""

from __future__ import annotations

import argparse

from fpga_rt.cli.update.arguments import add_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_store(parser)


def run(arguments: argparse.Namespace) -> None:
    """Go back; a program that runs the network must be started again to see it."""
    from fpga_rt.update.store import Store

    store = Store(arguments.store)
    with store.changing():
        store.rollback()
    print(f"{arguments.store}: {store.state.event}; versions above {store.state.highest} are taken")
