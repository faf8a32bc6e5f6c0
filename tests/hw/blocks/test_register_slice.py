"""RegisterSlice against a queue."""

from __future__ import annotations

import random

import pytest
from amaranth.sim import SimulatorContext

from hw.blocks.register_slice import RegisterSlice
from tests.hw.blocks.axi_memory import Stable, simulator


@pytest.mark.parametrize(("offers", "takes"), [(1.0, 1.0), (0.5, 1.0), (1.0, 0.5), (0.6, 0.6)])
def test_every_beat_passes_once_and_in_order(offers: float, takes: float) -> None:
    dut, chooser = RegisterSlice(16), random.Random(4)
    sent: list[int] = []
    received: list[int] = []

    async def bench(ctx: SimulatorContext) -> None:
        valid, channel = False, Stable("output")
        for _ in range(500):
            valid = valid or chooser.random() < offers
            ready = chooser.random() < takes
            ctx.set(dut.input.valid, valid)
            ctx.set(dut.input.payload, len(sent) + 1)
            ctx.set(dut.output.ready, ready)
            _, _, taken, offered, payload = await ctx.tick().sample(
                dut.input.ready, dut.output.valid, dut.output.payload
            )
            if valid and taken:
                sent.append(len(sent) + 1)
                valid = False
            if channel.see(offered, ready, (payload,)):
                received.append(payload)

    run = simulator(dut)
    run.add_testbench(bench)
    run.run()
    assert received == sent[: len(received)]
    assert 0 <= len(sent) - len(received) <= 2
    if (offers, takes) == (1.0, 1.0):
        assert len(received) == 498  # one clock of reset, one of latency


def test_clear_drops_what_is_held_and_what_is_offered() -> None:
    dut = RegisterSlice(8)

    async def bench(ctx: SimulatorContext) -> None:
        ctx.set(dut.input.valid, 1)
        await ctx.tick().repeat(4)
        assert (ctx.get(dut.output.valid), ctx.get(dut.input.ready)) == (1, 0)
        ctx.set(dut.clear, 1)
        await ctx.tick()
        for _ in range(3):
            assert (ctx.get(dut.output.valid), ctx.get(dut.input.ready)) == (0, 1)
            await ctx.tick()
        ctx.set(dut.clear, 0)
        ctx.set(dut.input.payload, 77)
        await ctx.tick()
        assert (ctx.get(dut.output.valid), ctx.get(dut.output.payload)) == (1, 77)

    run = simulator(dut)
    run.add_testbench(bench)
    run.run()


def test_closed_takes_nothing_and_keeps_what_is_held() -> None:
    dut = RegisterSlice(8)

    async def bench(ctx: SimulatorContext) -> None:
        await ctx.tick()
        ctx.set(dut.input.valid, 1)
        ctx.set(dut.input.payload, 5)
        ctx.set(dut.closed, 1)
        await ctx.tick()
        ctx.set(dut.input.payload, 6)
        for _ in range(3):
            assert (ctx.get(dut.input.ready), ctx.get(dut.output.payload)) == (0, 5)
            await ctx.tick()
        ctx.set(dut.output.ready, 1)
        await ctx.tick()
        assert not ctx.get(dut.output.valid)
        ctx.set(dut.closed, 0)
        await ctx.tick().repeat(2)
        assert (ctx.get(dut.output.valid), ctx.get(dut.output.payload)) == (1, 6)

    run = simulator(dut)
    run.add_testbench(bench)
    run.run()
