"""The tables of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from fpga_rt.runtime.report_text import count_text
from fpga_rt.study.report.figures import varied
from fpga_rt.study.report.summary import Fact

Row = dict[str, str]
Json = dict[str, Any]

_SHOWN = {
    "total_ms": "total ms", "image_ms": "ms an image", "p50_ms": "p50 ms", "p90_ms": "p90 ms",
    "p99_ms": "p99 ms", "worst_ms": "worst ms", "loads": "loads", "hidden_share": "hidden %",
    "exposed_ms": "exposed ms", "gap_percent": "above bound %", "proven": "proven best",
    "static_ms": "static ms", "static_ratio": "static / this",
    "full_ms": "full bitstreams ms", "full_ratio": "full / this", "accepted": "accepted",
    "static_accepted": "static accepted", "refused_full": "refused: full",
    "refused_late": "refused: late", "late": "late", "lost": "lost",
    "goodput": "in time a second", "static_goodput": "static: in time a second",
    "goodput_ratio": "this / static", "update_way": "way", "updates": "updates",
    "update_bytes": "bytes of an update",
    "link_ms": "on the link ms", "wait_ms": "wait ms", "self_test_ms": "test vectors ms",
    "switch_ms": "switch ms", "answer_ms": "inference ms",
    "sent_to_answer_ms": "sent to first answer ms",
    "static_sent_to_answer_ms": "static: sent to first answer ms",
    "delay_ms": "delay of a request ms", "static_delay_ms": "static: delay of a request ms",
    "updates_per_hour": "updates an hour", "update_time_share": "device's time for updates %",
}  # fmt: skip


_WORDS = ("proven", "update_way")
"""Columns that are no numbers."""


def facts(found: Iterable[Fact]) -> str:
    """Return the summary: figures beside goals and what others report."""
    rows = [
        f"<tr><td>{_code(fact.name)}</td><td><b>{_code(fact.figure)}</b></td>"
        f"<td>{escape(fact.origin)}</td>"
        f'<td data-k="goal">{_code(fact.against.goal)}{_met(fact.met)}</td>'
        f'<td data-k="others">{_code(fact.against.peers)}</td></tr>'
        for fact in found
    ]
    heads = ("", "this study", "clock, origin", "goal", "what others report")
    return _table(heads, rows, "facts")


def _met(met: bool | None) -> str:
    if met is None:
        return ""
    return f' <span class="{"met" if met else "missed"}">{"met" if met else "missed"}</span>'


def points(rows: Sequence[Row]) -> str:
    """Return every result: the axes that vary, and the figures that some point has."""
    axes = varied(rows) or ["workload"]
    shown = [key for key in _SHOWN if any(row[key] for row in rows)]
    heads = [*axes, *(_SHOWN[key] for key in shown), "clock, origin"]
    body = []
    for row in rows:
        cells = [f'<td class="k">{escape(row[axis])}</td>' for axis in axes]
        cells += [f'<td class="n">{_cell(key, row[key])}</td>' for key in shown]
        cells.append(f'<td class="k">{row["clock"]}, {row["origin"]}</td>')
        body.append(f"<tr>{''.join(cells)}</tr>")
    return _table(heads, body, "points", numbers=range(len(axes), len(axes) + len(shown)))


def failures(rows: Sequence[Row]) -> str:
    """Return why some points have no figures, each reason once; empty where all have."""
    reasons = Counter(row["error"] for row in rows if row["error"])
    lines = [
        f"<li>{count_text(count, 'point')}: {escape(reason)}</li>"
        for reason, count in reasons.items()
    ]
    return f"<h3>Points that cannot be</h3><ul>{''.join(lines)}</ul>" if lines else ""


def gpu(found: Json) -> str:
    """Return a baseline's measured figures, and the modelled ones of the FPGA apart from them."""
    machine, measured, modelled = found["machine"], found["measured"], found["modelled"]
    kind = "GPU" if machine["kind"] == "cuda" else "processor, no GPU"
    body = []
    for result in measured["results"]:
        latency, share = result["latency_us"], result.get("share", 0)
        task = result["task"] + (f", {share:.0%} of the bytes" if share else "")
        keys = "".join(
            f'<td class="k">{escape(str(text))}</td>'
            for text in (result["network"], task, result["mode"], result["precision"])
        )
        numbers = "".join(f'<td class="n">{latency[p]:,.1f}</td>' for p in ("p50", "p90", "p99"))
        body.append(f"<tr>{keys}{numbers}</tr>")
    heads = ("network", "task", "mode", "precision", "p50 us", "p90 us", "p99 us")
    left = _table(heads, body, "points", numbers=range(4, 7))
    predicted = [
        f'<tr><td class="k">{escape(result["network"])}</td>'
        + "".join(f'<td class="n">{_us(result[key])}</td>' for key in _PREDICTED)
        + "</tr>"
        for result in modelled["results"]
    ]
    right = _table(("network", *_PREDICTED.values()), predicted, "", numbers=range(1, 4))
    return (
        f"<h3>Measured: {escape(machine['device'])} ({kind}), wall clock, batch"
        f" {measured['batch']}, PyTorch {escape(machine['torch'])}</h3>{left}"
        f"<h3>Modelled: {escape(modelled['board'])}, {escape(modelled['clock'])} clock,"
        f" {escape(modelled['origin'])}, batch 1</h3>{right}"
        '<p class="note">Measured and modelled figures stand apart: neither is a ratio of the'
        f" other. Made by <code>{escape(found['command'])}</code>.</p>"
    )


