"""Policies that decide as they go, without knowing how long anything takes.

A job that finds its module in one of its partitions takes it there; otherwise one of them must give
up what it holds. `lru` gives up what was used longest ago, `belady` what is needed again last
(Belady 1966: no rule loads less often when all loads cost the same). `aggressive` does as `belady`
and also loads ahead: whenever the port is free it takes the first coming need that lacks its module
and has a partition which nobody uses before (Cao et al., SIGMETRICS 1995). `none` is `belady` on
jobs that each have one partition to run in, so it has no choice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence

from fpga_rt.errors import PlanningError
from fpga_rt.planner.schedule import LOOK_AHEAD_JOBS, Executor, Job, Load, assignments

_Merit = tuple[int, int, list[int]]


class ByRule:
    """A strategy that looks at what is resident, what was used and what comes."""

    def __init__(self, jobs: Sequence[Job], ahead: bool = False, oldest: bool = False) -> None:
        """Decide for a row of jobs.

        Args:
            jobs: in order.
            ahead: also load what no job waits for yet.
            oldest: give up what was used longest ago, not what is needed again last.

        Raises:
            PlanningError: a job needs more modules at once than there are partitions for.
        """
        self._needs = [[need.module for need in job.needs] for job in jobs]
        self._ways = [assignments(job.needs) for job in jobs]
        self._ahead = ahead
        self._oldest = oldest
        self._used: dict[int, int] = {}
        self._uses: dict[int, list[int]] = {}
        self._partitions = {p for job in jobs for need in job.needs for p in need.partitions}
        for index, modules in enumerate(self._needs):
            for module in modules:
                self._uses.setdefault(module, []).append(index)

    def due(self, index: int) -> Iterable[Load]:
        """Return nothing: every load is one that a job waits for, or is ahead."""
        return ()

    def places(self, index: int, executor: Executor) -> tuple[int, ...]:
        """Return where the modules of a job are, or what has to give way to them."""
        places, _ = self._choose(index, index, (), self._contents(executor))
        self._used.update((partition, index) for partition in places)
        return places

    def ahead(self, index: int, busy: Sequence[int], executor: Executor) -> Load | None:
        """Return the first load that coming jobs need in a partition that nobody uses before."""
        if not self._ahead:
            return None
        decided, contents = set(busy), self._contents(executor)
        last = min(index + 1 + LOOK_AHEAD_JOBS, len(self._needs))
        for coming in range(index + 1, last):
            places, missing = self._choose(coming, index, decided, contents)
            for number in missing:
                if places[number] not in decided:
                    return places[number], self._needs[coming][number]
            decided.update(places)
            if len(decided) >= len(contents):
                break
        return None

    def _choose(
        self, job: int, now: int, decided: Collection[int], contents: Mapping[int, int | None]
    ) -> tuple[tuple[int, ...], Sequence[int]]:
        """Return the places for a job that need the fewest loads, and the needs that are missing.

        Of those that need as few, one that loads into partitions which are not decided, and of
        those the one whose partitions give up least.
        """
        modules, ways = self._needs[job], self._ways[job]
        if len(modules) == 1:
            return self._choose_one(modules[0], ways, now, decided, contents)
        best: tuple[_Merit, tuple[int, ...], list[int]] | None = None
        for chosen in ways:
            missing = [i for i, p in enumerate(chosen) if contents[p] != modules[i]]
            if not missing or len(ways) == 1:
                return chosen, missing
            victims = [chosen[i] for i in missing]
            free = sum(p not in decided for p in victims)
            spare = sorted(self._spare(p, contents[p], now) for p in victims)
            merit = (-len(missing), free, spare)
            if best is None or merit > best[0]:
                best = merit, chosen, missing
        if best is None:
            raise PlanningError(f"job {job} has no places; expected some")
        return best[1], best[2]

    def _choose_one(
        self,
        module: int,
        ways: Sequence[tuple[int, ...]],
        now: int,
        decided: Collection[int],
        contents: Mapping[int, int | None],
    ) -> tuple[tuple[int, ...], Sequence[int]]:
        """Return the same for a job of one module, which most jobs are."""
        for place in ways:
            if contents[place[0]] == module:
                return place, ()
        if len(ways) == 1:
            return ways[0], (0,)
        rest = [place for place in ways if place[0] not in decided] or ways
        return max(rest, key=lambda place: self._spare(place[0], contents[place[0]], now)), (0,)

    def _contents(self, executor: Executor) -> dict[int, int | None]:
        """Return what every partition holds, or is about to."""
        contents = {partition: executor.resident(partition) for partition in self._partitions}
        loading = executor.loading()
        if loading is not None and loading[0] in contents:
            contents[loading[0]] = loading[1]
        return contents

    def _spare(self, partition: int, module: int | None, now: int) -> int:
        """Return how little is lost with what a partition holds: most for an empty one."""
        if module is None:
            return len(self._needs) + 1
        if self._oldest:
            return -self._used.get(partition, -1)
        uses = self._uses.get(module, [])
        place = bisect_left(uses, now)
        return uses[place] if place < len(uses) else len(self._needs)
