"""Which results can be held against the static design, and by which measure.

A server is judged by the p99 of the requests that it accepted, every other workload by its total:
the two are never counted together. Where a server's two designs accept different numbers of
requests, their p99 are of different requests, and there is no ratio: the one that refuses most
would look fastest. There answers in time a second say which is better: who answers nothing loses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from fpga_rt.runtime.report_text import count_text

_Row = TypeVar("_Row", bound=Mapping[str, str])

P99 = "Servers, by p99: "
"""Stands before what is said of servers."""


def by_measure(rows: Sequence[_Row]) -> Iterator[tuple[str, list[_Row]]]:
    """Yield the rows of a measure, and what to put before sentences about them."""
    for before, served in (("", False), (P99, True)):
        group = [row for row in rows if bool(row["accepted"]) == served]
        if group:
            yield before, group


def judged(rows: Sequence[_Row]) -> list[_Row]:
    """Return the rows with a ratio to the static design."""
    return [row for row in rows if row["static_ratio"]]


def alone(rows: Sequence[_Row]) -> list[_Row]:
    """Return the rows whose modules no static design of the same area holds."""
    return [row for row in rows if not row["static_ratio"] and not row["static_accepted"]]


def accepts_text(rows: Sequence[Mapping[str, str]]) -> str:
    """Say of how many servers the two designs accept different numbers; empty if of none."""
    apart = [row for row in rows if row["static_accepted"] and not row["static_ratio"]]
    if not apart:
        return ""
    more = sum(int(row["static_accepted"]) > int(row["accepted"]) for row in apart)
    less = sum(int(row["static_accepted"]) < int(row["accepted"]) for row in apart)
    return (
        f"In {count_text(len(apart), 'point')} of servers the static design accepts another number"
        f" of requests (more in {more}, fewer in {less}): their p99 are of different requests and"
        f" are not compared.{_by_goodput(apart)}"
    )


def _by_goodput(rows: Sequence[Mapping[str, str]]) -> str:
    """Say of servers how often they give more answers in time a second; a static 0 has no ratio."""
    ratios = [float(row["goodput_ratio"]) for row in rows if row.get("goodput_ratio")]
    only = sum(not int(row["static_accepted"]) for row in rows)
    if not ratios and not only:
        return ""
    wins, never = only + sum(ratio > 1 for ratio in ratios), sum(not ratio for ratio in ratios)
    parts = []
    if ratios:
        parts.append(f"this device gives {min(ratios):.3g} to {max(ratios):.3g} times as many")
    if never:
        parts.append(f"in {never} it answers nothing in time")
    if only:
        parts.append(f"in {only} only it answers any")
    return (
        f" By answers in time a second reconfiguration pays in {wins} of {len(ratios) + only} of"
        f" them: {'; '.join(parts)}."
    )
