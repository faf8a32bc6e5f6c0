"""The best schedule of a row of jobs, or how far from it one may be: OR-Tools' CP-SAT.

The solver's times are rounded down, so its bound also bounds the row itself; the plan it finds is
carried out with the row's own times.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fpga_rt.errors import ToolchainError
from fpga_rt.planner.bounds import lower_bound_ps
from fpga_rt.planner.look_ahead import look_ahead
from fpga_rt.planner.plan import Outcome, Planned, Row, carry_out
from fpga_rt.study.exact_model import ExactModel

if TYPE_CHECKING:
    from types import ModuleType

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
        """Whether no schedule is better."""
        return self.outcome.total_ps <= self.bound_ps

    @property
    def gap(self) -> float:
        """How far above the bound the schedule is, as a share of the bound."""
        return self.outcome.total_ps / self.bound_ps - 1 if self.bound_ps else 0.0


def optimum(row: Row, seconds: float = 10.0, workers: int = 1) -> Optimum:
    """Return the best schedule that is found in some time.

    Args:
        row: jobs and times.
        seconds: of processor time for each worker.
        workers: threads.

    Raises:
        ToolchainError: OR-Tools is not installed.
        PlanningError: a job needs more partitions than it may use.
    """
    best, bound = look_ahead(row), lower_bound_ps(row)
    if best.total_ps <= bound:
        return Optimum(best, bound)
    cp = _ortools()
    model = ExactModel(cp, row, best, bound)
    solver = cp.CpSolver()
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = 1
    with _limited(solver, seconds * workers):
        status = solver.solve(model.cp_model)
    if status in (cp.OPTIMAL, cp.FEASIBLE):
        found = carry_out(row, Planned(model.plan(solver)))
        best = min(best, found, key=lambda outcome: outcome.total_ps)
    bound = max(bound, round(solver.best_objective_bound) * model.unit_ps)
    return Optimum(best, min(bound, best.total_ps))


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
def _limited(solver: Any, seconds: float) -> Iterator[None]:  # noqa: ANN401
    """Stop a solver after some processor time: what else a machine does counts for nothing."""
    ended, until = threading.Event(), time.process_time() + seconds

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
