"""The exact planner against exhaustive search, and look-ahead against the exact planner."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings

from fpga_rt.errors import PlanningError, ToolchainError
from fpga_rt.planner.look_ahead import look_ahead
from fpga_rt.planner.plan import Row
from fpga_rt.study import optimum as module
from fpga_rt.study.exact_model import ExactModel
from fpga_rt.study.instances import LOADS, RATIOS, Kind, random_kind, random_row
from fpga_rt.study.optimum import optimum
from tests.planner.brute_force import shortest
from tests.planner.rows import row, rows
from tests.planner.test_look_ahead import check


@settings(max_examples=60)
@given(rows(jobs=7))
def test_small_rows(instance: Row) -> None:
    found = optimum(instance)
    check(instance, found.outcome)
    assert found.proven
    assert found.outcome.total_ps == found.bound_ps == shortest(instance)


@settings(max_examples=30)
@given(rows(jobs=7, single=True))
def test_small_rows_whose_partitions_are_alike(instance: Row) -> None:
    found = optimum(instance)
    assert found.proven
    assert found.outcome.total_ps == shortest(instance)


def test_look_ahead_is_within_its_goals_on_a_sample() -> None:
    """Every 23rd of the rows of `python -m benchmarks --only schedules`, of all kinds."""
    numbers = range(3, 500, 23)
    kinds = [random_kind(number) for number in numbers]
    assert {kind.ratio for kind in kinds} == set(RATIOS)
    assert {kind.loads for kind in kinds} == set(LOADS)
    gaps = []
    for instance in map(random_row, numbers):
        best = optimum(instance, seconds=5)
        if best.proven:
            gaps.append(look_ahead(instance).total_ps / best.outcome.total_ps - 1)
    assert len(gaps) >= 0.9 * len(numbers)
    assert sum(gaps) / len(gaps) <= 0.01
    assert max(gaps) <= 0.03


@pytest.mark.parametrize("number", [359, 118, 1172])
def test_what_a_beam_finds_only_if_later_loads_may_go_first(number: int) -> None:
    instance = random_row(number)
    best = optimum(instance, seconds=5)
    assert best.proven
    assert look_ahead(instance).total_ps <= 1.005 * best.outcome.total_ps


def test_times_too_long_for_the_grid_are_bounded_all_the_same() -> None:
    small = random_row(3, Kind(8, 2, 4, 2.0, "by module"))
    scale = 10**9 + 7
    large = Row(
        small.jobs,
        tuple(d * scale + i for i, d in enumerate(small.durations_ps)),
        {load: ticks * scale + 1 for load, ticks in small.load_ps.items()},
    )
    exact, rounded = optimum(small), optimum(large)
    assert exact.proven
    assert rounded.bound_ps <= rounded.outcome.total_ps
    assert rounded.outcome.total_ps == pytest.approx(exact.outcome.total_ps * scale, rel=1e-3)
    assert rounded.bound_ps < rounded.outcome.total_ps  # rounded, and proven all the same
    assert rounded.proven


def test_a_job_whose_modules_have_no_partitions_of_their_own_is_refused() -> None:
    with pytest.raises(PlanningError, match=r"2 modules at once, .* \(0x0 in 0; 0x1 in 0\)"):
        optimum(row([[(0, (0,)), (1, (0,))]], [1], 1))


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ortools.sat.python", None)
    instance = row([[(m, (0, 1))] for m in (0, 1, 2, 0, 1, 2)], [1] * 6, 9)
    with pytest.raises(ToolchainError, match=r"pip install 'fpga-rt\[study\]'"):
        optimum(instance)


WAITING = row([[(m, (0, 1))] for m in (0, 1, 2, 0, 1, 2)], [1] * 6, 9)
"""Longer than its bound without a solver."""


class _Denying(ExactModel):
    """A model that the schedule it is given does not fit."""

    def _add_port(self) -> None:
        self.cp_model.add(self._starts[0] < 0)


class _TooLong(ExactModel):
    """A model whose every schedule ends ten units late."""

    def _add_jobs(self, bound: int) -> None:
        self._horizon += 10
        super()._add_jobs(bound)
        self.cp_model.add(self._ends[-1] >= self._horizon)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(_Denying, "INFEASIBLE, expected a schedule"), (_TooLong, r"that none ends before \d+ ps")],
)
def test_a_wrong_model_is_no_proof(
    wrong: type[ExactModel], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ExactModel", wrong)
    with pytest.raises(PlanningError, match=rf"6 jobs is wrong: the solver said {said}, but one"):
        optimum(WAITING)
