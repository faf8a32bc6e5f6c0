"""Scheduling policies: when to load which module, apart from who carries it out.

`run` walks a row of jobs and tells an executor what to begin and what to wait for. The runtime is
one executor (it drives a device), the predictor another (it does arithmetic), so both follow the
same policy by construction.

`none` loads a module when the next job needs it. `aggressive` also loads ahead: whenever the port
is free it takes the first coming job that lacks a module in a partition nobody uses before (Cao et
al., SIGMETRICS 1995).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Policy = Literal["none", "aggressive"]
POLICIES: tuple[Policy, ...] = ("none", "aggressive")
LOOK_AHEAD_JOBS = 64


@dataclass(frozen=True)
class Job:
    """A launch over a batch: the modules it needs by partition.

    Attributes:
        model: which of the loaded deployments.
        launch: index of the launch in it.
        request: number of the request that it serves.
        batch: images.
        modules: 64-bit module identity by partition index.
    """

    model: int
    launch: int
    request: int
    batch: int
    modules: Mapping[int, int]


class Executor(Protocol):
    """Who carries jobs and loads out."""

    def resident(self, partition: int) -> int | None:
        """Return the identity of the active module of a partition, None while there is none."""

    def loading(self) -> tuple[int, int] | None:
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

    def begin_job(self, job: Job) -> None:
        """Begin a job whose modules are active."""

    def wait(self) -> bool:
        """Wait for the job or the load in flight; True when the job has ended.

        A load that ends is activated; one that fails is left for when a job needs it.
        """


def run(jobs: Sequence[Job], executor: Executor, policy: Policy) -> None:
    """Carry out jobs in order under a policy."""
    for index, job in enumerate(jobs):
        for partition, module in job.modules.items():
            require(executor, partition, module)
        executor.begin_job(job)
        coming = jobs[index + 1 : index + 1 + LOOK_AHEAD_JOBS] if policy == "aggressive" else ()
        while True:
            if coming and executor.loading() is None and executor.may_load_ahead():
                ahead = next_load(coming, job.modules, executor)
                if ahead is not None:
                    executor.begin_swap(*ahead, ahead=True)
            if executor.wait():
                break


def require(executor: Executor, partition: int, module: int) -> None:
    """Have a module active in a partition, by waiting for its load or by loading it."""
    if executor.resident(partition) == module:
        executor.reuse(partition)
        return
    if executor.loading() is not None:
        executor.finish_swap()
    if executor.resident(partition) != module:
        executor.begin_swap(partition, module, ahead=False)
        executor.finish_swap()


def next_load(
    coming: Sequence[Job], busy: Mapping[int, int], executor: Executor
) -> tuple[int, int] | None:
    """Return the first load that coming jobs need in a partition that is free now."""
    decided = set(busy)
    for job in coming:
        for partition, module in job.modules.items():
            if partition in decided:
                continue
            if executor.resident(partition) != module:
                return partition, module
            decided.add(partition)
    return None
