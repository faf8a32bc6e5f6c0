"""`fpga-rt study break-even`: from where on reconfiguration pays, and where it loses."""

from __future__ import annotations

import argparse
import json

from fpga_rt.cli.study.run import add_arguments, evaluated, summary
from fpga_rt.study.break_even_search import FOUND, search, write
from fpga_rt.study.context import Context

__all__ = ["add_arguments", "run"]


def run(arguments: argparse.Namespace) -> None:
    """Run what is missing of the study, and bring the neighbours of each crossing together."""
    study, folder, rows = evaluated(arguments)
    good = [row for row in rows if not row["error"]]
    found = search(Context(study), good)
    command = f"fpga-rt study break-even {arguments.study.name}"
    write(found, command, folder)
    if arguments.json:
        print(json.dumps({"sentences": found, "results": rows}, indent=2))
        return
    print(summary(study, rows, found))
    print(f"written: {folder / FOUND}")
