"""Small random rows of jobs for tests of planners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import strategies as st

from fpga_rt.planner.plan import Row
from fpga_rt.planner.schedule import Job, Need


def row(
    needs: Sequence[Sequence[tuple[int, tuple[int, ...]]]],
    durations: Sequence[int],
    loads: Mapping[tuple[int, int], int] | int,
    resident: dict[int, int] | None = None,
) -> Row:
    """Return a row: modules and their partitions by job, durations, and the time of loads."""
    jobs = tuple(
        Job(0, i, 0, 1, tuple(Need(*need) for need in needed)) for i, needed in enumerate(needs)
    )
    pairs = {(p, m) for needed in needs for m, places in needed for p in places}
    table = dict.fromkeys(pairs, loads) if isinstance(loads, int) else loads
    return Row(jobs, tuple(durations), table, resident or {})


@st.composite
def rows(draw: st.DrawFn, jobs: int = 7, single: bool = False, equal: bool = False) -> Row:
    """Draw a row of up to 3 partitions and 4 modules; `single` needs of any partition, or mixed."""
    count = draw(st.integers(1, 3))
    everywhere = tuple(range(count))
    places = [
        everywhere
        if single
        else tuple(sorted(draw(st.sets(st.integers(0, count - 1), min_size=1))))
        for _ in range(4)
    ]
    needs = []
    for _ in range(draw(st.integers(1, jobs))):
        module = draw(st.integers(0, 3))
        needed = [(module, places[module])]
        other = draw(st.integers(0, 3))
        if not single and draw(st.booleans()) and _fit(places[module], places[other]):
            needed.append((other, places[other]))
        needs.append(needed)
    durations = [draw(st.integers(1, 4)) for _ in needs]
    pairs = sorted({(p, m) for needed in needs for m, allowed in needed for p in allowed})
    load = draw(st.integers(1, 4))
    loads = {pair: load if equal else draw(st.integers(1, 4)) for pair in pairs}
    resident = {}
    if draw(st.booleans()):
        p, m = draw(st.sampled_from(pairs))
        resident[p] = m
    return row(needs, durations, loads, resident)


def _fit(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return any(p != q for p in a for q in b)
