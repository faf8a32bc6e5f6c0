"""`fpga-rt study report`: a study's results as one page, and its plots as pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from fpga_rt.cli.options import file_of
from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.study.report.page import page
from fpga_rt.study.report.pictures import write_pictures
from fpga_rt.study.report.source import read_source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="that `fpga-rt study run` wrote")
    parser.add_argument(
        "-o", "--output", type=file_of(".html"), metavar="REPORT.html",
        help="the page; by default report.html in DIR",
    )  # fmt: skip
    parser.add_argument(
        "--pictures", type=Path, metavar="PICTURES",
        help="also write each plot as PNG and SVG into this folder; needs matplotlib",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Write the page."""
    folder: Path = arguments.folder
    output: Path = arguments.output or folder / "report.html"
    source = read_source(folder)
    written = write_pictures(source, arguments.pictures) if arguments.pictures else []
    content = page(source, f"fpga-rt study report {folder.name}").encode()
    write_atomically(output, [content])
    shown = f"{len(source.good)} of {len(source.rows)} points, {len(source.runs)} recordings"
    print(f"written: {output} ({shown})")
    if written:
        print(f"written: {len(written)} pictures in {arguments.pictures}")
