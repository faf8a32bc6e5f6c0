"""What is plotted, apart from how: lines and stacked bars made of a study's rows and recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fpga_rt.runtime.records import SWAP_PHASES
from fpga_rt.study.axes import AXES
from fpga_rt.study.break_even import Line as RatioLine
from fpga_rt.study.break_even import lines as ratio_lines

Row = Mapping[str, str]
Json = dict[str, Any]

MOST_SERIES, MOST_BARS = 8, 24
_NUMERIC = ("batch", "contention")
_SAY_THEMSELVES = ("workload", "board", "port", "policy", "placement")
"""Axes whose values need no name before them."""
_AFTERWARDS = ("parameters", "first_result")
"""Phases of the first program after a load, no part of the load itself."""


@dataclass(frozen=True)
class Line:
    """A series: its name and its points, x either all numbers or all names."""

    name: str
    points: tuple[tuple[float | str, float], ...]
    static: bool = False


@dataclass(frozen=True)
class Lines:
    """A plot of lines.

    Attributes:
        key: for file names and anchors.
        title: what it shows.
        x: label of the axis.
        y: label with its unit.
        lines: the series.
        steps: lines go right, then up, as a CDF does.
        log_x: the axis is logarithmic.
        log_y: the same of the other.
        caption: clock, origin, and the command that makes it.
        left_out: series that there was no room for.
    """

    key: str
    title: str
    x: str
    y: str
    lines: tuple[Line, ...]
    caption: str
    steps: bool = False
    log_x: bool = False
    log_y: bool = False
    left_out: int = 0


@dataclass(frozen=True)
class Bars:
    """Stacked bars: for every label the values of its parts, in one unit."""

    key: str
    title: str
    unit: str
    parts: tuple[str, ...]
    bars: tuple[tuple[str, tuple[float, ...]], ...]
    caption: str
    left_out: int = 0


Figure = Lines | Bars


@dataclass(frozen=True)
class _Measure:
    """A column whose dependence on the axes is plotted, of servers or of other workloads."""

    column: str
    key: str
    title: str
    y: str
    served: bool


_IMAGE = _Measure("image_ms", "", "Time of an image", "ms an image", False)
_SERVED = _Measure("p99_ms", "server-", "Latency of a server, 99th percentile", "ms", True)


def figures(rows: Sequence[Row], runs: Sequence[Json], command: str) -> Iterator[Figure]:
    """Yield every plot that rows and recordings have something for.

    Args:
        rows: results without errors.
        runs: recordings.
        command: that made the rows.
    """
    caption = f"{_kinds(rows)}; {command}"
    if runs:
        static = {row["point"]: beside_static(row) for row in rows}
        yield _cdf(runs, static)
        yield _phases(runs, static)
    loading = [row for row in rows if row["load_ms"] and float(row["load_ms"])]
    if loading:
        yield _hidden(loading, caption)
    bounded = [row for row in rows if row["gap_percent"]]
    if bounded:
        yield _gap(bounded, caption)
    served = [row for row in rows if row["accepted"]]
    if served:
        yield _admission(served, caption)
    updated = [row for row in rows if row["updates"]]
    if updated:
        yield _updates(updated, caption)
    for measure in (_IMAGE, _SERVED):
        measured = [r for r in rows if r[measure.column] and bool(r["accepted"]) == measure.served]
        along = ratio_lines(measured)
        for axis in (axis for axis in varied(measured) if axis != "workload"):  # names, no order
            yield _sensitivity(measured, axis, caption, measure)
            found = [line for line in along if line.axis == axis]
            if found:
                yield _break_even(measured, found, caption, measure)


def varied(rows: Sequence[Row]) -> list[str]:
    """Return the axes that have several values."""
    return [axis for axis in AXES if len({row[axis] for row in rows}) > 1]


def label(row: Row, axes: Sequence[str]) -> str:
    """Return a row's settings of some axes as text."""
    parts = [row[a] if a in _SAY_THEMSELVES else f"{a} {row[a]}" for a in axes]
    return ", ".join(parts) or row["workload"]


def beside_static(row: Row) -> str:
    """Return how the static design of the same area compares, to stand behind a row's label."""
    if row["static_ratio"]:
        return f"; static / this {float(row['static_ratio']):.2f}"
    if row["static_accepted"]:
        return f"; accepts {row['accepted']}, the static design {row['static_accepted']}"
    return "; no static design fits"


def run_label(run: Json) -> str:
    """Return the same of a recording: the settings in its point's name."""
    axes = [part.partition("=")[0] for part in run["point"].split()]
    return label(run["settings"], [axis for axis in axes if axis in run["settings"]])


