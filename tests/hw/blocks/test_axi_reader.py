"""AxiReader against a memory that checks the protocol."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from amaranth.sim import SimulatorContext

from hw.blocks.axi_reader import AxiReader
from tests.hw.blocks.axi_memory import BASE, AxiMemory, Pacing, Stable, simulator

MEMORY = random.Random(1).randbytes(1 << 15)


def words(offset: int, beats: int) -> list[int]:
    data = MEMORY[offset : offset + 8 * beats]
    return [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]


@dataclass
class Bench:
    """A reader, its memory, and a consumer that notes what comes and when."""

    pacing: Pacing = field(default_factory=Pacing)
    stalls: float = 0.0
    dut: AxiReader = field(default_factory=AxiReader)
    received: list[int] = field(default_factory=list)
    events: list[tuple[str, int]] = field(default_factory=list)
    """What happened at which clock; `done` when the strobe is seen."""
    clock: int = 0

    def __post_init__(self) -> None:
        self.memory = AxiMemory(bytearray(MEMORY), self.pacing)
        self.simulator = simulator(self.dut)
        self.simulator.add_testbench(self.serve, background=True)
        self.simulator.add_testbench(self.consume, background=True)

    async def serve(self, ctx: SimulatorContext) -> None:
        await self.memory.serve_reads(ctx, self.dut.axi)

    async def consume(self, ctx: SimulatorContext) -> None:
        dut, chooser, channel = self.dut, random.Random(9), Stable("data")
        while True:
            ready = chooser.random() >= self.stalls
            ctx.set(dut.data.ready, ready)
            _, _, valid, data, done, abort, arvalid, rvalid = await ctx.tick().sample(
                dut.data.valid, dut.data.payload, dut.done, dut.abort, dut.axi.arvalid,
                dut.axi.rvalid,
            )  # fmt: skip
            if abort:
                channel = Stable("data")
            elif channel.see(valid, ready, (data,)):
                self.received.append(data)
            happened = {"done": done, "data": valid, "araddr": arvalid, "rvalid": rvalid}
            self.events += [(name, self.clock) for name, on in happened.items() if on]
            self.clock += 1

    def at(self, name: str) -> list[int]:
        return [clock for event, clock in self.events if event == name]

    async def request(self, ctx: SimulatorContext, address: int, beats: int) -> int:
        """Hand over a request; return the clock in which it was taken."""
        request = self.dut.request
        ctx.set(request.payload, {"address": address, "beats": beats})
        ctx.set(request.valid, 1)
        while True:
            clock = self.clock
            _, _, ready = await ctx.tick().sample(request.ready)
            if ready:
                ctx.set(request.valid, 0)
                return clock

    async def wait_idle(self, ctx: SimulatorContext) -> None:
        for _ in range(20_000):
            await ctx.tick()
            if ctx.get(self.dut.idle):
                await ctx.tick()
                return
        pytest.fail("the reader does not come to rest")

    def run(self, *requests: tuple[int, int]) -> None:
        async def bench(ctx: SimulatorContext) -> None:
            for offset, beats in requests:
                await self.request(ctx, BASE + offset, beats)
            await self.wait_idle(ctx)

        self.simulator.add_testbench(bench)
        self.simulator.run()


@pytest.mark.parametrize(
    ("offset", "beats"),
    [(0, 1), (0, 16), (0, 17), (120, 1), (120, 2), (0x7F8, 33), (0xF88, 40), (0xFF8, 2), (8, 100)],
)
def test_a_range_comes_whole_and_in_order(offset: int, beats: int) -> None:
    bench = Bench()
    bench.run((offset, beats))
    assert bench.received == words(offset, beats)
    assert len(bench.at("done")) == 1
    assert sum(count for _, count in bench.memory.bursts) == beats


@pytest.mark.parametrize("offset", [0, 120])
def test_two_thousand_beats_without_a_gap(offset: int) -> None:
    bench = Bench()
    bench.run((offset, 2000))
    assert bench.received == words(offset, 2000)
    taken = bench.at("araddr")[0] - 2
    assert bench.at("done")[0] - taken <= 2000 + 45
    data = bench.at("data")
    assert data == list(range(data[0], data[0] + 2000))


def test_clocks_as_documented() -> None:
    bench = Bench()
    taken = []

    async def drive(ctx: SimulatorContext) -> None:
        await ctx.tick().repeat(3)
        taken.append(await bench.request(ctx, BASE, 4))
        await bench.wait_idle(ctx)
        taken.append(await bench.request(ctx, BASE, 0))
        await ctx.tick().repeat(4)

    bench.simulator.add_testbench(drive)
    bench.simulator.run()
    assert bench.at("araddr") == [taken[0] + 2]
    assert bench.at("rvalid")[0] == bench.at("araddr")[0] + 30
    assert bench.at("data") == [clock + 1 for clock in bench.at("rvalid")]
    assert bench.at("done") == [bench.at("data")[-1] + 1, taken[1] + 2]


def test_requests_follow_each_other_without_waiting_for_data() -> None:
    bench = Bench()
    bench.run(*((128 * block, 16) for block in range(16)))
    assert bench.received == words(0, 256)
    data = bench.at("data")
    assert data[-1] - data[0] == 255
    assert len(bench.at("done")) == 16


def test_at_most_eight_bursts_are_under_way() -> None:
    bench = Bench(Pacing(latency=300))
    bench.run((0, 400))
    assert bench.memory.most_under_way == 8 * 16
    assert bench.received == words(0, 400)


@pytest.mark.parametrize("seed", range(4))
def test_random_requests_with_stalls_everywhere(seed: int) -> None:
    chooser = random.Random(seed)
    requests = [
        (8 * chooser.randrange(1000), chooser.choice((0, 1, 2, 15, 16, 17, 60))) for _ in range(12)
    ]
    bench = Bench(Pacing(latency=chooser.choice((1, 7, 30)), stalls=0.3, seed=seed), stalls=0.4)
    bench.run(*requests)
    assert bench.received == [word for request in requests for word in words(*request)]
    assert len(bench.at("done")) == len(requests)


def test_an_error_stays_until_abort_and_the_beats_flow_on() -> None:
    bench = Bench()
    seen = []

    async def drive(ctx: SimulatorContext) -> None:
        await bench.request(ctx, BASE + len(MEMORY) - 32, 8)
        await bench.wait_idle(ctx)
        await bench.request(ctx, BASE, 4)
        await bench.wait_idle(ctx)
        seen.append(ctx.get(bench.dut.error))
        ctx.set(bench.dut.abort, 1)
        await ctx.tick()
        ctx.set(bench.dut.abort, 0)
        seen.append(ctx.get(bench.dut.error))

    bench.simulator.add_testbench(drive)
    bench.simulator.run()
    assert seen == [1, 0]
    assert bench.received == [*words(len(MEMORY) - 32, 4), 0, 0, 0, 0, *words(0, 4)]
    assert len(bench.at("done")) == 2


@pytest.mark.parametrize("seed", range(6))
def test_abort_at_any_time_drains_and_leaves_nothing_behind(seed: int) -> None:
    chooser = random.Random(seed)
    bench = Bench(Pacing(latency=10, stalls=chooser.choice((0.0, 0.4)), seed=seed), stalls=0.3)

    async def drive(ctx: SimulatorContext) -> None:
        for _ in range(3):
            # Beyond the end of memory, so that refused beats come while it drains.
            await bench.request(ctx, BASE + len(MEMORY) - 256, 200)
            await ctx.tick().repeat(chooser.randrange(1, 120))
            ctx.set(bench.dut.abort, 1)
            announced = len(bench.memory.bursts)
            await bench.wait_idle(ctx)
            assert len(bench.memory.bursts) <= announced + 1
            assert bench.memory.under_way == 0
            ctx.set(bench.dut.abort, 0)
            await ctx.tick()
            assert not ctx.get(bench.dut.error)
            bench.received.clear()
            done = len(bench.at("done"))
            await bench.request(ctx, BASE + 72, 40)
            await bench.wait_idle(ctx)
            assert bench.received == words(72, 40)
            assert len(bench.at("done")) == done + 1

    bench.simulator.add_testbench(drive)
    bench.simulator.run()


def test_a_pulse_of_abort_drains_as_well() -> None:
    bench = Bench()

    async def drive(ctx: SimulatorContext) -> None:
        await bench.request(ctx, BASE, 100)
        await ctx.tick().repeat(40)
        ctx.set(bench.dut.abort, 1)
        await ctx.tick()
        ctx.set(bench.dut.abort, 0)
        bench.received.clear()
        await bench.request(ctx, BASE + 512, 20)
        await bench.wait_idle(ctx)

    bench.simulator.add_testbench(drive)
    bench.simulator.run()
    assert bench.received == words(512, 20)
    assert bench.memory.under_way == 0
