# amaranth: UnusedElaboratable=no
"""FeatureMemory against a row of bytes."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

import pytest
from amaranth.sim import SimulatorContext

from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE
from hw.static_region.feature_memory import BANKS, READ_CYCLES, FeatureMemory
from tests.hw.blocks.axi_memory import simulator

SIZE_BYTES = 1024
ROW_BYTES = 8 * BANKS
PORTS = 3


def beats(start: int, step: int) -> Iterator[int]:
    """Yield addresses inside, `step` apart."""
    return (FEATURE_MEMORY_BASE + (start + step * i) % SIZE_BYTES for i in count())


@dataclass
class Reader:
    """Offers addresses to a read port and checks what comes and when."""

    addresses: Iterator[int]
    accepted: list[int] = field(default_factory=list)
    """Clocks."""

    async def run(self, ctx: SimulatorContext, dut: FeatureMemory, i: int, model: Model) -> None:
        port, due = dut.read[i], deque[tuple[int, bytes | None]]()
        for address in self.addresses:
            ctx.set(port.address, address)
            ctx.set(port.valid, 1)
            ready = False
            while not ready:
                clock = model.clock
                _, _, ready, valid, data, error = await ctx.tick().sample(
                    port.ready, port.data_valid, port.data, port.error
                )
                assert valid == bool(due and due[0][0] == clock)
                if valid:
                    self.compare(data, error, due.popleft()[1])
            self.accepted.append(clock)
            due.append((clock + READ_CYCLES, model.at(address, clock)))

    @staticmethod
    def compare(data: int, error: int, wanted: bytes | None) -> None:
        assert error == (wanted is None)
        assert wanted is None or data.to_bytes(8, "little") == wanted


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
    """The bytes as they were at the start of every clock."""

    def __init__(self) -> None:
        self.clock = 0
        self._history = [bytearray(SIZE_BYTES)]

    def inside(self, address: int) -> bool:
        return 0 <= address - FEATURE_MEMORY_BASE < SIZE_BYTES

    def _state(self, clock: int) -> bytearray:
        while len(self._history) <= clock:
            self._history.append(bytearray(self._history[-1]))
        return self._history[clock]

    def at(self, address: int, clock: int) -> bytes | None:
        at = address - FEATURE_MEMORY_BASE
        return bytes(self._state(clock)[at : at + 8]) if self.inside(address) else None

    def write(self, address: int, data: bytes, strobe: int, clock: int) -> None:
        """Change what is there from the clock after `clock` on."""
        state, at = self._state(clock + 1), address - FEATURE_MEMORY_BASE
        for byte in range(8):
            if self.inside(address) and strobe >> byte & 1:
                state[at + byte] = data[byte]


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


def anywhere(seed: int) -> Iterator[int]:
    """Yield addresses of few beats, and now and then one outside."""
    chooser = random.Random(seed)
    while True:
        at = 8 * chooser.randrange(24) if chooser.random() < 0.9 else SIZE_BYTES - 16
        outside = chooser.random() < 0.1
        yield FEATURE_MEMORY_BASE + at + (SIZE_BYTES if outside else 0)


def test_random_traffic_reads_what_was_written() -> None:
    readers = {i: Reader(anywhere(i)) for i in range(PORTS)}
    writers = {i: Writer(anywhere(10 + i)) for i in range(PORTS)}
    run(300, readers, writers)
    ports: list[Reader | Writer] = [*readers.values(), *writers.values()]
    assert min(len(port.accepted) for port in ports) > 150


def test_streams_side_by_side_have_a_beat_a_clock() -> None:
    """They meet in a bank at the start only, however they lie."""
    readers = {i: Reader(beats(128 * i, 8)) for i in range(PORTS)}
    writers = {i: Writer(beats(128 * i + 64, 8)) for i in range(PORTS)}
    run(100, readers, writers)
    ports: list[Reader | Writer] = [*readers.values(), *writers.values()]
    for port in ports:
        assert port.accepted[-1] == 99
        assert len(port.accepted) >= 100 - PORTS + 1


@pytest.mark.parametrize("ports", [(0, 1, 2), (0, 2)])
def test_ports_in_one_bank_take_turns(ports: tuple[int, ...]) -> None:
    readers = {i: Reader(beats(0, ROW_BYTES)) for i in ports}
    run(120, readers, {})
    assert [len(port.accepted) for port in readers.values()] == [120 // len(ports)] * len(ports)


def test_a_whole_number_of_beats_in_every_bank() -> None:
    with pytest.raises(ValueError, match="got 100 bytes, expected a positive multiple of 64"):
        FeatureMemory(100, 1)
