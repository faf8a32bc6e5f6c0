"""A row of jobs with partitions and modules numbered from zero, for searches."""

from __future__ import annotations

from fpga_rt.planner.plan import Row
from fpga_rt.planner.schedule import assignments

Contents = tuple[int, ...]
"""A module by partition, both by number; -1 for none."""

FILLER_JOBS = 8
"""How far a load may be moved forward into a gap of the port."""
_NEVER = 1 << 62


class RowIndex:
    """A row in lists.

    Attributes:
        partitions: identities by number.
        modules: identities by number.
        needs: by job, modules with their partitions.
        places: by job, every way to give its needs partitions.
        fillers: by job, what coming jobs need that may run where none of its own modules may: which
            job, the module, its partitions, and those of them.
        load: time by partition and module.
        next: by job and module the next job that needs it, itself included; at -1, for no module,
            one more than ever.
        durations: of the jobs.
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
        self.places = [
            [tuple(place[p] for p in places) for places in assignments(job.needs)]
            for job in row.jobs
        ]
        self.load = [
            [row.load_ps.get((p, m), _NEVER) for m in self.modules] for p in self.partitions
        ]
        self.next = self._next_uses()
        self.fillers = [self._fillers(index) for index in range(len(self.needs))]
        self.durations = row.durations_ps
        self.unrestricted = all(
            len(allowed) == len(place) for needed in self.needs for _, allowed in needed
        )
        self.alike = self.unrestricted and all(loads == self.load[0] for loads in self.load)
        resident = row.resident
        self.start = tuple(rank[resident[p]] if p in resident else -1 for p in self.partitions)

    def _next_uses(self) -> list[list[int]]:
        count = len(self.needs)
        rows = [[count] * len(self.modules) + [count + 1]]
        for index in range(count - 1, -1, -1):
            uses = rows[-1].copy()
            for module, _ in self.needs[index]:
                uses[module] = index
            rows.append(uses)
        return rows[::-1]

    def _fillers(self, index: int) -> list[tuple[int, int, tuple[int, ...], tuple[int, ...]]]:
        own = {p for _, allowed in self.needs[index] for p in allowed}
        if len(own) == len(self.partitions):
            return []
        found = []
        for later in range(index + 1, min(index + 1 + FILLER_JOBS, len(self.needs))):
            for module, allowed in self.needs[later]:
                elsewhere = tuple(p for p in allowed if p not in own)
                if elsewhere:
                    found.append((later, module, allowed, elsewhere))
        return found

    def on_demand(self, index: int, contents: Contents) -> tuple[Contents, int]:
        """Return what a job leaves behind, and its loads' time: what is needed last gives way."""
        needs, uses = self.needs[index], self.next[index]
        if len(needs) == 1:
            [(module, allowed)] = needs
            latest, victim = -1, -1
            for p in allowed:
                held = contents[p]
                if held == module:
                    return contents, 0
                if uses[held] > latest:
                    latest, victim = uses[held], p
            after = (*contents[:victim], module, *contents[victim + 1 :])
            return after, self.load[victim][module]
        return self._on_demand(index, contents)

    def _on_demand(self, index: int, contents: Contents) -> tuple[Contents, int]:
        """Return the same for a job of several modules."""
        needs, uses = self.needs[index], self.next[index]
        best: tuple[int, int] | None = None
        chosen: tuple[int, ...] = ()
        for places in self.places[index]:
            missing = [i for i, p in enumerate(places) if contents[p] != needs[i][0]]
            if not missing:
                return contents, 0
            merit = (-len(missing), min(uses[contents[places[i]]] for i in missing))
            if best is None or merit > best:
                best, chosen = merit, places
        held, cost = list(contents), 0
        for p, (module, _) in zip(chosen, needs, strict=True):
            if held[p] != module:
                held[p] = module
                cost += self.load[p][module]
        return tuple(held), cost
