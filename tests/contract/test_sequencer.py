"""Timelines against hand-computed cycles: the rule is in the module's docstring."""

from __future__ import annotations

import pytest

from fpga_rt.arch.boards import MemoryPort
from fpga_rt.contract.sequencer import (
    COMPLETION_CYCLES,
    DISPATCH_CYCLES,
    NEVER,
    SYNC_CYCLES,
    CommandCost,
    DeadlockError,
    Timeline,
    header_cycles,
    parameter_cycles,
    ring_cycles,
)
from fpga_rt.contract.sequencer import timeline as timeline_on
from fpga_rt.errors import ExecutionError

DRAM = MemoryPort(30, 5, 4)


def timeline(costs: dict[int, list[CommandCost]], repeat: int = 1, depth: int = 1) -> Timeline:
    return timeline_on(costs, DRAM, repeat, depth)


def test_constants_are_those_the_gateware_is_built_for() -> None:
    assert DISPATCH_CYCLES == SYNC_CYCLES == 4
    assert COMPLETION_CYCLES == 12


def test_reading_takes_the_latency_and_the_beats_behind_the_first() -> None:
    """18 beats of header that are used, 8 of a descriptor, at 5/4 cycles."""
    assert header_cycles(DRAM) == 7 + 30 + 22
    assert ring_cycles(DRAM, 0) == 59 + 3 + 30 + 9
    assert [ring_cycles(DRAM, rank) for rank in (1, 2, 3)] == [111, 121, 131]
    assert parameter_cycles(DRAM, 68) == 5 + 30 + 84
    assert parameter_cycles(MemoryPort(10), 0) == 15


def test_one_command() -> None:
    times = timeline({0: [CommandCost(30, 200)]})
    assert times.parameters_end[0].tolist() == [[131]]
    assert times.start[0].tolist() == [[131]]
    assert times.end[0].tolist() == [[331]]
    assert times.total == 343
    assert times.released(0) == 331


def test_parameters_stream_while_the_command_before_computes() -> None:
    times = timeline({0: [CommandCost(10, 100), CommandCost(50, 20), CommandCost(400, 1)]})
    # P: 111; 111+50 = 161; max(161, C0 = 211) + 400 = 611
    assert times.parameters_end[0].tolist() == [[111, 161, 611]]
    # C0 = 211; second starts at max(161, 211+4) = 215, ends 235; third at max(611, 239) = 611
    assert times.start[0].tolist() == [[111, 215, 611]]
    assert times.end[0].tolist() == [[211, 235, 612]]


def test_a_third_command_waits_for_a_free_parameter_buffer() -> None:
    times = timeline({0: [CommandCost(0, 1000), CommandCost(0, 10), CommandCost(5, 10)]})
    # P2 = max(P1 = 101, C0 = 1101) + 5 = 1106; start = max(1106, C1 + 4 = 1119)
    assert times.parameters_end[0].tolist() == [[101, 101, 1106]]
    assert times.start[0].tolist() == [[101, 1105, 1119]]


def test_waits_between_partitions_cost_a_synchronisation() -> None:
    times = timeline(
        {
            0: [CommandCost(0, 50), CommandCost(0, 5, (0, 1, 0, 0))],
            1: [CommandCost(0, 70, (1, 0, 0, 0))],
        }
    )
    assert times.start[1].tolist() == [[155]]  # 101 + 50 + 4
    assert times.start[0].tolist() == [[101, 229]]  # 155 + 70 + 4
    assert times.total == 234 + 12


def test_an_iteration_waits_for_the_one_whose_feature_maps_it_reuses() -> None:
    costs = {
        0: [CommandCost(0, 10)],
        1: [CommandCost(0, 100, (1, 0, 0, 0))],
    }
    single = timeline(costs, repeat=3, depth=1)
    # iteration 0: 101..111, 115..215; iteration 1 starts at 215 + 4
    assert single.start[0][:, 0].tolist() == [101, 219, 337]
    assert single.end[1][:, 0].tolist() == [215, 333, 451]
    double = timeline(costs, repeat=3, depth=2)
    assert double.start[0][:, 0].tolist() == [101, 115, 219]
    assert double.end[1][:, 0].tolist() == [215, 319, 423]


def test_nothing_to_do_still_reads_the_header() -> None:
    assert timeline({}).total == 59 + COMPLETION_CYCLES
    assert timeline({0: []}).total == 59 + COMPLETION_CYCLES


@pytest.mark.parametrize(
    "costs",
    [
        {0: [CommandCost(0, 1, (0, 1, 0, 0))], 1: [CommandCost(0, 1, (1, 0, 0, 0))]},
        {0: [CommandCost(0, 1, (1, 0, 0, 0))]},
        {0: [CommandCost(0, 1, (0, 0, 1, 0))]},
        {0: [CommandCost(0, 1, (0, 2, 0, 0))], 1: [CommandCost(0, 1)]},
    ],
    ids=["each other", "itself", "nobody", "too many"],
)
def test_waits_that_never_end_are_a_deadlock(costs: dict[int, list[CommandCost]]) -> None:
    with pytest.raises(ExecutionError, match=r"deadlock: partition 0 command 0.* recompile"):
        timeline(costs)


def test_a_deadlock_names_the_first_ring_that_stands_still_and_times_what_runs_before() -> None:
    costs = {0: [CommandCost(0, 9)] * 2, 1: [CommandCost(0, 7), CommandCost(0, 1, (0, 2, 0, 0))]}
    with pytest.raises(DeadlockError, match="deadlock: partition 1 command 1 wait") as caught:
        timeline(costs)
    assert (caught.value.partition, caught.value.command) == (1, 1)
    found, free = caught.value.timeline, timeline({**costs, 1: costs[1][:1]})
    assert found.start[0].tolist() == free.start[0].tolist()
    assert found.start[1].tolist() == [[free.start[1][0, 0], NEVER]]
    assert found.total == free.total


def test_streamed_weights_hold_the_next_parameters_back() -> None:
    costs = [CommandCost(0, 100, streamed=True), CommandCost(50, 20), CommandCost(0, 10)]
    times = timeline({0: costs})
    origin = ring_cycles(DRAM, 0)
    assert times.end[0][0].tolist() == [origin + 100, origin + 170, origin + 184]
