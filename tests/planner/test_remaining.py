"""Remaining load times against Belady's misses, counted by the bound."""

from __future__ import annotations

from hypothesis import given, settings

from fpga_rt.planner.bounds import belady_misses
from fpga_rt.planner.plan import Row
from fpga_rt.planner.remaining import Remaining
from fpga_rt.planner.row_index import RowIndex
from tests.planner.rows import row, rows


@settings(max_examples=100)
@given(rows(jobs=12, single=True, equal=True))
def test_equal_loads_take_what_beladys_misses_take(instance: Row) -> None:
    index = RowIndex(instance)
    uses = [[(need.module, 0) for need in job.needs] for job in instance.jobs]
    held = [(module, 0) for module in instance.resident.values()]
    misses = sum(belady_misses(uses, len(instance.partitions), held))
    load = next(iter(instance.load_ps.values()))
    assert Remaining(index).loads(0, index.start) == misses * load


def test_a_job_of_two_modules_pays_for_what_is_missing() -> None:
    a, b, c, both = 0, 1, 2, (0, 1)
    loads = {(p, m): 10 + m for p in both for m in (a, b, c)}
    instance = row([[(a, both), (b, both)], [(c, both)], [(a, both)]], [1] * 3, loads, {0: a})
    index = RowIndex(instance)
    # B is loaded beside A, which is kept; C takes the place of B.
    assert Remaining(index).loads(0, index.start) == 11 + 12


def test_behind_a_job_its_load_is_done() -> None:
    instance = row([[(m, (0, 1))] for m in (0, 1, 2, 0, 1)], [1] * 5, 7)
    index = RowIndex(instance)
    remaining = Remaining(index)
    assert remaining.loads(1, (0, -1)) == remaining.loads(0, index.start) - 7
    assert remaining.loads(5, (0, 1)) == 0
