"""Run a study: its points over all cores, each result kept as it comes, so that a stop loses none.

A folder holds `manifest.json` (what makes the results: versions, seed, machine, the study's
digest), `points.csv` while points are missing, one line each in the order they ended, and
`results.csv` when all are there, in the order of the grid.
"""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import astuple
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from fpga_rt import __version__
from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.deployment.model import digest
from fpga_rt.errors import ArtifactError
from fpga_rt.runtime.assumptions import assumptions
from fpga_rt.study.axes import AXES, Point
from fpga_rt.study.columns import COLUMNS, Figures
from fpga_rt.study.context import Context
from fpga_rt.study.evaluate import evaluate
from fpga_rt.study.file import Study

HEADER = ("point", *AXES, *COLUMNS)
MANIFEST, PARTIAL, RESULTS = "manifest.json", "points.csv", "results.csv"
_CHUNK = 4
"""Points that a process does before it hands them over: what a stop loses at most."""

Cells = Mapping[str, str]


def run(
    study: Study, folder: Path, processes: int = 0, done: Callable[[int], None] | None = None
) -> list[dict[str, str]]:
    """Evaluate every point that the folder lacks, and return all results as they stand there.

    Args:
        study: what to run.
        folder: made if it is not there; one that holds part of this study is continued.
        processes: how many; 0 for one a core.
        done: told how many points are there, again and again.

    Raises:
        ArtifactError: the folder holds another study's results, or cannot be written.
    """
    processes = processes or os.cpu_count() or 1
    report = done or (lambda _: None)
    _begin(study, folder)
    if (folder / RESULTS).exists():
        rows = read(folder / RESULTS)
        report(len(rows))
        return rows
    known = {row["point"]: row for row in _partial(folder / PARTIAL)}
    missing = {name: point for name, point in study.points.items() if name not in known}
    report(len(known))
    with (folder / PARTIAL).open("a", newline="") as file:
        for rows in _evaluated(study, missing, processes):
            file.writelines(map(_line, rows))
            file.flush()
            known.update((row["point"], row) for row in rows)
            report(len(known))
    rows = [known[name] for name in study.points]
    write_atomically(folder / RESULTS, [_line_of(HEADER), *(_line(r).encode() for r in rows)])
    (folder / PARTIAL).unlink()
    return rows


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file of results.

    Raises:
        ArtifactError: it cannot be read, or has other columns.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read ({error.strerror}); run the study with `fpga-rt study run`"
        ) from error
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != HEADER:
        raise ArtifactError(
            f"{path} has other columns than this version's results; run the study again into"
            " another folder"
        )
    return list(reader)


def manifest(study: Study) -> dict[str, Any]:
    """Return what makes the results of a study, and on what machine."""
    return {
        "format": "fpga-rt study",
        "version": 1,
        "title": study.title,
        "command": f"fpga-rt study run {study.name}",
        "study_file": study.name,
        "clock": "virtual",
        "study_sha256": study.digest,
        "seed": study.seed,
        "points": len(study.points),
        "models": {
            name: {"file": network.path.name, "sha256": digest(network.path.read_bytes())}
            for name, network in study.networks.items()
        },
        "traces": {
            name: workload.trace_sha256
            for name, workload in study.workloads.items()
            if workload.trace
        },
        "calibrations": [
            {"file": Path(name).name, "sha256": digest(Path(name).read_bytes())}
            for name in map(str, study.sweep.get("calibration", ()))
            if name
        ],
        "solver": _solver() if "exact" in study.sweep.get("policy", ()) else None,
        "assumptions": _assumptions(study),
        "fpga_rt": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": {"system": platform.platform(), "cores": os.cpu_count()},
    }


_IDENTITY = (
    "format", "version", "study_sha256", "models", "traces", "calibrations", "solver", "fpga_rt",
)  # fmt: skip
"""What must be the same for a folder to be continued."""


def _assumptions(study: Study) -> list[str]:
    """Return what the times of a study's boards, ports and updates rest on, a sentence each."""
    context = Context(study)
    kinds = {(p.board, p.calibration, p.port, p.contention): p for p in study.points.values()}
    boards = [context.board(point) for point in kinds.values()]
    found = [line for b in boards for line in assumptions(b, b.default_port)]
    updated: dict[str, list[str]] = {}
    for name in dict.fromkeys(point.workload for point in study.points.values()):
        updates = study.workloads[name].updates
        for line in updates.assumptions if updates else ():
            updated.setdefault(line, []).append(name)
    found += [f"Updates of {', '.join(names)}: {line}." for line, names in updated.items()]
    return list(dict.fromkeys(found))


def _solver() -> str | None:
    """Return the version of what policy `exact` solves with, None where it is not installed."""
    try:
        return f"ortools {version('ortools')}"
    except PackageNotFoundError:
        return None


def _begin(study: Study, folder: Path) -> None:
    """Have a manifest in the folder that is this study's."""
    path, mine = folder / MANIFEST, manifest(study)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = json.loads(path.read_text()) if path.exists() else None
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be used ({error}); choose another folder") from error
    if found is None:
        others = sorted(entry.name for entry in folder.iterdir())
        if others:
            raise ArtifactError(
                f"{folder} holds {', '.join(others[:3])} and no study, expected a new or empty"
                " folder; choose another one"
            )
        write_atomically(path, [json.dumps(mine, indent=2).encode(), b"\n"])
        return
    for key in _IDENTITY:
        if not isinstance(found, dict) or found.get(key) != mine[key]:
            raise ArtifactError(
                f"{folder} holds results of another study, version or models ({key} differs);"
                " choose another folder, or remove it"
            )


def _partial(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows that are there; a line that a stop cut short is taken away."""
    try:
        data = path.read_bytes()
    except OSError:
        return
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        write_atomically(path, [whole])
    for cells in csv.reader(io.StringIO(whole.decode())):
        if len(cells) == len(HEADER):
            yield dict(zip(HEADER, cells, strict=True))


def _evaluated(
    study: Study, missing: Mapping[str, Point], processes: int
) -> Iterator[list[dict[str, str]]]:
    """Yield results as they come, some at a time."""
    items = list(missing.items())
    if processes == 1 or len(items) < 2:
        context = Context(study)
        for item in items:
            yield [_row(context, *item)]
        return
    chunks = [items[i : i + _CHUNK] for i in range(0, len(items), _CHUNK)]
    with ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=_start, initargs=(study,)
    ) as pool:
        pending: set[Future[list[dict[str, str]]]] = {pool.submit(_chunk, c) for c in chunks}
        try:
            while pending:
                ended, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in ended:
                    yield future.result()
        finally:
            for future in pending:
                future.cancel()


_context: Context | None = None
"""Of a process that evaluates points."""


def _start(study: Study) -> None:
    global _context  # noqa: PLW0603 - a pool gives its processes state in no other way
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits for them is told
    _context = Context(study)


def _chunk(items: Iterable[tuple[str, Point]]) -> list[dict[str, str]]:
    if _context is None:
        return []
    return [_row(_context, name, point) for name, point in items]


def _row(context: Context, name: str, point: Point) -> dict[str, str]:
    figures = evaluate(context, point)
    return {"point": name, **point.cells(), **_texts(figures)}


def _texts(figures: Figures) -> dict[str, str]:
    return dict(zip(COLUMNS, map(_text, astuple(figures)), strict=True))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _line(row: Cells) -> str:
    return _line_of(row[name] for name in HEADER).decode()


def _line_of(cells: Iterable[str]) -> bytes:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow(cells)
    return file.getvalue().encode()
