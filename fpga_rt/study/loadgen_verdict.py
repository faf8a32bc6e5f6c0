"""Why LoadGen calls a run INVALID, in figures, and what to ask for instead."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any

from fpga_rt.runtime.report_text import time_text

LEAST_QUERIES = {"SingleStream": 64, "Server": 459}
"""Fewer are too few for LoadGen to judge p90 or p99 by (its early stopping)."""
_ROOM = 2
"""How much more time, and how much lower a rate, is proposed."""


def why_invalid(record: dict[str, Any], chosen: bool) -> str:
    """Return why a run is INVALID and what to do, as a sentence; empty where it is VALID.

    Args:
        record: of the run, see `loadgen_record`.
        chosen: rate and limit were taken from a few queries before the run.
    """
    reasons = list(_reasons(record, chosen))
    if not reasons:
        return ""
    slower, queries = record["slower"], record["queries"]
    if slower:
        reasons.append(
            f"in {slower:,} of {queries:,} queries the host, not the device, was what took long"
        )
    return f"{record['scenario']}: {'; '.join(reasons)}"


def _reasons(record: dict[str, Any], chosen: bool) -> Iterator[str]:
    limit_us, p99_us = record["limit_us"], record["wall"]["latency_us"]["p99"]
    failed = record["unsatisfied"]
    served = record["scenario"] == "Server"  # SingleStream has no limit
    late = served and "Performance constraints" in failed
    if late:
        busy = (
            ", which is more than the first few queries took when that was chosen: perhaps this"
            " machine had other work meanwhile, which is one possible reason, so run it again, or"
            if chosen
            else ":"
        )
        # Where even half of the queries take longer, no rate is low enough.
        slower_helps = record["wall"]["latency_us"]["p50"] < limit_us
        rate = f" or --rate {record['rate_hz'] / _ROOM:.3g}" if slower_helps else ""
        yield (
            f"p99 was {time_text(p99_us)}, expected at most {time_text(limit_us)}{busy} give it"
            f" --latency-ms {ceil(_ROOM * p99_us / 1e3)}{rate}"
        )
    least = LEAST_QUERIES[record["scenario"]]
    if "Early stopping" in failed and record["queries"] < least:
        yield (
            f"{record['queries']:,} queries are too few to judge by, expected at least {least}:"
            f" give it --queries {least}"
        )
    elif "Early stopping" in failed and not served:
        yield (
            f"{record['queries']:,} queries are too few to be sure of p90: give it --queries"
            f" {_ROOM * record['queries']}"
        )
    elif "Early stopping" in failed and not late:
        yield (
            f"p99 was {time_text(p99_us)}, too near to the limit of {time_text(limit_us)} to be"
            f" sure of after {record['queries']:,} queries: give it --queries"
            f" {_ROOM * record['queries']} or --latency-ms {ceil(_ROOM * limit_us / 1e3)}"
        )
    if "Min duration" in failed:
        yield (
            "it ended before the time was over, since queries took less than the first few promised"
            " and LoadGen had prepared too few: run it again, or give it fewer --seconds"
        )
    if "Min queries" in failed:
        yield "it ended with fewer queries than asked for: give it more --seconds"
    known = ("Early stopping", "Min duration", "Min queries")
    told = (*known, "Performance constraints") if late else known
    if others := [name for name in failed if name not in told]:
        yield f"not satisfied: {', '.join(others)}; see mlperf_log_summary.txt"
