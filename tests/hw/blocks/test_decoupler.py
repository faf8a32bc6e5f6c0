"""Decoupler: what passes, what is cut, and that both sides see proper streams."""

from __future__ import annotations

import random

import pytest
from amaranth.sim import SimulatorContext

from hw.blocks.decoupler import TO_MODULE, Decoupler
from tests.hw.blocks.axi_memory import Stable, simulator

STREAMS = (*TO_MODULE, "output")


class Traffic:
    """A source and a sink on one stream of the decoupler, driven clock by clock."""

    def __init__(self, dut: Decoupler, name: str, rate: float) -> None:
        sides = (dut.static, dut.module) if name in TO_MODULE else (dut.module, dut.static)
        self.source, self.sink = (getattr(side, name) for side in sides)
        self.to_module = name in TO_MODULE
        self.rate = rate
        self.channel = Stable(name)
        self.sent: list[int] = []
        self.received: list[int] = []
        self.valid = self.ready = False
        self.next_beat = 1

    def drive(self, ctx: SimulatorContext, chooser: random.Random) -> None:
        self.valid = self.valid or chooser.random() < self.rate
        self.ready = chooser.random() < self.rate
        ctx.set(self.source.valid, self.valid)
        ctx.set(self.source.payload, self.next_beat)
        ctx.set(self.sink.ready, self.ready)

    def settle(self, taken: int, offered: int, payload: int) -> None:
        if self.valid and taken:
            self.sent.append(self.next_beat)
            self.next_beat += 1
            self.valid = False
        if self.channel.see(offered, self.ready, (payload,)):
            self.received.append(payload)

    @property
    def signals(self) -> tuple[object, ...]:
        return self.source.ready, self.sink.valid, self.sink.payload


async def clock(ctx: SimulatorContext, traffic: list[Traffic], chooser: random.Random) -> None:
    for stream in traffic:
        stream.drive(ctx, chooser)
    _, _, *seen = await ctx.tick().sample(*(s for stream in traffic for s in stream.signals))
    for index, stream in enumerate(traffic):
        stream.settle(*seen[3 * index : 3 * index + 3])


@pytest.mark.parametrize("rate", [1.0, 0.6])
def test_coupled_every_beat_passes_in_order(rate: float) -> None:
    dut = Decoupler()
    traffic = [Traffic(dut, name, rate) for name in STREAMS]

    async def bench(ctx: SimulatorContext) -> None:
        await ctx.tick().repeat(3)
        for _ in range(200):
            await clock(ctx, traffic, random.Random(len(traffic[0].sent)))

    run = simulator(dut)
    run.add_testbench(bench)
    run.run()
    for stream in traffic:
        assert stream.received == stream.sent[: len(stream.received)]
        assert 0 <= len(stream.sent) - len(stream.received) <= 2
        if rate == 1.0:
            assert len(stream.received) == 199


def test_decoupled_the_engines_drain_and_the_module_is_offered_nothing() -> None:
    dut = Decoupler()
    traffic = [Traffic(dut, name, 0.7) for name in STREAMS]
    chooser = random.Random(6)

    async def bench(ctx: SimulatorContext) -> None:
        await ctx.tick().repeat(3)
        for _ in range(50):
            await clock(ctx, traffic, chooser)
        ctx.set(dut.decouple, 1)
        await clock(ctx, traffic, chooser)
        assert ctx.get(dut.decoupled)
        for stream in traffic:
            if stream.to_module:
                stream.channel = Stable("withdrawn once")
            stream.sent.clear()
            stream.received.clear()
            stream.rate = 1.0
        ctx.set(dut.static.start, 1)
        ctx.set(dut.module.error, 1)
        ctx.set(dut.module.module_id, 0x1234_5678_9ABC_DEF0)
        for _ in range(20):
            await clock(ctx, traffic, chooser)
            assert not ctx.get(dut.module.start)
            assert not ctx.get(dut.static.error)
        assert ctx.get(dut.static.module_id) == 0x1234_5678_9ABC_DEF0
        for stream in traffic[:3]:
            assert (len(stream.sent), stream.received) == (20, [])
        output = traffic[3]
        assert output.sent == []
        assert len(output.received) <= 2
        assert ctx.get(dut.empty)

    run = simulator(dut)
    run.add_testbench(bench)
    run.run()


