"""Loops of a module that walks through windows, against counting with integers."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out
from amaranth.sim import Simulator

from hw.modules.window.loop import loop

BITS = 5


class Counted(Component):
    """A loop with its ports."""

    def __init__(self) -> None:
        super().__init__(
            {
                "most": In(BITS),
                "start": In(1),
                "advance": In(1),
                "last": Out(1),
                "after": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        counted = loop(m, "counted", self.most, self.start, self.advance)
        m.d.comb += [
            self.last.eq(counted.last),
            self.after.eq(counted.after(self.start | self.advance)),
        ]
        return m


@pytest.mark.parametrize("seed", range(4))
def test_the_last_of_several_is_known_in_every_clock(seed: int) -> None:
    draw = random.Random(seed)
    dut = Counted()

    async def bench(ctx: Any) -> None:  # noqa: ANN401 - Amaranth does not name its type
        for most in [1, 2, 3, 4, 5, (1 << BITS) - 1, *draw.choices(range(1, 1 << BITS), k=20)]:
            ctx.set(dut.most, most)
            await ctx.tick()
            ctx.set(dut.start, 1)
            ctx.set(dut.advance, draw.getrandbits(1))  # begins anew all the same
            assert ctx.get(dut.after) == (most == 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            done, left_early = 0, draw.randrange(2 * most)
            for _ in range(5 * most):
                advance = draw.random() < 0.7
                ctx.set(dut.advance, advance)
                assert ctx.get(dut.last) == (done == most - 1), (most, done)
                done = (done + advance) % most
                assert ctx.get(dut.after) == (done == most - 1), (most, done)
                await ctx.tick()
                left_early -= 1
                if left_early == 0:
                    break
            ctx.set(dut.advance, 0)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
