"""Shifts that saturate, against Python's integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.sim import Simulator

from hw.blocks.saturate import narrow_shift


@pytest.mark.parametrize(("width", "distance_bits", "bits"), [(32, 5, 10), (48, 6, 8), (9, 3, 4)])
def test_shifts_then_saturates(width: int, distance_bits: int, bits: int) -> None:
    random = np.random.default_rng(width)
    m = Module()
    value, distance = Signal(signed(width)), Signal(distance_bits)
    result = Signal(signed(bits))
    m.d.comb += result.eq(narrow_shift(m, value, distance, bits, "shifted"))
    most = (1 << (width - 1)) - 1

    async def bench(ctx: Any) -> None:  # noqa: ANN401
        for number in range(1500):
            power = (1 << int(random.integers(0, width - 1))) + int(random.integers(-2, 2))
            wide = int(random.integers(-most - 1, most, endpoint=True))
            near = [power, -power, wide >> int(random.integers(0, width)), most, -most - 1]
            given = max(-most - 1, min(most, near[number % 5]))
            by = int(random.integers(0, 1 << distance_bits))
            ctx.set(value, given)
            ctx.set(distance, by)
            await ctx.tick()
            expected = max(-(1 << (bits - 1)), min((1 << (bits - 1)) - 1, given >> by))
            assert ctx.get(result) == expected, (given, by)

    simulator = Simulator(m)
    simulator.add_clock(7e-9)
    simulator.add_testbench(bench)
    simulator.run()