def test_an_offered_output_beat_outlives_decoupling_and_garbage() -> None:
    dut, chooser = Decoupler(), random.Random(8)

    async def bench(ctx: SimulatorContext) -> None:
        await ctx.tick().repeat(3)
        ctx.set(dut.module.output.valid, 1)
        ctx.set(dut.module.output.payload, 0xFEED)
        await ctx.tick()
        ctx.set(dut.module.output.valid, 0)
        ctx.set(dut.decouple, 1)
        await ctx.tick()
        for _ in range(50):
            assert ctx.get(dut.static.output.valid)
            assert ctx.get(dut.static.output.payload) == 0xFEED
            assert not ctx.get(dut.empty)
            ctx.set(dut.module.output.valid, chooser.getrandbits(1))
            ctx.set(dut.module.output.payload, chooser.getrandbits(64))
            await ctx.tick()
        ctx.set(dut.static.output.ready, 1)
        await ctx.tick()
        assert not ctx.get(dut.static.output.valid)
        assert ctx.get(dut.empty)

    run = simulator(dut)
    run.add_testbench(bench)
    run.run()


def test_a_module_that_withdraws_its_beat_does_not_show() -> None:
    dut, chooser, received = Decoupler(), random.Random(2), 0

    async def bench(ctx: SimulatorContext) -> None:
        nonlocal received
        channel = Stable("output")
        for _ in range(300):
            ready = chooser.getrandbits(1)
            ctx.set(dut.module.output.valid, chooser.getrandbits(1))
            ctx.set(dut.module.output.payload, chooser.getrandbits(64))
            ctx.set(dut.decouple, chooser.random() < 0.2)
            ctx.set(dut.static.output.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(
                dut.static.output.valid, dut.static.output.payload
            )
            received += channel.see(valid, ready, (payload,))

    run = simulator(dut)
    run.add_testbench(bench)
    run.run()
    assert received > 50


def test_reset_reaches_the_module_and_empties_every_stream() -> None:
    dut = Decoupler()

    async def bench(ctx: SimulatorContext) -> None:
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.module.reset)
        ctx.set(dut.module.output.valid, 1)
        for name in TO_MODULE:
            ctx.set(getattr(dut.static, name).valid, 1)
        ctx.set(dut.module.error, 1)
        await ctx.tick().repeat(4)
        assert ctx.get(dut.static.error)
        assert not ctx.get(dut.empty)
        ctx.set(dut.reset, 1)
        await ctx.tick()
        ctx.set(dut.reset, 0)
        for name in TO_MODULE:
            ctx.set(getattr(dut.static, name).valid, 0)
        # In this clock the module sees its reset; it may still offer what it had.
        assert ctx.get(dut.module.reset)
        for _ in range(2):
            assert ctx.get(dut.empty)
            assert not ctx.get(dut.static.error)
            await ctx.tick()
            ctx.set(dut.module.output.valid, 0)
            ctx.set(dut.module.error, 0)
        assert not ctx.get(dut.module.reset)

    run = simulator(dut)
    run.add_testbench(bench)
    run.run()


def test_start_and_error_take_one_clock() -> None:
    dut = Decoupler()

    async def bench(ctx: SimulatorContext) -> None:
        await ctx.tick().repeat(3)
        ctx.set(dut.static.start, 1)
        ctx.set(dut.module.error, 1)
        assert not ctx.get(dut.module.start)
        await ctx.tick()
        ctx.set(dut.static.start, 0)
        assert ctx.get(dut.module.start)
        assert ctx.get(dut.static.error)
        await ctx.tick()
        assert not ctx.get(dut.module.start)

    run = simulator(dut)
    run.add_testbench(bench)
    run.run()


def test_powers_up_decoupled() -> None:
    dut = Decoupler()

    async def bench(ctx: SimulatorContext) -> None:
        ctx.set(dut.decouple, 1)
        ctx.set(dut.module.output.valid, 1)
        for _ in range(5):
            assert ctx.get(dut.decoupled)
            assert not ctx.get(dut.module.output.ready)
            await ctx.tick()
        assert not ctx.get(dut.static.output.valid)

    run = simulator(dut)
    run.add_testbench(bench)
    run.run()
