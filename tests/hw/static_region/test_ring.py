"""One ring by itself: order, buffers and the clocks that its text promises."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import pytest
from amaranth.sim import Simulator, SimulatorContext

from fpga_rt.contract.command import COMMAND, CommandFlag
from fpga_rt.contract.sequencer import DISPATCH_CYCLES
from hw.static_region.ring import LAUNCH_CYCLES, REQUEST_CYCLES, SETTLE_CYCLES, Ring

ADDRESSES = ("input", "residual", "output", "weights", "table")


def descriptor(index: int, flags: CommandFlag = CommandFlag.NONE) -> dict[str, int]:
    chooser = random.Random(index)
    fields = {f.name: chooser.randrange(f.maximum + 1) for f in COMMAND.fields}
    return fields | {"sequence": index, "flags": int(flags)}


class Bench:
    """Writes descriptors and notes the clock of what comes out."""

    def __init__(self) -> None:
        self.dut = Ring()
        self.clock = 0
        self.seen: list[tuple[str, int]] = []
        self.beats: list[int] = []

    async def step(self, ctx: SimulatorContext, **strobes: int) -> None:
        for name, value in strobes.items():
            ctx.set(getattr(self.dut, name), value)
        watched = ("compute", "ended", "ended_last", "finished", "blocked")
        dut = self.dut
        _, _, request, release, valid, beat, *values = await ctx.tick().sample(
            dut.parameters.valid & dut.parameters.ready,
            dut.descriptor.release,
            dut.command.valid & dut.command.ready,
            dut.command.payload,
            *(getattr(dut, name) for name in watched),
        )
        if valid:
            self.beats.append(beat)
        named = (*zip(watched, values, strict=True), ("request", request), ("release", release))
        self.seen += [(name, self.clock) for name, on in named if on]
        for name in strobes:
            ctx.set(getattr(dut, name), 0)
        self.clock += 1

    async def write(
        self, ctx: SimulatorContext, fields: dict[str, int], marks: dict[str, int]
    ) -> None:
        port, data = self.dut.descriptor, COMMAND.encode(fields)
        ctx.set(port.marks, marks)
        for beat in range(8):
            ctx.set(port.data, int.from_bytes(data[8 * beat : 8 * beat + 8], "little"))
            ctx.set(port.beat, beat)
            ctx.set(port.write, 1)
            if beat < len(ADDRESSES):
                ctx.set(port.address, ~fields[ADDRESSES[beat]] & 0xFFFF_FFFF)
                ctx.set(port.address_index, beat)
                ctx.set(port.address_write, 1)
            ctx.set(port.commit, beat == 7)
            await self.step(ctx)
            ctx.set(port.address_write, 0)
        ctx.set(port.write, 0)
        ctx.set(port.commit, 0)

    def at(self, name: str) -> list[int]:
        return [clock for seen, clock in self.seen if seen == name]

    def run(self, body: Callable[[SimulatorContext], Awaitable[None]]) -> None:
        async def testbench(ctx: SimulatorContext) -> None:
            ctx.set(self.dut.command.ready, 1)
            ctx.set(self.dut.parameters.ready, 1)
            ctx.set(self.dut.over, 1)
            await body(ctx)

        simulator = Simulator(self.dut)
        simulator.add_clock(7e-9)
        simulator.add_testbench(testbench)
        simulator.run()


MIDDLE = {"first": 0, "last": 0, "final": 0}


def test_commands_pass_two_stages_in_the_promised_clocks() -> None:
    bench, clocks = Bench(), {}

    async def body(ctx: SimulatorContext) -> None:
        for index in range(4):
            await bench.write(ctx, descriptor(index), MIDDLE)
        await bench.step(ctx)
        assert len(bench.at("request")) == 1
        clocks["in0"] = bench.clock
        await bench.step(ctx, parameters_done=1)
        for _ in range(25):
            await bench.step(ctx)
        assert len(bench.at("request")) == 2
        assert len(bench.beats) == 16
        clocks["in1"] = bench.clock
        await bench.step(ctx, parameters_done=1)
        for _ in range(20):
            await bench.step(ctx)
        assert len(bench.at("request")) == 2
        await bench.step(ctx, reader_done=1)
        clocks["end0"] = bench.clock
        await bench.step(ctx, writer_done=1)
        for _ in range(20):
            await bench.step(ctx)

    bench.run(body)
    assert bench.at("compute") == [
        clocks["in0"] + LAUNCH_CYCLES,
        clocks["end0"] + DISPATCH_CYCLES,
    ]
    assert bench.at("request")[1:] == [
        clocks["in0"] + REQUEST_CYCLES + LAUNCH_CYCLES,
        clocks["end0"] + REQUEST_CYCLES,
    ]
    assert bench.at("ended") == [clocks["end0"] + 1]
    assert len(bench.beats) == 24
    data = b"".join(beat.to_bytes(8, "little") for beat in bench.beats)
    assert data == b"".join(COMMAND.encode(descriptor(index)) for index in range(3))


def test_streamed_weights_let_it_compute_early_and_the_next_one_ask_late() -> None:
    bench, clocks = Bench(), {}

    async def body(ctx: SimulatorContext) -> None:
        await bench.write(ctx, descriptor(0, CommandFlag.STREAMED_WEIGHTS), MIDDLE)
        await bench.write(ctx, descriptor(1), MIDDLE)
        for _ in range(20):
            await bench.step(ctx)
        assert ctx.get(bench.dut.parameters.payload.streamed) == 0  # of the next one
        clocks["table"] = bench.clock
        await bench.step(ctx, table_done=1)
        for _ in range(5):
            await bench.step(ctx)
        await bench.step(ctx, parameters_done=1)
        for _ in range(9):
            await bench.step(ctx)
        assert len(bench.at("request")) == 1
        clocks["end"] = bench.clock
        await bench.step(ctx, reader_done=1, writer_done=1)
        for _ in range(5):
            await bench.step(ctx)

    bench.run(body)
    assert bench.at("compute") == [clocks["table"] + LAUNCH_CYCLES]
    assert bench.at("request")[1:] == [clocks["end"] + REQUEST_CYCLES]


@pytest.mark.parametrize("final", [0, 1])
def test_it_is_blocked_by_waits_alone_and_tells_ends(final: int) -> None:
    bench = Bench()

    async def body(ctx: SimulatorContext) -> None:
        ctx.set(bench.dut.over, 0)
        await bench.write(ctx, descriptor(9), {"first": 1, "last": 1, "final": final})
        for _ in range(20):
            await bench.step(ctx)
        assert not bench.at("blocked")
        await bench.step(ctx, parameters_done=1)
        for _ in range(4):
            await bench.step(ctx)
        assert len(bench.at("blocked")) == 3  # once it is known that nothing more loads
        assert not bench.at("compute")
        assert (ctx.get(bench.dut.first), ctx.get(bench.dut.sequence)) == (1, 9)
        resolved = ctx.get(bench.dut.resolved)
        assert resolved["output"] == ~descriptor(9)["output"] & 0xFFFF_FFFF
        ctx.set(bench.dut.over, 1)
        await bench.step(ctx)
        await bench.step(ctx, writer_done=1)
        await bench.step(ctx)
        await bench.step(ctx, reader_done=1)
        for _ in range(4):
            await bench.step(ctx)

    bench.run(body)
    assert len(bench.at("compute")) == 1
    assert len(bench.at("ended")) == len(bench.at("ended_last")) == 1
    assert bool(bench.at("finished")) == bool(final)


def test_waits_have_settled_before_a_start() -> None:
    assert SETTLE_CYCLES == DISPATCH_CYCLES - 3
