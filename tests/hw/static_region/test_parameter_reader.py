"""ParameterReader against the bytes of memory."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from amaranth.sim import SimulatorContext

from hw.static_region.parameter_reader import ParameterReader
from tests.hw.blocks.axi_memory import BASE, AxiMemory, Pacing, Stable, simulator

Script = Callable[[SimulatorContext], Coroutine[Any, Any, None]]

MEMORY = random.Random(3).randbytes(1 << 13)
LATENCY = 30
FIRST_BEAT_CYCLES = 3 + LATENCY


def words(address: int, beats: int) -> list[int]:
    data = MEMORY[address - BASE :][: 8 * beats]
    return [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]


@dataclass
class Bench:
    """A reader, its memory, and a module that notes what comes and when."""

    pacing: Pacing = field(default_factory=lambda: Pacing(LATENCY))
    stalls: float = 0.0
    dut: ParameterReader = field(default_factory=ParameterReader)
    received: list[int] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)
    """Clocks in which a beat moved."""
    strobes: dict[str, list[int]] = field(default_factory=lambda: {"table_done": [], "done": []})
    clock: int = 0

    def run(self, script: Script) -> None:
        simulation = simulator(self.dut)
        simulation.add_testbench(self._memory, background=True)
        simulation.add_testbench(self._module, background=True)
        simulation.add_testbench(script)
        simulation.run()

    async def _memory(self, ctx: SimulatorContext) -> None:
        await AxiMemory(bytearray(MEMORY), self.pacing).serve_reads(ctx, self.dut.axi)

    async def _module(self, ctx: SimulatorContext) -> None:
        chooser, channel = random.Random(self.pacing.seed), Stable("parameters")
        dut, port = self.dut, self.dut.parameters
        while True:
            ready = chooser.random() >= self.stalls
            ctx.set(port.ready, ready)
            _, _, valid, beat, table_done, done, abort = await ctx.tick().sample(
                port.valid, port.payload, dut.table_done, dut.done, dut.abort
            )
            if abort:
                channel = Stable("parameters")
            elif channel.see(valid, ready, (beat,)):
                self.received.append(beat)
                self.moved.append(self.clock)
            for name, strobe in (("table_done", table_done), ("done", done)):
                if strobe:
                    self.strobes[name].append(self.clock)
            self.clock += 1

    async def request(self, ctx: SimulatorContext, **fields: int) -> int:
        """Ask for parameters; return the clock in which that was taken."""
        request = self.dut.request
        some = {f"has_{name}": fields[f"{name}_beats"] > 0 for name in ("table", "weights")}
        ctx.set(request.payload, fields | some)
        ctx.set(request.valid, 1)
        ready = False
        while not ready:
            clock = self.clock
            _, _, ready = await ctx.tick().sample(request.ready)
        ctx.set(request.valid, 0)
        return clock

    async def wait_idle(self, ctx: SimulatorContext) -> None:
        for _ in range(3000):
            if ctx.get(self.dut.idle):
                return
            await ctx.tick()
        pytest.fail("the reader never gets idle")

    def clear(self) -> None:
        self.received.clear()
        self.moved.clear()
        for strobes in self.strobes.values():
            strobes.clear()


def blocks(table_beats: int, weights_beats: int) -> dict[str, int]:
    return {
        "table": BASE + 64,
        "table_beats": table_beats,
        "weights": BASE + 2048 + 64,
        "weights_beats": weights_beats,
    }


@pytest.mark.parametrize(("table", "weights"), [(5, 40), (5, 1), (20, 0), (0, 7)])
def test_the_latency_shows_once(table: int, weights: int) -> None:
    bench, asked = Bench(), blocks(table, weights)

    async def script(ctx: SimulatorContext) -> None:
        for _ in range(2):
            bench.clear()
            taken = await bench.request(ctx, **asked)
            await bench.wait_idle(ctx)
            wanted = words(asked["table"], table) + words(asked["weights"], weights)
            assert bench.received == wanted
            first = taken + FIRST_BEAT_CYCLES
            last = first + table + weights - 1
            assert (bench.moved[0], bench.moved[-1]) == (first, last)
            assert bench.strobes["done"] == [last]
            assert bench.strobes["table_done"] == [first + table - 1 if table else taken + 1]

    bench.run(script)


def test_no_parameters_are_done_at_once() -> None:
    bench = Bench()

    async def script(ctx: SimulatorContext) -> None:
        taken = await bench.request(ctx, **blocks(0, 0))
        await ctx.tick().repeat(5)
        assert bench.strobes == {"table_done": [taken + 1], "done": [taken + 1]}
        assert await bench.request(ctx, **blocks(2, 2)) == bench.clock - 1
        await bench.wait_idle(ctx)
        assert len(bench.received) == 4

    bench.run(script)


@pytest.mark.parametrize("seed", range(2))
def test_random_requests_whatever_stalls(seed: int) -> None:
    chooser = random.Random(seed)
    bench = Bench(Pacing(chooser.choice([1, 30]), stalls=0.2, seed=seed), stalls=0.3)

    async def script(ctx: SimulatorContext) -> None:
        wanted, tables, ends = [], [], []
        for _ in range(12):
            asked = {
                **blocks(chooser.randrange(30), chooser.choice([0, 1, chooser.randrange(60)])),
                "table": BASE + 8 * chooser.randrange(500),
                "weights": BASE + 8 * chooser.randrange(500),
                "streamed": chooser.randrange(2),
            }
            await bench.request(ctx, **asked)
            wanted += words(asked["table"], asked["table_beats"])
            tables.append(len(wanted))
            wanted += words(asked["weights"], asked["weights_beats"])
            ends.append(len(wanted))
        await bench.wait_idle(ctx)
        assert bench.received == wanted
        for name, numbers in (("table_done", tables), ("done", ends)):
            assert len(bench.strobes[name]) == len(numbers)
            for strobe, number in zip(bench.strobes[name], numbers, strict=True):
                assert sum(clock <= strobe for clock in bench.moved) == number

    bench.run(script)


def test_abort_forgets_the_request() -> None:
    chooser = random.Random(5)
    bench = Bench(Pacing(20, stalls=0.1), stalls=0.2)

    async def script(ctx: SimulatorContext) -> None:
        for _ in range(8):
            await bench.request(ctx, **blocks(20, 30))
            await ctx.tick().repeat(chooser.randrange(1, 70))
            ctx.set(bench.dut.abort, 1)
            await ctx.tick()
            await bench.wait_idle(ctx)
            ctx.set(bench.dut.abort, 0)
            await ctx.tick()
            bench.clear()
            await bench.request(ctx, **blocks(3, 4))
            await bench.wait_idle(ctx)
            assert bench.received == words(BASE + 64, 3) + words(BASE + 2048 + 64, 4)
            assert [len(times) for times in bench.strobes.values()] == [1, 1]

    bench.run(script)


def test_a_refused_beat_is_an_error_until_abort() -> None:
    bench = Bench()

    async def script(ctx: SimulatorContext) -> None:
        await bench.request(ctx, **{**blocks(2, 3), "weights": BASE + len(MEMORY) - 8})
        await bench.wait_idle(ctx)
        assert len(bench.received) == 5
        assert ctx.get(bench.dut.error)
        ctx.set(bench.dut.abort, 1)
        await ctx.tick()
        await bench.wait_idle(ctx)
        ctx.set(bench.dut.abort, 0)
        await ctx.tick()
        assert not ctx.get(bench.dut.error)

    bench.run(script)
