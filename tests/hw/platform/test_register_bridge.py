"""RegisterBridge: whatever a processor sends becomes single accesses of registers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import pytest
from amaranth import Signal
from amaranth.sim import SimulatorContext

from hw.platform.axi_full import FIXED, INCR
from hw.platform.register_bridge import RegisterBridge
from tests.hw.blocks.axi_memory import simulator

OKAY, SLVERR, DECERR = 0, 2, 3
WRAP = 2
REFUSED = 0xF0
"""An address that the registers of these tests refuse."""

WIDTHS = pytest.mark.parametrize("data_bits", [32, 128])


async def until(ctx: SimulatorContext, condition: Signal, *values: Signal) -> tuple[int, ...]:
    """Return values in the clock of a condition; unlike `until` of a tick it may be abandoned."""
    while True:
        _, _, *found, holds = await ctx.tick().sample(*values, condition)
        if holds:
            return tuple(found)


@dataclass
class Registers:
    """An AXI4-Lite subordinate with a word for each address."""

    words: dict[int, int] = field(default_factory=dict)
    writes: list[tuple[int, int, int]] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)

    async def serve_writes(self, ctx: SimulatorContext, dut: RegisterBridge) -> None:
        bus = dut.registers
        while True:
            ctx.set(bus.awready, 1)
            (address,) = await until(ctx, bus.awvalid, bus.awaddr)
            ctx.set(bus.awready, 0)
            await ctx.tick().repeat(2)  # data later than its address
            ctx.set(bus.wready, 1)
            data, strobe = await until(ctx, bus.wvalid, bus.wdata, bus.wstrb)
            ctx.set(bus.wready, 0)
            self.writes.append((address, data, strobe))
            ctx.set(bus.bresp, SLVERR if address == REFUSED else OKAY)
            ctx.set(bus.bvalid, 1)
            await until(ctx, bus.bready)
            ctx.set(bus.bvalid, 0)

    async def serve_reads(self, ctx: SimulatorContext, dut: RegisterBridge) -> None:
        bus = dut.registers
        while True:
            ctx.set(bus.arready, 1)
            (address,) = await until(ctx, bus.arvalid, bus.araddr)
            ctx.set(bus.arready, 0)
            await ctx.tick()
            self.reads.append(address)
            ctx.set(bus.rdata, self.words.get(address, 0))
            ctx.set(bus.rresp, SLVERR if address == REFUSED else OKAY)
            ctx.set(bus.rvalid, 1)
            await until(ctx, bus.rready)
            ctx.set(bus.rvalid, 0)


@dataclass
class Burst:
    """What a processor asks: beats of 2**size bytes from an address on."""

    address: int
    size: int = 2
    beats: int = 1
    kind: int = INCR
    number: int = 5


async def write(
    ctx: SimulatorContext, dut: RegisterBridge, burst: Burst, beats: list[tuple[int, int]]
) -> tuple[int, int]:
    """Write (data, strobes) beats; return the response and its ID."""
    port = dut.processor
    await _address(ctx, port, "aw", burst)
    for index, (data, strobe) in enumerate(beats):
        ctx.set(port.wdata, data)
        ctx.set(port.wstrb, strobe)
        ctx.set(port.wlast, index == len(beats) - 1)
        ctx.set(port.wvalid, 1)
        await until(ctx, port.wready)
    ctx.set(port.wvalid, 0)
    ctx.set(port.bready, 1)
    response, number = await until(ctx, port.bvalid, port.bresp, port.bid)
    ctx.set(port.bready, 0)
    return response, number


async def read(ctx: SimulatorContext, dut: RegisterBridge, burst: Burst) -> list[tuple[int, ...]]:
    """Return (data, response, last, ID) of each beat."""
    port = dut.processor
    await _address(ctx, port, "ar", burst)
    ctx.set(port.rready, 1)
    found = []
    for _ in range(burst.beats):
        beat = await until(ctx, port.rvalid, port.rdata, port.rresp, port.rlast, port.rid)
        found.append(tuple(beat))
    ctx.set(port.rready, 0)
    return found


async def _address(ctx: SimulatorContext, port: object, channel: str, burst: Burst) -> None:
    fields = {"addr": burst.address, "len": burst.beats - 1, "size": burst.size}
    fields |= {"burst": burst.kind, "id": burst.number, "valid": 1}
    for name, value in fields.items():
        ctx.set(getattr(port, channel + name), value)
    await until(ctx, getattr(port, f"{channel}ready"))
    ctx.set(getattr(port, f"{channel}valid"), 0)


def run(data_bits: int, bench: Callable[..., Awaitable[None]]) -> Registers:
    dut = RegisterBridge(data_bits, 32, 12, window_bits=28)
    registers = Registers({4 * i: 0x1000_0000 + i for i in range(1024)})
    simulation = simulator(dut)
    for serve in (registers.serve_writes, registers.serve_reads):
        simulation.add_testbench(partial(serve, dut=dut), background=True)
    simulation.add_testbench(partial(bench, dut=dut))
    simulation.run()
    return registers


def lane(address: int, data_bits: int) -> int:
    """Return the bit where the word of an address lies in a beat."""
    return 8 * (address % (data_bits // 8) & ~3)


@WIDTHS
@pytest.mark.parametrize("address", [0x4000_0000, 0x4000_0014, 0x4000_0FFC, 0x4000_0008])
def test_single_words(data_bits: int, address: int) -> None:
    at = lane(address, data_bits)

    async def bench(ctx: SimulatorContext, dut: RegisterBridge) -> None:
        beat = (0xDEADBEEF << at, 0xF << at // 8)
        assert await write(ctx, dut, Burst(address), [beat]) == (OKAY, 5)
        ((data, response, last, number),) = await read(ctx, dut, Burst(address, number=9))
        assert data >> at & 0xFFFFFFFF == 0x1000_0000 + (address & 0xFFF) // 4
        assert (response, last, number) == (OKAY, 1, 9)

    registers = run(data_bits, bench)
    assert registers.writes == [(address & 0xFFF, 0xDEADBEEF, 0xF)]
    assert registers.reads == [address & 0xFFF]


@WIDTHS
def test_a_burst_of_words(data_bits: int) -> None:
    """As a processor sends for a copy of four words, from the third of a wide beat on."""
    places = [0x108 + 4 * i for i in range(4)]

    async def bench(ctx: SimulatorContext, dut: RegisterBridge) -> None:
        beats = [
            ((i + 1) << lane(p, data_bits), 0xF << lane(p, data_bits) // 8)
            for i, p in enumerate(places)
        ]
        burst = Burst(0x4000_0108, beats=4)
        assert await write(ctx, dut, burst, beats) == (OKAY, 5)
        found = await read(ctx, dut, burst)
        values = [
            beat[0] >> lane(p, data_bits) & 0xFFFFFFFF
            for beat, p in zip(found, places, strict=True)
        ]
        assert values == [0x1000_0000 + p // 4 for p in places]
        assert [beat[2] for beat in found] == [0, 0, 0, 1]

    registers = run(data_bits, bench)
    assert registers.writes == [(p, i + 1, 0xF) for i, p in enumerate(places)]
    assert registers.reads == places


def test_wide_beats() -> None:
    """A beat of 8 bytes and one of 16 reach the words they cover, and only those written."""

    async def bench(ctx: SimulatorContext, dut: RegisterBridge) -> None:
        pair = (2 << 96 | 1 << 64, 0xFF00)
        assert await write(ctx, dut, Burst(0xA000_0028, size=3), [pair]) == (OKAY, 5)
        four = (4 << 96 | 3, 0xF00F)
        assert await write(ctx, dut, Burst(0xA000_0040, size=4), [four]) == (OKAY, 5)
        ((data, *_),) = await read(ctx, dut, Burst(0xA000_0028, size=3))
        assert data == (0x1000_000B << 32 | 0x1000_000A) << 64
        ((data, *_),) = await read(ctx, dut, Burst(0xA000_0040, size=4))
        assert [data >> 32 * i & 0xFFFFFFFF for i in range(4)] == [
            0x1000_0010 + i for i in range(4)
        ]

    registers = run(128, bench)
    assert registers.writes == [(0x28, 1, 15), (0x2C, 2, 15), (0x40, 3, 15), (0x4C, 4, 15)]
    assert registers.reads == [0x28, 0x2C, 0x40, 0x44, 0x48, 0x4C]


@WIDTHS
def test_narrow_beats_and_a_fixed_address(data_bits: int) -> None:
    async def bench(ctx: SimulatorContext, dut: RegisterBridge) -> None:
        at = lane(0x12, data_bits)
        assert await write(ctx, dut, Burst(0x12, size=1), [(0xAB << at + 16, 0xC << at // 8)])
        beats = [(value << at, 0xF << at // 8) for value in (7, 8)]
        await write(ctx, dut, Burst(0x10, beats=2, kind=FIXED), beats)
        assert len(await read(ctx, dut, Burst(0x10, beats=3, kind=FIXED))) == 3
        assert len(await read(ctx, dut, Burst(0x11, size=0))) == 1

    registers = run(data_bits, bench)
    assert registers.writes == [(0x10, 0xAB << 16, 0xC), (0x10, 7, 15), (0x10, 8, 15)]
    assert registers.reads == [0x10] * 4


@WIDTHS
@pytest.mark.parametrize(
    "burst",
    [Burst(0x4000_1000, beats=2), Burst(0x4800_0000, beats=2), Burst(0x0, beats=2, kind=WRAP)],
)
def test_what_is_outside_reaches_no_register(data_bits: int, burst: Burst) -> None:
    async def bench(ctx: SimulatorContext, dut: RegisterBridge) -> None:
        mask = (1 << data_bits // 8) - 1
        assert await write(ctx, dut, burst, [(1, mask), (2, mask)]) == (DECERR, 5)
        assert [beat[1] for beat in await read(ctx, dut, burst)] == [DECERR, DECERR]
        assert (await read(ctx, dut, Burst(0x4000_0000)))[0][1] == OKAY

    registers = run(data_bits, bench)
    assert registers.writes == []
    assert registers.reads == [0]


@WIDTHS
def test_a_refusal_is_passed_on(data_bits: int) -> None:
    async def bench(ctx: SimulatorContext, dut: RegisterBridge) -> None:
        at = lane(REFUSED, data_bits)
        beats = [
            (1 << at, 0xF << at // 8),
            (1 << at + 32 if data_bits > 32 else 1, 0xF << (at // 8 + 4 if data_bits > 32 else 0)),
        ]
        assert await write(ctx, dut, Burst(REFUSED, beats=2), beats) == (SLVERR, 5)
        found = await read(ctx, dut, Burst(REFUSED, beats=2))
        assert [beat[1] for beat in found] == [SLVERR, OKAY]

    run(data_bits, bench)
