"""Timelines against hand-computed cycles: the rule is in the module's docstring."""

from __future__ import annotations

import pytest

from fpga_rt.contract.sequencer import (
    COMPLETION_CYCLES,
    DESCRIPTOR_CYCLES,
    DISPATCH_CYCLES,
    HEADER_CYCLES,
    SYNC_CYCLES,
    CommandCost,
    timeline,
)
from fpga_rt.errors import ExecutionError

ORIGIN = HEADER_CYCLES + DESCRIPTOR_CYCLES  # 100


def test_constants_are_those_the_gateware_is_built_for() -> None:
    assert (HEADER_CYCLES, DESCRIPTOR_CYCLES, DISPATCH_CYCLES) == (60, 40, 4)
    assert (SYNC_CYCLES, COMPLETION_CYCLES) == (4, 12)


def test_one_command() -> None:
    times = timeline({0: [CommandCost(30, 200)]})
    assert times.parameters_end[0].tolist() == [[130]]
    assert times.start[0].tolist() == [[130]]
    assert times.end[0].tolist() == [[330]]
    assert times.total == 342
    assert times.released(0) == 330


def test_parameters_stream_while_the_command_before_computes() -> None:
    times = timeline({0: [CommandCost(10, 100), CommandCost(50, 20), CommandCost(400, 1)]})
    # P: 110; 110+50 = 160; max(160, C0 = 210) + 400 = 610
    assert times.parameters_end[0].tolist() == [[110, 160, 610]]
    # C0 = 210; second starts at max(160, 210+4) = 214, ends 234; third at max(610, 238) = 610
    assert times.start[0].tolist() == [[110, 214, 610]]
    assert times.end[0].tolist() == [[210, 234, 611]]


def test_a_third_command_waits_for_a_free_parameter_buffer() -> None:
    times = timeline({0: [CommandCost(0, 1000), CommandCost(0, 10), CommandCost(5, 10)]})
    # P2 = max(P1 = 100, C0 = 1100) + 5 = 1105; start = max(1105, C1 + 4 = 1118)
    assert times.parameters_end[0].tolist() == [[100, 100, 1105]]
    assert times.start[0].tolist() == [[100, 1104, 1118]]


def test_waits_between_partitions_cost_a_synchronisation() -> None:
    times = timeline(
        {
            0: [CommandCost(0, 50), CommandCost(0, 5, (0, 1, 0, 0))],
            1: [CommandCost(0, 70, (1, 0, 0, 0))],
        }
    )
    assert times.start[1].tolist() == [[154]]  # 100 + 50 + 4
    assert times.start[0].tolist() == [[100, 228]]  # 154 + 70 + 4
    assert times.total == 233 + 12


def test_an_iteration_waits_for_the_one_whose_feature_maps_it_reuses() -> None:
    costs = {
        0: [CommandCost(0, 10)],
        1: [CommandCost(0, 100, (1, 0, 0, 0))],
    }
    single = timeline(costs, repeat=3, depth=1)
    # iteration 0: 100..110, 114..214; iteration 1 starts at 214 + 4
    assert single.start[0][:, 0].tolist() == [100, 218, 336]
    assert single.end[1][:, 0].tolist() == [214, 332, 450]
    double = timeline(costs, repeat=3, depth=2)
    assert double.start[0][:, 0].tolist() == [100, 114, 218]
    assert double.end[1][:, 0].tolist() == [214, 318, 422]


def test_nothing_to_do_still_reads_the_header() -> None:
    assert timeline({}).total == HEADER_CYCLES + COMPLETION_CYCLES
    assert timeline({0: []}).total == HEADER_CYCLES + COMPLETION_CYCLES


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


def test_streamed_weights_hold_the_next_parameters_back() -> None:
    costs = [CommandCost(0, 100, streamed=True), CommandCost(50, 20), CommandCost(0, 10)]
    times = timeline({0: costs})
    origin = HEADER_CYCLES + DESCRIPTOR_CYCLES
    assert times.end[0][0].tolist() == [origin + 100, origin + 170, origin + 184]
