"""The break-even itself: neighbours of a study's grid are brought together by bisection.

`break_even.json` lies in the study's folder and holds what was found, for reports.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.study.break_even import Crossing, Row, sentences
from fpga_rt.study.context import Context
from fpga_rt.study.evaluate import evaluate
from fpga_rt.study.json_file import Json, read_json

FORMAT, VERSION = "fpga-rt study break-even", 1
FOUND = "break_even.json"
_FRACTION = 1 / 256
"""Of a bitstream's size: how closely neighbours that are no whole numbers are brought together."""


def refined(context: Context, crossing: Crossing) -> Crossing:
    """Return a crossing between neighbouring whole numbers, or fractions of a bitstream.

    Args:
        context: of the study.
        crossing: along an axis of numbers.
    """
    point = context.study.points[crossing.point]
    whole = isinstance(getattr(point, crossing.axis), int)
    before, after = crossing.before, crossing.after
    step = 1 if whole else _FRACTION
    while abs(float(after[0]) - float(before[0])) > step:
        middle = (float(before[0]) + float(after[0])) / 2
        value = int(middle) if whole else middle
        figures = evaluate(context, replace(point, **{crossing.axis: value}))  # type: ignore[arg-type]
        if figures.static_ratio is None:
            break  # no static design fits there: the grid's own neighbours stay
        found = (f"{value:g}", figures.static_ratio)
        if (found[1] > 1) == (before[1] > 1):
            before = found
        else:
            after = found
    return replace(crossing, before=before, after=after)


def search(context: Context, rows: Sequence[Row]) -> list[str]:
    """Say where reconfiguration pays and where it loses, to the whole number.

    Args:
        context: of the study.
        rows: its results without errors.
    """
    return sentences(rows, lambda crossing: refined(context, crossing))


def write(found: Sequence[str], command: str, folder: Path) -> None:
    """Keep what was found in the study's folder.

    Raises:
        ArtifactError: the file cannot be written.
    """
    data = {"format": FORMAT, "version": VERSION, "command": command, "sentences": list(found)}
    write_atomically(folder / FOUND, [json.dumps(data, indent=2).encode(), b"\n"])


def read(folder: Path) -> Json | None:
    """Return what was found, None if nobody looked.

    Raises:
        ArtifactError: the file cannot be read, or is of another format.
    """
    path = folder / FOUND
    if not path.exists():
        return None
    again = "run `fpga-rt study break-even` again"
    return read_json(path, (FORMAT, VERSION), "search", again)
