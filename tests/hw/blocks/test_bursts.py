# amaranth: UnusedElaboratable=no
"""BurstSplitter and OutstandingBursts by themselves; the engines' tests show them at work."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from amaranth.sim import SimulatorContext

from hw.blocks.bursts import BurstSplitter, OutstandingBursts
from tests.hw.blocks.axi_memory import check_burst, simulator


def test_bursts_cover_each_request_exactly() -> None:
    dut, chooser = BurstSplitter(), random.Random(0)

    async def split(ctx: SimulatorContext, address: int, beats: int) -> list[tuple[int, int]]:
        ctx.set(dut.request.payload, {"address": address, "beats": beats})
        ctx.set(dut.request.valid, 1)
        await ctx.tick().until(dut.request.ready)
        ctx.set(dut.request.valid, 0)
        ctx.set(dut.burst.ready, 1)
        pieces = []
        while ctx.get(dut.burst.valid):
            burst = dut.burst.payload
            _, _, at, length, last, empty = await ctx.tick().sample(
                burst.address, burst.length, burst.last, burst.empty
            )
            check_burst(at, length)
            pieces.append((at, 0 if empty else length + 1))
            assert last or empty or ctx.get(dut.burst.valid)
        ctx.set(dut.burst.ready, 0)
        return pieces

    async def bench(ctx: SimulatorContext) -> None:
        for _ in range(150):
            address = 8 * chooser.randrange(1 << 28)
            beats = chooser.choice((0, 1, 2, 15, 16, 17, 31, 32, 33, chooser.randrange(100)))
            pieces = await split(ctx, address, beats)
            assert pieces[0][0] == address
            assert sum(count for _, count in pieces) == beats
            for (at, count), (following, _) in pairwise(pieces):
                assert following == at + 8 * count

    run = simulator(dut)
    run.add_testbench(bench)
    run.run()


def test_the_longest_request_keeps_its_count() -> None:
    dut = BurstSplitter()

    async def bench(ctx: SimulatorContext) -> None:
        ctx.set(dut.request.payload, {"address": 120, "beats": (1 << 22) - 1})
        ctx.set(dut.request.valid, 1)
        await ctx.tick()
        ctx.set(dut.request.valid, 0)
        ctx.set(dut.burst.ready, 1)
        # After the first burst of one beat there are 2**18 - 1 whole ones and one of 14 beats.
        for _ in range(2000):
            await ctx.tick()
            assert ctx.get(dut.burst.payload.length) == 15
            assert not ctx.get(dut.burst.payload.last)

    run = simulator(dut)
    run.add_testbench(bench)
    run.run()


@pytest.mark.parametrize("depth", [0, 1, 3, 12])
def test_an_odd_depth_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match=f"got {depth}, expected a power of two from 2 on"):
        OutstandingBursts(depth)
