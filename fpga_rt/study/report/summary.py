"""A study in a few lines: its best and worst figures beside goals and what others report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fpga_rt.runtime.report_text import count_text, time_text
from fpga_rt.study.against_exact import against_exact, others
from fpga_rt.study.report import peers
from fpga_rt.study.report.peers import Yardstick
from fpga_rt.study.rivals import accepts_text, alone, by_measure, judged

Row = dict[str, str]
Json = dict[str, Any]

_PLANNED = ("aggressive", "look-ahead")
_HIDDEN_GOAL, _MEAN_GOAL, _WORST_GOAL = 0.99, 1.0, 3.0
_DELAY_GOAL_US = 1000.0


@dataclass(frozen=True)
class Fact:
    """A line of the summary: what, its figure, what it is held against, whether the goal is met."""

    name: str
    figure: str
    origin: str
    against: Yardstick
    met: bool | None = None


def verdict(rows: Sequence[Row]) -> str:
    """Say in a sentence whether reconfiguration pays."""
    parts = []
    for before, ratios in _ratios(rows):
        wins = sum(ratio > 1 for ratio in ratios)
        beats = "in none" if not wins else f"in {wins}"
        parts.append(
            f"{before}Against a static design of the same area reconfiguration pays {beats} of"
            f" {count_text(len(ratios), 'point')}."
        )
    if accepts := accepts_text(rows):
        parts.append(accepts)
    if without := alone(rows):
        parts.append(
            f"In {count_text(len(without), 'point')} no static design holds all modules: only"
            " reconfiguration runs there."
        )
    return " ".join(parts)


def _ratios(rows: Sequence[Row]) -> Iterator[tuple[str, list[float]]]:
    """Yield the ratios to the static design by measure, where there are any."""
    for before, group in by_measure(rows):
        ratios = [float(row["static_ratio"]) for row in judged(group)]
        if ratios:
            yield before, ratios


def summary(rows: Sequence[Row], runs: Sequence[Json]) -> list[Fact]:
    """Return the facts that rows without errors, and recordings, have figures for."""
    kinds = ("virtual clock, " + " and ".join(sorted({row["origin"] for row in rows}))).strip(", ")
    facts = [
        *_static(rows, kinds),
        *_hidden(rows, kinds),
        *_gaps(rows, kinds),
        *_images(rows, kinds),
        *_updates(rows, kinds),
        *_swaps(runs),
    ]
    return facts


def _static(rows: Sequence[Row], kinds: str) -> Iterator[Fact]:
    for before, ratios in _ratios(rows):
        wins = sum(ratio > 1 for ratio in ratios)
        yield Fact(
            f"{before}Static design of the same area takes, times as long",
            f"{min(ratios):.3g} to {max(ratios):.3g}; above 1 in {wins} of"
            f" {count_text(len(ratios), 'point')}",
            kinds, peers.STATIC,
        )  # fmt: skip
    full = [float(row["full_ratio"]) for row in rows if row["full_ratio"]]
    if full:
        wins = sum(ratio > 1 for ratio in full)
        yield Fact(
            "A full bitstream for each network takes, times as long",
            f"{min(full):.3g} to {max(full):.3g}; above 1 in {wins} of"
            f" {count_text(len(full), 'point')}",
            kinds, peers.FULL,
        )  # fmt: skip
    if without := alone(rows):
        points = f"{len(without)} of {count_text(len(rows), 'point')}"
        yield Fact("No static design fits the area", points, kinds, peers.STATIC)


def _hidden(rows: Sequence[Row], kinds: str) -> Iterator[Fact]:
    """Compare what policies hide with the exact planner at otherwise equal settings.

    What is equal to an exact schedule without a proof says nothing: such points meet no goal.
    """
    for against in against_exact(rows):
        if against.policy in _PLANNED:
            shares = against.hidden.values()
            judged = [share for at, share in against.hidden.items() if against.proven[at]]
            missed = bool(judged) and min(judged) < _HIDDEN_GOAL
            met = not missed if missed or len(judged) == len(shares) else None
            yield Fact(
                f"Hidden by `{against.policy}`, of what `exact` hides",
                f"{100 * min(shares):.1f} to {100 * max(shares):.1f} %, {against.proof}",
                kinds, peers.HIDDEN, met,
            )  # fmt: skip


def _gaps(rows: Sequence[Row], kinds: str) -> Iterator[Fact]:
    """Compare policies with the optimum where it is proven, and with the lower bound everywhere."""
    proven = {
        others(row): float(row["total_ms"])
        for row in rows
        if row["policy"] == "exact" and row["proven"] == "yes"
    }
    for policy in _PLANNED:
        gaps = [
            100 * (float(row["total_ms"]) / proven[others(row)] - 1)
            for row in rows
            if row["policy"] == policy and others(row) in proven
        ]
        if gaps:
            mean, worst = sum(gaps) / len(gaps), max(gaps)
            yield Fact(
                f"`{policy}` above the proven optimum",
                f"mean {mean:.2f} %, worst {worst:.2f} % of {count_text(len(gaps), 'point')}",
                kinds, peers.GAP, mean <= _MEAN_GOAL and worst <= _WORST_GOAL,
            )  # fmt: skip
    bounded = [row for row in rows if row["gap_percent"]]
    if bounded:
        parts = [
            f"`{policy}` {sum(gaps) / len(gaps):.1f} ({max(gaps):.1f})"
            for policy, gaps in _by_policy(bounded).items()
        ]
        yield Fact("Above the lower bound, mean (worst) %", ", ".join(parts), kinds, peers.BOUND)


def _by_policy(rows: Sequence[Row]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["policy"], []).append(float(row["gap_percent"]))
    return found


def _images(rows: Sequence[Row], kinds: str) -> Iterator[Fact]:
    times = [float(row["image_ms"]) for row in rows if row["image_ms"]]
    if times:
        yield Fact("Time of an image, all loads counted",
                   f"{time_text(1e3 * min(times))} to {time_text(1e3 * max(times))}",
                   kinds, peers.IMAGE)  # fmt: skip


def _updates(rows: Sequence[Row], kinds: str) -> Iterator[Fact]:
    """Say what updates of each way cost requests, and how long they take on device and link.

    The goal is this project's for parameters in a bank: other ways are its rivals.
    """
    for way, text in _WAYS.items():
        updated = [row for row in rows if row["update_way"] == way]
        if not updated:
            continue
        delays = [1e3 * float(row["delay_ms"]) for row in updated]
        links = [1e3 * float(row["link_ms"]) for row in updated]
        totals = [1e3 * float(row["sent_to_answer_ms"]) for row in updated]
        behind = [total - link for total, link in zip(totals, links, strict=True)]
        against = peers.UPDATE if way == "bank" else replace(peers.UPDATE, goal="")
        met = max(delays) <= _DELAY_GOAL_US if way == "bank" else None
        yield Fact(f"{text}: delays a request by at most", _span(delays), kinds, against, met)
        yield Fact(
            f"{text}: from its last byte to the first answer by it, at most",
            f"{_span(behind)}, behind {_span(links)} on the link", kinds,
            replace(peers.UPDATE, goal=""),
        )  # fmt: skip


_WAYS = {
    "bank": "An update into a parameter bank",
    "program": "An update with another program",
    "region": "An update with a reconfiguration",
}


def _span(times_us: Sequence[float]) -> str:
    least, most = time_text(min(times_us)), time_text(max(times_us))
    return least if least == most else f"{least} to {most}"


def _swaps(runs: Sequence[Json]) -> Iterator[Fact]:
    spans = [load["us"] for run in runs for load in run["loads"]]
    if spans:
        times = [end - start for start, end in spans]
        origins = " and ".join(sorted({f"{run['clock']} clock, {run['origin']}" for run in runs}))
        yield Fact("A swap, decouple to recouple",
                   f"{time_text(min(times))} to {time_text(max(times))}", origins,
                   peers.SWAP)  # fmt: skip
