"""A row of jobs with partitions and modules numbered from zero, for searches."""

from __future__ import annotations

from fpga_rt.planner.plan import Row
from fpga_rt.planner.schedule import assignments

Contents = tuple[int, ...]
"""A module by partition, both by number; -1 for none."""

Filler = tuple[int, int, tuple[int, ...]]
"""What a coming job needs: which job, the module, its partitions."""

FILLER_JOBS = 4
"""How far a load may be moved forward into a gap of the port."""
_NEVER = 1 << 62


class RowIndex:
    """A row in lists.

    Attributes:
        partitions: identities by number.
        modules: identities by number.
        needs: by job, modules with their partitions.
        wanted: by job, its modules.
        ways: by job, every way to give its needs partitions: these and the modules; none
            in a row of `single` jobs, whose partitions say it.
        fillers: by job, what coming jobs need: which job, the module, its partitions; none in a row
            in which no other order of loads than that of need is ever better.
        load: time by partition and module.
        next: by job and module the next job that needs it, itself included; at -1, for no module,
            one more than ever.
        coming: by job, modules in the order in which they are needed next.
        durations: of the jobs.
        steady: a module may run in the same partitions each time.
        single: so it is, and every job needs one module.
        unrestricted: every module may run in every partition.
        alike: every module may run in every partition, and partitions cost the same.
        start: what the partitions hold at first.
    """

    def __init__(self, row: Row) -> None:
        """Number everything."""
        self.partitions = row.partitions
        wanted = [need.module for job in row.jobs for need in job.needs]
        self.modules = list(dict.fromkeys([*row.resident.values(), *wanted]))
        place = {partition: i for i, partition in enumerate(self.partitions)}
        rank = {module: i for i, module in enumerate(self.modules)}
        self.needs = [
            [(rank[n.module], tuple(place[p] for p in n.partitions)) for n in job.needs]
            for job in row.jobs
        ]
        self.wanted = [tuple(module for module, _ in needed) for needed in self.needs]
        self.load = [
            [row.load_ps.get((p, m), _NEVER) for m in self.modules] for p in self.partitions
        ]
        self.durations = row.durations_ps
        resident = row.resident
        self.start = tuple(rank[resident[p]] if p in resident else -1 for p in self.partitions)
        self._classify()
        self.next = self._next_uses()
        self.coming = self._coming()
        self.ways = [] if self.single else self._ways(row, place)
        self.fillers = [self._fillers(index) for index in range(len(self.needs))]

    def _classify(self) -> None:
        """Note what kind of row it is."""
        pairs = {need for needed in self.needs for need in needed}
        allowed = dict(pairs)
        held = all(m < 0 or p in allowed.get(m, (p,)) for p, m in enumerate(self.start))
        self.steady = held and len(allowed) == len(pairs)
        self.single = self.steady and all(len(needed) == 1 for needed in self.needs)
        count = len(self.partitions)
        self.unrestricted = all(len(places) == count for _, places in pairs)
        self.alike = self.unrestricted and all(loads == self.load[0] for loads in self.load)
        self._equal = self.alike and len({self.load[0][m] for m in allowed}) == 1

    def _ways(self, row: Row, place: dict[int, int]) -> list[list[tuple[tuple[int, int], ...]]]:
        return [
            [
                tuple(zip((place[p] for p in places), modules, strict=True))
                for places in assignments(job.needs)
            ]
            for job, modules in zip(row.jobs, self.wanted, strict=True)
        ]

    def _next_uses(self) -> list[list[int]]:
        count = len(self.needs)
        rows = [[count] * len(self.modules) + [count + 1]]
        for index in range(count - 1, -1, -1):
            uses = rows[-1].copy()
            for module in self.wanted[index]:
                uses[module] = index
            rows.append(uses)
        return rows[::-1]

    def _coming(self) -> list[list[int]]:
        rows: list[list[int]] = [[]]
        for own in reversed(self.wanted):
            rows.append([*own, *(m for m in rows[-1] if m not in own)])
        return rows[::-1]

    def _fillers(self, index: int) -> list[Filler]:
        if self._equal:
            return []
        last = min(index + 1 + FILLER_JOBS, len(self.needs))
        return [
            (later, module, allowed)
            for later in range(index + 1, last)
            for module, allowed in self.needs[later]
        ]
