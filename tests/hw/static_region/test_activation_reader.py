"""ActivationReader against NumPy's view of the same bytes, and the modules' beat formula."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from amaranth.sim import SimulatorContext

from fpga_rt.contract.command import CommandFlag, Operation
from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE
from hw.static_region.activation_reader import (
    FIRST_BEAT_CYCLES,
    FIRST_REQUEST_CYCLES,
    ActivationReader,
)
from tests.hw.blocks.axi_memory import BASE, AxiMemory, Pacing, Stable, simulator
from tests.hw.static_region.feature_ports import FeaturePorts
from tests.hw.static_region.tensors import (
    CHIP_BYTES,
    DRAM_BYTES,
    Memories,
    in_beats,
    random_fields,
    read_beats,
    read_pieces,
)

COMMAND_CYCLES = 2
"""The command comes this long before its start."""

Script = Callable[[SimulatorContext], Coroutine[Any, Any, None]]

PLAIN = {
    "operation": Operation.CONVOLUTION,
    "kernel_height": 3,
    "stride_y": 1,
    "pad_top": 1,
    "flags": 0,
    "input": FEATURE_MEMORY_BASE,
    "input_height": 4,
    "input_width": 4,
    "input_channels": 16,
    "input_pixel_pitch": 16,
    "input_row_pitch": 64,
    "residual": FEATURE_MEMORY_BASE + 1024,
    "output_height": 4,
    "output_width": 4,
    "output_channels": 16,
    "output_pixel_pitch": 16,
    "output_row_pitch": 64,
}


@dataclass
class Bench:
    """A reader, both memories, and a module that notes what comes and when."""

    pacing: Pacing = field(default_factory=Pacing)
    stalls: float = 0.0
    """Share of the clocks in which the module is not ready; of the feature memory as well."""
    dut: ActivationReader = field(default_factory=ActivationReader)
    memories: Memories = field(default_factory=Memories)
    received: list[tuple[int, int]] = field(default_factory=list)
    """Clock and beat."""
    clock: int = 0
    ready: bool = True

    def __post_init__(self) -> None:
        self.dram = AxiMemory(self.memories.dram, self.pacing)
        self.chip = FeaturePorts(self.memories.chip, self.stalls, self.pacing.seed)

    def run(self, script: Script) -> None:
        simulation = simulator(self.dut)
        simulation.add_testbench(self._dram, background=True)
        simulation.add_testbench(self._chip, background=True)
        simulation.add_testbench(self._module, background=True)
        simulation.add_testbench(script)
        simulation.run()

    async def _dram(self, ctx: SimulatorContext) -> None:
        await self.dram.serve_reads(ctx, self.dut.axi)

    async def _chip(self, ctx: SimulatorContext) -> None:
        await self.chip.serve_reads(ctx, self.dut.features)

    async def _module(self, ctx: SimulatorContext) -> None:
        chooser, channel, port = random.Random(self.pacing.seed), Stable("input"), self.dut.input
        while True:
            ready = self.ready and chooser.random() >= self.stalls
            ctx.set(port.ready, ready)
            _, _, valid, beat, abort = await ctx.tick().sample(
                port.valid, port.payload, self.dut.abort
            )
            if abort:
                channel = Stable("input")
            elif channel.see(valid, ready, (beat,)):
                self.received.append((self.clock, beat))
            self.clock += 1

    async def start(self, ctx: SimulatorContext, fields: Mapping[str, int]) -> int:
        """Start a command; return the clock of `start`."""
        assert ctx.get(self.dut.idle)
        ctx.set(self.dut.command, dict(fields))
        await ctx.tick().repeat(COMMAND_CYCLES)
        ctx.set(self.dut.start, 1)
        started = self.clock
        await ctx.tick()
        ctx.set(self.dut.start, 0)
        return started

    async def done(self, ctx: SimulatorContext, limit: int = 5000) -> int:
        """Wait for `done`; return its clock."""
        for _ in range(limit):
            if ctx.get(self.dut.done):
                done = self.clock
                await ctx.tick()
                return done
            await ctx.tick()
        pytest.fail("the reader never ends")

    async def abort(self, ctx: SimulatorContext) -> None:
        """Abort and wait until it is idle."""
        ctx.set(self.dut.abort, 1)
        await ctx.tick()
        for _ in range(500):
            if ctx.get(self.dut.idle):
                ctx.set(self.dut.abort, 0)
                await ctx.tick()
                return
            await ctx.tick()
        pytest.fail("the reader never gets idle")

    def check(self, fields: Mapping[str, int], since: int = 0) -> None:
        """Fail unless the beats from number `since` on are those of the command."""
        wanted = [beat for piece in read_pieces(self.memories, fields) for beat in in_beats(piece)]
        got = [beat for _, beat in self.received[since:]]
        assert len(got) == len(wanted), fields
        for number, (beat, (value, mask)) in enumerate(zip(got, wanted, strict=True)):
            assert beat & mask == value, (number, fields)


@pytest.mark.parametrize("seed", range(3))
def test_streams_what_numpy_sees_whatever_stalls(seed: int) -> None:
    chooser = random.Random(seed)
    bench = Bench(Pacing(latency=chooser.choice([1, 30]), stalls=0.2, seed=seed), stalls=0.3)

    async def script(ctx: SimulatorContext) -> None:
        for _ in range(8):
            fields, since = random_fields(chooser), len(bench.received)
            await bench.start(ctx, fields)
            await bench.done(ctx)
            bench.check(fields, since)
            assert not ctx.get(bench.dut.error), fields

    bench.run(script)


@pytest.mark.parametrize("seed", range(2))
def test_on_chip_every_row_takes_the_clocks_of_the_formula(seed: int) -> None:
    chooser, bench = random.Random(seed), Bench()

    async def script(ctx: SimulatorContext) -> None:
        for _ in range(8):
            fields, since = random_fields(chooser, chip=True), len(bench.received)
            bench.chip.first_address = None
            started = await bench.start(ctx, fields)
            done = await bench.done(ctx)
            bench.check(fields, since)
            if not read_beats(fields):
                assert done == started + 2
                continue
            last = bench.received[-1][0]
            assert last - started == FIRST_BEAT_CYCLES + read_beats(fields) - 1, fields
            assert done == last + 1
            assert bench.chip.first_address == started + FIRST_REQUEST_CYCLES

    bench.run(script)


def test_the_pixel_pitch_of_a_single_pixel_costs_nothing() -> None:
    bench = Bench()
    fields = {**PLAIN, "input_width": 1, "input_pixel_pitch": 19}

    async def script(ctx: SimulatorContext) -> None:
        started = await bench.start(ctx, fields)
        await bench.done(ctx)
        bench.check(fields)
        assert bench.received[-1][0] == started + FIRST_BEAT_CYCLES + 4 * 2 - 1

    bench.run(script)


def test_a_long_stream_of_pixels_and_rows_has_no_gap() -> None:
    bench = Bench()
    fields = {**PLAIN, "input_width": 8, "input_channels": 8, "input_row_pitch": 8 * 16}

    async def script(ctx: SimulatorContext) -> None:
        await bench.start(ctx, fields)
        await bench.done(ctx)
        bench.check(fields)
        clocks = [clock for clock, _ in bench.received]
        assert len(clocks) == 4 * 8
        assert clocks == list(range(clocks[0], clocks[0] + len(clocks)))

    bench.run(script)


@pytest.mark.parametrize(
    ("input_at", "residual_at"),
    [(BASE, FEATURE_MEMORY_BASE), (FEATURE_MEMORY_BASE, BASE), (BASE, BASE + 2048)],
)
def test_the_latency_of_dram_shows_once(input_at: int, residual_at: int) -> None:
    bench = Bench(Pacing(latency=30))
    fields = {
        **PLAIN,
        "flags": CommandFlag.FUSED_ADDITION,
        "input": input_at,
        "residual": residual_at,
        "input_height": 8,
        "output_height": 8,
    }

    async def script(ctx: SimulatorContext) -> None:
        started = await bench.start(ctx, fields)
        await bench.done(ctx)
        bench.check(fields)
        if input_at == BASE:
            assert bench.received[0][0] - started == 5 + 30 + 2
        assert bench.received[-1][0] - started <= 5 + 30 + 2 + read_beats(fields) + 4

    bench.run(script)


def test_small_pieces_from_dram_are_under_way_together() -> None:
    """Pixels of 2 beats that lie apart: 16 bursts are under way, so the latency hardly shows."""
    bench = Bench(Pacing(latency=30))
    fields = {**PLAIN, "input": BASE, "input_pixel_pitch": 24, "input_row_pitch": 96}

    async def script(ctx: SimulatorContext) -> None:
        started = await bench.start(ctx, fields)
        await bench.done(ctx)
        bench.check(fields)
        assert bench.received[-1][0] - started < 5 + 2 * 36
        assert bench.dram.most_under_way > 24

    bench.run(script)


def test_dram_gives_the_beats_of_the_formula() -> None:
    """A misaligned tensor costs a beat more in each piece, but never a page it does not lie in."""
    bench = Bench(Pacing(latency=2))
    inside = {**PLAIN, "input": BASE + 8, "input_row_pitch": 68, "input_channels": 1}
    inside |= {"input_width": 1, "input_height": 2, "output_height": 2}
    at_the_end = {**inside, "input": BASE + DRAM_BYTES - 76}

    async def script(ctx: SimulatorContext) -> None:
        for fields, rows in ((inside, [2, 2]), (at_the_end, [2, 1])):
            bench.dram.bursts.clear()
            await bench.start(ctx, fields)
            await bench.done(ctx)
            assert [beats for _, beats in bench.dram.bursts] == rows
            assert not ctx.get(bench.dut.error)

    bench.run(script)


@pytest.mark.parametrize("seed", range(2))
def test_abort_forgets_everything(seed: int) -> None:
    chooser = random.Random(seed)
    bench = Bench(Pacing(latency=20, stalls=0.1, seed=seed), stalls=0.2)

    async def script(ctx: SimulatorContext) -> None:
        for _ in range(4):
            await bench.start(ctx, random_fields(chooser))
            for _ in range(chooser.randrange(60)):
                await ctx.tick()
            bench.ready = chooser.random() < 0.5
            await bench.abort(ctx)
            bench.ready = True
            fields, since = random_fields(chooser), len(bench.received)
            await bench.start(ctx, fields)
            await bench.done(ctx)
            bench.check(fields, since)

    bench.run(script)


@pytest.mark.parametrize("address", [FEATURE_MEMORY_BASE + CHIP_BYTES - 64, BASE + DRAM_BYTES - 64])
def test_a_beat_outside_of_memory_is_an_error_until_abort(address: int) -> None:
    bench = Bench(Pacing(latency=3))

    async def script(ctx: SimulatorContext) -> None:
        await bench.start(ctx, {**PLAIN, "input": address})
        await bench.done(ctx)
        assert len(bench.received) == 4 * 8
        assert ctx.get(bench.dut.error)
        await bench.abort(ctx)
        assert not ctx.get(bench.dut.error)
        await bench.start(ctx, PLAIN)
        await bench.done(ctx)
        bench.check(PLAIN, 4 * 8)
        assert not ctx.get(bench.dut.error)

    bench.run(script)


@pytest.mark.parametrize("name", ["input_height", "input_width", "input_channels", "output_height"])
def test_nothing_to_read_is_done_at_once(name: str) -> None:
    bench = Bench()

    async def script(ctx: SimulatorContext) -> None:
        started = await bench.start(ctx, {**PLAIN, name: 0})
        assert await bench.done(ctx) == started + 2
        assert not bench.received

    bench.run(script)


def test_without_input_the_residual_still_comes() -> None:
    bench = Bench()
    fields = {**PLAIN, "input_channels": 0, "flags": CommandFlag.FUSED_ADDITION}
    fields["output_row_pitch"] = 80

    async def script(ctx: SimulatorContext) -> None:
        await bench.start(ctx, fields)
        await bench.done(ctx)
        rows = bench.memories.tensor(fields, "residual")
        wanted = [beat for row in rows for beat, _ in in_beats(row.tobytes())]
        assert [beat for _, beat in bench.received] == wanted

    bench.run(script)


def test_a_piece_of_16_mib_is_refused() -> None:
    bench = Bench()
    bench.ready = False
    fields = {**PLAIN, "input_width": 4096, "input_channels": 4096, "input_pixel_pitch": 4096}

    async def script(ctx: SimulatorContext) -> None:
        await bench.start(ctx, fields)
        for _ in range(4):
            await ctx.tick()
        assert ctx.get(bench.dut.error)
        await bench.abort(ctx)
        assert not ctx.get(bench.dut.error)

    bench.run(script)
