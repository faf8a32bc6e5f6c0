"""`fpga-rt study run`: every point of a study file."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fpga_rt.cli.options import positive
from fpga_rt.cli.progress import Progress
from fpga_rt.cli.study.source import add_study, study_of
from fpga_rt.cli.table import indented, table
from fpga_rt.errors import PlanningError
from fpga_rt.runtime.report_text import count_text
from fpga_rt.study import sweep
from fpga_rt.study.against_exact import against_exact
from fpga_rt.study.axes import AXES
from fpga_rt.study.break_even import sentences
from fpga_rt.study.file import Study

_MOST_ROWS = 60
_SHOWN = (
    ("total_ms", "total\nms"),
    ("p50_ms", "p50\nms"),
    ("p99_ms", "p99\nms"),
    ("loads", "loads"),
    ("hidden_share", "hidden\n%"),
    ("exposed_ms", "exposed\nms"),
    ("gap_percent", "above\nbound %"),
    ("accepted", "accepted"),
    ("refused_full", "refused:\nfull"),
    ("refused_late", "refused:\nlate"),
    ("static_ms", "static\nms"),
    ("static_accepted", "static\naccepted"),
    ("goodput", "in time\na second"),
    ("static_goodput", "static: in\ntime a second"),
    ("goodput_ratio", "this /\nstatic"),
    ("static_ratio", "static /\nthis"),
    ("full_ms", "full\nms"),
    ("full_ratio", "full /\nthis"),
)
_UPDATES = (
    ("updates", "updates"),
    ("update_bytes", "bytes"),
    ("link_ms", "link\nms"),
    ("wait_ms", "wait\nms"),
    ("self_test_ms", "vectors\nms"),
    ("switch_ms", "switch\nms"),
    ("answer_ms", "inference\nms"),
    ("sent_to_answer_ms", "sent to\nanswer ms"),
    ("static_sent_to_answer_ms", "static: sent\nto answer ms"),
    ("delay_ms", "delay of a\nrequest ms"),
    ("static_delay_ms", "static:\ndelay ms"),
    ("updates_per_hour", "updates\nan hour"),
    ("update_time_share", "device's\ntime %"),
)
_PERCENT = ("hidden_share", "update_time_share")
_COUNTS = (
    "loads",
    "accepted",
    "refused_full",
    "refused_late",
    "static_accepted",
    "updates",
    "update_bytes",
)

Rows = Sequence[dict[str, str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_study(parser, "what to sweep")
    parser.add_argument(
        "--processes", type=positive, default=0, metavar="N", help="one for each core by default"
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def run(arguments: argparse.Namespace) -> None:
    """Run what is missing, and print the results."""
    study, folder, rows = evaluated(arguments)
    good = [row for row in rows if not row["error"]]
    manifest = sweep.manifest(study)
    if arguments.json:
        print(json.dumps({"manifest": manifest, "results": rows}, indent=2))
    else:
        print(summary(study, rows, sentences(good)))
        print("Assumptions\n" + indented("\n".join(manifest["assumptions"])))
        print(f"written: {folder / sweep.RESULTS} and {folder / sweep.MANIFEST}")
    if not good:
        raise PlanningError(
            f"none of {count_text(len(rows), 'point')} of {study.name} can be, the first because"
            f" {rows[0]['error']}; change the study"
        )


def evaluated(arguments: argparse.Namespace) -> tuple[Study, Path, Rows]:
    """Run what is missing of a study; return it, its folder and all results."""
    study, folder = study_of(arguments)
    count = 0

    def done(points: int) -> None:
        nonlocal count
        count = points

    with Progress("study", len(study.points), lambda: count, True, "points"):
        rows = sweep.run(study, folder, arguments.processes, done)
    return study, folder, rows


def summary(study: Study, rows: Rows, told: Sequence[str]) -> str:
    """Return the results as a table, where reconfiguration pays, and what could not be."""
    good = [row for row in rows if not row["error"]]
    origins = " and ".join(sorted({row["origin"] for row in good})) or "no figures"
    lines = [f"{study.title}: {count_text(len(rows), 'point')} (virtual clock, {origins})"]
    if good:
        lines += ["", _table(study, good[:_MOST_ROWS], _SHOWN)]
    updated = [row for row in good if row["updates"]]
    if updated:
        lines += [
            "",
            "Updates: the one that took longest from sending to the first answer by it, and the"
            " request that it delays most",
            _table(study, updated[:_MOST_ROWS], _UPDATES),
        ]
    if len(good) > _MOST_ROWS:
        lines.append(f"... {len(good) - _MOST_ROWS} more points in the file")
    lines += ["", *(against.text for against in against_exact(good)), *told]
    reasons = Counter(row["error"] for row in rows if row["error"])
    lines += [
        f"{count_text(number, 'point')} cannot be: {reason}" for reason, number in reasons.items()
    ]
    return "\n".join(lines)


def _table(study: Study, rows: Rows, columns: Sequence[tuple[str, str]]) -> str:
    varied = [axis for axis in AXES if len(study.sweep.get(axis, ())) > 1] or ["workload"]
    shown = [(key, head) for key, head in columns if any(row[key] for row in rows)]
    cells = [
        [*(row[axis] for axis in varied), *(_cell(key, row[key]) for key, _ in shown)]
        for row in rows
    ]
    headers = [*varied, *(head for _, head in shown)]
    return table(headers, "<" * len(varied) + ">" * len(shown), cells)


def _cell(key: str, value: str) -> str:
    if not value or key in _COUNTS:
        return value
    if key in _PERCENT:
        return f"{100 * float(value):.1f}"
    if key == "updates_per_hour":
        return f"{float(value):,.0f}"
    return f"{float(value):,.3f}" if key.endswith("_ms") else f"{float(value):.2f}"
