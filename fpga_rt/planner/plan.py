"""A row of jobs with its times, and a plan for it: which job runs where, which load follows which.

A plan has no times. The order of loads and the partition of every job leave one question open,
when to begin each load, and the answer is always: as soon as the port and the partition are free.
So a plan made with predicted times can be carried out with real ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fpga_rt.errors import PlanningError
from fpga_rt.planner.schedule import Executor, Job, Load, Strategy, run


@dataclass(frozen=True)
class Row:
    """Jobs in order, one port, and how long everything takes.

    Attributes:
        jobs: one runs at a time.
        durations_ps: of the jobs.
        load_ps: of every load that is possible, by partition and module.
        resident: what the partitions hold at the start.
    """

    jobs: tuple[Job, ...]
    durations_ps: tuple[int, ...]
    load_ps: Mapping[Load, int]
    resident: Mapping[int, int] = field(default_factory=dict)

    @property
    def partitions(self) -> tuple[int, ...]:
        """Every partition that a job may use or that holds something."""
        used = {p for job in self.jobs for need in job.needs for p in need.partitions}
        return tuple(sorted(used | self.resident.keys()))


@dataclass(frozen=True)
class PlannedLoad:
    """A load: where, of what, and between which jobs.

    Attributes:
        partition: index.
        module: identity.
        after: the last job that uses what the partition held before, -1 for none.
        before: the first job that uses the module there.
    """

    partition: int
    module: int
    after: int
    before: int


@dataclass(frozen=True)
class Plan:
    """Partitions for the needs of every job, and the loads in the port's order."""

    places: tuple[tuple[int, ...], ...]
    loads: tuple[PlannedLoad, ...]


class Planned:
    """A strategy that follows a plan.

    A load ahead that fails is left out; the job that needs the module loads it on demand.
    """

    def __init__(self, plan: Plan) -> None:
        """Follow a plan from its first job on."""
        self._plan = plan
        self._next = 0

    def due(self, index: int) -> Iterable[Load]:
        """Return the loads that the port takes before the last one that the job waits for."""
        loads, first = self._plan.loads, self._next
        own = [i for i in range(first, len(loads)) if loads[i].before <= index]
        if not own:
            return ()
        others = [i for i in range(first, own[-1]) if loads[i].before > index]
        self._next = own[-1] + 1
        end = others[-1] + 1 if others else first
        return [(load.partition, load.module) for load in loads[first:end]]

    def places(self, index: int, executor: Executor) -> tuple[int, ...]:
        """Return the places of a job."""
        return self._plan.places[index]

    def ahead(self, index: int, busy: Sequence[int], executor: Executor) -> Load | None:
        """Return the next load, once the last job that uses its partition has ended."""
        if self._next == len(self._plan.loads):
            return None
        load = self._plan.loads[self._next]
        if load.after >= index:
            return None
        self._next += 1
        return load.partition, load.module


@dataclass(frozen=True)
class Outcome:
    """What carrying a row out came to.

    Attributes:
        jobs: start and end of every job.
        loads: partition, module, start and end of every load, in the port's order.
        plan: what was done.
    """

    jobs: tuple[tuple[int, int], ...]
    loads: tuple[tuple[int, int, int, int], ...]
    plan: Plan

    @property
    def total_ps(self) -> int:
        """When the last job ends."""
        return self.jobs[-1][1] if self.jobs else 0

    @property
    def load_ps(self) -> int:
        """How long the port was busy."""
        return sum(end - start for _, _, start, end in self.loads)


def carry_out(row: Row, strategy: Strategy) -> Outcome:
    """Carry a row out by arithmetic.

    Raises:
        PlanningError: a need has no partition left, or a load is none that the row knows.
    """
    clock = _Clock(row)
    run(row.jobs, clock, strategy)
    return Outcome(tuple(clock.ended), tuple(clock.loads), clock.plan())


class _Clock:
    """An executor that adds durations up."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._resident = dict(row.resident)
        self._last_use = {partition: -1 for partition in row.partitions}
        self._loading: Load | None = None
        self._load_end = 0
        self._job_end = 0
        self._now = 0
        self._planned: list[PlannedLoad] = []
        self._places: list[tuple[int, ...]] = []
        self.ended: list[tuple[int, int]] = []
        self.loads: list[tuple[int, int, int, int]] = []

    def plan(self) -> Plan:
        """Return what was done; loads that no job used are left out."""
        places = self._places
        loads = []
        for load in self._planned:
            uses = (
                i
                for i in range(load.after + 1, len(places))
                if (load.partition, load.module)
                in zip(places[i], (n.module for n in self._row.jobs[i].needs), strict=True)
            )
            first = next(uses, None)
            if first is not None:
                loads.append(PlannedLoad(load.partition, load.module, load.after, first))
        return Plan(tuple(places), tuple(loads))

    def resident(self, partition: int) -> int | None:
        return self._resident.get(partition)

    def loading(self) -> Load | None:
        return self._loading

    def reuse(self, partition: int) -> None:
        pass

    def may_load_ahead(self) -> bool:
        return True

    def begin_swap(self, partition: int, module: int, ahead: bool) -> None:
        length = self._row.load_ps.get((partition, module))
        if length is None:
            raise PlanningError(
                f"no time is known for a load of module {module:#x} into partition {partition};"
                " expected one of the loads of the row"
            )
        self._resident.pop(partition, None)
        self._loading, self._load_end = (partition, module), self._now + length
        self._planned.append(PlannedLoad(partition, module, self._last_use[partition], -1))
        self.loads.append((partition, module, self._now, self._load_end))

    def finish_swap(self) -> None:
        if self._loading is None:
            return
        partition, module = self._loading
        self._now = max(self._now, self._load_end)
        self._resident[partition], self._loading = module, None

    def begin_job(self, job: Job, places: tuple[int, ...]) -> None:
        index = len(self._places)
        self._job_end = self._now + self._row.durations_ps[index]
        self.ended.append((self._now, self._job_end))
        self._places.append(places)
        for partition in places:
            self._last_use[partition] = index

    def wait(self) -> bool:
        if self._loading is not None and self._load_end <= self._job_end:
            self.finish_swap()
            return False
        self._now = max(self._now, self._job_end)
        return True
