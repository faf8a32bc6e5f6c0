# amaranth: UnusedElaboratable=no
"""FeatureMemory against beats that remember what they held."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

import pytest
from amaranth.sim import SimulatorContext

from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE
from hw.static_region.feature_memory import BANKS, READ_CYCLES, WRITE_CYCLES, FeatureMemory
from tests.hw.blocks.axi_memory import simulator

SIZE_BYTES = 1024
ROW_BYTES = 8 * BANKS
PORTS = 3
LONGEST_WAIT = 2 * (PORTS + 1)
"""Clocks that a beat takes more because others have its bank."""


def beats(start: int, step: int) -> Iterator[int]:
    """Yield addresses inside, `step` apart."""
    return (FEATURE_MEMORY_BASE + (start + step * i) % SIZE_BYTES for i in count())


@dataclass
class Reader:
    """Offers addresses to a read port and checks what comes, in order, and when."""

    addresses: Iterator[int]
    accepted: list[int] = field(default_factory=list)
    """Clocks."""
    alone: bool = False
    """No other port can keep it from a bank."""

    async def run(self, ctx: SimulatorContext, dut: FeatureMemory, i: int, model: Model) -> None:
        port, due = dut.read[i], deque[tuple[int, int]]()
        for address in self.addresses:
            ctx.set(port.address, address)
            ctx.set(port.valid, 1)
            ready = False
            while not ready:
                clock = model.clock
                _, _, ready, valid, data, error = await ctx.tick().sample(
                    port.ready, port.data_valid, port.data, port.error
                )
                if valid:
                    self.see(clock, data, error, *due.popleft(), model)
                assert not due or clock < due[0][0] + READ_CYCLES + LONGEST_WAIT
            self.accepted.append(clock)
            due.append((clock, address))

    def see(
        self, clock: int, data: int, error: int, asked: int, address: int, model: Model
    ) -> None:
        assert clock >= asked + READ_CYCLES
        assert clock == asked + READ_CYCLES or not self.alone
        assert error == (not model.inside(address))
        if not error:
            wanted = model.between(address, asked + 1, clock - READ_CYCLES + 1)
            assert data.to_bytes(8, "little") in wanted


@dataclass
class Writer:
    """Offers random beats to a write port."""

    addresses: Iterator[int]
    accepted: list[int] = field(default_factory=list)

    async def run(self, ctx: SimulatorContext, dut: FeatureMemory, i: int, model: Model) -> None:
        port, chooser = dut.write[i], random.Random(i)
        for address in self.addresses:
            data, strobe = chooser.randbytes(8), chooser.getrandbits(8)
            ctx.set(port.address, address)
            ctx.set(port.data, int.from_bytes(data, "little"))
            ctx.set(port.strobe, strobe)
            ctx.set(port.valid, 1)
            ready = False
            while not ready:
                clock = model.clock
                _, _, ready, error = await ctx.tick().sample(port.ready, port.error)
            self.accepted.append(clock)
            assert error == (not model.inside(address))
            model.write(address, data, strobe, clock)


class Model:
    """For every beat what it held, and from which clock on it was asked to hold it."""

    def __init__(self) -> None:
        self.clock = 0
        self._beats: dict[int, list[tuple[int, bytes]]] = {}

    def inside(self, address: int) -> bool:
        return 0 <= address - FEATURE_MEMORY_BASE < SIZE_BYTES

    def _held(self, address: int) -> list[tuple[int, bytes]]:
        return self._beats.setdefault(address, [(-LONGEST_WAIT, bytes(8))])

    def between(self, address: int, first: int, last: int) -> set[bytes]:
        """Return what a beat may show who reads it in one of some clocks.

        A write that was accepted in clock c shows from c + `WRITE_CYCLES` on at the earliest, and
        `LONGEST_WAIT` later at the latest.
        """
        held = self._held(address)
        since = [clock + WRITE_CYCLES for clock, _ in held]
        until = [clock + LONGEST_WAIT for clock in since[1:]] + [last + 1]
        return {
            beat
            for (_, beat), shown, gone in zip(held, since, until, strict=True)
            if shown <= last and gone > first
        }

    def write(self, address: int, data: bytes, strobe: int, clock: int) -> None:
        """Note a beat that was accepted; only one port writes it."""
        if self.inside(address):
            before = self._held(address)[-1][1]
            pairs = enumerate(zip(before, data, strict=True))
            beat = bytes(new if strobe >> i & 1 else old for i, (old, new) in pairs)
            self._held(address).append((clock, beat))


def run(clocks: int, readers: Mapping[int, Reader], writers: Mapping[int, Writer]) -> None:
    dut, model = FeatureMemory(SIZE_BYTES, PORTS), Model()
    simulation = simulator(dut)

    async def script(ctx: SimulatorContext) -> None:
        for _ in range(clocks):
            await ctx.tick()
            model.clock += 1

    def add(port: Reader | Writer, i: int) -> None:
        async def bench(ctx: SimulatorContext) -> None:
            await port.run(ctx, dut, i, model)

        simulation.add_testbench(bench, background=True)

    simulation.add_testbench(script)
    for ports in (writers, readers):
        for i, port in ports.items():
            add(port, i)
    simulation.run()


def anywhere(seed: int, own: int | None = None) -> Iterator[int]:
    """Yield addresses of few beats (of a port's `own`), and now and then one outside."""
    chooser = random.Random(seed)
    while True:
        at = 8 * chooser.randrange(24) if chooser.random() < 0.9 else SIZE_BYTES - 16
        if own is not None:
            at -= (at // 8 - own) % PORTS * 8
        outside = chooser.random() < 0.1
        yield FEATURE_MEMORY_BASE + max(at, 8 * (own or 0)) + (SIZE_BYTES if outside else 0)


def test_random_traffic_reads_what_was_written() -> None:
    readers = {i: Reader(anywhere(i)) for i in range(PORTS)}
    writers = {i: Writer(anywhere(10 + i, own=i)) for i in range(PORTS)}
    run(300, readers, writers)
    ports: list[Reader | Writer] = [*readers.values(), *writers.values()]
    assert min(len(port.accepted) for port in ports) > 150


def test_a_port_alone_reads_at_once_what_was_written_before() -> None:
    reader, writer = Reader(anywhere(1), alone=True), Writer(anywhere(2, own=0))
    run(200, {1: reader}, {0: writer})
    assert min(len(port.accepted) for port in (reader, writer)) >= 199  # from the first clock on


def test_streams_side_by_side_have_a_beat_a_clock() -> None:
    """They meet in a bank at the start only, however they lie."""
    readers = {i: Reader(beats(128 * i, 8)) for i in range(PORTS)}
    writers = {i: Writer(beats(128 * i + 64, 8)) for i in range(PORTS)}
    run(100, readers, writers)
    ports: list[Reader | Writer] = [*readers.values(), *writers.values()]
    for port in ports:
        assert port.accepted[-1] == 99
        assert len(port.accepted) >= 100 - PORTS


@pytest.mark.parametrize("ports", [(0, 1, 2), (0, 2)])
def test_ports_in_one_bank_take_turns(ports: tuple[int, ...]) -> None:
    readers = {i: Reader(beats(0, ROW_BYTES)) for i in ports}
    run(120, readers, {})
    share = 120 // len(ports)
    assert all(share <= len(port.accepted) <= share + 2 for port in readers.values())


def test_a_whole_number_of_beats_in_every_bank() -> None:
    with pytest.raises(ValueError, match="got 100 bytes, expected a positive multiple of 64"):
        FeatureMemory(100, 1)
