"""How long the loads of the jobs that are left take when what is needed last gives way.

With equal loads that is the least they can take (Belady 1966), with others an estimate.
"""

from __future__ import annotations

from fpga_rt.planner.row_index import Contents, RowIndex


class Remaining:
    """Sums of load times by job and contents, each made once."""

    def __init__(self, row: RowIndex) -> None:
        """Serve a row."""
        self._row = row
        self.known: list[dict[Contents, int]] = [{} for _ in range(len(row.needs) + 1)]
        """What was asked for, by job and contents."""
        self._step = self._miss if row.single else self._job

    def loads(self, index: int, contents: Contents) -> int:
        """Return the time of the loads from a job on."""
        path: list[tuple[dict[Contents, int], Contents, int]] = []
        count = len(self._row.needs)
        total = 0
        while index < count:
            table = self.known[index]
            found = table.get(contents)
            if found is not None:
                total = found
                break
            index, after, cost = self._step(index, contents)
            path.append((table, contents, cost))
            contents = after
        for table, held, cost in reversed(path):
            total += cost
            table[held] = total
        return total

    def _miss(self, index: int, contents: Contents) -> tuple[int, Contents, int]:
        """Return the job after the next one that lacks its module, what it leaves, and its load."""
        row = self._row
        for module in row.coming[index]:
            if module not in contents:
                break
        else:
            return len(row.needs), contents, 0
        miss = row.next[index][module]
        uses, allowed = row.next[miss], row.needs[miss][0][1]
        latest, victim = -1, -1
        for p in allowed:
            if uses[contents[p]] > latest:
                latest, victim = uses[contents[p]], p
        after = (*contents[:victim], module, *contents[victim + 1 :])
        return miss + 1, after, row.load[victim][module]

    def _job(self, index: int, contents: Contents) -> tuple[int, Contents, int]:
        """Return the next job, what this one leaves, and the time of its loads."""
        row = self._row
        needs, uses = row.needs[index], row.next[index]
        best: tuple[int, int] | None = None
        chosen: tuple[int, ...] = ()
        for places in row.places[index]:
            missing = [i for i, p in enumerate(places) if contents[p] != needs[i][0]]
            if not missing:
                return index + 1, contents, 0
            merit = (-len(missing), min(uses[contents[places[i]]] for i in missing))
            if best is None or merit > best:
                best, chosen = merit, places
        held, cost = list(contents), 0
        for p, (module, _) in zip(chosen, needs, strict=True):
            if held[p] != module:
                held[p] = module
                cost += row.load[p][module]
        return index + 1, tuple(held), cost
