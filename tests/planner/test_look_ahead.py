"""Plans against exhaustive search, and what a plan must keep to."""

from __future__ import annotations

import itertools

from hypothesis import given, settings

from fpga_rt.planner.bounds import lower_bound_ps
from fpga_rt.planner.look_ahead import look_ahead
from fpga_rt.planner.plan import Outcome, Planned, Row, carry_out
from fpga_rt.planner.policies import ByRule
from fpga_rt.study.instances import random_row
from tests.planner.brute_force import shortest
from tests.planner.rows import row, rows

A, B, C, D = range(4)


def check(instance: Row, outcome: Outcome) -> None:
    """Check what a device would enforce, from the times alone."""
    assert [end - start for start, end in outcome.jobs] == list(instance.durations_ps)
    spans = sorted((start, end) for _, _, start, end in outcome.loads)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans)), "two loads at once"
    assert all(a[1] <= b[0] for a, b in zip(outcome.jobs, outcome.jobs[1:], strict=False))
    for job, places, (start, end) in zip(
        instance.jobs, outcome.plan.places, outcome.jobs, strict=True
    ):
        assert len(set(places)) == len(places)
        for need, partition in zip(job.needs, places, strict=True):
            assert partition in need.partitions
            held, since = instance.resident.get(partition), 0
            for where, module, begin, done in outcome.loads:
                if where == partition and begin < end:
                    assert done <= start, "a load under a job, or a job before its load"
                    held, since = module, done
            assert held == need.module
            assert since <= start


@settings(max_examples=150)
@given(rows(jobs=6))
def test_plans_can_be_carried_out_and_are_as_good_as_said(instance: Row) -> None:
    outcome = look_ahead(instance)
    check(instance, outcome)
    again = carry_out(instance, Planned(outcome.plan))
    assert again.total_ps <= outcome.total_ps
    assert outcome.total_ps >= shortest(instance)


@settings(max_examples=60)
@given(rows(jobs=7, single=True, equal=True))
def test_with_equal_loads_and_partitions_small_rows_are_planned_best(instance: Row) -> None:
    assert look_ahead(instance).total_ps == shortest(instance)


def test_it_is_never_worse_than_the_rules() -> None:
    for number in range(20):
        instance = random_row(number)
        outcome = look_ahead(instance)
        check(instance, outcome)
        rules = (ByRule(instance.jobs, ahead=ahead) for ahead in (False, True))
        assert outcome.total_ps <= min(carry_out(instance, rule).total_ps for rule in rules)
        assert outcome.total_ps >= lower_bound_ps(instance)


def test_a_later_load_fills_the_ports_gap() -> None:
    # B must wait for the partition of A, which runs long; C goes first, into the other one.
    instance = row([[(A, (0,))], [(B, (0,))], [(C, (1,))]], [20, 1, 1], 10)
    outcome = look_ahead(instance)
    assert [(p, m) for p, m, *_ in outcome.loads] == [(0, A), (1, C), (0, B)]
    assert outcome.total_ps == 10 + 20 + 10 + 1 + 1


def test_the_module_that_is_cheap_to_load_gives_way() -> None:
    # A and B are needed again equally late; a load of A is dear.
    both = (0, 1)
    needs = [[(m, both)] for m in (A, B, C, B, A)]
    loads = {(p, m): 40 if m == A else 4 for p in both for m in (A, B, C)}
    outcome = look_ahead(row(needs, [5] * 5, loads))
    assert sum(m == A for _, m, *_ in outcome.loads) == 1


def test_the_same_row_has_the_same_plan() -> None:
    instance = random_row(7)
    assert look_ahead(instance).plan == look_ahead(instance).plan


def test_no_jobs_need_no_plan() -> None:
    outcome = look_ahead(row([], [], 1))
    assert outcome.total_ps == 0
    assert outcome.plan.loads == ()
