"""AxiWriter against a memory that checks the protocol."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

import pytest
from amaranth.sim import SimulatorContext

from hw.blocks.axi_writer import AxiWriter
from tests.hw.blocks.axi_memory import BASE, AxiMemory, Pacing, simulator

SIZE_BYTES = 1 << 15
FULL = 0xFF


def beats_of(data: bytes) -> list[tuple[int, int]]:
    return [(int.from_bytes(data[at : at + 8], "little"), FULL) for at in range(0, len(data), 8)]


@dataclass
class Bench:
    """A writer, its memory, and a source of beats."""

    pacing: Pacing = field(default_factory=Pacing)
    stalls: float = 0.0
    dut: AxiWriter = field(default_factory=AxiWriter)
    source: deque[tuple[int, int]] = field(default_factory=deque)
    events: list[tuple[str, int]] = field(default_factory=list)
    clock: int = 0

    def __post_init__(self) -> None:
        self.memory = AxiMemory(bytearray(SIZE_BYTES), self.pacing)
        self.simulator = simulator(self.dut)
        self.simulator.add_testbench(self.serve, background=True)
        self.simulator.add_testbench(self.feed, background=True)

    async def serve(self, ctx: SimulatorContext) -> None:
        await self.memory.serve_writes(ctx, self.dut.axi)

    async def feed(self, ctx: SimulatorContext) -> None:
        dut, axi, chooser, offered = self.dut, self.dut.axi, random.Random(9), False
        while True:
            offered = bool(self.source) and (offered or chooser.random() >= self.stalls)
            ctx.set(dut.data.valid, offered)
            if offered:
                data, strobe = self.source[0]
                ctx.set(dut.data.payload, {"data": data, "strobe": strobe})
            _, _, ready, done, awvalid, wvalid, bvalid = await ctx.tick().sample(
                dut.data.ready, dut.done, axi.awvalid, axi.wvalid, axi.bvalid
            )
            happened = {
                "data": offered and ready, "done": done,
                "awaddr": awvalid, "wdata": wvalid, "response": bvalid,
            }  # fmt: skip
            self.events += [(name, self.clock) for name, on in happened.items() if on]
            if offered and ready:
                self.source.popleft()
                offered = False
            self.clock += 1

    def at(self, name: str) -> list[int]:
        return [clock for event, clock in self.events if event == name]

    async def request(self, ctx: SimulatorContext, offset: int, beats: int) -> int:
        """Hand over a request; return the clock in which it was taken."""
        request = self.dut.request
        ctx.set(request.payload, {"address": BASE + offset, "beats": beats})
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
        pytest.fail("the writer does not come to rest")

    def run(self, *requests: tuple[int, int]) -> None:
        async def bench(ctx: SimulatorContext) -> None:
            for offset, beats in requests:
                await self.request(ctx, offset, beats)
            await self.wait_idle(ctx)

        self.simulator.add_testbench(bench)
        self.simulator.run()


@pytest.mark.parametrize(
    ("offset", "beats"),
    [(0, 1), (0, 16), (0, 17), (120, 1), (120, 2), (0x7F8, 33), (0xF88, 40), (0xFF8, 2), (8, 100)],
)
def test_a_range_is_written_and_nothing_else(offset: int, beats: int) -> None:
    data = random.Random(beats).randbytes(8 * beats)
    bench = Bench()
    bench.source.extend(beats_of(data))
    bench.run((offset, beats))
    expected = bytearray(SIZE_BYTES)
    expected[offset : offset + len(data)] = data
    assert bench.memory.data == expected
    assert len(bench.at("done")) == 1


def test_bytes_without_strobe_stay() -> None:
    bench = Bench()
    bench.memory.data[:16] = bytes(range(16))
    bench.source.extend([(0xAABBCCDDEEFF0011, 0b11110000), (0x1122334455667788, 0b1)])
    bench.run((0, 2))
    assert bench.memory.data[:16].hex() == "00010203ddccbbaa" + "88090a0b0c0d0e0f"


@pytest.mark.parametrize("offset", [0, 120])
def test_two_thousand_beats_without_a_gap(offset: int) -> None:
    data = random.Random(3).randbytes(16000)
    bench = Bench()
    bench.source.extend(beats_of(data))
    bench.run((offset, 2000))
    assert bench.memory.data[offset : offset + 16000] == data
    # A short first burst leaves the bus idle while the second one, of 16 beats, is collected.
    wdata = bench.at("wdata")[16 - offset // 8 % 16 :]
    assert wdata == list(range(wdata[0], wdata[0] + len(wdata)))
    assert bench.at("done")[0] - bench.at("data")[0] <= 2000 + 16 + 45


def test_clocks_as_documented() -> None:
    bench = Bench(Pacing(latency=5))
    taken = []

    async def drive(ctx: SimulatorContext) -> None:
        await ctx.tick().repeat(3)
        await bench.request(ctx, 0, 3)
        await ctx.tick().repeat(3)
        bench.source.extend([(1, FULL), (2, FULL), (3, FULL)])
        await ctx.tick().repeat(30)
        assert ctx.get(bench.dut.idle)
        taken.append(await bench.request(ctx, 0, 0))
        await ctx.tick().repeat(4)

    bench.simulator.add_testbench(drive)
    bench.simulator.run()
    last = bench.at("data")[-1]
    assert bench.at("awaddr") == [last + 2]
    assert bench.at("wdata") == [last + 3, last + 4, last + 5]
    assert bench.at("response") == [last + 5 + 5]
    assert bench.at("done") == [last + 5 + 5 + 1, taken[0] + 2]


def test_a_burst_is_announced_only_when_its_data_is_here() -> None:
    bench = Bench()
    bench.source.extend([(7, FULL)] * 25)

    async def drive(ctx: SimulatorContext) -> None:
        await bench.request(ctx, 0, 40)
        await ctx.tick().repeat(200)
        assert bench.memory.bursts == [(BASE, 16)]
        assert bench.memory.under_way == 0
        assert not bench.at("done")
        bench.source.extend([(7, FULL)] * 15)
        await bench.wait_idle(ctx)

    bench.simulator.add_testbench(drive)
    bench.simulator.run()
    assert bench.memory.bursts == [(BASE, 16), (BASE + 128, 16), (BASE + 256, 8)]
    assert len(bench.at("done")) == 1


def test_at_most_eight_bursts_are_under_way() -> None:
    bench = Bench(Pacing(latency=300))
    bench.source.extend([(5, FULL)] * 300)
    bench.run((0, 300))
    assert bench.memory.most_under_way <= 8
    assert bench.memory.data[:2400] == (5).to_bytes(8, "little") * 300


@pytest.mark.parametrize("seed", range(4))
def test_random_requests_with_stalls_everywhere(seed: int) -> None:
    chooser = random.Random(seed)
    requests, expected = [], bytearray(SIZE_BYTES)
    bench = Bench(Pacing(latency=chooser.choice((1, 7, 30)), stalls=0.3, seed=seed), stalls=0.3)
    for _ in range(12):
        offset, beats = 8 * chooser.randrange(1000), chooser.choice((0, 1, 2, 15, 16, 17, 60))
        data = chooser.randbytes(8 * beats)
        expected[offset : offset + len(data)] = data
        requests.append((offset, beats))
        bench.source.extend(beats_of(data))
    bench.run(*requests)
    assert bench.memory.data == expected
    assert len(bench.at("done")) == len(requests)


def test_an_error_stays_until_abort() -> None:
    bench = Bench()
    bench.source.extend([(1, FULL)] * 12)
    seen = []

    async def drive(ctx: SimulatorContext) -> None:
        await bench.request(ctx, SIZE_BYTES - 32, 8)
        await bench.request(ctx, 0, 4)
        await bench.wait_idle(ctx)
        seen.append(ctx.get(bench.dut.error))
        ctx.set(bench.dut.abort, 1)
        await ctx.tick()
        ctx.set(bench.dut.abort, 0)
        seen.append(ctx.get(bench.dut.error))

    bench.simulator.add_testbench(drive)
    bench.simulator.run()
    assert seen == [1, 0]
    assert len(bench.at("done")) == 2


@pytest.mark.parametrize("seed", range(6))
def test_abort_at_any_time_ends_what_was_announced(seed: int) -> None:
    chooser = random.Random(seed)
    bench = Bench(Pacing(latency=10, stalls=chooser.choice((0.0, 0.4)), seed=seed), stalls=0.2)

    async def drive(ctx: SimulatorContext) -> None:
        for _ in range(3):
            bench.memory.data[:] = bytes(SIZE_BYTES)
            data = chooser.randbytes(chooser.choice((800, 1600)))
            bench.source.extend(beats_of(data))
            await bench.request(ctx, 8, 200)
            await ctx.tick().repeat(chooser.randrange(1, 160))
            ctx.set(bench.dut.abort, 1)
            announced = len(bench.memory.bursts)
            await bench.wait_idle(ctx)
            while bench.source:  # taken and dropped
                await ctx.tick()
            await ctx.tick()
            assert len(bench.memory.bursts) <= announced + 1
            assert bench.memory.under_way == 0
            written = bytes(bench.memory.data[8 : 8 + len(data)])
            # Whole bursts, and nothing that was not sent.
            whole = 8 * sum(beats for _, beats in bench.memory.bursts)
            assert written == data[:whole] + bytes(len(data) - whole)
            ctx.set(bench.dut.abort, 0)
            bench.source.extend(beats_of(data[:320]))
            done = len(bench.at("done"))
            await bench.request(ctx, 4096 - 64, 40)
            await bench.wait_idle(ctx)
            assert bench.memory.data[4096 - 64 : 4096 + 256] == data[:320]
            assert len(bench.at("done")) == done + 1
            bench.memory.bursts.clear()

    bench.simulator.add_testbench(drive)
    bench.simulator.run()
