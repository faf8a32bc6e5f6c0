"""The requantisation pipeline against the rule of the arithmetic, computed by NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fpga_rt.arithmetic.requantise import SHIFTS, Requantisation
from hw.blocks.requantise import LATENCY_CYCLES, Requantise

LARGEST = (1 << 24) - 1
SETTINGS = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
"""Each example elaborates a pipeline and sends all its numbers through it."""

multipliers = st.sampled_from([0, 1, (1 << 17) - 1, 1 << 17, LARGEST]) | st.integers(0, LARGEST)
accumulators = st.sampled_from([-LARGEST - 1, -1, 0, 1, LARGEST]) | st.integers(
    -LARGEST - 1, LARGEST
)
shifts = st.sampled_from(SHIFTS) | st.integers(*SHIFTS)
codes = st.sampled_from([-128, 0, 127]) | st.integers(-128, 127)


def pipeline(
    rule: Requantisation, numbers: NDArray[np.int64], gaps: NDArray[np.bool_]
) -> list[tuple[int, int, tuple[int, ...]]]:
    """Send `numbers` (rows, lanes), none where `gaps`; return clock, tag and codes of each row.

    The rule has a multiplier and a shift for every number.
    """
    rows, lanes = numbers.shape
    dut = Requantise(lanes, tag=16)
    out: list[tuple[int, int, tuple[int, ...]]] = []

    async def bench(ctx: Any) -> None:  # noqa: ANN401
        for name in ("zero_point", "low", "high"):
            ctx.set(getattr(dut, name), getattr(rule, name))
        for clock in range(rows + LATENCY_CYCLES + 1):
            ctx.set(dut.valid, int(clock < rows and not gaps[clock]))
            ctx.set(dut.tag, clock)
            for lane in range(lanes if clock < rows else 0):
                ctx.set(dut.accumulators[lane], int(numbers[clock, lane]))
                ctx.set(dut.multipliers[lane], int(rule.multiplier[clock * lanes + lane]))
                ctx.set(dut.shifts[lane], int(rule.shift[clock * lanes + lane]))
            if ctx.get(dut.codes_valid):
                got = tuple(int(ctx.get(dut.codes[lane])) for lane in range(lanes))
                out.append((clock, ctx.get(dut.codes_tag), got))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(7e-9)
    simulator.add_testbench(bench)
    simulator.run()
    return out


def check(rule: Requantisation, numbers: NDArray[np.int64]) -> None:
    """Compare what the pipeline makes of `numbers` (rows, lanes) with the rule."""
    out = pipeline(rule, numbers, np.zeros(len(numbers), np.bool_))
    expected = rule.apply(numbers.reshape(-1).astype(np.float64)).reshape(numbers.shape)
    assert [row for *_, row in out] == [tuple(row) for row in expected]


@SETTINGS
@given(
    st.lists(st.tuples(multipliers, shifts, accumulators), min_size=2, max_size=48),
    codes,
    st.tuples(codes, codes).map(sorted),
)
def test_equals_the_rule(
    values: list[tuple[int, int, int]], zero_point: int, limits: list[int]
) -> None:
    columns = np.array(values[: len(values) // 2 * 2], np.int32)
    multiplier, shift, numbers = columns[:, 0], columns[:, 1], columns[:, 2]
    rule = Requantisation(multiplier, shift, zero_point, *limits)
    check(rule, numbers.astype(np.int64).reshape(-1, 2))


@pytest.mark.parametrize("shift", range(SHIFTS[0], SHIFTS[1] + 1))
def test_halves_round_up_and_limits_hold_at_every_shift(shift: int) -> None:
    multiplier = 1 << min(shift - 1, 23)
    step = 1 << max(shift - 24, 0)
    near = [n * step + d for n in (-256, -3, -2, -1, 0, 1, 2, 3, 255, 260) for d in (-1, 0, 1)]
    numbers = np.clip(np.array([*near, -LARGEST - 1, LARGEST]), -LARGEST - 1, LARGEST)[:, None]
    rows = len(numbers)
    rule = Requantisation(np.full(rows, multiplier, np.int32), np.full(rows, shift, np.int32), -3)
    check(rule, numbers)


def test_latency_is_fixed_and_gaps_and_tags_travel_along() -> None:
    rule = Requantisation(np.full(6, 1 << 20, np.int32), np.full(6, 20, np.int32), 0)
    gaps = np.array([False, True, True, False, False, True])
    out = pipeline(rule, np.arange(6)[:, None], gaps)
    assert out == [(n + LATENCY_CYCLES, n, (n,)) for n in (0, 3, 4)]
