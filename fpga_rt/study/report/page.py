"""The page: everything in one file, so that it can be sent, kept and opened without a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from fpga_rt import __version__
from fpga_rt.study.break_even import sentences
from fpga_rt.study.report import chart, tables, timeline
from fpga_rt.study.report.figures import beside_static, figures
from fpga_rt.study.report.source import Row, Source
from fpga_rt.study.report.summary import summary, verdict

Json = dict[str, Any]

MOST_TIMELINES = 12
_MOST_TOLD = 12
"""Sentences about the break-even that are shown at once."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""The browser itself refuses every request, so that the page cannot grow one."""


def page(source: Source, command: str) -> str:
    """Return a study's report as HTML.

    Args:
        source: the study's folder.
        command: that makes the page, shown in it.
    """
    title = escape(str(source.manifest.get("title", source.folder.name)))
    sections = list(_sections(source))
    links = "".join(f'<a href="#{key}">{name}</a>' for key, name, _ in sections)
    body = "".join(
        f'<section id="{key}"><h2>{name}</h2>{content}</section>' for key, name, content in sections
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{title}</title><style>{_text("page.css")}</style>'
        f"</head><body><header><h1>{title}</h1>{_meta(source.manifest)}<nav>{links}</nav></header>"
        f'<main>{body}</main><footer class="meta"><p>Made by <code>{escape(command)}</code>.</p>'
        f"</footer><script>{_text('page.js')}</script></body></html>\n"
    )


def _sections(source: Source) -> Iterator[tuple[str, str, str]]:
    """Yield anchor, title and content of every section that there is something for."""
    good, manifest = source.good, source.manifest
    command = str(manifest.get("command", "fpga-rt study run"))
    if good:
        lead = f'<p class="lead">{escape(verdict(good))}</p>'
        table = tables.facts(summary(good, source.runs))
        yield "summary", "Summary", f"{lead}{table}{_PEERS}{_break_even(source)}"
        drawn = "".join(chart.html(figure) for figure in figures(good, source.runs, command))
        yield "plots", "Plots", f'<div class="grid">{drawn}</div>'
    if source.runs:
        yield "timelines", "Timelines", _timelines(source.runs, source.good)
    yield "points", "Points", (tables.points(good) if good else "") + tables.failures(source.rows)
    if source.gpu:
        yield "gpu", "GPU baseline", tables.gpu(source.gpu)
    if source.loadgen:
        yield "loadgen", "MLPerf LoadGen", tables.loadgen(source.loadgen, source.records)
    yield "origin", "Where the figures come from", _origin(source)


_PEERS = (
    '<p class="note">What others report was measured on other devices for other networks, by the'
    " wall clock: it says where the field stands, not who is faster.</p>"
)


def _break_even(source: Source) -> str:
    """Return where reconfiguration pays and where it loses, as sentences."""
    found, command = source.break_even, str(source.manifest.get("command"))
    if found is not None:
        told, command = [str(line) for line in found["sentences"]], str(found["command"])
    else:
        told = sentences(source.good)
    if not told:
        return ""
    items = [f"<li>{escape(line)}</li>" for line in told]
    lines = "".join(items[:_MOST_TOLD])
    if len(items) > _MOST_TOLD:
        more = "".join(items[_MOST_TOLD:])
        count = len(items) - _MOST_TOLD
        lines += f"<li><details><summary>{count} more</summary><ul>{more}</ul></details></li>"
    kinds = " and ".join(sorted({row["origin"] for row in source.good}))
    return (
        '<h3 id="break-even">Where it pays, and where it loses</h3>'
        f'<ul class="told">{lines}</ul><p class="note">Virtual clock, {escape(kinds)};'
        f" {escape(command)}</p>"
    )


def _timelines(runs: Sequence[Json], rows: Sequence[Row]) -> str:
    static = {row["point"]: beside_static(row) for row in rows}
    shown = "".join(
        timeline.html(run, static.get(run["point"], "")) for run in runs[:MOST_TIMELINES]
    )
    more = len(runs) - MOST_TIMELINES
    note = f'<p class="note">{more} more recordings are in the folder runs.</p>' if more > 0 else ""
    return (
        "<p>A lane for the requests, one for the configuration port, one for each partition. A"
        f" block in a partition is a launch, in its network's colour, or a load.</p>{shown}{note}"
    )


def _meta(manifest: Json) -> str:
    machine = manifest.get("machine", {})
    parts = [
        f"{manifest.get('study_file', '?')}, {manifest.get('points', '?')} points",
        f"seed {manifest.get('seed', '?')}",
        f"fpga-rt {manifest.get('fpga_rt', '?')}, Python {manifest.get('python', '?')}",
        f"{machine.get('system', '?')}, {machine.get('cores', '?')} cores",
    ]
    return f'<p class="meta">{escape("; ".join(parts))}</p>'


def _origin(source: Source) -> str:
    models = source.manifest.get("models", {})
    listed = "".join(
        f"<li>{escape(name)}: <code>{escape(str(model.get('file')))}</code>, SHA-256"
        f" <code>{escape(str(model.get('sha256'))[:16])}…</code></li>"
        for name, model in models.items()
    )
    recorded = [line for run in source.runs for line in run["assumptions"]]
    assumed = dict.fromkeys([*source.manifest.get("assumptions", ()), *recorded])
    lines = "".join(f"<li>{escape(line)}</li>" for line in assumed)
    return (
        "<p>Every time of a study is of the virtual clock: computed from formulas, cycle by cycle,"
        " and from port rates that others measured. Nothing of it ran on a board. The static design"
        " holds all modules in the same area and is never reconfigured.</p>"
        f"<h3>Models</h3><ul>{listed}</ul>"
        + (f"<h3>Assumptions</h3><ul>{lines}</ul>" if lines else "")
        + f'<p class="meta">Study file SHA-256 {escape(str(source.manifest.get("study_sha256")))};'
        f" report of fpga-rt {__version__}.</p>"
    )


def _text(name: str) -> str:
    return files("fpga_rt.study.report").joinpath(name).read_text(encoding="utf-8")
