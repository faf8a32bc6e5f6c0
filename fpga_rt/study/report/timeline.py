"""A recording as the lanes and blocks of a timeline that a browser zooms."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from fpga_rt.study.report.figures import run_label

Json = dict[str, Any]

_COLOURS = ("--c0", "--c2", "--c3", "--c6", "--c4", "--c7")
"""Of networks; that of loads is kept apart."""
_BUTTONS = (
    ("in", "+", "zoom in"),
    ("out", "&minus;", "zoom out"),
    ("left", "&larr;", "earlier"),
    ("right", "&rarr;", "later"),
    ("all", "whole", "show the whole run"),
)


def html(run: Json, static: str = "") -> str:
    """Return a timeline with its controls and data; the page's script draws it.

    Args:
        run: a recording.
        static: how the static design compares, to stand behind the title.
    """
    text = json.dumps(_data(run), separators=(",", ":")).replace("<", "\\u003c")
    buttons = "".join(
        f'<button type="button" data-act="{act}" aria-label="{meaning}">{sign}</button>'
        for act, sign, meaning in _BUTTONS
    )
    legend = "".join(
        f'<li><i style="background:var({colour})"></i>{escape(name)}</li>'
        for name, colour in {**_colours(run), "load": "--load"}.items()
    )
    title = escape(run_label(run) + static)
    caption = f"{run['clock']} clock, {run['origin']}, {run['device']}; {run['command']}"
    return (
        f'<figure class="timeline wide"><h3>{title}</h3><div class="tools">{buttons}'
        '<span class="note">drag, pinch, or ctrl and wheel</span></div>'
        f'<svg tabindex="0" role="img" aria-label="timeline of {title}"></svg>'
        f'<output></output><ul class="legend">{legend}</ul>'
        f'<script type="application/json">{text}</script>'
        "<noscript><p>Timelines need JavaScript; trace.json beside the recording opens in"
        " ui.perfetto.dev.</p></noscript>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _colours(run: Json) -> dict[str, str]:
    """Return a colour for each network, by its name in the style sheet."""
    names = sorted({program["network"] for program in run["programs"]})
    return {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(names)}


def _data(run: Json) -> Json:
    colours = _colours(run)
    blocks: list[list[object]] = []
    for number, request in enumerate(run["requests"]):
        text = f"{number}: {request['network']}"
        blocks.append([0, *request["us"], "--request", text, "request"])
    for load in run["loads"]:
        ahead = ", ahead" if load["ahead"] else ""
        text = f"load {load['module']}{ahead}"
        blocks.append([1, *load["us"], "--load", text, "load"])
        blocks.append([2 + load["partition"], *load["us"], "--load", text, "load"])
    for program in run["programs"]:
        text = f"{program['network']}, request {program['request']}, launch {program['launch']}"
        colour = colours[program["network"]]
        blocks.append([2 + program["partition"], *program["us"], colour, text, "program"])
    return {"lanes": ["requests", run["port"], *run["partitions"]], "blocks": blocks}
