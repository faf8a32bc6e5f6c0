"""Why a run is INVALID: records as LoadGen's summaries of real runs had them."""

from __future__ import annotations

from typing import Any

import pytest

from fpga_rt.study.loadgen_verdict import why_invalid


def _record(*unsatisfied: str, scenario: str = "Server", **rest: object) -> dict[str, Any]:
    latency = {"p50": 5000.0, "p90": 12000.0, "p99": 48944.91}
    return {
        "scenario": scenario, "unsatisfied": list(unsatisfied), "queries": 500, "rate_hz": 60.0,
        "limit_us": 30000.0, "slower": 0, "wall": {"latency_us": latency}, **rest,
    }  # fmt: skip


def test_a_valid_run_has_no_reason() -> None:
    assert why_invalid(_record(slower=9), True) == ""


def test_a_limit_that_was_asked_for() -> None:
    found = why_invalid(_record("Performance constraints", "Early stopping"), False)
    assert found == (
        "Server: p99 was 48.94 ms, expected at most 30.00 ms: give it --latency-ms 98 or --rate 30"
    )


def test_no_rate_is_low_enough_for_a_limit_that_single_queries_miss() -> None:
    found = why_invalid(_record("Performance constraints", limit_us=2000.0), False)
    assert found.endswith("expected at most 2.000 ms: give it --latency-ms 98")


def test_a_limit_that_was_chosen_on_an_idler_machine() -> None:
    found = why_invalid(_record("Performance constraints", "Early stopping", slower=120), True)
    assert found == (
        "Server: p99 was 48.94 ms, expected at most 30.00 ms, which is more than the first few"
        " queries took when that was chosen: perhaps this machine had other work meanwhile, which"
        " is one possible reason, so run it again, or give it --latency-ms 98 or --rate 30; in 120"
        " of 500 queries the host, not the device, was what took long"
    )


def test_a_cause_is_not_known_where_no_query_was_held_up_by_the_host() -> None:
    found = why_invalid(_record("Performance constraints", slower=0), True)
    assert "perhaps this machine had other work meanwhile, which is one possible reason" in found


def test_a_single_stream_has_no_limit_to_quote() -> None:
    found = why_invalid(_record("Early stopping", scenario="SingleStream"), True)
    assert found == (
        "SingleStream: 500 queries are too few to be sure of p90: give it --queries 1000"
    )
    found = why_invalid(_record("Performance constraints", scenario="SingleStream"), True)
    assert found == (
        "SingleStream: not satisfied: Performance constraints; see mlperf_log_summary.txt"
    )


@pytest.mark.parametrize(("scenario", "least"), [("SingleStream", 64), ("Server", 459)])
def test_too_few_queries(scenario: str, least: int) -> None:
    found = why_invalid(_record("Early stopping", scenario=scenario, queries=32), True)
    assert found == (
        f"{scenario}: 32 queries are too few to judge by, expected at least {least}: give it"
        f" --queries {least}"
    )


def test_a_limit_that_was_hardly_kept() -> None:
    latency = {"latency_us": {"p99": 24548.0}}
    found = why_invalid(_record("Early stopping", wall=latency), False)
    assert found == (
        "Server: p99 was 24.55 ms, too near to the limit of 30.00 ms to be sure of after 500"
        " queries: give it --queries 1000 or --latency-ms 60"
    )


def test_a_run_that_ended_too_soon_and_what_is_not_known() -> None:
    found = why_invalid(_record("Min duration", "Min queries", "Moon phase"), True)
    assert "ended before the time was over" in found
    assert "fewer queries than asked for: give it more --seconds" in found
    assert found.endswith("not satisfied: Moon phase; see mlperf_log_summary.txt")
