"""The best schedule of a row of jobs, or how far from it one may be: OR-Tools' CP-SAT.

Partitions of one kind (same modules, same load times) are one resource that holds as many modules
as there are partitions. Every use of a module holds a place from its load, or from the end of the
use that it is kept from, to its job's end; loads exclude each other on the port. Times are rounded
down to a grid, so the solver's bound also bounds the row itself; the plan it finds is carried out
with the row's own times.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fpga_rt.errors import ToolchainError
from fpga_rt.planner.bounds import lower_bound_ps
from fpga_rt.planner.look_ahead import look_ahead
from fpga_rt.planner.plan import Outcome, Plan, Planned, PlannedLoad, Row, carry_out

if TYPE_CHECKING:
    from types import ModuleType

GRID = 20_000
"""Steps that the time of a row is cut into, unless its times have a greatest common divisor that
needs fewer."""

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
    model = _Model(_ortools(), row, best, bound)
    plan, proven_ps = model.solve(seconds, workers)
    if plan is not None:
        found = carry_out(row, Planned(plan))
        best = min(best, found, key=lambda outcome: outcome.total_ps)
    return Optimum(best, min(max(bound, proven_ps), best.total_ps))


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


@dataclass(frozen=True)
class _Use:
    """A job's need: which job, what module, which kinds of partition."""

    job: int
    module: int
    kinds: tuple[int, ...]


