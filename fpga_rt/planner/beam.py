"""A beam of partial plans of a row, job by job, ranked by what they can still come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter, le

from fpga_rt.planner.plan import Plan, PlannedLoad
from fpga_rt.planner.remaining import Remaining
from fpga_rt.planner.row_index import Contents, Filler, RowIndex

Loads = tuple[tuple[int, int], ...]
"""Partitions and modules, in the port's order."""
Trail = tuple["Trail | None", Loads, tuple[int, ...]]
"""A job's decisions after those before it: its loads, and its places."""
State = tuple[int, int, Contents, tuple[int, ...], "Trail | None"]
"""A plan of the jobs so far: end of the last one; when the port is free; what the partitions hold;
when each of them is loaded and its last job has ended; the decisions. Plain tuples, since a search
makes some thousands a row."""


class Beam:
    """The search of one row."""

    def __init__(self, row: RowIndex, width: int) -> None:
        """Keep `width` partial plans."""
        self._row, self._width = row, width
        self._rest = [0]
        for duration in reversed(row.durations):
            self._rest.append(self._rest[-1] + duration)
        self._rest.reverse()
        self._remaining = Remaining(row)

    def plan(self) -> Plan:
        """Return the plan of the best state that the beam ends with."""
        row = self._row
        beam: list[State] = [(0, 0, row.start, (0,) * len(row.start), None)]
        for index, needs in enumerate(row.needs):
            add = self._add_of_one if row.steady and len(needs) == 1 else self._add
            children: list[State] = []
            for state in beam:
                add(index, state, children)
            beam = children
            if len(children) > self._width:
                beam = self._best(children, index + 1)
        return self._read(min(beam, key=itemgetter(0)))

    def _add_of_one(self, index: int, state: State, children: list[State]) -> None:
        """Add the states after a job of one module, in a row where its partitions never change."""
        end, port, contents, free, trail = state
        row = self._row
        [(module, allowed)] = row.needs[index]
        if module in contents:
            p = contents.index(module)
            last = (free[p] if free[p] > end else end) + row.durations[index]
            until = (*free[:p], last, *free[p + 1 :])
            children.append((last, port, contents, until, (trail, (), (p,))))
            if not row.unrestricted:
                self._add_copies(index, state, children)
            return
        duration, uses, never = row.durations[index], row.next[index], len(row.needs)
        soonest, wanted = max(port, min(free)), self._wanted(index, contents)
        kinds = set()
        for p in allowed:
            held, ready = contents[p], free[p]
            load = row.load[p][module]
            kind = (held if uses[held] < never else -1, ready if ready > port else port, load)
            if kind in kinds:
                continue
            kinds.add(kind)
            after = p + 1
            loaded = kind[1] + load
            last = (loaded if loaded > end else end) + duration
            children.append(
                (
                    last,
                    loaded,
                    (*contents[:p], module, *contents[after:]),
                    (*free[:p], last, *free[after:]),
                    (trail, ((p, module),), (p,)),
                )
            )
            if wanted and ready > soonest:
                filling = self._filling(index, state, p, wanted)
                if filling:
                    loads = (*filling, (p, module))
                    children.append(self._after(index, state, loads, (p,)))

    def _add(self, index: int, state: State, children: list[State]) -> None:
        """Add the states after a job."""
        _, port, contents, free, _ = state
        row = self._row
        soonest, wanted = max(port, min(free)), self._wanted(index, contents)
        for places, own in self._choices(index, state):
            children.append(self._after(index, state, own, places))
            if not own:
                if len(places) == 1 and not row.unrestricted:
                    self._add_copies(index, state, children)
            elif wanted and free[own[0][0]] > soonest:
                filling = self._filling(index, state, own[0][0], wanted)
                if filling:
                    children.append(self._after(index, state, (*filling, *own), places))

    def _choices(self, index: int, state: State) -> Iterable[tuple[tuple[int, ...], Loads]]:
        """Return places and loads for a job, with the fewest loads, once of each kind."""
        row, (_, port, contents, free, _) = self._row, state
        uses, never = row.next[index], len(row.needs)
        kinds: dict[tuple[int, ...], tuple[Loads, Loads]] = {}
        fewest = len(row.needs[index])
        for way in row.ways[index]:
            own = [load for load in way if contents[load[0]] != load[1]]
            if not own:
                return [(tuple(p for p, _ in way), ())]
            if len(own) > fewest:
                continue
            if len(own) < fewest:
                kinds, fewest = {}, len(own)
            kind: list[int] = []
            for p, module in own:
                held, ready = contents[p], free[p]
                kind.append(held if uses[held] < never else -1)
                kind.append(ready if ready > port else port)
                kind.append(row.load[p][module])
            kinds.setdefault(tuple(kind), (way, tuple(own)))
        return [(tuple(p for p, _ in way), own) for way, own in kinds.values()]

    def _add_copies(self, index: int, state: State, children: list[State]) -> None:
        """Add states in which a job's module is loaded elsewhere before the job could start.

        That frees the place where it is, which is worth a load when others may run only there.
        """
        end, port, contents, free, _ = state
        row = self._row
        [(module, allowed)] = row.needs[index]
        for p in allowed:
            if contents[p] != module:
                ready = free[p] if free[p] > port else port
                if ready + row.load[p][module] <= end:
                    children.append(self._after(index, state, ((p, module),), (p,)))

    def _wanted(self, index: int, contents: Contents) -> list[Filler]:
        """Return what the next jobs lack."""
        return [filler for filler in self._row.fillers[index] if filler[1] not in contents]

    def _filling(self, index: int, state: State, victim: int, wanted: Sequence[Filler]) -> Loads:
        """Return later loads for the port's gap before `victim` is free."""
        _, port, contents, free, _ = state
        load, uses, until = self._row.load, self._row.next[index], free[victim]
        filling: dict[int, int] = {}
        for later, module, allowed in wanted:
            if module in filling.values():
                continue
            for p in allowed:
                if free[p] < until and p not in filling and uses[contents[p]] > later:
                    filling[p] = module
                    port = (free[p] if free[p] > port else port) + load[p][module]
                    break
            if port >= until:
                break
        return tuple(filling.items())

    def _after(self, index: int, state: State, loads: Loads, places: tuple[int, ...]) -> State:
        """Return the state after some loads and a job."""
        end, port, contents, free, trail = state
        held, ready = list(contents), list(free)
        for p, module in loads:
            port = max(port, ready[p]) + self._row.load[p][module]
            held[p], ready[p] = module, port
        for p in places:
            end = max(end, ready[p])
        end += self._row.durations[index]
        for p in places:
            ready[p] = end
        return end, port, tuple(held), tuple(ready), (trail, loads, places)

    def _best(self, children: Sequence[State], index: int) -> list[State]:
        """Return the most promising states, none of them worse than another in everything.

        Two bounds say what a state can still come to: jobs without waiting, and loads without
        waiting. The larger one ranks, the smaller one counts in part; for some of the states kept
        it counts in full, since neither is right for all rows.
        """
        rest, remaining = self._rest[index], self._remaining.loads
        last = self._row.durations[-1] if rest else 0
        ranks = []
        for number, (end, port, contents, _, _) in enumerate(children):
            jobs, loads = end + rest, port + remaining(index, contents) + last
            high = jobs if jobs > loads else loads
            ranks.append((3 * high + jobs + loads, jobs + loads, number))
        kept: dict[int, State] = {}
        seen: dict[Contents, list[State]] = {}
        ranks.sort()
        self._keep(children, (number for *_, number in ranks), self._width * 5 // 6, kept, seen)
        if len(ranks) > len(kept):
            ranks.sort(key=itemgetter(1))
            self._keep(children, (number for *_, number in ranks), self._width, kept, seen)
        return list(kept.values())

    def _keep(
        self,
        children: Sequence[State],
        order: Iterable[int],
        most: int,
        kept: dict[int, State],
        seen: dict[Contents, list[State]],
    ) -> None:
        """Keep children in an order, up to so many, but for those that are worse than another."""
        alike = self._row.alike
        for number in order:
            if len(kept) >= most:
                return
            if number in kept:
                continue
            state = children[number]
            end, port, contents, free, _ = state
            key = tuple(sorted(contents)) if alike else contents
            others = seen.get(key)
            if others is None:
                seen[key] = [state]
            elif any(
                other[0] <= end and other[1] <= port and self._frees(other, contents, free)
                for other in others
            ):
                continue
            else:
                others.append(state)
            kept[number] = state

    def _frees(self, other: State, contents: Contents, free: tuple[int, ...]) -> bool:
        """Tell whether another state has every module as early, where it is held."""
        if other[2] != contents:
            times = dict(zip(other[2], other[3], strict=True))
            return all(times[m] <= time for m, time in zip(contents, free, strict=True))
        return all(map(le, other[3], free))

    def _read(self, state: State) -> Plan:
        """Return the plan of a state."""
        steps = []
        trail = state[4]
        while trail is not None:
            steps.append(trail[1:])
            trail = trail[0]
        places: list[tuple[int, ...]] = []
        loads: list[tuple[int, int, int]] = []
        last_use: dict[int, int] = {}
        first_use: dict[int, int] = {}
        current: dict[int, int] = {}
        for begun, chosen in reversed(steps):
            for partition, module in begun:
                current[partition] = len(loads)
                loads.append((partition, module, last_use.get(partition, -1)))
            for partition in chosen:
                last_use[partition] = len(places)
                if partition in current:
                    first_use.setdefault(current.pop(partition), len(places))
            places.append(chosen)
        names, modules = self._row.partitions, self._row.modules
        return Plan(
            tuple(tuple(names[p] for p in chosen) for chosen in places),
            tuple(
                PlannedLoad(names[p], modules[m], after, first_use[i])
                for i, (p, m, after) in enumerate(loads)
                if i in first_use
            ),
        )
