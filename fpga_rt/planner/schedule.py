"""Carry out a row of jobs: when to load which module where, apart from who does it.

`run` walks a row of jobs, asks a strategy what to load, and tells an executor what to begin and
what to wait for. The runtime is one executor (it drives a device), the predictor another (it does
arithmetic), so both follow the same policy by construction.

A job needs modules, and says for each in which partitions it may run. Which of them it takes is
the strategy's choice: by rule as the row is carried out (`policies`), or by a plan made before
(`plan`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Literal, Protocol

from fpga_rt.errors import PlanningError

Policy = Literal["none", "lru", "belady", "aggressive", "look-ahead"]
POLICIES: tuple[Policy, ...] = ("none", "lru", "belady", "aggressive", "look-ahead")
"""In order of what they know: the partition a module was compiled for, and load on demand; the
past; what comes; what comes, and load ahead; the same with times."""
MOVING: tuple[Policy, ...] = ("lru", "belady", "look-ahead")
"""Policies under which a module may take any partition that there is a bitstream of it for."""
LOOK_AHEAD_JOBS = 64

Load = tuple[int, int]
"""A partition, and the identity of the module that it gets."""


@dataclass(frozen=True)
class Need:
    """A module that a job needs: its 64-bit identity, and where it may run.

    The first partition is the one it was compiled for.
    """

    module: int
    partitions: tuple[int, ...]


@dataclass(frozen=True)
class Job:
    """A launch over a batch, and the modules it needs, each in a partition of its own.

    Attributes:
        model: which of the loaded deployments.
        launch: index of the launch in it.
        request: number of the request that it serves.
        batch: images.
        needs: modules, in the order of the launch's rings.
    """

    model: int
    launch: int
    request: int
    batch: int
    needs: tuple[Need, ...]


@lru_cache(maxsize=4096)
def assignments(needs: tuple[Need, ...]) -> tuple[tuple[int, ...], ...]:
    """Return every way to give needs a partition each, those they were compiled for first.

    Raises:
        PlanningError: there is none.
    """
    ways = product(*(need.partitions for need in needs))
    found = tuple(places for places in ways if len(set(places)) == len(places))
    if not found:
        wanted = "; ".join(f"{n.module:#x} in {', '.join(map(str, n.partitions))}" for n in needs)
        raise PlanningError(
            f"a job needs {len(needs)} modules at once, which have no partitions of their own"
            f" ({wanted}); compile it for more partitions"
        )
    return found


class Executor(Protocol):
    """Who carries jobs and loads out."""

    def resident(self, partition: int) -> int | None:
        """Return the identity of the active module of a partition, None while there is none."""

    def loading(self) -> Load | None:
        """Return partition and module identity of the load in flight."""

    def reuse(self, partition: int) -> None:
        """Note that a job found its module in place."""

    def may_load_ahead(self) -> bool:
        """Tell whether loads that no job waits for yet are worth a try."""

    def begin_swap(self, partition: int, module: int, ahead: bool) -> None:
        """Begin a load; `ahead` when no job waits for it yet."""

    def finish_swap(self) -> None:
        """Wait for the load in flight and activate its module.

        A load ahead that fails is left for when a job needs it; a load on demand raises.
        """

    def begin_job(self, job: Job, places: tuple[int, ...]) -> None:
        """Begin a job whose modules are active, `places[i]` being where its need `i` is."""

    def wait(self) -> bool:
        """Wait for the job or the load in flight; True when the job has ended.

        A load that ends is activated; one that fails is left for when a job needs it.
        """


class Strategy(Protocol):
    """Decides what to load where."""

    def due(self, index: int) -> Iterable[Load]:
        """Return loads to be done before those of the job, which waits for none of them."""

    def places(self, index: int, executor: Executor) -> tuple[int, ...]:
        """Return a partition for every need of a job, each another one."""

    def ahead(self, index: int, busy: Sequence[int], executor: Executor) -> Load | None:
        """Return what to load while a job runs in the partitions `busy`, None for nothing."""


def run(jobs: Sequence[Job], executor: Executor, strategy: Strategy) -> None:
    """Carry out jobs in order as a strategy decides."""
    for index, job in enumerate(jobs):
        for partition, module in strategy.due(index):
            _load(executor, partition, module)
        places = strategy.places(index, executor)
        for need, partition in zip(job.needs, places, strict=True):
            require(executor, partition, need.module)
        executor.begin_job(job, places)
        while True:
            if executor.loading() is None and executor.may_load_ahead():
                ahead = strategy.ahead(index, places, executor)
                if ahead is not None:
                    executor.begin_swap(*ahead, ahead=True)
            if executor.wait():
                break


def require(executor: Executor, partition: int, module: int) -> None:
    """Have a module active in a partition, by waiting for its load or by loading it."""
    if executor.resident(partition) == module:
        executor.reuse(partition)
    else:
        _load(executor, partition, module)


def _load(executor: Executor, partition: int, module: int) -> None:
    if executor.loading() is not None:
        executor.finish_swap()
    if executor.resident(partition) != module:
        executor.begin_swap(partition, module, ahead=False)
        executor.finish_swap()
