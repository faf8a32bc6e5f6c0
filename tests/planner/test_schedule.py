"""Policies, followed with an executor that counts unit times."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpga_rt.errors import PlanningError
from fpga_rt.planner.policies import ByRule
from fpga_rt.planner.schedule import Job, Need, assignments, run

LOAD, PROGRAM = 3, 5
A, B, C, D = 0xA, 0xB, 0xC, 0xD
"""Identities of modules."""


class Counter:
    """Loads take 3 ticks, jobs 5; checks the rules that a device would enforce."""

    def __init__(self) -> None:
        self.now = 0
        self.modules: dict[int, int] = {}
        self.load: tuple[int, int, int] | None = None
        self.job: tuple[Job, tuple[int, ...], int] | None = None
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
        assert self.job is None or partition not in self.job[1], "swap under a job"
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

    def begin_job(self, job: Job, places: tuple[int, ...]) -> None:
        for partition, need in zip(places, job.needs, strict=True):
            assert partition in need.partitions
            assert self.modules.get(partition) == need.module
        self.job = (job, places, self.now + PROGRAM)

    def wait(self) -> bool:
        assert self.job is not None
        job, _, end = self.job
        if self.load and self.load[2] <= end:
            self.finish_swap()
            return False
        self.now = max(self.now, end)
        self.done.append(job.launch)
        self.job = None
        return True


def _jobs(needs: Sequence[dict[int, int]]) -> list[Job]:
    """Return jobs that each need a module in the partition it was compiled for."""
    return [
        Job(0, i, 0, 1, tuple(Need(module, (p,)) for p, module in modules.items()))
        for i, modules in enumerate(needs)
    ]


def _run(needs: Sequence[dict[int, int]], policy: str) -> Counter:
    jobs = _jobs(needs)
    return _carry_out(jobs, ByRule(jobs, ahead=policy == "aggressive"))


def _carry_out(jobs: Sequence[Job], rule: ByRule) -> Counter:
    counter = Counter()
    run(jobs, counter, rule)
    assert counter.done == list(range(len(jobs)))
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


def _anywhere(modules: Sequence[int], partitions: int = 2) -> list[Job]:
    """Return jobs that each need one module, in any partition."""
    places = tuple(range(partitions))
    return [Job(0, i, 0, 1, (Need(module, places),)) for i, module in enumerate(modules)]


def test_what_was_used_longest_ago_gives_way() -> None:
    jobs = _anywhere([A, B, C, B, A])
    assert _carry_out(jobs, ByRule(jobs, oldest=True)).loads == 4  # C takes the place of A
    jobs = _anywhere([A, B, A, C, A])
    assert _carry_out(jobs, ByRule(jobs, oldest=True)).loads == 3  # C takes the place of B


def test_what_is_needed_again_last_gives_way() -> None:
    jobs = _anywhere([A, B, C, A, B])
    assert _carry_out(jobs, ByRule(jobs)).loads == 4  # C takes the place of B
    assert _carry_out(jobs, ByRule(jobs, oldest=True)).loads == 5


def test_a_module_is_loaded_ahead_where_it_does_least_harm() -> None:
    jobs = _anywhere([A, B, C, A, D], 3)
    counter = _carry_out(jobs, ByRule(jobs, ahead=True))
    assert counter.loads == 4
    assert counter.now == LOAD + 5 * PROGRAM


def test_a_module_in_use_is_not_loaded_twice() -> None:
    jobs = _anywhere([A, A, A])
    assert _carry_out(jobs, ByRule(jobs, ahead=True)).loads == 1


def test_a_module_makes_room_for_one_that_fits_nowhere_else() -> None:
    jobs = [Job(0, 0, 0, 1, (Need(A, (0, 1)),)), Job(0, 1, 0, 1, (Need(A, (0, 1)), Need(B, (0,))))]
    counter = _carry_out(jobs, ByRule(jobs))
    assert counter.modules == {0: B, 1: A}


def test_modules_without_partitions_of_their_own_are_refused() -> None:
    with pytest.raises(PlanningError, match=r"2 modules at once.*\(0xa in 0; 0xb in 0\)"):
        assignments((Need(A, (0,)), Need(B, (0,))))


MODULES = st.dictionaries(st.integers(0, 2), st.sampled_from([A, B, C, D]), min_size=1, max_size=3)


@settings(max_examples=200)
@given(st.lists(MODULES, min_size=1, max_size=12))
def test_looking_ahead_never_costs_time_or_loads(needs: list[dict[int, int]]) -> None:
    demand, ahead = _run(needs, "none"), _run(needs, "aggressive")
    assert ahead.loads == demand.loads
    assert ahead.now <= demand.now
