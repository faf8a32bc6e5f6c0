"""The best schedule of a row of jobs, or how far from it one may be: OR-Tools' CP-SAT.

The solver's times are rounded down, so its bound also bounds the row itself; the plan it finds is
carried out with the row's own times. It first solves on a coarse grid and, where rounding is all
that is left between plan and bound, again on one that loses less than `TOLERANCE`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fpga_rt.errors import PlanningError, ToolchainError
from fpga_rt.planner.bounds import lower_bound_ps
from fpga_rt.planner.look_ahead import look_ahead
from fpga_rt.planner.plan import Outcome, Planned, Row, carry_out
from fpga_rt.study.exact_model import ExactModel, coarse_unit_ps, fine_unit_ps

if TYPE_CHECKING:
    from types import ModuleType

TOLERANCE = 1e-5
"""A schedule that is no further above a bound, as a share of it, counts as the best."""
_WATCH_S = 0.05


@dataclass(frozen=True)
class Optimum:
    """The best schedule found, and what none can beat.

    Attributes:
        outcome: the schedule.
        bound_ps: no schedule ends before.
    """

    outcome: Outcome
    bound_ps: int

    @property
    def proven(self) -> bool:
        """Whether no schedule is better, by more than the tolerance."""
        return proves(self.bound_ps, self.outcome.total_ps)


def proves(bound_ps: int, total_ps: int) -> bool:
    """Return whether a bound shows that a total is the least, up to `TOLERANCE`."""
    return total_ps <= bound_ps * (1 + TOLERANCE)


def optimum(row: Row, seconds: float = 10.0, workers: int = 1) -> Optimum:
    """Return the best schedule that is found in some time.

    Args:
        row: jobs and times.
        seconds: of processor time for each worker.
        workers: threads.

    Raises:
        ToolchainError: OR-Tools is not installed.
        PlanningError: a job needs more partitions than it may use, or the solver denies a schedule
            that there is.
    """
    best, bound = look_ahead(row), lower_bound_ps(row)
    if best.total_ps <= bound:
        return Optimum(best, bound)
    search = _Search(_ortools(), row, best, bound, workers)
    until = time.process_time() + seconds * workers
    coarse = coarse_unit_ps(row, best.total_ps)
    settled = search.run(coarse, until)
    fine = fine_unit_ps(row, search.bound_ps * TOLERANCE)
    if settled and fine < coarse and not proves(search.bound_ps, search.best.total_ps):
        search.run(fine, until)
    return Optimum(search.best, search.bound_ps)


@dataclass
class _Search:
    """The best schedule and the highest bound of a row so far."""

    cp: ModuleType
    row: Row
    best: Outcome
    bound_ps: int
    workers: int

    def run(self, unit_ps: int, until: float) -> bool:
        """Solve on a grid up to a processor time; return whether the solver was done by then."""
        cp = self.cp
        model = ExactModel(cp, self.row, self.best, self.bound_ps, unit_ps)
        solver = cp.CpSolver()
        solver.parameters.num_workers = self.workers
        solver.parameters.random_seed = 1
        with _limited(solver, until):
            status = solver.solve(model.cp_model)
        if status in (cp.OPTIMAL, cp.FEASIBLE):
            found = carry_out(self.row, Planned(model.plan(solver)))
            self.best = min(self.best, found, key=lambda outcome: outcome.total_ps)
        elif status != cp.UNKNOWN:
            raise self._wrong(f"{solver.status_name(status)}, expected a schedule")
        bound = round(solver.best_objective_bound) * unit_ps
        if bound > self.best.total_ps:
            raise self._wrong(f"that none ends before {bound:,} ps")
        self.bound_ps = max(self.bound_ps, bound)
        return bool(status == cp.OPTIMAL)

    def _wrong(self, said: str) -> PlanningError:
        return PlanningError(
            f"the exact planner's model of {len(self.row.jobs)} jobs is wrong: the solver said"
            f" {said}, but one ends at {self.best.total_ps:,} ps; report it, and leave the policy"
            " `exact` out"
        )


def _ortools() -> ModuleType:
    try:
        from ortools.sat.python import cp_model
    except ImportError as error:
        raise ToolchainError(
            "the exact planner needs OR-Tools, which is not installed; run"
            " `pip install 'fpga-rt[study]'`, or leave the policy `exact` out"
        ) from error
    module: ModuleType = cp_model
    return module


@contextmanager
def _limited(solver: Any, until: float) -> Iterator[None]:  # noqa: ANN401
    """Stop a solver at a processor time: what else a machine does counts for nothing."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_WATCH_S):
            if time.process_time() > until:
                solver.stop_search()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