def _kinds(rows: Sequence[Row]) -> str:
    clocks, origins = ({row[key] for row in rows if row[key]} for key in ("clock", "origin"))
    return f"{' and '.join(sorted(clocks))} clock, {' and '.join(sorted(origins))}"


def _run_caption(runs: Sequence[Json]) -> str:
    kinds = {f"{run['clock']} clock, {run['origin']}, {run['device']}" for run in runs}
    commands = dict.fromkeys(run["command"].partition(" --point")[0] for run in runs)
    return f"{' and '.join(sorted(kinds))}; {', '.join(commands)}"


def _cdf(runs: Sequence[Json], static: Mapping[str, str]) -> Lines:
    lines = []
    for run in runs[:MOST_SERIES]:
        times = sorted((end - start) / 1e3 for start, end in (r["us"] for r in run["requests"]))
        share = [(time, (i + 1) / len(times)) for i, time in enumerate(times)]
        name = run_label(run) + static.get(run["point"], "")
        lines.append(Line(name, ((times[0], 0.0), *share)))
    times = [end - start for run in runs for start, end in (r["us"] for r in run["requests"])]
    return Lines(
        "latency-cdf", "Latency of requests, cumulative", "latency, ms", "share of requests",
        tuple(lines), _run_caption(runs), steps=True, log_x=_wide(min(times), max(times)),
        left_out=len(runs) - len(lines),
    )  # fmt: skip


def _phases(runs: Sequence[Json], static: Mapping[str, str]) -> Bars:
    """Return the mean phases of a load, those of zero left out."""
    names = [name for name in SWAP_PHASES if name not in _AFTERWARDS]
    bars = []
    for run in runs[:MOST_BARS]:
        loads = run["loads"] or [{"phases_us": {}}]
        sums = [sum(load["phases_us"].get(name, 0.0) for load in loads) for name in names]
        name = run_label(run) + static.get(run["point"], "")
        bars.append((name, tuple(value / len(loads) for value in sums)))
    kept = [i for i in range(len(names)) if any(values[i] for _, values in bars)]
    return Bars(
        "swap-phases", "Where the time of a load goes (mean)", "us",
        tuple(names[i] for i in kept),
        tuple((name, tuple(values[i] for i in kept)) for name, values in bars),
        _run_caption(runs), len(runs) - len(bars),
    )  # fmt: skip


def _hidden(rows: Sequence[Row], caption: str) -> Bars:
    axes = varied(rows)
    shown = rows[:MOST_BARS]
    bars = tuple(
        (label(row, axes) + beside_static(row), (float(row["hidden_ms"]), float(row["exposed_ms"])))
        for row in shown
    )
    return Bars("hidden", "Time of all loads: hidden behind computing, and exposed", "ms",
                ("hidden", "exposed"), bars, caption, len(rows) - len(shown))  # fmt: skip


def _gap(rows: Sequence[Row], caption: str) -> Bars:
    axes = varied(rows)
    shown = rows[:MOST_BARS]
    bars = []
    for row in shown:
        gap = float(row["gap_percent"])
        proven = row["proven"] == "yes"
        name = label(row, axes) + beside_static(row)
        bars.append((name, (gap if proven else 0.0, 0.0 if proven else gap)))
    return Bars(
        "gap", "How far schedules are above the lower bound", "%",
        ("no schedule is better (proven)", "a better one may exist"),
        tuple(bars), caption, len(rows) - len(shown),
    )  # fmt: skip


def _admission(rows: Sequence[Row], caption: str) -> Bars:
    """Return what became of a server's requests."""
    axes, shown = varied(rows), rows[:MOST_BARS]
    bars = []
    for row in shown:
        ended = int(row["accepted"]) - int(row["late"]) - int(row["lost"])
        kept = (row["late"], row["lost"], row["refused_late"], row["refused_full"])
        name = label(row, axes) + beside_static(row)
        bars.append((name, (float(ended), *map(float, kept))))
    parts = ("in time", "late", "lost", "refused: too late", "refused: queue full")
    return Bars("admission", "What became of a server's requests", "requests", parts, tuple(bars),
                caption, len(rows) - len(shown))  # fmt: skip


_UPDATE_TERMS = {
    "wait_ms": "requests in between",
    "self_test_ms": "test vectors",
    "switch_ms": "switch",
    "answer_ms": "first inference",
}


