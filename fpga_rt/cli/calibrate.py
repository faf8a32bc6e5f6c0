"""`fpga-rt calibrate`: from a self-check's report to a file for `--calibration`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from fpga_rt.arch.boards import Board, board
from fpga_rt.arch.calibration import calibrate, parameters, used
from fpga_rt.arch.measurements import Measurements, decode
from fpga_rt.cli.options import file_of, refuse_overwriting
from fpga_rt.cli.table import indented, table
from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.study.text_file import read_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "report", type=Path, metavar="REPORT.json", help="what `fpga-rt selfcheck` wrote"
    )
    parser.add_argument(
        "-o", "--output", type=file_of(".json"), metavar="OUT.json",
        help="the calibration; by default BOARD.calibration.json in the current folder",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Check the report, write the calibration, and say what it replaces and what it does not."""
    report: Path = arguments.report
    measured = decode(read_text(report), str(report), "selfcheck")
    target = board(measured.board)
    figures = used(target, measured, str(report))
    output: Path = arguments.output or Path(f"{target.name}.calibration.json")
    refuse_overwriting(output, [report])
    calibrated = calibrate(target, measured, str(output))
    write_atomically(output, [replace(measured, figures=figures).encode("calibration").encode()])
    print(summary(target, calibrated, measured, set(figures)))
    print(f"written: {output}; give it to inspect, compile and run as `--calibration {output}`")


def summary(before: Board, after: Board, measured: Measurements, figures: set[str]) -> str:
    """Return what is replaced, what stays as it was, and which figures nothing is made of."""
    rows = []
    known = parameters(after)
    for key, parameter in parameters(before).items():
        now = known[key].value if parameter.units.keys() <= figures else "not measured: it stays"
        rows.append((parameter.title, parameter.value, parameter.origin, now))
    origin = next(figure.origin for name, figure in measured.figures.items() if name in figures)
    title = f"{after.title}, {origin} {measured.measured} on {measured.device}"
    lines = [title, indented(table(("parameter", "model", "origin", "calibrated"), "<<<<", rows))]
    unused = [name for name in measured.figures if name not in figures]
    if unused:
        lines.append(f"  not used: {', '.join(unused)}")
    return "\n".join(lines)
