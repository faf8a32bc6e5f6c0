"""Random rows of jobs, to hold schedulers to: the same number always gives the same row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fpga_rt.planner.plan import Row
from fpga_rt.planner.schedule import Job, Need

Loads = Literal["equal", "by module", "by partition", "restricted"]
LOADS: tuple[Loads, ...] = ("equal", "by module", "by partition", "restricted")
RATIOS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Mean load to mean duration, `r:p`."""

_MEAN = 100
"""Ticks of a mean duration. Small whole numbers, so that a solver can prove things about them."""


@dataclass(frozen=True)
class Kind:
    """What a random row is like.

    Attributes:
        jobs: how many.
        partitions: how many.
        modules: different ones, more than partitions.
        ratio: mean load to mean duration.
        loads: `equal`; uneven by 2:1 around the mean `by module` (compressed bitstreams) or
            `by partition` (unequal regions); or `restricted`: unequal regions of which each module
            fits only some.
    """

    jobs: int
    partitions: int
    modules: int
    ratio: float
    loads: Loads


def random_kind(number: int, most_jobs: int = 30) -> Kind:
    """Return the kind of the row of a number; ratios and loads take turns."""
    rng = np.random.default_rng([number, 1])
    partitions = int(rng.integers(2, 5))
    return Kind(
        jobs=int(rng.integers(max(2, most_jobs // 3), most_jobs + 1)),
        partitions=partitions,
        modules=partitions + int(rng.integers(1, 5)),
        ratio=RATIOS[number % len(RATIOS)],
        loads=LOADS[number // len(RATIOS) % len(LOADS)],
    )


def random_row(number: int, kind: Kind | None = None) -> Row:
    """Return the row of a number; no job needs the module of the job before it."""
    kind = kind or random_kind(number)
    rng = np.random.default_rng([number, 2])
    places = _places(rng, kind)
    modules: list[int] = []
    while len(modules) < kind.jobs:
        module = int(rng.integers(kind.modules))
        if not modules or module != modules[-1]:
            modules.append(module)
    jobs = tuple(Job(0, i, 0, 1, (Need(m, places[m]),)) for i, m in enumerate(modules))
    durations = rng.integers(_MEAN // 2, _MEAN * 3 // 2 + 1, kind.jobs)
    return Row(jobs, tuple(map(int, durations)), _loads(rng, kind, places))


def at_home(row: Row) -> Row:
    """Return a row whose modules have one partition each to run in, as if compiled for it."""
    homes: dict[int, tuple[int, ...]] = {}
    for job in row.jobs:
        for need in job.needs:
            choice = need.partitions[need.module % len(need.partitions)]
            homes.setdefault(need.module, (choice,))
    jobs = tuple(
        replace(job, needs=tuple(Need(n.module, homes[n.module]) for n in job.needs))
        for job in row.jobs
    )
    return replace(row, jobs=jobs)


def _places(rng: np.random.Generator, kind: Kind) -> list[tuple[int, ...]]:
    """Return for every module its partitions: all, or the larger ones from a random one on."""
    least = [0] * kind.modules
    if kind.loads == "restricted":
        least = [int(rng.integers(kind.partitions)) for _ in range(kind.modules)]
    return [tuple(range(first, kind.partitions)) for first in least]


def _loads(
    rng: np.random.Generator, kind: Kind, places: list[tuple[int, ...]]
) -> dict[tuple[int, int], int]:
    """Return the ticks of every load, by partition and module."""
    mean = kind.ratio * _MEAN
    module = partition = np.ones(max(kind.modules, kind.partitions))
    if kind.loads == "by module":
        module = rng.uniform(2 / 3, 4 / 3, kind.modules)
    elif kind.loads != "equal":
        partition = np.sort(rng.uniform(2 / 3, 4 / 3, kind.partitions))
    return {
        (p, m): max(1, round(mean * float(module[m]) * float(partition[p])))
        for m, allowed in enumerate(places)
        for p in allowed
    }