def _updates(rows: Sequence[Row], caption: str) -> Bars:
    """Return what an update takes on the device; on the link it takes longer by orders."""
    axes, shown = varied(rows), rows[:MOST_BARS]
    bars = []
    for row in shown:
        link_ms, static = float(row["link_ms"]), "no static design fits"
        if row["static_sent_to_answer_ms"]:
            static = f"static design {float(row['static_sent_to_answer_ms']) - link_ms:.3g} ms"
        name = f"{label(row, axes)}; {link_ms:,.0f} ms on the link; {static}"
        bars.append((name, tuple(float(row[key]) for key in _UPDATE_TERMS)))
    return Bars("updates", "From an update's last byte to the first answer by it", "ms",
                tuple(_UPDATE_TERMS.values()), tuple(bars), caption,
                len(rows) - len(shown))  # fmt: skip


def _sensitivity(rows: Sequence[Row], axis: str, caption: str, measure: _Measure) -> Lines:
    """Return a measure along an axis, a line for each setting of the other axes."""
    others = [name for name in varied(rows) if name != axis]
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(label(row, others) if others else "reconfigured", []).append(row)
    numbers = axis in _NUMERIC
    lines = []
    for name, group in list(groups.items())[:MOST_SERIES]:
        points = [(_x(row[axis], numbers), float(row[measure.column])) for row in group]
        lines.append(Line(name, tuple(points)))
    full = _rival(rows, axis, numbers, measure, "full_ratio")
    if full:
        lines.append(Line("a full bitstream for each network", full))
    static = _rival(rows, axis, numbers, measure, "static_ratio")
    if static:
        name = "static design" + (", fastest of any area" if "partitions" in others else "")
        lines.append(Line(name, static, static=True))
    values = [y for line in lines for _, y in line.points]
    xs = [x for line in lines for x, _ in line.points if isinstance(x, float)]
    return Lines(
        f"{measure.key}sensitivity-{axis}", f"{measure.title}, by {axis}", axis, measure.y,
        tuple(lines), caption, log_x=bool(xs) and _wide(min(xs), max(xs), 8),
        log_y=bool(values) and _wide(min(values), max(values)),
        left_out=max(0, len(groups) - MOST_SERIES),
    )  # fmt: skip


def _break_even(
    rows: Sequence[Row], found: Sequence[RatioLine], caption: str, measure: _Measure
) -> Lines:
    """Return how many times as long the static design takes: above 1 reconfiguration pays.

    Args:
        rows: results that are plotted.
        found: their lines along one axis; those that cross 1 come first.
        caption: of the plot.
        measure: of the rows.
    """
    axis = found[0].axis
    others = [name for name in varied(rows) if name != axis]
    shown = sorted(found, key=lambda line: not line.crossings)[:MOST_SERIES]
    lines = [
        Line(
            label(line.rows[0], others) if others else "static / this",
            tuple(
                (_x(row[axis], axis in _NUMERIC), ratio)
                for row, ratio in zip(line.rows, line.ratios, strict=True)
            ),
        )
        for line in shown
    ]
    xs = [x for line in lines for x, _ in line.points]
    numbers = [x for x in xs if isinstance(x, float)]
    first, last = (min(numbers), max(numbers)) if numbers else (xs[0], xs[-1])
    ratios = [ratio for line in lines for _, ratio in line.points]
    lines.append(Line("break-even: above, it pays", ((first, 1.0), (last, 1.0)), static=True))
    title = "area, small to large" if axis == "partitions" else axis
    return Lines(
        f"{measure.key}break-even-{axis}",
        f"{measure.title}: against a static design of the same area, by {title}", axis,
        "static / reconfigured", tuple(lines), caption,
        log_x=bool(numbers) and _wide(min(numbers), max(numbers), 8),
        log_y=_wide(min(ratios), max(ratios)), left_out=max(0, len(found) - MOST_SERIES),
    )  # fmt: skip


def _rival(
    rows: Sequence[Row], axis: str, numbers: bool, measure: _Measure, ratio: str
) -> tuple[tuple[float | str, float], ...]:
    """Return the fastest rival at each value of an axis, where there is one."""
    best: dict[str, float] = {}
    for row in rows:
        if row[ratio]:
            time = float(row[measure.column]) * float(row[ratio])
            best[row[axis]] = min(time, best.get(row[axis], time))
    return tuple((_x(value, numbers), time) for value, time in best.items())


def _x(value: str, numbers: bool) -> float | str:
    return float(value) if numbers else value


def _wide(smallest: float, largest: float, ratio: float = 20) -> bool:
    """Tell whether a logarithmic axis shows more."""
    return smallest > 0 and largest / smallest > ratio
