"""A picture of a run: what computed in each partition, and what the configuration port loaded.

Needs matplotlib (`pip install 'fpga-rt[study]'`).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.device.interface import Capabilities
from fpga_rt.errors import ToolchainError
from fpga_rt.runtime.records import Log, RequestRecord, Span
from fpga_rt.runtime.report import to_us
from fpga_rt.runtime.report_text import count_text, time_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
SHOWN_REQUESTS = 3

# Colours that people with colour blindness can tell apart (Okabe and Ito, 2008).
_HIDDEN, _EXPOSED, _LOADING, _INK = "#009E73", "#D55E00", "#E6E6E6", "#333333"
_MODULE_COLOURS = ("#56B4E9", "#F0E442", "#CC79A7", "#E69F00", "#0072B2", "#B8B8B8")
_LANE_HEIGHT, _WIDTH_INCHES, _LANE_INCHES = 0.72, 13.0, 0.42
_FONT_POINTS = 8.5
_CHARACTER_INCHES = 0.6 * _FONT_POINTS / 72
_KEY = "A block in a partition: a launch, from its first to its last command, and its number."
_AXES_SHARE = 0.925
"""Of the figure's width; the rest is for the lanes' names."""


@dataclass(frozen=True)
class Panel:
    """One run among those that a picture compares on one time axis."""

    caption: str
    log: Log


@dataclass(frozen=True)
class Block:
    """A piece of a lane: its span, fill, and texts from the longest to the shortest."""

    lane: int
    span: Span
    colour: str
    texts: tuple[str, ...] = ()
    hatch: str = ""


@dataclass(frozen=True)
class _Style:
    """What panels share: the lanes, the colour of every module, the axis' scale."""

    lanes: tuple[str, ...]
    colours: dict[str, str]
    shown_ps: int
    unit_ps: int

    @property
    def unit(self) -> str:
        return {1_000_000: "us", 1_000_000_000: "ms", 1_000_000_000_000: "s"}[self.unit_ps]


def require_matplotlib() -> None:
    """Check that pictures can be drawn, before work that takes long.

    Raises:
        ToolchainError: matplotlib is missing.
    """
    try:
        import matplotlib.figure  # noqa: F401 - an extra
    except ImportError as error:
        raise ToolchainError(
            "drawing a timeline needs matplotlib; pip install 'fpga-rt[study]'"
        ) from error


def write(
    panels: Sequence[Panel],
    capabilities: Capabilities,
    port: str,
    title: str,
    path: str | os.PathLike[str],
) -> None:
    """Draw runs below each other and write the picture; the suffix says in which format.

    Args:
        panels: runs on devices of equal capabilities; the first requests of each are drawn.
        capabilities: of the device.
        port: name of the configuration port.
        title: first line of the picture.
        path: ends in `.png`, `.svg` or `.pdf`.

    Raises:
        ToolchainError: matplotlib is missing.
        ArtifactError: the file cannot be written.
        ValueError: another suffix.
    """
    kind = Path(path).suffix
    if kind not in SUFFIXES:
        raise ValueError(f"a timeline as {kind or 'a file without suffix'}, expected {SUFFIXES}")
    figure = draw(panels, capabilities, port, title)
    import matplotlib as mpl

    content = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "fpga-rt"}):
        figure.savefig(content, format=kind[1:], metadata=_NO_DATE.get(kind))
    write_atomically(path, [content.getvalue()])