_PREDICTED = {
    "warm_us": "warm us",
    "with_a_swap_us": "with a swap of all modules us",
    "static_design_us": "static design us",
}


def loadgen(found: Mapping[str, Mapping[str, str]], records: Mapping[str, Json]) -> str:
    """Return LoadGen's summaries, and apart from them what the device's clock says.

    Args:
        found: summaries by the path of their file.
        records: of runs by `fpga-rt study loadgen`, by the same path.
    """
    body = []
    for name, summary in found.items():
        cells = (name, summary.get("Scenario", ""), summary["Result is"])
        keys = "".join(f'<td class="k">{escape(cell)}</td>' for cell in cells)
        numbers = "".join(
            f'<td class="n">{_ms(summary.get(f"{percent}.00 percentile latency (ns)", ""))}</td>'
            for percent in _PERCENTS
        )
        body.append(f"<tr>{keys}{numbers}<td class=w>{_pace(records.get(name))}</td></tr>")
    percents = [f"p{percent} ms" for percent in _PERCENTS]
    heads = ("file", "scenario", "result", *percents, "host")
    parts = [
        "<h3>Measured by LoadGen: wall clock</h3>",
        _table(heads, body, "", numbers=range(3, 3 + len(percents))),
        _of_the_device(records, percents) if records else "",
        '<p class="note">LoadGen measures the host\'s software by the wall clock. These figures and'
        " those of the virtual clock are not added to one another.</p>",
    ]
    return "".join(parts)


_PERCENTS = (50, 90, 99)


def _of_the_device(records: Mapping[str, Json], percents: Sequence[str]) -> str:
    """Return what the device's clock says of the queries of each run."""
    body = []
    for record in records.values():
        device = record["device"]
        keys = "".join(
            f'<td class="k">{escape(str(text))}</td>'
            for text in (record["network"], record["scenario"])
        )
        numbers = "".join(
            f'<td class="n">{device["latency_us"][f"p{percent}"] / 1e3:,.3f}</td>'
            for percent in _PERCENTS
        )
        kinds = f"{device['clock']} clock, {device['origin']}, {device['name']}"
        command = f"<code>{escape(record['command'])}</code>"
        body.append(f"<tr>{keys}{numbers}<td class=w>{escape(kinds)}; {command}</td></tr>")
    heads = ("network", "scenario", *percents, "clock, origin, command")
    return (
        "<h3>The same queries by the device's clock, computed apart</h3>"
        f"{_table(heads, body, '', numbers=range(2, 2 + len(percents)))}"
    )


def _pace(record: Json | None) -> str:
    if record is None:
        return ""
    pace = f"paced {record['pace']:g} x the device" if record["pace"] else "not paced"
    return f"{pace}; the host was slower in {record['slower']:,} of {record['queries']:,} queries"


def _ms(nanoseconds: str) -> str:
    return f"{int(nanoseconds) / 1e6:,.3f}" if nanoseconds.isdecimal() else ""


def _table(
    heads: Sequence[str], rows: Sequence[str], kind: str, numbers: Iterable[int] = ()
) -> str:
    right = set(numbers)
    titles = "".join(
        f'<th scope="col"{" class=n" if index in right else ""}>{escape(head)}</th>'
        for index, head in enumerate(heads)
    )
    return (
        f'<div class="scroll {kind}" tabindex="0"><table><thead><tr>{titles}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(key: str, value: str) -> str:
    if not value or key in _WORDS:
        return escape(value)
    if key in ("hidden_share", "update_time_share"):
        return f"{100 * float(value):.1f}"
    if key.endswith("_ms"):
        return f"{float(value):,.3f}"
    return f"{float(value):,.2f}" if "." in value or "e" in value else f"{int(value):,}"


def _us(value: float | None) -> str:
    return "does not fit" if value is None else f"{value:,.1f}"


def _code(text: str) -> str:
    """Escape text and set what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
