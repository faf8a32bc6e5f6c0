"""What no schedule of a row of jobs can beat.

Job `i` cannot start before the port has done every load that the jobs up to `i` need, and all
later jobs follow it, so with `R[i]` the least load time of the jobs up to `i`

    LB = max over i of R[i] + duration[i] + duration[i+1] + ...

The first term is `r_first + sum(p)`, the last one `R + p_last`. When all loads cost `r`, `R[i]` is
`r` times the misses of Belady's rule, which has the fewest misses of all rules on every prefix
(Belady 1966). When they do not, `R` of the whole row is that of weighted paging: of the stays of a
module between two of its uses, keep those worth most, as many at a time as there are partitions
(a flow of least cost). The bound knows nothing of partitions that only some modules may use.
"""

from __future__ import annotations

from collections.abc import Sequence

from fpga_rt.planner.plan import Row

Use = tuple[int, int]
"""A module, and which of its copies where a job needs several."""

_NEVER = -(1 << 80)


def lower_bound_ps(row: Row) -> int:
    """Return a time before which the last job of no schedule ends."""
    bound, least = quick_bound_ps(row), _least_load_ps(row)
    if len(set(least.values())) > 1:
        bound = max(bound, _weighted_ps(row, _uses(row), least) + row.durations_ps[-1])
    return bound


def quick_bound_ps(row: Row) -> int:
    """Return the same without weighing loads that differ: each costs what the cheapest does."""
    uses, least = _uses(row), _least_load_ps(row)
    cheapest = min(least.values(), default=0)
    rest = sum(row.durations_ps)
    bound = rest
    misses = belady_misses(uses, len(row.partitions), _initial(row))
    done = seen_ps = 0
    seen = set(_initial(row))
    for index, needed in enumerate(uses):
        done += misses[index]
        seen_ps += sum(least[use[0]] for use in needed if use not in seen)
        seen.update(needed)
        bound = max(bound, max(done * cheapest, seen_ps) + rest)
        rest -= row.durations_ps[index]
    return bound


def belady_misses(
    uses: Sequence[Sequence[Use]], partitions: int, resident: Sequence[Use] = ()
) -> list[int]:
    """Return the misses of every job when what is needed again last gives way."""
    after = _next_uses(uses)
    held = {use: after[0].get(use, len(uses)) for use in resident}
    misses = []
    for index, needed in enumerate(uses):
        missing = [use for use in needed if use not in held]
        misses.append(len(missing))
        for use in needed:
            held.pop(use, None)
        while held and len(held) + len(needed) > partitions:
            del held[max(held, key=lambda use: held[use])]
        held.update((use, after[index + 1].get(use, len(uses))) for use in needed)
    return misses


def _next_uses(uses: Sequence[Sequence[Use]]) -> list[dict[Use, int]]:
    """Return for every job, and one behind the last, which job needs what first from there on."""
    after: list[dict[Use, int]] = [{}]
    for index in range(len(uses) - 1, -1, -1):
        after.append({**after[-1], **dict.fromkeys(uses[index], index)})
    return after[::-1]


def _uses(row: Row) -> list[list[Use]]:
    found = []
    for job in row.jobs:
        counts: dict[int, int] = {}
        needed = []
        for need in job.needs:
            needed.append((need.module, counts.get(need.module, 0)))
            counts[need.module] = counts.get(need.module, 0) + 1
        found.append(needed)
    return found


def _initial(row: Row) -> list[Use]:
    counts: dict[int, int] = {}
    found = []
    for module in row.resident.values():
        found.append((module, counts.get(module, 0)))
        counts[module] = counts.get(module, 0) + 1
    return found


def _least_load_ps(row: Row) -> dict[int, int]:
    """Return the time of a module's cheapest load."""
    least: dict[int, int] = {}
    for job in row.jobs:
        for need in job.needs:
            cost = min(row.load_ps[p, need.module] for p in need.partitions)
            least[need.module] = min(cost, least.get(need.module, cost))
    return least


def _weighted_ps(row: Row, uses: Sequence[Sequence[Use]], least: dict[int, int]) -> int:
    """Return the least load time of the whole row."""
    stays, total, last = [], 0, dict.fromkeys(_initial(row), -1)
    for index, needed in enumerate(uses):
        for use in needed:
            total += least[use[0]]
            if use in last:
                stays.append((last[use] + 1, index, least[use[0]]))
            last[use] = index
    return total - most_worth(stays, len(uses), len(row.partitions) - 1)


def most_worth(stays: Sequence[tuple[int, int, int]], length: int, width: int) -> int:
    """Return the most that intervals are worth of which `width` may overlap.

    Args:
        stays: first point, the point behind the last, and worth of each; empty ones are free.
        length: points are 0..length - 1.
        width: how many may cover a point.
    """
    # Flow of `width` units from point 0 to `length`: along a point for nothing, along a stay for
    # its worth; each unit takes the path of most worth that the units before it leave.
    arcs = [(i, i + 1, 0) for i in range(length)]
    arcs += [(first, end, worth) for first, end, worth in stays if first < end]
    capacity = [width] * length + [1] * (len(arcs) - length)
    flow = [0] * len(arcs)
    worth = sum(value for first, end, value in stays if first >= end)
    for _ in range(width):
        path, gain = _best_path(arcs, capacity, flow, length)
        for arc, step in path:
            flow[arc] += step
        worth += gain
    return worth


def _best_path(
    arcs: Sequence[tuple[int, int, int]],
    capacity: Sequence[int],
    flow: Sequence[int],
    target: int,
) -> tuple[list[tuple[int, int]], int]:
    """Return the path of most worth from 0 to a point, as arcs and directions (Bellman-Ford)."""
    best = [0] + [_NEVER] * target
    origin: list[tuple[int, int] | None] = [None] * (target + 1)
    changed = True
    while changed:
        changed = False
        for arc, (first, end, worth) in enumerate(arcs):
            if flow[arc] < capacity[arc] and _NEVER < best[first] > best[end] - worth:
                best[end], origin[end], changed = best[first] + worth, (arc, 1), True
            if flow[arc] > 0 and _NEVER < best[end] > best[first] + worth:
                best[first], origin[first], changed = best[end] - worth, (arc, -1), True
    path, point = [], target
    while point != 0:
        step = origin[point]
        if step is None:
            break
        path.append(step)
        point = arcs[step[0]][0 if step[1] > 0 else 1]
    return path, best[target]