_NO_DATE: dict[str, dict[str, None]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""Equal runs give equal files."""


def draw(panels: Sequence[Panel], capabilities: Capabilities, port: str, title: str) -> Figure:
    """Return the picture as a matplotlib figure; see `write`."""
    require_matplotlib()
    from matplotlib.figure import Figure

    style = _style(panels, capabilities, port)
    panel_inches = _LANE_INCHES * len(style.lanes) + 0.75
    height = panel_inches * len(panels) + 1.75
    figure = Figure(figsize=(_WIDTH_INCHES, height), dpi=120)
    plots = figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0]
    figure.subplots_adjust(
        left=0.99 - _AXES_SHARE, right=0.99, top=1 - 1.12 / height, bottom=1.0 / height,
        hspace=0.75 / (panel_inches - 0.75),
    )  # fmt: skip
    for panel, axes in zip(panels, plots, strict=True):
        _draw_panel(axes, panel, style)
    plots[-1].set_xlabel(f"device time ({style.unit}, {capabilities.clock} clock)")
    figure.text(0.01, 1 - 0.32 / height, title, fontsize=14, weight="bold", color=_INK)
    subtitle = _subtitle(capabilities)
    figure.text(0.01, 1 - 0.58 / height, subtitle, fontsize=9.5, color=_INK)
    figure.text(0.01, 0.42 / height, _KEY, fontsize=_FONT_POINTS, color="#666666")
    _add_legend(figure, style, height)
    return figure


def blocks(log: Log, shown: Sequence[RequestRecord], colours: dict[str, str]) -> Iterator[Block]:
    """Return what the lanes hold during the shown requests: lane 0 is the port."""
    end = shown[-1].ended_ps if shown else 0
    for swap in log.swaps:
        if swap.started_ps < end:
            yield Block(0, swap.span, _EXPOSED, (f"load {swap.module}", swap.module))
            texts = (f"load {swap.module}", swap.module, "load")
            yield Block(1 + swap.partition, swap.span, _LOADING, texts, "////")
    for program in log.programs:
        if program.started_ps >= end:
            continue
        for partition, span in program.busy_ps.items():
            module = module_at(log, partition, program.started_ps)
            texts = (f"launch {program.launch}: {module}", module, f"{program.launch}")
            yield Block(1 + partition, span, colours.get(module, _MODULE_COLOURS[-1]), texts)


def hidden_spans(log: Log) -> Iterator[Span]:
    """Return the parts of loads during which a program computed."""
    for swap in log.swaps:
        for program in log.programs:
            start = max(swap.started_ps, program.started_ps)
            end = min(swap.ended_ps, program.ended_ps)
            if start < end:
                yield start, end


def module_at(log: Log, partition: int, time_ps: int) -> str:
    """Return what was loaded last into a partition before a time, `?` if the log does not know."""
    loaded = [s for s in log.swaps if s.partition == partition and s.ended_ps <= time_ps]
    return loaded[-1].module if loaded else "?"


def _style(panels: Sequence[Panel], capabilities: Capabilities, port: str) -> _Style:
    names = dict.fromkeys(swap.module for panel in panels for swap in panel.log.swaps)
    colours = {
        name: _MODULE_COLOURS[i % len(_MODULE_COLOURS)] for i, name in enumerate(sorted(names))
    }
    shown_ps = max((_shown(p.log)[-1].ended_ps for p in panels if p.log.requests), default=1)
    unit_ps = next((u for u in (10**12, 10**9) if shown_ps >= 2 * u), 10**6)
    lanes = (f"port {port}", *(p.name for p in capabilities.board.partitions))
    return _Style(lanes, colours, shown_ps, unit_ps)


def _shown(log: Log) -> Sequence[RequestRecord]:
    return log.requests[:SHOWN_REQUESTS]


def _draw_panel(axes: Axes, panel: Panel, style: _Style) -> None:
    shown = _shown(panel.log)
    _draw_requests(axes, shown, style)
    for block in blocks(panel.log, shown, style.colours):
        _draw_block(axes, block, style)
    end = shown[-1].ended_ps if shown else 0
    for start, stop in hidden_spans(panel.log):
        if start < end:
            _draw_block(axes, Block(0, (start, stop), _HIDDEN), style, above=1)
    _mark_unused(axes, panel.log, style)
    axes.set_title(_caption(panel), loc="left", fontsize=10.5, color=_INK, pad=18)
    axes.set_yticks(range(len(style.lanes)), style.lanes, fontsize=9.5)
    axes.set_ylim(len(style.lanes) - 0.45, -0.55)
    axes.set_xlim(0, style.shown_ps / style.unit_ps)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelbottom=True, labelsize=8.5)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _mark_unused(axes: Axes, log: Log, style: _Style) -> None:
    used = {swap.partition for swap in log.swaps}
    used |= {partition for program in log.programs for partition in program.busy_ps}
    for partition in range(len(style.lanes) - 1):
        if partition not in used:
            axes.text(0.005, 1 + partition, "not used", va="center", fontsize=_FONT_POINTS,
                      color="#999999", transform=axes.get_yaxis_transform())  # fmt: skip


def _draw_requests(axes: Axes, shown: Sequence[RequestRecord], style: _Style) -> None:
    """Shade every other request, and write above each what it is."""
    for number, request in enumerate(shown):
        start, end = request.started_ps / style.unit_ps, request.ended_ps / style.unit_ps
        axes.axvspan(start, end, color="#F5F5F5" if number % 2 == 0 else "#FFFFFF", zorder=0)
        axes.axvline(end, color="#BBBBBB", linewidth=0.8, zorder=1)
        took = time_text(to_us(request.ended_ps - request.started_ps))
        texts = (
            f"request {request.request}: {count_text(request.images, 'image')}, {took}",
            f"{request.request}: {took}",
            f"{request.request}",
        )
        text = _fitting(texts, (request.started_ps, request.ended_ps), style)
        axes.text((start + end) / 2, -0.62, text, ha="center", va="bottom",
                  fontsize=_FONT_POINTS, color="#666666", clip_on=False)  # fmt: skip


def _draw_block(axes: Axes, block: Block, style: _Style, above: int = 0) -> None:
    start, end = (time / style.unit_ps for time in block.span)
    axes.barh(
        block.lane, end - start, _LANE_HEIGHT, left=start, color=block.colour, hatch=block.hatch,
        edgecolor="#BDBDBD" if block.hatch else "white", linewidth=0.4, zorder=2 + above,
    )  # fmt: skip
    text = _fitting(block.texts, block.span, style)
    if text:
        background = {"facecolor": _LOADING, "edgecolor": "none", "pad": 1} if block.hatch else None
        axes.text((start + end) / 2, block.lane, text, ha="center", va="center", zorder=5,
                  fontsize=_FONT_POINTS, bbox=background,
                  color="white" if block.lane == 0 else _INK)  # fmt: skip


def _fitting(texts: Sequence[str], span: Span, style: _Style) -> str:
    """Return the longest text that a span has room for, else none."""
    inches = (span[1] - span[0]) / style.shown_ps * _WIDTH_INCHES * _AXES_SHARE
    room = inches / _CHARACTER_INCHES - 1
    return next((text for text in texts if len(text) <= room), "")


def _caption(panel: Panel) -> str:
    total, shown = len(panel.log.requests), len(_shown(panel.log))
    if shown == total:
        return panel.caption
    return f"{panel.caption} (first {shown} of {total:,} requests)"


def _subtitle(capabilities: Capabilities) -> str:
    board = capabilities.board
    clock = f"compute clock {1e6 / board.clock_ps:.1f} MHz (assumed)"
    return (
        f"{board.title}, device {capabilities.device}; {clock}; times: {capabilities.clock} clock,"
        f" {capabilities.origin}"
    )


def _add_legend(figure: Figure, style: _Style, height: float) -> None:
    from matplotlib.patches import Patch

    items = [
        Patch(color=_HIDDEN, label="load, hidden (a program computes meanwhile)"),
        Patch(color=_EXPOSED, label="load, exposed"),
        Patch(facecolor=_LOADING, edgecolor="#BDBDBD", hatch="////", label="being loaded"),
        *(Patch(color=colour, label=name) for name, colour in style.colours.items()),
    ]
    figure.legend(handles=items, loc="lower center", ncols=len(items), frameon=False,
                  fontsize=9, bbox_to_anchor=(0.5, 0.08 / height))  # fmt: skip
