"""ActivationWriter against bytes written one after another, and the modules' beat formula."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from amaranth.sim import SimulatorContext

from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE
from fpga_rt.modules.geometry import output_row_beats
from hw.static_region.activation_writer import DONE_CYCLES, ActivationWriter
from tests.hw.blocks.axi_memory import BASE, AxiMemory, Pacing, simulator
from tests.hw.static_region.feature_ports import FeaturePorts
from tests.hw.static_region.tensors import (
    CHIP_BYTES,
    DRAM_BYTES,
    Bytes,
    Memories,
    in_beats,
    pieces,
    random_fields,
)

COMMAND_CYCLES = 2
"""The command comes this long before its start."""

Script = Callable[[SimulatorContext], Coroutine[Any, Any, None]]

FIRST_BEAT_CYCLES = 3

PLAIN = {
    "output": FEATURE_MEMORY_BASE,
    "output_height": 4,
    "output_width": 4,
    "output_channels": 16,
    "output_pixel_pitch": 16,
    "output_row_pitch": 64,
}


def shape(fields: Mapping[str, int]) -> tuple[int, int, int]:
    return fields["output_height"], fields["output_width"], fields["output_channels"]


def stream(fields: Mapping[str, int], codes: Bytes, chooser: random.Random) -> list[int]:
    """Return the beats of an output tensor; what is behind a piece's bytes is random."""
    beats = []
    for row in codes:
        for piece in pieces(row, fields["output_pixel_pitch"]):
            for value, mask in in_beats(piece):
                beats.append(value | (chooser.getrandbits(64) & ~mask))
    return beats


@dataclass
class Bench:
    """A writer, both memories, and a module that gives beats."""

    pacing: Pacing = field(default_factory=Pacing)
    stalls: float = 0.0
    """Share of the clocks in which the module offers nothing; of the feature memory as well."""
    dut: ActivationWriter = field(default_factory=ActivationWriter)
    memories: Memories = field(default_factory=Memories)
    beats: list[int] = field(default_factory=list)
    """What the module still has to give."""
    taken: list[int] = field(default_factory=list)
    """Clocks."""
    clock: int = 0

    def __post_init__(self) -> None:
        self.dram = AxiMemory(self.memories.dram, self.pacing)
        self.chip = FeaturePorts(self.memories.chip, self.stalls, self.pacing.seed)
        self.chooser = random.Random(self.pacing.seed)

    def run(self, script: Script) -> None:
        simulation = simulator(self.dut)
        simulation.add_testbench(self._dram, background=True)
        simulation.add_testbench(self._chip, background=True)
        simulation.add_testbench(self._module, background=True)
        simulation.add_testbench(script)
        simulation.run()

    async def _dram(self, ctx: SimulatorContext) -> None:
        await self.dram.serve_writes(ctx, self.dut.axi)

    async def _chip(self, ctx: SimulatorContext) -> None:
        await self.chip.serve_writes(ctx, self.dut.features)

    async def _module(self, ctx: SimulatorContext) -> None:
        port, offered = self.dut.output, False
        while True:
            offered = bool(self.beats) and (offered or self.chooser.random() >= self.stalls)
            ctx.set(port.valid, offered)
            if offered:
                ctx.set(port.payload, self.beats[0])
            _, _, ready = await ctx.tick().sample(port.ready)
            if offered and ready:
                del self.beats[0]
                self.taken.append(self.clock)
                offered = False
            self.clock += 1

    async def start(self, ctx: SimulatorContext, fields: Mapping[str, int]) -> Memories:
        """Start a command with a random output; return the memories as they have to become."""
        assert ctx.get(self.dut.idle)
        size = int(np.prod(shape(fields)))
        codes = np.frombuffer(self.chooser.randbytes(size), np.uint8).reshape(shape(fields))
        wanted = Memories(bytearray(self.memories.dram), bytearray(self.memories.chip))
        target = wanted.tensor(fields, "output")
        for index in np.ndindex(codes.shape):  # later bytes win
            target[index] = codes[index]
        self.beats[:] = stream(fields, codes, self.chooser)
        self.taken.clear()
        ctx.set(self.dut.command, dict(fields))
        await ctx.tick().repeat(COMMAND_CYCLES)
        ctx.set(self.dut.start, 1)
        self.started = self.clock
        await ctx.tick()
        ctx.set(self.dut.start, 0)
        return wanted

    async def done(self, ctx: SimulatorContext) -> int:
        """Wait for `done`; return its clock."""
        for _ in range(5000):
            if ctx.get(self.dut.done):
                done = self.clock
                await ctx.tick()
                return done
            await ctx.tick()
        pytest.fail("the writer never ends")

    async def abort(self, ctx: SimulatorContext) -> None:
        """Abort and wait until it is idle and the module silent."""
        ctx.set(self.dut.abort, 1)
        await ctx.tick()
        for _ in range(500):
            if ctx.get(self.dut.idle) and not self.beats:
                ctx.set(self.dut.abort, 0)
                await ctx.tick()
                return
            await ctx.tick()
        pytest.fail("the writer never gets idle")

    def check(self, wanted: Memories) -> None:
        assert not self.beats
        assert self.memories.chip == wanted.chip
        assert self.memories.dram == wanted.dram


