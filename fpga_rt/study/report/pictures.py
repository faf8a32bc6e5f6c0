"""The plots of a report as PNG and SVG files, for papers and slides.

Needs matplotlib (`pip install 'fpga-rt[study]'`).
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.errors import ArtifactError
from fpga_rt.runtime.timeline import require_matplotlib
from fpga_rt.study.report.figures import Bars, Figure, Lines, figures
from fpga_rt.study.report.source import Source

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours that people with colour blindness can tell apart (Okabe and Ito, 2008).
_COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A4FBF", "#6B7280",
)  # fmt: skip
_PARTS = ("#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#E69F00", "#7A4FBF", "#6B7280")
_MOST_MARKED = 8
_STYLES = ("-", "--", ":", "-.")
_KINDS = ("png", "svg")
_WIDTH_INCHES, _LINES_INCHES, _BAR_INCHES = 8.0, 4.6, 0.28


def write_pictures(source: Source, folder: Path) -> list[Path]:
    """Write every plot of a study, and return the files.

    Raises:
        ToolchainError: matplotlib is missing.
        ArtifactError: the folder or a file cannot be written.
    """
    require_matplotlib()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactError(
            f"{folder} cannot be made ({error.strerror}); check the path"
        ) from error
    command = str(source.manifest.get("command", "fpga-rt study run"))
    written = []
    for figure in figures(source.good, source.runs, command) if source.good else ():
        for kind in _KINDS:
            path = folder / f"{figure.key}.{kind}"
            write_atomically(path, [_drawn(figure, kind)])
            written.append(path)
    return written


def _drawn(figure: Figure, kind: str) -> bytes:
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    count = len(figure.bars) if isinstance(figure, Bars) else 0
    legend = len(figure.lines) if isinstance(figure, Lines) else len(figure.parts)
    height = max(2.0, count * _BAR_INCHES) if count else _LINES_INCHES
    canvas = Canvas(figsize=(_WIDTH_INCHES, height + 0.9 + 0.2 * legend), layout="constrained")
    axes = canvas.subplots()
    if isinstance(figure, Lines):
        _draw_lines(axes, figure)
    else:
        _draw_bars(axes, figure)
    canvas.suptitle(figure.title, x=0.01, ha="left", fontsize=11, weight="bold")
    axes.set_title(figure.caption, loc="left", fontsize=7, color="#666666")
    axes.spines[["top", "right"]].set_visible(False)
    canvas.legend(loc="outside lower left", fontsize=8, frameon=False)
    content = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "fpga-rt"}):
        date = {"Date": None} if kind == "svg" else {}
        canvas.savefig(content, format=kind, dpi=150, metadata=date)
    return content.getvalue()


def _draw_lines(axes: Axes, figure: Lines) -> None:
    for number, line in enumerate(figure.lines):
        xs, ys = zip(*line.points, strict=True)
        axes.plot(
            xs, ys, label=line.name, drawstyle="steps-post" if figure.steps else "default",
            color="black" if line.static else _COLOURS[number % len(_COLOURS)],
            linestyle=":" if line.static else _STYLES[number % len(_STYLES)],
            marker="" if figure.steps else "o", markersize=4,
        )  # fmt: skip
    if figure.log_x:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("{x:g}")
    marked = sorted({x for line in figure.lines for x, _ in line.points if isinstance(x, float)})
    if not figure.steps and 0 < len(marked) <= _MOST_MARKED:
        axes.set_xticks(marked, [f"{x:g}" for x in marked])
        axes.set_xticks([], minor=True)
    if figure.log_y:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel(figure.x)
    axes.set_ylabel(figure.y)
    axes.grid(alpha=0.3)


def _draw_bars(axes: Axes, figure: Bars) -> None:
    names = [name for name, _ in figure.bars]
    starts = [0.0] * len(names)
    for index, part in enumerate(figure.parts):
        values = [parts[index] for _, parts in figure.bars]
        axes.barh(names, values, left=starts, label=part, color=_PARTS[index % len(_PARTS)])
        starts = [start + value for start, value in zip(starts, values, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel(figure.unit)
    axes.tick_params(axis="y", labelsize=8)
    axes.grid(axis="x", alpha=0.3)
