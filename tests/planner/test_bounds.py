"""Bounds against exhaustive search, and the closed forms of the literature."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from fpga_rt.planner.bounds import belady_misses, lower_bound_ps, most_worth
from fpga_rt.planner.plan import Row
from tests.planner.brute_force import shortest
from tests.planner.rows import row, rows

A, B, C = 0, 1, 2


@settings(max_examples=150)
@given(rows(jobs=6))
def test_no_schedule_is_shorter(instance: Row) -> None:
    assert lower_bound_ps(instance) <= shortest(instance)


def test_the_first_load_and_all_jobs() -> None:
    instance = row([[(A, (0, 1))], [(B, (0, 1))]], [10, 10], 3)
    assert lower_bound_ps(instance) == 3 + 20


def test_all_loads_and_the_last_job() -> None:
    # One partition, A B A: three loads whatever is done.
    instance = row([[(A, (0,))], [(B, (0,))], [(A, (0,))]], [1, 2, 3], 50)
    assert lower_bound_ps(instance) == 3 * 50 + 3


def test_a_resident_module_is_not_loaded() -> None:
    instance = row([[(A, (0,))], [(A, (0,))]], [5, 5], 50, {0: A})
    assert lower_bound_ps(instance) == 10


def test_the_dearer_module_stays() -> None:
    # A is dear and used three times; B and C take turns in the other partition.
    both = (0, 1)
    needs = [[(m, both)] for m in (A, B, A, C, A, B)]
    loads = {(p, m): 100 if m == A else 10 for p in both for m in (A, B, C)}
    assert lower_bound_ps(row(needs, [1] * 6, loads)) == 100 + 3 * 10 + 1


def _misses(sequence: list[int], partitions: int) -> int:
    """Return the fewest misses by trying everything to give up."""
    states = {frozenset[int](): 0}
    for module in sequence:
        after: dict[frozenset[int], int] = {}
        for held, misses in states.items():
            if module in held:
                options = [(held, misses)]
            elif len(held) < partitions:
                options = [(held | {module}, misses + 1)]
            else:
                options = [(held - {gone} | {module}, misses + 1) for gone in held]
            for key, value in options:
                after[key] = min(value, after.get(key, value))
        states = after
    return min(states.values())


@settings(max_examples=100)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=10), st.integers(1, 3))
def test_beladys_rule_misses_least_on_every_prefix(sequence: list[int], partitions: int) -> None:
    found = belady_misses([[(module, 0)] for module in sequence], partitions)
    for end in range(1, len(sequence) + 1):
        assert sum(found[:end]) == _misses(sequence[:end], partitions)


STAYS = st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(0, 9)).filter(
    lambda stay: stay[0] <= stay[1]
)


@settings(max_examples=100)
@given(st.lists(STAYS, max_size=7), st.integers(0, 3))
def test_the_stays_worth_most(stays: list[tuple[int, int, int]], width: int) -> None:
    best = 0
    for count in range(len(stays) + 1):
        for chosen in combinations(stays, count):
            through = [sum(a <= point < b for a, b, _ in chosen) for point in range(6)]
            if max(through) <= width:
                best = max(best, sum(worth for _, _, worth in chosen))
    assert most_worth(stays, 6, width) == best
