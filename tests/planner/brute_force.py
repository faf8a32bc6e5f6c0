"""The shortest time of a row of jobs by trying everything at every tick: an oracle for planners.

It shares nothing with them: no order of loads, no rule of what gives way, only what a device can do
from one tick to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from fpga_rt.planner.plan import Row

State = tuple[int, int, tuple[int, ...], tuple[int, int, int], tuple[int, ...]]
"""Jobs that have begun, ticks left of the last one and its partitions, the load in flight
(partition, module, ticks left), what the partitions hold (-1 for nothing)."""

IDLE = (-1, -1, 0)


def shortest(row: Row, most: int = 400) -> int:
    """Return the fewest ticks in which all jobs can end."""
    held = tuple(row.resident.get(p, -1) for p in row.partitions)
    states: set[State] = {(0, 0, (), IDLE, held)}
    for tick in range(most):
        states = {after for state in states for after in _starts(row, state)}
        if any(begun == len(row.jobs) and left == 0 for begun, left, *_ in states):
            return tick
        states = {_tick(row, state) for state in states}
    raise AssertionError(f"not done in {most} ticks")


def _starts(row: Row, state: State) -> Iterator[State]:
    """Yield what may be begun in a tick, nothing included."""
    for begun, left, busy, load, held in _job_starts(row, state):
        yield begun, left, busy, load, held
        if load != IDLE:
            continue
        for (partition, module), ticks in row.load_ps.items():
            place = row.partitions.index(partition)
            if place not in busy and held[place] != module:
                emptied = (*held[:place], -1, *held[place + 1 :])
                yield begun, left, busy, (place, module, ticks), emptied


def _job_starts(row: Row, state: State) -> Iterator[State]:
    begun, left, busy, load, held = state
    yield begun, left, busy, load, held
    if left or begun == len(row.jobs):
        return
    needs = row.jobs[begun].needs
    options = [
        [i for i in map(row.partitions.index, need.partitions) if held[i] == need.module]
        for need in needs
    ]
    for places in product(*options):
        if len(set(places)) == len(places):
            yield begun + 1, row.durations_ps[begun], places, load, held


def _tick(row: Row, state: State) -> State:
    begun, left, busy, (place, module, ticks), held = state
    left = max(left - 1, 0)
    if place >= 0:
        ticks -= 1
        if ticks == 0:
            held = (*held[:place], module, *held[place + 1 :])
            place, module = -1, -1
    return begun, left, busy if left else (), (place, module, ticks), held
