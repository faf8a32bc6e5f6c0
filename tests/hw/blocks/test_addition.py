"""The addition pipeline against the rule of the arithmetic, computed by NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fpga_rt.arithmetic.requantise import ADDITION_SHIFTS, AdditionRule
from hw.blocks.addition import CONSTANT_BITS, LATENCY_CYCLES, Addition

LARGEST = (1 << 24) - 1
PRODUCTS = 2 * 128 * LARGEST
"""What two products can add to the constant."""
LARGEST_CONSTANT = (1 << (CONSTANT_BITS - 1)) - 1 - PRODUCTS
SETTINGS = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)

multipliers = st.sampled_from([0, 1, 1 << 23, LARGEST]) | st.integers(0, LARGEST)
constants = st.sampled_from([-LARGEST_CONSTANT, 0, LARGEST_CONSTANT]) | st.integers(
    -LARGEST_CONSTANT, LARGEST_CONSTANT
)
shifts = st.sampled_from(ADDITION_SHIFTS) | st.integers(*ADDITION_SHIFTS)
codes = st.sampled_from([-128, -1, 0, 1, 127]) | st.integers(-128, 127)


def pipeline(
    rule: AdditionRule, pairs: NDArray[np.int8], gaps: NDArray[np.bool_]
) -> list[tuple[int, int, tuple[int, ...]]]:
    """Send `pairs` (2, rows, lanes), none where `gaps`; return clock, tag and codes."""
    _, count, lanes = pairs.shape
    dut = Addition(lanes, tag=16)
    out: list[tuple[int, int, tuple[int, ...]]] = []

    async def bench(ctx: Any) -> None:  # noqa: ANN401
        for name in ("multiplier_a", "multiplier_b", "constant", "shift", "low", "high"):
            ctx.set(getattr(dut, name), getattr(rule, name))
        for clock in range(count + LATENCY_CYCLES + 1):
            ctx.set(dut.valid, int(clock < count and not gaps[clock]))
            ctx.set(dut.tag, clock)
            for lane in range(lanes if clock < count else 0):
                ctx.set(dut.a[lane], int(pairs[0, clock, lane]))
                ctx.set(dut.b[lane], int(pairs[1, clock, lane]))
            if ctx.get(dut.codes_valid):
                got = tuple(int(ctx.get(dut.codes[lane])) for lane in range(lanes))
                out.append((clock, ctx.get(dut.codes_tag), got))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(7e-9)
    simulator.add_testbench(bench)
    simulator.run()
    return out


@SETTINGS
@given(
    st.tuples(multipliers, multipliers, shifts, constants),
    st.tuples(codes, codes).map(sorted),
    st.lists(st.tuples(codes, codes), min_size=1, max_size=24),
)
def test_equals_the_rule(
    numbers: tuple[int, int, int, int], limits: list[int], values: list[tuple[int, int]]
) -> None:
    rule = AdditionRule(*numbers, *limits)
    a, b = np.array(values, np.int8).T
    pairs = np.array([np.stack([a, b], 1), np.stack([b, a[::-1]], 1)])
    out = pipeline(rule, pairs, np.zeros(len(a), np.bool_))
    assert [row for *_, row in out] == [tuple(row) for row in rule.apply(*pairs).tolist()]


@pytest.mark.parametrize("scales", [(1.0, 1.0), (0.004, 1.9), (2.0**-38, 2.0**-38), (1.5, 2.0**22)])
def test_equals_rules_that_are_made_of_scales(scales: tuple[float, float]) -> None:
    rule = AdditionRule.from_scales(scales, (-7, 120), 5, -100, 90)
    corners = np.array([-128, -7, -6, 0, 119, 120, 127], np.int8)
    a, b = (g.reshape(-1, 1) for g in np.meshgrid(corners, corners))
    out = pipeline(rule, np.array([a, b]), np.zeros(len(a), np.bool_))
    assert [row for *_, row in out] == [tuple(row) for row in rule.apply(a, b).tolist()]


def test_latency_is_fixed_and_gaps_and_tags_travel_along() -> None:
    rule = AdditionRule(1 << 10, 1 << 11, 10, 0)
    codes = np.arange(6, dtype=np.int8)[:, None]
    gaps = np.array([False, True, True, False, False, True])
    out = pipeline(rule, np.array([codes, codes]), gaps)
    assert out == [(n + LATENCY_CYCLES, n, (3 * n,)) for n in (0, 3, 4)]
