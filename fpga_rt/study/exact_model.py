"""A row of jobs as variables and constraints of OR-Tools' CP-SAT.

Partitions of one kind (same modules, same load times) are one resource that holds as many modules
as there are partitions. Every use of a module is loaded into a kind of partition or kept there from
a use before, and holds a place from the load, or from the end of that use, to its job's end; loads
exclude each other on the port. Times are rounded down to a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING, Any

from fpga_rt.planner.plan import Outcome, Plan, PlannedLoad, Row

if TYPE_CHECKING:
    from types import ModuleType

GRID = 20_000
"""Steps that the time of a row is cut into at first, unless its times have a greatest common
divisor that needs fewer: a solver is surest with few."""


@dataclass(frozen=True)
class _Use:
    """A job's need, or what is there at first (job -1): what module, which kinds of partition."""

    job: int
    module: int
    kinds: tuple[int, ...]


class ExactModel:
    """A model to minimise the end of the last job.

    Attributes:
        cp_model: what a solver is given.
        unit_ps: of its times.
    """

    def __init__(
        self, cp: ModuleType, row: Row, known: Outcome, bound_ps: int, unit_ps: int
    ) -> None:
        """Describe a row.

        Args:
            cp: `ortools.sat.python.cp_model`.
            row: jobs and times.
            known: a schedule, which the solver starts from.
            bound_ps: no schedule ends before.
            unit_ps: of the grid.
        """
        self._row, self.cp_model, self.unit_ps = row, cp.CpModel(), unit_ps
        self._horizon = -(-known.total_ps // self.unit_ps)
        self._kinds = _kinds(row)
        of = {p: k for k, kind in enumerate(self._kinds) for p in kind}
        first = [_Use(-1, module, (of[p],)) for p, module in sorted(row.resident.items())]
        self._first = len(first)
        self._uses = first + [
            _Use(index, need.module, tuple(sorted({of[p] for p in need.partitions})))
            for index, job in enumerate(row.jobs)
            for need in job.needs
        ]
        self._needs = range(self._first, len(self._uses))
        self._durations = [duration // self.unit_ps for duration in row.durations_ps]
        self._add_jobs(bound_ps // self.unit_ps)
        self._add_uses()
        self._add_port()
        self._add_port_time()
        self._add_places()
        self._hint(known, of)

    def _time(self, name: str) -> Any:  # noqa: ANN401 - OR-Tools' variables have no common type
        return self.cp_model.new_int_var(0, self._horizon, name)

    def _add_jobs(self, bound: int) -> None:
        model = self.cp_model
        self._starts = [self._time(f"start{i}") for i in range(len(self._durations))]
        self._ends = [s + d for s, d in zip(self._starts, self._durations, strict=True)]
        for end, start in zip(self._ends, self._starts[1:], strict=False):
            model.add(start >= end)
        model.add(self._ends[-1] >= bound)
        model.add(self._ends[-1] <= self._horizon)
        model.minimize(self._ends[-1])

    def _add_uses(self) -> None:
        """Decide for every use whether it is loaded or kept, and in which kind of partition.

        What is kept forms paths of uses, one a partition, so that the linear relaxation knows the
        least time of all loads.
        """
        model = self.cp_model
        self._loads: dict[tuple[int, int], Any] = {}
        self._keeps: dict[tuple[int, int, int], Any] = {}
        self._placed: dict[tuple[int, int], Any] = {}
        self._begins: dict[int, Any] = {}
        keepers: dict[tuple[int, int], list[Any]] = {}
        for number in self._needs:
            begin = self._begins[number] = self._time(f"begin{number}")
            every = []
            for k in self._uses[number].kinds:
                ways = [model.new_bool_var(f"load{number}.{k}")]
                self._loads[number, k] = ways[0]
                for before in self._sources(number, k):
                    keep = model.new_bool_var(f"keep{number}.{before}.{k}")
                    self._keeps[number, before, k] = keep
                    keepers.setdefault((before, k), []).append(keep)
                    earlier = self._uses[before].job
                    since = self._ends[earlier] if earlier >= 0 else 0
                    model.add(begin == since).only_enforce_if(keep)
                    ways.append(keep)
                placed = self._placed[number, k] = model.new_bool_var(f"place{number}.{k}")
                model.add(sum(ways) == placed)
                every += ways
            model.add_exactly_one(every)
        for key, keeping in keepers.items():
            model.add(sum(keeping) <= self._placed.get(key, 1))

    def _sources(self, number: int, kind: int) -> list[int]:
        """Return what a use may be kept from in a kind of partition.

        Where every partition may run every module, only the last job that used it before: two
        copies are never better than one.
        """
        use = self._uses[number]
        found = [
            i
            for i, earlier in enumerate(self._uses[:number])
            if earlier.module == use.module and earlier.job < use.job and kind in earlier.kinds
        ]
        last = self._uses[found[-1]].job if found else -1
        if len(self._kinds) == 1 and last >= 0:
            return [i for i in found if self._uses[i].job == last]
        return found

    def _add_port(self) -> None:
        """Let loads exclude each other, and end before their jobs start."""
        model, loads = self.cp_model, []
        for (number, k), present in self._loads.items():
            length, begin = self._length(number, k), self._begins[number]
            name = f"port{number}.{k}"
            loads.append(
                model.new_optional_interval_var(begin, length, begin + length, present, name)
            )
            start = self._starts[self._uses[number].job]
            model.add(begin + length <= start).only_enforce_if(present)
        model.add_no_overlap(loads)

    def _length(self, number: int, kind: int) -> int:
        """Return how long a load takes."""
        load = self._kinds[kind][0], self._uses[number].module
        return self._row.load_ps[load] // self.unit_ps

    def _add_port_time(self) -> None:
        """Say what follows for the port's time, which helps the solver's linear relaxation.

        A job starts after all loads that the jobs up to it need. Between the starts of two jobs lie
        all loads for the jobs in between but those done before, one a partition at most.
        """
        count, model = len(self._row.partitions), self.cp_model
        spent: list[list[tuple[Any, int]]] = [[] for _ in self._starts]
        for (number, k), present in self._loads.items():
            spent[self._uses[number].job].append((present, self._length(number, k)))
        sums = [sum(present * length for present, length in loads) for loads in spent]
        for last, start in enumerate(self._starts):
            model.add(start >= sum(sums[: last + 1]))
        for first, job in enumerate(self._row.jobs):
            before = count - len(job.needs)
            total, longest = 0, 0
            for last in range(first + 1, len(self._starts)):
                total += sums[last]
                longest = max([longest, *(length for _, length in spent[last])])
                if last > first + before:
                    model.add(self._starts[last] - self._starts[first] >= total - before * longest)

    def _add_places(self) -> None:
        """Hold as many modules of each kind as there are partitions."""
        model = self.cp_model
        for k, kind in enumerate(self._kinds):
            holds = []
            for number in self._needs:
                if k in self._uses[number].kinds:
                    begin, end = self._begins[number], self._ends[self._uses[number].job]
                    size, name = self._time(f"held{number}.{k}"), f"hold{number}.{k}"
                    placed = self._placed[number, k]
                    holds.append(model.new_optional_interval_var(begin, size, end, placed, name))
            model.add_cumulative(holds, [1] * len(holds), len(kind))
            for job in range(len(self._starts)):  # implied too: what is kept through a job
                through = [
                    keep
                    for (number, before, where), keep in self._keeps.items()
                    if where == k and self._uses[before].job < job < self._uses[number].job
                ]
                own = [
                    self._placed[number, k]
                    for number in self._needs
                    if self._uses[number].job == job and k in self._uses[number].kinds
                ]
                model.add(sum(through) + sum(own) <= len(kind))

    def _hint(self, known: Outcome, kinds: dict[int, int]) -> None:
        """Have the solver start from a schedule."""
        model = self.cp_model
        for start, (first, _) in zip(self._starts, known.jobs, strict=True):
            model.add_hint(start, first // self.unit_ps)
        loaded = {(load.before, load.module): kinds[load.partition] for load in known.plan.loads}
        for (number, k), load in self._loads.items():
            use = self._uses[number]
            model.add_hint(load, loaded.get((use.job, use.module)) == k)

    def plan(self, solver: Any) -> Plan:  # noqa: ANN401
        """Return a solver's plan: a partition for every load and for what is kept from it."""
        row, uses = self._row, self._uses
        place: dict[int, int] = dict(enumerate(sorted(row.resident)))
        root = {i: i for i in range(self._first)}
        kept = {n: before for (n, before, _), keep in self._keeps.items() if solver.value(keep)}
        for number in self._needs:
            root[number] = root[kept[number]] if number in kept else number
        until: dict[int, int] = {}
        for number, chain in root.items():
            until[chain] = max(until.get(chain, -1), uses[number].job)
        last = dict.fromkeys(row.partitions, -1)
        last.update((partition, until[chain]) for chain, partition in place.items())
        chosen = {number: k for (number, k), load in self._loads.items() if solver.value(load)}
        loads = []
        for number in sorted(chosen, key=lambda n: solver.value(self._begins[n])):
            begin = solver.value(self._begins[number])
            free = [
                p
                for p in self._kinds[chosen[number]]
                if last[p] < 0 or solver.value(self._ends[last[p]]) <= begin
            ]
            partition = max(free, key=lambda p: last[p])
            loads.append(
                PlannedLoad(partition, uses[number].module, last[partition], uses[number].job)
            )
            place[number], last[partition] = partition, until[number]
        places: list[list[int]] = [[] for _ in row.jobs]
        for number in self._needs:
            places[uses[number].job].append(place[root[number]])
        return Plan(tuple(map(tuple, places)), tuple(loads))


def coarse_unit_ps(row: Row, total_ps: int) -> int:
    """Return a grid that a solver is quick on: all times divide by it, or it has `GRID` steps."""
    common = _common_ps(row)
    return max(common, total_ps // GRID, 1) if total_ps // common > GRID else common


def fine_unit_ps(row: Row, lost_ps: float) -> int:
    """Return a grid on which rounding loses less than a time in all, or which divides all times.

    What ends last waits for every job and a load for every need at most; each is rounded by less
    than a unit.
    """
    waits = len(row.jobs) + sum(len(job.needs) for job in row.jobs)
    return max(_common_ps(row), int(lost_ps / waits))


def _common_ps(row: Row) -> int:
    return max(gcd(*row.durations_ps, *row.load_ps.values()), 1)


def _kinds(row: Row) -> list[tuple[int, ...]]:
    """Return the partitions in groups that every module may use alike, at the same cost."""
    modules = sorted({need.module for job in row.jobs for need in job.needs})
    groups: dict[Sequence[object], list[int]] = {}
    for partition in row.partitions:
        allowed = tuple(partition in need.partitions for job in row.jobs for need in job.needs)
        costs = tuple(row.load_ps.get((partition, module)) for module in modules)
        groups.setdefault((allowed, costs), []).append(partition)
    return [tuple(group) for group in groups.values()]
