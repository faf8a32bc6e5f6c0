"""Plan a row of jobs with its times: aggressive prefetching that weighs what to give up.

Loads go through the port in the order in which jobs need them (for equal loads no other order is
better: Cao et al., SIGMETRICS 1995), each as early as port and partition allow. What is left to
decide is which partition gives up its module. `aggressive` decides once and for all; here a beam of
partial plans is kept, job by job, ranked by what they can still come to. Where a load has to wait
for its partition, plans that fill the port's gap with a later job's load elsewhere are kept too,
and where some modules may run in some partitions only, plans that load a module a second time to
make room for them.
The width of the beam depends on nothing but the row, so the same row always has the same plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter, le
from typing import NamedTuple

from fpga_rt.planner.bounds import quick_bound_ps
from fpga_rt.planner.plan import Outcome, Plan, Planned, PlannedLoad, Row, carry_out
from fpga_rt.planner.policies import ByRule
from fpga_rt.planner.row_index import Contents, RowIndex

WORK = 400
"""Partial plans that are looked at, over all jobs: long rows get a narrower beam."""
MOST, LEAST = 12, 4
"""Width of the beam."""


class _Trail(NamedTuple):
    """A job's decisions after those before it: loads (partition, module), and its places."""

    before: _Trail | None
    loads: tuple[tuple[int, int], ...]
    places: tuple[int, ...]


class _State(NamedTuple):
    """A plan of the jobs so far.

    Attributes:
        end: of the last job.
        port: when the port is free.
        contents: what the partitions hold.
        free: when each partition is loaded and its last job has ended.
        trail: the decisions.
    """

    end: int
    port: int
    contents: Contents
    free: tuple[int, ...]
    trail: _Trail | None


