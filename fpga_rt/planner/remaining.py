"""How long the loads of the jobs that are left take when what is needed last gives way.

With equal loads that is the least they can take (Belady 1966), with others an estimate.
"""

from __future__ import annotations

from collections.abc import Sequence

from fpga_rt.planner.row_index import Contents, RowIndex

Table = dict[Contents, int]


class Remaining:
    """Sums of load times by job and contents, each made once."""

    def __init__(self, row: RowIndex) -> None:
        """Serve a row."""
        self._row = row
        self._known: list[Table] = [{} for _ in range(len(row.needs) + 1)]
        self._walk = self._misses if row.single else self._jobs

    def loads(self, index: int, contents: Contents) -> int:
        """Return the time of the loads from a job on."""
        path: list[tuple[Table, Contents, int]] = []
        total = self._walk(index, contents, path)
        for table, held, cost in reversed(path):
            total += cost
            table[held] = total
        return total

    def _misses(
        self, index: int, contents: Contents, path: list[tuple[Table, Contents, int]]
    ) -> int:
        """Go from miss to miss until what is left is known, and return that."""
        row, known = self._row, self._known
        load, needs, nexts, coming = row.load, row.needs, row.next, row.coming
        while True:
            for module in coming[index]:
                if module not in contents:
                    break
            else:
                return 0
            miss = nexts[index][module]
            table = known[miss]
            if contents in table:
                return table[contents]
            uses, victim, latest = nexts[miss], -1, -1
            for p in needs[miss][0][1]:
                use = uses[contents[p]]
                if use > latest:
                    latest, victim = use, p
            path.append((table, contents, load[victim][module]))
            contents = (*contents[:victim], module, *contents[victim + 1 :])
            index = miss + 1

    def _jobs(self, index: int, contents: Contents, path: list[tuple[Table, Contents, int]]) -> int:
        """Go from job to job until what is left is known, and return that."""
        while index < len(self._row.needs):
            table = self._known[index]
            if contents in table:
                return table[contents]
            after, cost = self._job(index, contents)
            path.append((table, contents, cost))
            index, contents = index + 1, after
        return 0

    def _job(self, index: int, contents: Contents) -> tuple[Contents, int]:
        """Return what a job leaves, and the time of its loads."""
        row = self._row
        uses = row.next[index]
        best: tuple[int, int] | None = None
        chosen: Sequence[tuple[int, int]] = ()
        for way in row.ways[index]:
            missing = [load for load in way if contents[load[0]] != load[1]]
            if not missing:
                return contents, 0
            merit = (-len(missing), min([uses[contents[p]] for p, _ in missing]))
            if best is None or merit > best:
                best, chosen = merit, missing
        held, cost = list(contents), 0
        for p, module in chosen:
            held[p] = module
            cost += row.load[p][module]
        return tuple(held), cost