@pytest.mark.parametrize("seed", range(3))
def test_writes_what_numpy_writes_whatever_stalls(seed: int) -> None:
    chooser = random.Random(seed)
    bench = Bench(Pacing(latency=chooser.choice([1, 30]), stalls=0.2, seed=seed), stalls=0.3)

    async def script(ctx: SimulatorContext) -> None:
        for _ in range(10):
            fields = random_fields(chooser)
            wanted = await bench.start(ctx, fields)
            await bench.done(ctx)
            bench.check(wanted)
            assert not ctx.get(bench.dut.error), fields

    bench.run(script)


@pytest.mark.parametrize("where", [FEATURE_MEMORY_BASE + 64, BASE + 64])
@pytest.mark.parametrize("pitches", [(5, 40), (16, 21), (0, 0)])
def test_where_pixels_or_rows_overlap_later_bytes_win(where: int, pitches: tuple[int, int]) -> None:
    bench = Bench(Pacing(latency=5, stalls=0.1), stalls=0.1)
    fields = {**PLAIN, "output": where, "output_pixel_pitch": pitches[0]}
    fields |= {"output_row_pitch": pitches[1], "output_channels": 13}

    async def script(ctx: SimulatorContext) -> None:
        wanted = await bench.start(ctx, fields)
        await bench.done(ctx)
        bench.check(wanted)

    bench.run(script)


@pytest.mark.parametrize("seed", range(2))
def test_on_chip_every_row_takes_the_clocks_of_the_formula(seed: int) -> None:
    chooser, bench = random.Random(seed), Bench()

    async def script(ctx: SimulatorContext) -> None:
        for _ in range(10):
            fields = random_fields(chooser, chip=True)
            wanted = await bench.start(ctx, fields)
            done = await bench.done(ctx)
            bench.check(wanted)
            clocks = fields["output_height"] * output_row_beats(fields)
            pitches = fields["output"] | fields["output_row_pitch"]
            several = fields["output_width"] > 1
            if several and fields["output_pixel_pitch"] != fields["output_channels"]:
                pitches |= fields["output_pixel_pitch"]
            gap = pitches % 8 != 0  # the last clock takes no beat
            first, last = bench.taken[0], bench.taken[-1]
            assert first == bench.started + FIRST_BEAT_CYCLES
            assert last == first + clocks - 1 - gap, fields
            assert done == last + DONE_CYCLES

    bench.run(script)


def test_dram_takes_a_beat_a_clock() -> None:
    """Rows of 8 beats in bursts of their own."""
    bench = Bench(Pacing(latency=10))
    fields = {**PLAIN, "output": BASE + 64, "output_row_pitch": 128, "output_height": 8}

    async def script(ctx: SimulatorContext) -> None:
        wanted = await bench.start(ctx, fields)
        await bench.done(ctx)
        bench.check(wanted)
        assert bench.taken[-1] - bench.taken[0] == 8 * 8 - 1

    bench.run(script)


def test_done_follows_the_last_response() -> None:
    bench = Bench(Pacing(latency=10))
    fields = {**PLAIN, "output": BASE + 64, "output_row_pitch": 128}

    async def script(ctx: SimulatorContext) -> None:
        await bench.start(ctx, fields)
        last = -1
        while not ctx.get(bench.dut.done):
            last = bench.clock if ctx.get(bench.dut.axi.bvalid) else last
            await ctx.tick()
        assert bench.clock == last + 1
        assert not bench.dram.under_way

    bench.run(script)


def test_an_aborted_piece_is_not_taken_for_the_next() -> None:
    bench = Bench(Pacing(latency=5))
    fields = {**PLAIN, "output": BASE + 64}

    async def script(ctx: SimulatorContext) -> None:
        await bench.start(ctx, fields)
        del bench.beats[3:]
        await ctx.tick().repeat(10)
        await bench.abort(ctx)
        wanted = await bench.start(ctx, fields)
        await bench.done(ctx)
        bench.check(wanted)

    bench.run(script)


