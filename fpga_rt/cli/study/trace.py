"""`fpga-rt study trace`: run points on the emulator, for CDFs, timelines and Perfetto."""

from __future__ import annotations

import argparse

from fpga_rt.cli.progress import Progress
from fpga_rt.cli.study.source import add_study, study_of
from fpga_rt.errors import PlanningError
from fpga_rt.study.context import Context
from fpga_rt.study.file import Study
from fpga_rt.study.recording import NATIVE, RECORDED, RUN, TRACE, point_of, record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_study(parser, "whose points")
    parser.add_argument(
        "--point", action="append", metavar="NAME",
        help="a point by its name in the results; may be given again and again; by default the"
        " first point of each policy",
    )  # fmt: skip
    parser.add_argument(
        "--native", action="store_true",
        help=f"also write {NATIVE}, Perfetto's own format; needs the extra `study`",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Record the points, and say where."""
    study, folder = study_of(arguments)
    context = Context(study)
    names = arguments.point or _first_of_each_policy(study)
    for name in names:
        point_of(context, name)  # all of them are checked before one runs
    count = 0
    with Progress("trace", len(names), lambda: count, True, "points"):
        for name in names:
            place = record(context, name, folder, arguments.native)
            count += 1
            print(f"written: {place / RUN} and {place / TRACE}")
    print(f"`fpga-rt study report {folder}` shows them; ui.perfetto.dev opens {TRACE}")


def _first_of_each_policy(study: Study) -> list[str]:
    """Return names of points to record when none is given."""
    first: dict[str, str] = {}
    for name, point in study.points.items():
        if study.workloads[point.workload].kind in RECORDED:
            first.setdefault(point.policy, name)
    if not first:
        raise PlanningError(
            f"study {study.title!r} has only servers and drift, whose requests or updates arrive"
            " while they run, expected a single stream or a gateway to record"
        )
    return list(first.values())