class _Model:
    """A row as variables and constraints."""

    def __init__(self, cp: ModuleType, row: Row, known: Outcome, bound_ps: int) -> None:
        self._cp, self._row = cp, row
        self._model = cp.CpModel()
        self._unit = _unit(row, known.total_ps)
        self._horizon = -(-known.total_ps // self._unit)
        self._kinds = _kinds(row)
        of = {p: k for k, kind in enumerate(self._kinds) for p in kind}
        self._uses = [
            _Use(index, need.module, tuple(sorted({of[p] for p in need.partitions})))
            for index, job in enumerate(row.jobs)
            for need in job.needs
        ]
        self._first = [_Use(-1, module, (of[p],)) for p, module in sorted(row.resident.items())]
        self._durations = [duration // self._unit for duration in row.durations_ps]
        self._add_jobs(bound_ps // self._unit)
        self._add_uses()
        self._add_port()
        self._add_places()
        self._hint(known)

    def solve(self, seconds: float, workers: int) -> tuple[Plan | None, int]:
        """Return a plan, if one was found, and a proven bound in picoseconds."""
        solver = self._cp.CpSolver()
        solver.parameters.num_workers = workers
        solver.parameters.random_seed = 1
        with _limited(solver, seconds * workers):
            status = solver.solve(self._model)
        found = status in (self._cp.OPTIMAL, self._cp.FEASIBLE)
        bound = round(solver.best_objective_bound) * self._unit
        return (self._plan(solver) if found else None), bound

    def _time(self, name: str) -> Any:  # noqa: ANN401 - OR-Tools' variables have no common type
        return self._model.new_int_var(0, self._horizon, name)

    def _add_jobs(self, bound: int) -> None:
        model = self._model
        self._starts = [self._time(f"start{i}") for i in range(len(self._durations))]
        self._ends = [s + d for s, d in zip(self._starts, self._durations, strict=True)]
        for end, start in zip(self._ends, self._starts[1:], strict=False):
            model.add(start >= end)
        model.add(self._ends[-1] >= bound)
        model.add(self._ends[-1] <= self._horizon)
        model.minimize(self._ends[-1])

    def _add_uses(self) -> None:
        """Decide for every use its kind of partition, and whether it is loaded or kept."""
        model = self._model
        self._begins, self._loaded, self._kept, self._kind = [], [], [], []
        keepers: dict[int, list[Any]] = {}
        everything = [*self._first, *self._uses]
        for number, use in enumerate(self._uses):
            begin, loaded = self._time(f"begin{number}"), model.new_bool_var(f"load{number}")
            kind = {k: model.new_bool_var(f"kind{number}.{k}") for k in use.kinds}
            model.add_exactly_one(kind.values())
            kept = {}
            for before in self._sources(number):
                keep = model.new_bool_var(f"keep{number}.{before}")
                kept[before] = keep
                keepers.setdefault(before, []).append(keep)
                earlier = everything[before]
                end = self._ends[earlier.job] if earlier.job >= 0 else 0
                model.add(begin == end).only_enforce_if(keep)
                self._same_kind(keep, kind, before)
            model.add_exactly_one([loaded, *kept.values()])
            self._begins.append(begin)
            self._loaded.append(loaded)
            self._kept.append(kept)
            self._kind.append(kind)
        for keeping in keepers.values():
            model.add_at_most_one(keeping)

    def _sources(self, number: int) -> list[int]:
        """Return what a use may be kept from, numbered with the modules that are there at first.

        Where every partition may run every module, only the last job that used it before: two
        copies are never better than one.
        """
        use = self._uses[number]
        everything = [*self._first, *self._uses[:number]]
        found = [i for i, e in enumerate(everything) if e.module == use.module and e.job < use.job]
        if len(self._kinds) == 1 and found:
            last = everything[found[-1]].job
            return [i for i in found if everything[i].job == last] if last >= 0 else found
        return [i for i in found if set(everything[i].kinds) & set(use.kinds)]

    def _same_kind(self, keep: Any, kind: dict[int, Any], before: int) -> None:  # noqa: ANN401
        model, offset = self._model, len(self._first)
        for k, chosen in kind.items():
            if before < offset:
                if k not in self._first[before].kinds:
                    model.add_implication(keep, ~chosen)
                continue
            earlier = self._kind[before - offset].get(k)
            if earlier is None:
                model.add_implication(keep, ~chosen)
            else:
                model.add(chosen == earlier).only_enforce_if(keep)

    def _add_port(self) -> None:
        """Let loads exclude each other, and end before their jobs start."""
        model, loads, spent = self._model, [], []
        for number, use in enumerate(self._uses):
            for k in use.kinds:
                length = self._row.load_ps[self._kinds[k][0], use.module] // self._unit
                present = self._loaded[number]
                if len(use.kinds) > 1:
                    present = model.new_bool_var(f"port{number}.{k}")
                    both = [self._loaded[number], self._kind[number][k]]
                    model.add_bool_and(both).only_enforce_if(present)
                    model.add_bool_or([present, *(~b for b in both)])
                begin = self._begins[number]
                loads.append(
                    model.new_optional_interval_var(
                        begin, length, begin + length, present, f"load{number}.{k}"
                    )
                )
                model.add(begin + length <= self._starts[use.job]).only_enforce_if(present)
                spent.append((use.job, present, length))
        model.add_no_overlap(loads)
        self._add_port_time(spent)

    def _add_port_time(self, spent: Sequence[tuple[int, Any, int]]) -> None:
        """Say what follows for the port's time, which helps the solver's linear relaxation.

        A job starts after all loads that the jobs up to it need. Between the starts of two jobs lie
        all loads for the jobs in between but those done before, one a partition at most.
        """
        count, model = len(self._row.partitions), self._model
        for last, start in enumerate(self._starts):
            model.add(start >= sum(p * length for job, p, length in spent if job <= last))
        for first, job in enumerate(self._row.jobs):
            before = count - len(job.needs)
            total, longest = 0, 0
            for last in range(first + 1, len(self._starts)):
                own = [(p, length) for j, p, length in spent if j == last]
                total += sum(p * length for p, length in own)
                longest = max([longest, *(length for _, length in own)])
                if last > first + before:
                    model.add(self._starts[last] - self._starts[first] >= total - before * longest)

    def _add_places(self) -> None:
        """Hold as many modules of each kind as there are partitions."""
        model = self._model
        for k, kind in enumerate(self._kinds):
            holds = []
            for number, use in enumerate(self._uses):
                if k in use.kinds:
                    size = self._time(f"held{number}.{k}")
                    holds.append(
                        model.new_optional_interval_var(
                            self._begins[number], size, self._ends[use.job],
                            self._kind[number][k], f"hold{number}.{k}",
                        )
                    )  # fmt: skip
            model.add_cumulative(holds, [1] * len(holds), len(kind))
        everything = [*self._first, *self._uses]
        needed = [len(job.needs) for job in self._row.jobs]
        for job in range(len(self._starts)):  # implied too: what is kept through a job
            through = [
                keep
                for number, use in enumerate(self._uses)
                for before, keep in self._kept[number].items()
                if everything[before].job < job < use.job
            ]
            model.add(sum(through) <= len(self._row.partitions) - needed[job])

    def _hint(self, known: Outcome) -> None:
        for start, (first, _) in zip(self._starts, known.jobs, strict=True):
            self._model.add_hint(start, first // self._unit)
        loaded = {(load.before, load.module) for load in known.plan.loads}
        for use, variable in zip(self._uses, self._loaded, strict=True):
            self._model.add_hint(variable, (use.job, use.module) in loaded)

    def _plan(self, solver: Any) -> Plan:  # noqa: ANN401
        """Give every load, and what is kept from it, a partition of its kind."""
        offset = len(self._first)
        resident = sorted(self._row.resident)
        place: dict[int, int] = dict(enumerate(resident))
        last: dict[int, int] = dict.fromkeys(self._row.partitions, -1)
        order = sorted(
            range(len(self._uses)),
            key=lambda n: (solver.value(self._begins[n]), not solver.value(self._loaded[n])),
        )
        root = {i: i for i in range(offset)}
        chains: dict[int, list[int]] = {i: [] for i in range(offset)}
        for number in sorted(order, key=lambda n: self._uses[n].job):
            source = next((b for b, k in self._kept[number].items() if solver.value(k)), None)
            root[number + offset] = root[source] if source is not None else number + offset
            chains.setdefault(root[number + offset], []).append(number)
        until = {
            chain: max((self._uses[n].job for n in uses), default=-1)
            for chain, uses in chains.items()
        }
        for chain in range(offset):
            last[place[chain]] = until[chain]
        loads = []
        for number in order:
            if not solver.value(self._loaded[number]):
                continue
            kind = next(k for k, chosen in self._kind[number].items() if solver.value(chosen))
            begin = solver.value(self._begins[number])
            free = [
                p
                for p in self._kinds[kind]
                if last[p] < 0 or solver.value(self._ends[last[p]]) <= begin
            ]
            partition = max(free, key=lambda p: last[p])
            chain, use = number + offset, self._uses[number]
            place[chain] = partition
            loads.append(PlannedLoad(partition, use.module, last[partition], use.job))
            last[partition] = until[chain]
        places: list[list[int]] = [[] for _ in self._row.jobs]
        for number, use in enumerate(self._uses):
            places[use.job].append(place[root[number + offset]])
        return Plan(tuple(map(tuple, places)), tuple(loads))


def _unit(row: Row, total_ps: int) -> int:
    """Return the grid: all times divide by it, or it cuts the row into `GRID` steps."""
    from math import gcd

    common = gcd(*row.durations_ps, *row.load_ps.values())
    return max(common, total_ps // GRID, 1) if total_ps // max(common, 1) > GRID else common


def _kinds(row: Row) -> list[tuple[int, ...]]:
    """Return the partitions in groups that every module may use alike, at the same cost."""
    modules = sorted({need.module for job in row.jobs for need in job.needs})
    groups: dict[Sequence[object], list[int]] = {}
    for partition in row.partitions:
        allowed = tuple(partition in need.partitions for job in row.jobs for need in job.needs)
        costs = tuple(row.load_ps.get((partition, module)) for module in modules)
        groups.setdefault((allowed, costs), []).append(partition)
    return [tuple(group) for group in groups.values()]
