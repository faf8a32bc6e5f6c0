"""Places of segments against `Placement.at`, which multiplies."""

from __future__ import annotations

import random

from amaranth.sim import Simulator, SimulatorContext

from fpga_rt.contract.command import Segment
from fpga_rt.contract.submission import Placement
from hw.static_region.segment_table import SegmentTable

CHOOSER = random.Random(1)
PLACES = [
    Placement(CHOOSER.randrange(1 << 31), CHOOSER.randrange(1 << 16), depth)
    for depth in (1, 2, 3, 1 << 31, 5)
]


def test_every_ring_steps_through_its_iterations_alone() -> None:
    dut = SegmentTable()

    async def step(ctx: SimulatorContext, ring: int, restart: int) -> None:
        ctx.set(dut.ring, ring)
        ctx.set(dut.restart, restart)
        ctx.set(dut.step, 1)
        await ctx.tick()
        ctx.set(dut.step, 0)
        ctx.set(dut.ring, 0)
        cycles = 0
        while ctx.get(dut.busy):
            await ctx.tick()
            cycles += 1
        assert cycles == len(Segment)

    async def bench(ctx: SimulatorContext) -> None:
        for segment, place in enumerate(PLACES):
            ctx.set(dut.segment, segment)
            ctx.set(dut.low, place.base)
            ctx.set(dut.write_base, 1)
            await ctx.tick()
            ctx.set(dut.write_base, 0)
            ctx.set(dut.low, place.stride)
            ctx.set(dut.high, 0 if place.depth == 1 else place.depth)
            ctx.set(dut.write_step, 1)
            await ctx.tick()
            ctx.set(dut.write_step, 0)
        iterations = [0, 0, 0, 0]
        for ring in range(4):
            await step(ctx, ring, 1)
        for _ in range(30):
            moved = CHOOSER.randrange(4)
            await step(ctx, moved, 0)
            iterations[moved] += 1
            for ring, iteration in enumerate(iterations):
                ctx.set(dut.lookup_ring, ring)
                for segment in range(16):
                    ctx.set(dut.lookup, segment)
                    known = segment < len(PLACES)
                    at = PLACES[segment].at(iteration) % (1 << 32) if known else 0
                    assert ctx.get(dut.position) == at

    simulator = Simulator(dut)
    simulator.add_clock(7e-9)
    simulator.add_testbench(bench)
    simulator.run()
