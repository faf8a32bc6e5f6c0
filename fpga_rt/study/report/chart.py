"""Plots as HTML: lines as inline SVG, bars as boxes that take the width there is.

Colours come from the page's style sheet, so a plot follows light and dark. Nothing here needs a
script: values are in `title` elements, which browsers show on hover.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import pairwise

from fpga_rt.study.report.figures import Bars, Figure, Line, Lines
from fpga_rt.study.report.scale import Scale, scale_of

_SHORT = 22
"""Letters of a label that has room beside its bar; longer ones stand above it."""
COLOURS = 8
"""Of series, as `--c0` to `--c7` in the style sheet."""
_WIDTH, _HEIGHT = 480, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 10, 60
_LETTER = 7.6
"""Width of a letter, in the largest size that the style sheet gives ticks."""
_WIDEST = 4.4
_DASHES = ("", "7 3", "2 3", "9 3 2 3")
"""Lines differ by dashes too: colours alone do not reach everybody."""


def html(figure: Figure) -> str:
    """Return a plot with its title, legend and caption."""
    body = _lines(figure) if isinstance(figure, Lines) else _bars(figure)
    left_out = (
        f'<p class="note">{figure.left_out} more are in results.csv.</p>' if figure.left_out else ""
    )
    return (
        f'<figure id="{figure.key}"><h3>{escape(figure.title)}</h3>{body}{left_out}'
        f"<figcaption>{escape(figure.caption)}</figcaption></figure>"
    )


def _lines(figure: Lines) -> str:
    xs = [x for line in figure.lines for x, _ in line.points]
    ys = [y for line in figure.lines for _, y in line.points]
    x = scale_of(xs, _LEFT, _WIDTH - _RIGHT, figure.log_x, not figure.steps)
    y = scale_of(ys, _HEIGHT - _BOTTOM, _TOP, figure.log_y)
    drawn = "".join(_line(line, number, x, y, figure) for number, line in enumerate(figure.lines))
    legend = "".join(
        f'<li><svg class="key" viewBox="0 0 26 8" aria-hidden="true"><path {_stroke(line, number)}'
        f' d="M0 4H26"/></svg>{escape(line.name)}</li>'
        for number, line in enumerate(figure.lines)
    )
    return (
        f'<svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        f' aria-label="{escape(figure.title)}">{_axes(figure, x, y)}{drawn}</svg>'
        f'<ul class="legend">{legend}</ul>'
    )


def _axes(figure: Lines, x: Scale, y: Scale) -> str:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = [
        f'<path class="grid" d="M{_LEFT} {at:.1f}H{right}"/>'
        f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{text}</text>'
        for at, text in y.ticks(5)
    ]
    ticks = x.ticks(5)
    crowded = any(
        (len(text) + len(after)) / 2 * _LETTER > to - at - 6
        for (at, text), (to, after) in pairwise(ticks)
    )
    for number, (at, text) in enumerate(ticks):
        anchor = "end" if at > right - 12 else "middle"
        down = bottom + (30 if crowded and number % 2 else 16)
        parts.append(
            f'<path class="grid" d="M{at:.1f} {_TOP}V{bottom}"/>'
            f'<text x="{at:.1f}" y="{down}" text-anchor="{anchor}">{escape(text)}</text>'
        )
    middle_x, middle_y = (_LEFT + right) / 2, (_TOP + bottom) / 2
    log = " (logarithmic)"
    parts.append(
        f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>'
        f'<text class="label" x="{middle_x}" y="{_HEIGHT - 8}" text-anchor="middle">'
        f"{escape(figure.x)}{log if figure.log_x else ''}</text>"
        f'<text class="label" transform="translate(13 {middle_y}) rotate(-90)"'
        f' text-anchor="middle">{escape(figure.y)}{log if figure.log_y else ""}</text>'
    )
    return "".join(parts)


def _line(line: Line, number: int, x: Scale, y: Scale, figure: Lines) -> str:
    places = [(x(at), y(value)) for at, value in line.points]
    path = f"M{places[0][0]:.1f} {places[0][1]:.1f}" + "".join(_moves(places, figure.steps))
    dots = "" if figure.steps else "".join(_dots(line, number, places, figure))
    return (
        f'<g{" class=names" if x.names else ""}><path {_stroke(line, number)} d="{path}">'
        f"<title>{escape(line.name)}</title></path>{dots}</g>"
    )


def _moves(places: list[tuple[float, float]], steps: bool) -> Iterator[str]:
    for across, up in places[1:]:
        yield f"H{across:.1f}V{up:.1f}" if steps else f"L{across:.1f} {up:.1f}"


def _dots(
    line: Line, number: int, places: list[tuple[float, float]], figure: Lines
) -> Iterator[str]:
    for (at, value), (across, up) in zip(line.points, places, strict=True):
        text = f"{line.name}: {figure.x} {at if isinstance(at, str) else f'{at:g}'}, {value:.4g}"
        yield (
            f'<circle {_fill(line, number)} cx="{across:.1f}" cy="{up:.1f}" r="3.2">'
            f"<title>{escape(text)} {escape(figure.y)}</title></circle>"
        )


def _stroke(line: Line, number: int) -> str:
    if line.static:
        return 'class="line static"'
    dashes = _DASHES[number % len(_DASHES)]
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    # Earlier lines are wider: one that lies below another still shows.
    width = max(1.6, _WIDEST - 0.6 * number)
    return f'class="line" style="stroke:var(--c{number % COLOURS});stroke-width:{width:g}"{dashed}'


def _fill(line: Line, number: int) -> str:
    return 'class="dot static"' if line.static else f'style="fill:var(--c{number % COLOURS})"'


def _bars(figure: Bars) -> str:
    longest = max((sum(values) for _, values in figure.bars), default=0.0) or 1.0
    rows = "".join(_bar(figure, name, values, longest) for name, values in figure.bars)
    legend = "".join(
        f'<li><i style="background:var(--p{number})"></i>{escape(part)}</li>'
        for number, part in enumerate(figure.parts)
    )
    parts = _parts(figure) if len(figure.parts) > 2 else ""
    long = max((len(name) for name, _ in figure.bars), default=0) > _SHORT
    kind = "bars long" if long else "bars"
    return f'<div class="{kind}">{rows}</div><ul class="legend">{legend}</ul>{parts}'


def _bar(figure: Bars, name: str, values: tuple[float, ...], longest: float) -> str:
    boxes = "".join(
        f'<i style="width:{100 * value / longest:.3f}%;background:var(--p{number})"'
        f' title="{escape(part)}: {value:.4g} {figure.unit}"></i>'
        for number, (part, value) in enumerate(zip(figure.parts, values, strict=True))
        if value
    )
    several = [f"{value:.4g}" for value in values if value] if len(values) == 2 else []
    text = " + ".join(several) or f"{sum(values):.4g}"
    return (
        f'<div class="bar"><span>{escape(name)}</span><div>{boxes}</div>'
        f"<b>{text} {figure.unit}</b></div>"
    )


def _parts(figure: Bars) -> str:
    """Return the values of the parts as a table: slices may be too thin to be seen."""
    heads = "".join(f'<th scope="col" class="n">{escape(part)}</th>' for part in figure.parts)
    rows = "".join(
        f'<tr><td class="k">{escape(name)}</td>'
        + "".join(f'<td class="n">{value:,.4g}</td>' for value in values)
        + "</tr>"
        for name, values in figure.bars
    )
    return (
        '<details><summary>Values</summary><div class="scroll" tabindex="0"><table><thead><tr>'
        f"<th>{figure.unit}</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )
