"""The summary: goals are judged by the worst case, and losses are said."""

from __future__ import annotations

import pytest

from fpga_rt.study.report.summary import Fact, summary, verdict
from tests.study.report.folders import ROWS, row, run


def _facts(rows: list[dict[str, str]]) -> dict[str, Fact]:
    return {fact.name: fact for fact in summary(rows, [run()])}


def test_the_worst_point_decides_whether_a_goal_is_met() -> None:
    facts = _facts([row("exact", 4, hidden_ms=2, proven="yes"),
                    row("look-ahead", 4, hidden_ms=1.985),
                    row("exact", 16, hidden_ms=1, proven="yes"),
                    row("look-ahead", 16, hidden_ms=1)])  # fmt: skip
    hidden = facts["Hidden by `look-ahead`, of what `exact` hides"]
    assert (hidden.figure, hidden.met) == ("99.2 to 100.0 %, exact proven in 2 of 2", True)
    worse = _facts(
        [row("exact", 4, hidden_ms=2, proven="yes"), row("look-ahead", 4, hidden_ms=1.97)]
    )
    assert worse["Hidden by `look-ahead`, of what `exact` hides"].met is False


@pytest.mark.parametrize(("first", "met"), [(1.985, None), (1.97, False)])
def test_an_exact_schedule_without_a_proof_meets_no_goal(first: float, met: bool | None) -> None:
    """It may be the very schedule that it is compared with."""
    rows = [row("exact", 4, hidden_ms=2, proven="yes"), row("look-ahead", 4, hidden_ms=first),
            row("exact", 16, hidden_ms=1), row("look-ahead", 16, hidden_ms=1)]  # fmt: skip
    fact = _facts(rows)["Hidden by `look-ahead`, of what `exact` hides"]
    assert fact.figure.endswith("to 100.0 %, exact proven in 1 of 2")
    assert fact.met is met


@pytest.mark.parametrize(("total", "met"), [(10.09, True), (10.2, False)])
def test_schedules_are_held_to_the_optimum_where_it_is_proven(total: float, met: bool) -> None:
    rows = [row("exact", 4, proven="yes"), row("look-ahead", 4, total_ms=total),
            row("exact", 16), row("look-ahead", 16, total_ms=99)]  # fmt: skip
    fact = _facts(rows)["`look-ahead` above the proven optimum"]
    assert fact.figure.endswith(" of 1 point")
    assert fact.met is met


def test_each_policy_has_its_gap_to_the_bound() -> None:
    facts = _facts([row("none", 4, gap_percent=30), row("none", 16, gap_percent=10)])
    assert facts["Above the lower bound, mean (worst) %"].figure == "`none` 20.0 (30.0)"


def test_a_swap_is_from_its_beginning_to_its_end() -> None:
    assert _facts(list(ROWS))["A swap, decouple to recouple"].figure == "1.000 ms to 1.000 ms"


def test_losses_are_said() -> None:
    lost = [row("none", 4, static_ratio=0.5), row("none", 16, static_ratio=0.9)]
    assert verdict(lost) == (
        "Against a static design of the same area reconfiguration pays in none of 2 points."
    )
    assert "pays in 3 of 4 points." in verdict(ROWS)
    assert verdict([row("none", 4, static_ratio="")]) == (
        "In 1 point no static design holds all modules: only reconfiguration runs there."
    )


def test_servers_are_never_counted_with_other_workloads() -> None:
    served = row("none", 8, accepted=5, static_accepted=5, static_ratio=0.7)
    unequal = row("none", 9, accepted=28, static_accepted=976, static_ratio="")
    rows = [row("none", 4), served, unequal]
    assert verdict(rows) == (
        "Against a static design of the same area reconfiguration pays in 1 of 1 point."
        " Servers, by p99: Against a static design of the same area reconfiguration pays in none of"
        " 1 point. In 1 point of servers the static design accepts another number of requests (more"
        " in 1, fewer in 0): their p99 are of different requests and are not compared."
    )
    name = "Static design of the same area takes, times as long"
    facts = _facts(rows)
    assert facts[name].figure == "2 to 2; above 1 in 1 of 1 point"
    assert facts[f"Servers, by p99: {name}"].figure == "0.7 to 0.7; above 1 in 0 of 1 point"
    assert "No static design fits the area" not in facts


@pytest.mark.parametrize(("delay", "met"), [(0.9, True), (3.6, False)])
def test_an_update_may_delay_no_request_by_more_than_a_millisecond(delay: float, met: bool) -> None:
    terms = {"update_way": "bank", "updates": 9}
    rows = [
        row("none", 4, **terms, delay_ms=0.3, link_ms=200, sent_to_answer_ms=202),
        row("none", 16, **terms, delay_ms=delay, link_ms=100, sent_to_answer_ms=105),
    ]
    facts, way = _facts(rows), "An update into a parameter bank"
    assert facts[f"{way}: delays a request by at most"].met is met
    assert facts[f"{way}: from its last byte to the first answer by it, at most"].figure == (
        "2.000 ms to 5.000 ms, behind 100.0 ms to 200.0 ms on the link"
    )
    assert not any("update" in name for name in _facts(list(ROWS)))


def test_a_rivals_way_of_updating_is_held_to_no_goal() -> None:
    terms = {"update_way": "region", "delay_ms": 10.9, "link_ms": 1, "sent_to_answer_ms": 12}
    fact = _facts([row("none", 4, **terms)])[
        "An update with a reconfiguration: delays a request by at most"
    ]
    assert (fact.figure, fact.met, fact.against.goal) == ("10.90 ms", None, "")


def test_full_bitstreams_are_a_rival_where_networks_take_turns() -> None:
    name = "A full bitstream for each network takes, times as long"
    facts = _facts([row("none", 4, full_ratio=16.8), row("none", 16, full_ratio=0.9)])
    assert facts[name].figure == "0.9 to 16.8; above 1 in 1 of 2 points"
    assert name not in _facts(list(ROWS))


def test_every_fact_has_its_clock_and_origin() -> None:
    assert {fact.origin for fact in summary(ROWS, [run()])} == {"virtual clock, modelled"}
