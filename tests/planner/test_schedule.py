"""Policies, followed with an executor that counts unit times."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from fpga_rt.planner.schedule import Job, Policy, run

LOAD, PROGRAM = 3, 5
A, B, C, D = 0xA, 0xB, 0xC, 0xD
"""Identities of modules."""


class Counter:
    """Loads take 3 ticks, jobs 5; checks the rules that a device would enforce."""

    def __init__(self) -> None:
        self.now = 0
        self.modules: dict[int, int] = {}
        self.load: tuple[int, int, int] | None = None
        self.job: tuple[Job, int] | None = None
        self.done: list[int] = []
        self.loads = 0
        self.ahead = 0
        self.reused = 0

    def resident(self, partition: int) -> int | None:
        return self.modules.get(partition)

    def loading(self) -> tuple[int, int] | None:
        return self.load[:2] if self.load else None

    def reuse(self, partition: int) -> None:
        self.reused += 1

    def may_load_ahead(self) -> bool:
        return True

    def begin_swap(self, partition: int, module: int, ahead: bool) -> None:
        assert self.load is None, "two loads at once"
        assert self.job is None or partition not in self.job[0].modules, "swap under a job"
        self.modules.pop(partition, None)
        self.load = (partition, module, self.now + LOAD)
        self.loads += 1
        self.ahead += ahead

    def finish_swap(self) -> None:
        if self.load:
            partition, module, end = self.load
            self.now = max(self.now, end)
            self.modules[partition] = module
            self.load = None

    def begin_job(self, job: Job) -> None:
        for partition, module in job.modules.items():
            assert self.modules.get(partition) == module
        self.job = (job, self.now + PROGRAM)

    def wait(self) -> bool:
        assert self.job is not None
        job, end = self.job
        if self.load and self.load[2] <= end:
            self.finish_swap()
            return False
        self.now = max(self.now, end)
        self.done.append(job.launch)
        self.job = None
        return True


def _run(needs: Sequence[dict[int, int]], policy: Policy) -> Counter:
    counter = Counter()
    run([Job(0, i, 0, 1, modules) for i, modules in enumerate(needs)], counter, policy)
    assert counter.done == list(range(len(needs)))
    return counter


def test_on_demand_loads_are_never_hidden() -> None:
    counter = _run([{0: A}, {1: B}, {0: C}, {1: D}], "none")
    assert counter.now == 4 * (LOAD + PROGRAM)
    assert counter.ahead == 0


def test_loads_for_free_partitions_are_hidden() -> None:
    counter = _run([{0: A}, {1: B}, {0: C}, {1: D}], "aggressive")
    assert counter.now == LOAD + 4 * PROGRAM
    assert counter.ahead == 3


def test_a_partition_in_use_is_not_loaded_ahead() -> None:
    counter = _run([{0: A}, {0: B}], "aggressive")
    assert counter.now == 2 * (LOAD + PROGRAM)


def test_what_is_resident_is_reused() -> None:
    counter = _run([{0: A}, {0: A, 1: B}, {1: B}], "none")
    assert counter.loads == 2
    assert counter.reused == 2


def test_a_module_that_is_needed_before_is_not_evicted_ahead() -> None:
    counter = _run([{0: A}, {1: B}, {0: A}, {0: C}], "aggressive")
    assert counter.loads == 3


MODULES = st.dictionaries(st.integers(0, 2), st.sampled_from([A, B, C, D]), min_size=1, max_size=3)


@settings(max_examples=200)
@given(st.lists(MODULES, min_size=1, max_size=12))
def test_looking_ahead_never_costs_time_or_loads(needs: list[dict[int, int]]) -> None:
    demand, ahead = _run(needs, "none"), _run(needs, "aggressive")
    assert ahead.loads == demand.loads
    assert ahead.now <= demand.now