def test_dram_gets_the_beats_of_the_formula() -> None:
    """A misaligned tensor costs a beat more in each piece, but never a page it does not lie in."""
    bench = Bench(Pacing(latency=2))
    inside = {**PLAIN, "output": BASE + 8, "output_row_pitch": 68, "output_channels": 1}
    inside |= {"output_width": 1, "output_height": 2}
    at_the_end = {**inside, "output": BASE + DRAM_BYTES - 76}

    async def script(ctx: SimulatorContext) -> None:
        for fields, rows in ((inside, [2, 2]), (at_the_end, [2, 1])):
            bench.dram.bursts.clear()
            wanted = await bench.start(ctx, fields)
            await bench.done(ctx)
            bench.check(wanted)
            assert [beats for _, beats in bench.dram.bursts] == rows
            assert not ctx.get(bench.dut.error)

    bench.run(script)


@pytest.mark.parametrize("seed", range(2))
def test_abort_drops_beats_and_writes_no_others(seed: int) -> None:
    """A byte is as it was or as it was to become; the next command is not disturbed."""
    chooser = random.Random(seed)
    bench = Bench(Pacing(latency=20, stalls=0.1, seed=seed), stalls=0.2)

    async def script(ctx: SimulatorContext) -> None:
        for _ in range(4):
            before = Memories(bytearray(bench.memories.dram), bytearray(bench.memories.chip))
            wanted = await bench.start(ctx, random_fields(chooser))
            for _ in range(chooser.randrange(60)):
                await ctx.tick()
            await bench.abort(ctx)
            for name in ("dram", "chip"):
                trio = (getattr(each, name) for each in (bench.memories, before, wanted))
                assert all(now in (old, new) for now, old, new in zip(*trio, strict=True))
            wanted = await bench.start(ctx, random_fields(chooser))
            await bench.done(ctx)
            bench.check(wanted)

    bench.run(script)


@pytest.mark.parametrize("end", [FEATURE_MEMORY_BASE + CHIP_BYTES, BASE + DRAM_BYTES])
def test_a_beat_outside_of_memory_is_an_error_until_abort(end: int) -> None:
    bench = Bench(Pacing(latency=3))

    async def script(ctx: SimulatorContext) -> None:
        ctx.set(bench.dut.command, {**PLAIN, "output": end - 64})
        await ctx.tick().repeat(COMMAND_CYCLES)
        ctx.set(bench.dut.start, 1)
        await ctx.tick()
        ctx.set(bench.dut.start, 0)
        bench.beats[:] = range(4 * 8)
        done = False
        while not done:
            done = ctx.get(bench.dut.done)
            assert not done or ctx.get(bench.dut.error), "the error comes no later than `done`"
            await ctx.tick()
        await bench.abort(ctx)
        assert not ctx.get(bench.dut.error)
        wanted = await bench.start(ctx, PLAIN)
        await bench.done(ctx)
        bench.check(wanted)
        assert not ctx.get(bench.dut.error)

    bench.run(script)


def test_a_beat_refused_last_is_an_error_with_done() -> None:
    bench = Bench()

    async def script(ctx: SimulatorContext) -> None:
        for gap in (0, 1):
            fields = {**PLAIN, "output": FEATURE_MEMORY_BASE + CHIP_BYTES - 8 + gap}
            fields |= {"output_height": 1, "output_width": 1}
            ctx.set(bench.dut.command, fields)
            await ctx.tick().repeat(COMMAND_CYCLES)
            ctx.set(bench.dut.start, 1)
            await ctx.tick()
            ctx.set(bench.dut.start, 0)
            bench.beats[:] = [1, 2]
            while not ctx.get(bench.dut.done):
                await ctx.tick()
            assert ctx.get(bench.dut.error)
            await bench.abort(ctx)

    bench.run(script)


@pytest.mark.parametrize("name", ["output_height", "output_width", "output_channels"])
def test_nothing_to_write_is_done_at_once(name: str) -> None:
    bench = Bench()

    async def script(ctx: SimulatorContext) -> None:
        await bench.start(ctx, {**PLAIN, name: 0})
        assert await bench.done(ctx) == bench.started + 3

    bench.run(script)


def test_a_piece_of_16_mib_is_refused() -> None:
    bench = Bench()
    fields = {**PLAIN, "output_width": 4096, "output_channels": 4096, "output_pixel_pitch": 4096}

    async def script(ctx: SimulatorContext) -> None:
        ctx.set(bench.dut.command, fields)
        await ctx.tick().repeat(COMMAND_CYCLES)
        ctx.set(bench.dut.start, 1)
        await ctx.tick()
        ctx.set(bench.dut.start, 0)
        for _ in range(4):
            await ctx.tick()
        assert ctx.get(bench.dut.error)
        await bench.abort(ctx)
        assert not ctx.get(bench.dut.error)

    bench.run(script)