def look_ahead(row: Row, width: int | None = None) -> Outcome:
    """Return the best schedule found, with its plan.

    Args:
        row: jobs and times.
        width: partial plans that are kept; by default what gives every row about the same work.

    Raises:
        PlanningError: a job needs more modules at once than there are partitions for.
    """
    best = carry_out(row, ByRule(row.jobs, ahead=True))
    if not row.jobs or best.total_ps == quick_bound_ps(row):
        return best
    width = width or max(LEAST, min(MOST, WORK // len(row.jobs)))
    found = carry_out(row, Planned(_Search(row, width).plan()))
    return min(best, found, key=lambda outcome: outcome.total_ps)


class _Search:
    """The beam."""

    def __init__(self, row: Row, width: int) -> None:
        self._row, self._width = RowIndex(row), width
        self._rest = [0]
        for duration in reversed(row.durations_ps):
            self._rest.append(self._rest[-1] + duration)
        self._rest.reverse()
        self._estimates: list[dict[Contents, int]] = [{} for _ in range(len(row.jobs) + 1)]

    def plan(self) -> Plan:
        """Return the plan of the best state that the beam ends with."""
        row = self._row
        beam = [_State(0, 0, row.start, (0,) * len(row.start), None)]
        for index in range(len(row.needs)):
            children: list[_State] = []
            for state in beam:
                children += self._children(index, state)
            beam = self._best(children, index + 1) if len(children) > 1 else children
        return self._read(min(beam, key=lambda state: state.end))

    def _children(self, index: int, state: _State) -> list[_State]:
        """Return the states after a job."""
        needs = self._row.needs[index]
        if len(needs) == 1 and not self._row.fillers[index]:
            return self._children_of_one(index, state, *needs[0])
        contents, found = state.contents, []
        for places in self._choices(index, state):
            missing = [i for i, p in enumerate(places) if contents[p] != needs[i][0]]
            own = tuple((places[i], needs[i][0]) for i in missing)
            found.append(self._after(index, state, own, places))
            if own:
                filling = self._gap_filling(index, state, own[0][0])
                if filling:
                    found.append(self._after(index, state, (*filling, *own), places))
        return found

    def _children_of_one(
        self, index: int, state: _State, module: int, allowed: Sequence[int]
    ) -> list[_State]:
        """Return the states after a job of one module whose loads leave no gap to fill."""
        end, port, contents, free, trail = state
        row = self._row
        duration, uses, never = row.durations[index], row.next[index], len(row.needs)
        for p in allowed:
            if contents[p] != module:
                continue
            end = (free[p] if free[p] > end else end) + duration
            until = (*free[:p], end, *free[p + 1 :])
            stays = _State(end, port, contents, until, _Trail(trail, (), (p,)))
            copies = () if row.unrestricted else self._copies(index, state)
            return [stays, *(self._after(index, state, ((q, module),), (q,)) for (q,) in copies)]
        found, kinds = [], set()
        for p in allowed:
            held, ready, load = contents[p], free[p], row.load[p][module]
            ready = max(ready, port)
            kind = (held if uses[held] < never else -1, ready, load)
            if kind in kinds:
                continue
            kinds.add(kind)
            loaded = ready + load
            last = (loaded if loaded > end else end) + duration
            after = p + 1
            found.append(
                _State(
                    last,
                    loaded,
                    (*contents[:p], module, *contents[after:]),
                    (*free[:p], last, *free[after:]),
                    _Trail(trail, ((p, module),), (p,)),
                )
            )
        return found

    def _choices(self, index: int, state: _State) -> Sequence[tuple[int, ...]]:
        """Return the places for a job with the fewest loads, one of those that come to the same."""
        row, contents, free, port = self._row, state.contents, state.free, state.port
        needs, uses, never = row.needs[index], row.next[index], len(row.needs)
        kinds: dict[tuple[object, ...], tuple[int, ...]] = {}
        fewest = len(needs)
        for places in row.places[index]:
            missing = [i for i, p in enumerate(places) if contents[p] != needs[i][0]]
            if len(missing) > fewest:
                continue
            if not missing:
                return (places, *(() if row.unrestricted else self._copies(index, state)))
            if len(missing) < fewest:
                kinds, fewest = {}, len(missing)
            kind = tuple(
                (
                    contents[p] if uses[contents[p]] < never else -1,
                    free[p] if free[p] > port else port,
                    row.load[p][needs[i][0]],
                )
                for i in missing
                for p in (places[i],)
            )
            kinds.setdefault(kind, places)
        return list(kinds.values())

    def _copies(self, index: int, state: _State) -> Iterator[tuple[int, ...]]:
        """Yield other places for a job of one module, loaded there again before it could start.

        That frees the place where it is, which is worth a load when others may run only there.
        """
        row, end = self._row, state.end
        if len(row.needs[index]) > 1:
            return
        [(module, allowed)] = row.needs[index]
        for p in allowed:
            loaded = max(state.port, state.free[p]) + row.load[p][module]
            if loaded <= end and state.contents[p] != module:
                yield (p,)

    def _gap_filling(self, index: int, state: _State, victim: int) -> tuple[tuple[int, int], ...]:
        """Return later loads for the port's gap before `victim` is free.

        Only in partitions where the job itself cannot run: elsewhere it had better be loaded.
        """
        _, port, contents, free, _ = state
        row, until = self._row, free[victim]
        filling: dict[int, int] = {}
        for later, module, allowed, elsewhere in row.fillers[index]:
            if port >= until:
                break
            if any(contents[p] == module or filling.get(p) == module for p in allowed):
                continue
            for p in elsewhere:
                if p not in filling and free[p] < until and row.next[index][contents[p]] > later:
                    filling[p] = module
                    port = max(port, free[p]) + row.load[p][module]
                    break
        return tuple(filling.items())

    def _after(
        self,
        index: int,
        state: _State,
        loads: tuple[tuple[int, int], ...],
        places: tuple[int, ...],
    ) -> _State:
        """Return the state after some loads and a job."""
        end, port, contents, free, trail = state
        if loads:
            held, ready = list(contents), list(free)
            for p, module in loads:
                port = max(port, ready[p]) + self._row.load[p][module]
                held[p], ready[p] = module, port
            contents, free = tuple(held), tuple(ready)
        end = max(end, *(free[p] for p in places)) + self._row.durations[index]
        until = list(free)
        for p in places:
            until[p] = end
        return _State(end, port, contents, tuple(until), _Trail(trail, loads, places))

    def _best(self, children: Sequence[_State], index: int) -> list[_State]:
        """Return the most promising states, none of them worse than another in everything.

        Two bounds say what a state can still come to: jobs without waiting, and loads without
        waiting. The larger one ranks, the smaller one counts in part; for some of the states kept
        it counts in full, since neither is right for all rows.
        """
        row, rest = self._row, self._rest[index]
        last = row.durations[-1] if rest else 0
        ranks = []
        for number, state in enumerate(children):
            jobs = state.end + rest
            loads = state.port + self._estimate(index, state.contents) + last
            low, high = (jobs, loads) if jobs < loads else (loads, jobs)
            ranks.append((4 * high + low, high + low, number))
        kept: dict[int, _State] = {}
        known: dict[Contents, list[tuple[int, ...]]] = {}
        ranks.sort()
        self._keep(children, (number for *_, number in ranks), self._width * 5 // 6, kept, known)
        if len(ranks) > len(kept):
            ranks.sort(key=itemgetter(1))
            self._keep(children, (number for *_, number in ranks), self._width, kept, known)
        return list(kept.values())

    def _keep(
        self,
        children: Sequence[_State],
        order: Iterable[int],
        most: int,
        kept: dict[int, _State],
        known: dict[Contents, list[tuple[int, ...]]],
    ) -> None:
        """Keep children in an order, up to so many, but for those that are worse than another."""
        for number in order:
            if len(kept) >= most:
                return
            if number in kept:
                continue
            state = children[number]
            contents, free = state.contents, state.free
            if self._row.alike:
                contents, free = zip(*sorted(zip(contents, free, strict=True)), strict=True)
            times = (state.end, state.port, *free)
            others = known.setdefault(contents, [])
            if not any(all(map(le, other, times)) for other in others):
                others.append(times)
                kept[number] = state

    def _estimate(self, index: int, contents: Contents) -> int:
        """Return the load time of the remaining jobs when what is needed last gives way."""
        estimates, path = self._estimates, []
        while True:
            known = estimates[index].get(contents)
            if known is not None or index == len(self._row.needs):
                break
            after, cost = self._row.on_demand(index, contents)
            path.append((estimates[index], contents, cost))
            index, contents = index + 1, after
        total = known or 0
        for table, held, cost in reversed(path):
            total += cost
            table[held] = total
        return total

    def _read(self, state: _State) -> Plan:
        """Return the plan of a state."""
        steps = []
        trail = state.trail
        while trail is not None:
            steps.append(trail)
            trail = trail.before
        places: list[tuple[int, ...]] = []
        loads: list[tuple[int, int, int]] = []
        last_use: dict[int, int] = {}
        first_use: dict[int, int] = {}
        current: dict[int, int] = {}
        for step in reversed(steps):
            for partition, module in step.loads:
                current[partition] = len(loads)
                loads.append((partition, module, last_use.get(partition, -1)))
            for partition in step.places:
                last_use[partition] = len(places)
                if partition in current:
                    first_use.setdefault(current.pop(partition), len(places))
            places.append(step.places)
        names, modules = self._row.partitions, self._row.modules
        return Plan(
            tuple(tuple(names[p] for p in chosen) for chosen in places),
            tuple(
                PlannedLoad(names[p], modules[m], after, first_use[i])
                for i, (p, m, after) in enumerate(loads)
                if i in first_use
            ),
        )
