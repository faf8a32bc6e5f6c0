"""The state of a partition, strobe by strobe."""

from __future__ import annotations

import pytest
from amaranth.sim import Simulator, SimulatorContext

from fpga_rt.contract.static_region import PartitionState
from hw.static_region.isolation import Isolation

EMPTY, LOADING, LOADED, ACTIVE, FAILED = PartitionState
COUPLE, DECOUPLE = ("written",), ("written", "decouple")


def states(*clocks: tuple[str, ...]) -> list[tuple[PartitionState, int]]:
    """Return state and isolation after each clock, in which the named inputs are one."""
    dut = Isolation()
    seen: list[tuple[PartitionState, int]] = []

    async def bench(ctx: SimulatorContext) -> None:
        ctx.set(dut.decoupled, 1)
        ctx.set(dut.quiescent, 1)
        for ones in clocks:
            for name in ones:
                ctx.set(getattr(dut, name), 1)
            await ctx.tick()
            for name in ones:
                ctx.set(getattr(dut, name), int(name in ("decoupled", "quiescent")))
            seen.append((PartitionState(ctx.get(dut.state)), ctx.get(dut.isolated)))

    simulator = Simulator(dut)
    simulator.add_clock(7e-9)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


def test_a_load_by_the_hosts_word() -> None:
    went = states(("begin",), ("finish",), COUPLE, ("begin",), DECOUPLE, ("begin",), ("fail",))
    assert went == [
        *((LOADING, 1), (LOADED, 1), (ACTIVE, 0), (ACTIVE, 0), (LOADED, 1)),
        *((LOADING, 1), (FAILED, 1)),
    ]


@pytest.mark.parametrize("word", [(), ("finish",), ("begin",)])
def test_the_controllers_failure_counts_and_not_the_hosts_word(word: tuple[str, ...]) -> None:
    """The failure is told in the last clock in which the controller runs."""
    runs = ("load_runs", *word)
    went = states(("begin",), runs, (*runs, "load_failed"), ("finish",), COUPLE)
    assert went == [(LOADING, 1), (LOADING, 1), *[(FAILED, 1)] * 3]


def test_a_load_that_the_controller_has_ended_well() -> None:
    went = states(("begin",), ("load_runs", "finish"), ("finish",), COUPLE)
    assert went == [(LOADING, 1), (LOADING, 1), (LOADED, 1), (ACTIVE, 0)]


def test_a_load_that_the_host_gives_up() -> None:
    went = states(
        ("begin",), ("load_runs", "fail"), ("load_runs", "begin"), ("load_failed",), ("begin",)
    )
    assert went == [(LOADING, 1), (FAILED, 1), (FAILED, 1), (FAILED, 1), (LOADING, 1)]


@pytest.mark.parametrize("state", [("finish",), ("fail",), COUPLE, ("load_failed",)])
def test_nothing_but_a_load_changes_an_empty_partition(state: tuple[str, ...]) -> None:
    assert states(state) == [(EMPTY, 1)]
