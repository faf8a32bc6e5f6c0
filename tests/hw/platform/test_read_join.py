# amaranth: UnusedElaboratable=no
"""ReadJoin: every reader gets its own beats, none waits for another, memory is never held up."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from functools import partial

import pytest
from amaranth.sim import SimulatorContext

from hw.platform.read_join import DEPTH_BEATS, ReadJoin
from tests.hw.blocks.axi_memory import Pacing, Stable, check_burst, simulator

ID_BITS = 3


def word(address: int) -> int:
    """Return what memory holds: a value that tells its address."""
    return address * 0x9E3779B97F4A7C15 & (1 << 64) - 1


@dataclass
class Memory:
    """Answers bursts of different IDs in any order, and those of one ID in theirs."""

    pacing: Pacing
    held_up: int = 0
    """Clocks in which a beat was not taken at once."""

    async def serve(self, ctx: SimulatorContext, dut: ReadJoin) -> None:
        memory, channel, clock = dut.memory, Stable("AR"), 0
        chooser = self.pacing.chooser(3)
        queues: dict[int, deque[tuple[int, int, int]]] = {}
        while True:
            due = [i for i, beats in queues.items() if beats and beats[0][0] <= clock]
            chosen = chooser.choice(due) if due and chooser.random() >= self.pacing.stalls else None
            ctx.set(memory.rvalid, chosen is not None)
            if chosen is not None:
                _, address, last = queues[chosen][0]
                ctx.set(memory.rid, chosen)
                ctx.set(memory.rdata, word(address))
                ctx.set(memory.rlast, last)
                ctx.set(memory.rresp, 2 if address % 1024 == 0 else 0)
            ready = chooser.random() >= self.pacing.stalls
            ctx.set(memory.arready, ready)
            _, _, rready, valid, address, length, number = await ctx.tick().sample(
                memory.rready, memory.arvalid, memory.araddr, memory.arlen, memory.arid
            )
            if chosen is not None:
                self.held_up += not rready
                queues[chosen].popleft()
            if channel.see(valid, ready, (address, length, number)):
                check_burst(address, length)
                beats = queues.setdefault(number, deque())
                for beat in range(length + 1):
                    beats.append((clock + self.pacing.latency, address + 8 * beat, beat == length))
            clock += 1


@dataclass
class Reader:
    """Asks for bursts, and takes beats as often as its pace says."""

    bursts: list[tuple[int, int]]
    pace: float = 1.0
    received: list[tuple[int, int, int]] = field(default_factory=list)
    ended: int = 0

    async def ask(self, ctx: SimulatorContext, dut: ReadJoin, index: int) -> None:
        port = dut.readers[index]
        for address, beats in self.bursts:
            ctx.set(port.araddr, address)
            ctx.set(port.arlen, beats - 1)
            ctx.set(port.arvalid, 1)
            taken = 0
            while not taken:
                _, _, taken = await ctx.tick().sample(port.arready)
            ctx.set(port.arvalid, 0)

    async def take(self, ctx: SimulatorContext, dut: ReadJoin, index: int) -> None:
        port, chooser, channel = dut.readers[index], random.Random(index), Stable("R")
        while True:
            ready = chooser.random() < self.pace
            ctx.set(port.rready, ready)
            _, _, valid, *beat = await ctx.tick().sample(
                port.rvalid, port.rdata, port.rlast, port.rresp
            )
            if channel.see(valid, ready, tuple(beat)):
                self.received.append((beat[0], beat[1], beat[2]))
            self.ended += 1

    @property
    def expected(self) -> list[tuple[int, int, int]]:
        return [
            (word(at), int(beat == beats - 1), 2 if at % 1024 == 0 else 0)
            for address, beats in self.bursts
            for beat, at in ((beat, address + 8 * beat) for beat in range(beats))
        ]


def run(readers: list[Reader], pacing: Pacing, clocks: int = 3000) -> Memory:
    dut, memory = ReadJoin(len(readers), 32, ID_BITS), Memory(pacing)
    bench = simulator(dut)
    bench.add_testbench(partial(memory.serve, dut=dut), background=True)
    for index, reader in enumerate(readers):
        bench.add_testbench(partial(reader.ask, dut=dut, index=index), background=True)
        bench.add_testbench(partial(reader.take, dut=dut, index=index), background=True)

    async def wait(ctx: SimulatorContext) -> None:
        await ctx.tick().repeat(clocks)

    bench.add_testbench(wait)
    bench.run()
    return memory


def bursts(seed: int, count: int) -> list[tuple[int, int]]:
    chooser = random.Random(seed)
    found = []
    for _ in range(count):
        beats = chooser.randint(1, 16)
        found.append((128 * chooser.randrange(1 << 20) + 8 * (16 - beats), beats))
    return found


@pytest.mark.parametrize("stalls", [0.0, 0.4])
@pytest.mark.parametrize("paces", [(1.0, 1.0), (0.3, 1.0), (0.2, 0.2)])
def test_each_reader_gets_its_beats_in_order(stalls: float, paces: tuple[float, float]) -> None:
    readers = [Reader(bursts(seed, 40), pace) for seed, pace in enumerate(paces)]
    memory = run(readers, Pacing(latency=20, stalls=stalls, seed=1))
    for reader in readers:
        assert reader.received == reader.expected
    assert memory.held_up == 0


def test_a_reader_that_takes_nothing_does_not_stop_another() -> None:
    stuck, other = Reader(bursts(1, 40), pace=0.0), Reader(bursts(2, 60))
    memory = run([stuck, other], Pacing(latency=20))
    assert other.received == other.expected
    assert stuck.received == []
    assert memory.held_up == 0


def test_a_reader_alone_gets_a_beat_a_clock() -> None:
    """With a latency that its room covers, no clock is lost once beats come."""
    reader = Reader([(128 * index, 16) for index in range(40)])
    latency = DEPTH_BEATS - 24
    run([reader], Pacing(latency=latency), clocks=40 * 16 + latency + 10)
    assert reader.received == reader.expected


def test_too_many_readers() -> None:
    with pytest.raises(ValueError, match="9 readers, expected 1 to 8 with 3 ID bits"):
        ReadJoin(9, 32, ID_BITS)
