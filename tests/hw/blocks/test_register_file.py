# amaranth: UnusedElaboratable=no
"""RegisterFile: access rules, on a small map and on the contract's own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from amaranth.sim import SimulatorContext

from fpga_rt.contract.layout import Field
from fpga_rt.contract.registers import Access, Register, RegisterMap
from fpga_rt.contract.static_region import STATIC_REGION
from hw.blocks.register_file import RegisterFile
from tests.hw.blocks.axi_memory import Stable, simulator

OKAY, SLVERR = 0, 2

MAP = RegisterMap(
    "small",
    (
        Register("status", 0x0, Access.READ_ONLY, (Field("a", 0, 1, 3), Field("b", 0, 8, 24))),
        Register("mode", 0x4, Access.READ_WRITE, (Field("on", 0, 0, 1), Field("level", 0, 4, 8))),
        Register("source", 0x8, Access.READ_WRITE, (Field("value", 0, 0, 64),), words=2),
        Register("go", 0x10, Access.WRITE_ONE, (Field("start", 0, 0, 1), Field("stop", 0, 5, 1))),
    ),
)


async def write(
    ctx: SimulatorContext, dut: RegisterFile, at: int, value: int, strobe: int = 15
) -> int:
    bus = dut.bus
    ctx.set(bus.awaddr, at)
    ctx.set(bus.awvalid, 1)
    ctx.set(bus.wdata, value)
    ctx.set(bus.wstrb, strobe)
    ctx.set(bus.wvalid, 1)
    await ctx.tick().until(bus.awready)
    ctx.set(bus.awvalid, 0)
    ctx.set(bus.wvalid, 0)
    ctx.set(bus.bready, 1)
    (response,) = await ctx.tick().sample(bus.bresp).until(bus.bvalid)
    ctx.set(bus.bready, 0)
    return int(response)


async def read(ctx: SimulatorContext, dut: RegisterFile, at: int) -> tuple[int, int]:
    bus = dut.bus
    ctx.set(bus.araddr, at)
    ctx.set(bus.arvalid, 1)
    await ctx.tick().until(bus.arready)
    ctx.set(bus.arvalid, 0)
    ctx.set(bus.rready, 1)
    data, response = await ctx.tick().sample(bus.rdata, bus.rresp).until(bus.rvalid)
    ctx.set(bus.rready, 0)
    return int(data), int(response)


def run(dut: RegisterFile, bench: Callable[[SimulatorContext], Awaitable[None]]) -> None:
    simulation = simulator(dut)
    simulation.add_testbench(bench)
    simulation.run()


def test_a_read_shows_the_fields_in_their_places() -> None:
    dut = RegisterFile(MAP, {"mode": MAP["mode"].pack(on=1, level=0x5A)})

    async def bench(ctx: SimulatorContext) -> None:
        ctx.set(dut.status.a, 5)
        ctx.set(dut.status.b, 0xABCDEF)
        assert await read(ctx, dut, 0x0) == (0xABCDEF0A, OKAY)
        assert await read(ctx, dut, 0x4) == (0x5A1, OKAY)
        assert await read(ctx, dut, 0x10) == (0, OKAY)
        assert await read(ctx, dut, 0x14) == (0, SLVERR)
        assert await read(ctx, dut, 0x804) == (0, SLVERR)
        assert await read(ctx, dut, 0x5) == (0, SLVERR)

    run(dut, bench)


def test_a_write_stays_word_by_word() -> None:
    dut = RegisterFile(MAP)

    async def bench(ctx: SimulatorContext) -> None:
        assert await write(ctx, dut, 0x8, 0x11223344) == OKAY
        assert await write(ctx, dut, 0xC, 0x55667788) == OKAY
        assert ctx.get(dut.source.value) == 0x55667788_11223344
        assert await write(ctx, dut, 0x4, 0xFFFFFFFF) == OKAY
        assert (ctx.get(dut.mode.on), ctx.get(dut.mode.level)) == (1, 0xFF)
        assert await read(ctx, dut, 0x4) == (0xFF1, OKAY)

    run(dut, bench)


@pytest.mark.parametrize(
    ("at", "strobe"),
    [(0x0, 15), (0x14, 15), (0x804, 15), (0x6, 15), (0x4, 14), (0x4, 0), (0x10, 1)],
)
def test_a_refused_write_changes_nothing(at: int, strobe: int) -> None:
    dut = RegisterFile(MAP, {"mode": 0x340, "source": 9})

    async def bench(ctx: SimulatorContext) -> None:
        assert await write(ctx, dut, at, 0xFFFFFFFF, strobe) == SLVERR
        for _ in range(4):
            assert (ctx.get(dut.mode.on), ctx.get(dut.mode.level)) == (0, 0x34)
            assert ctx.get(dut.source.value) == 9
            assert (ctx.get(dut.go.start), ctx.get(dut.go.stop)) == (0, 0)
            await ctx.tick()

    run(dut, bench)


def test_write_one_is_a_strobe_of_one_clock() -> None:
    dut = RegisterFile(MAP)
    seen: list[tuple[int, int]] = []

    async def watch(ctx: SimulatorContext) -> None:
        while True:
            _, _, start, stop = await ctx.tick().sample(dut.go.start, dut.go.stop)
            seen.append((start, stop))

    async def bench(ctx: SimulatorContext) -> None:
        for value in (0, 1, 32, 33):
            assert await write(ctx, dut, 0x10, value) == OKAY
        await ctx.tick().repeat(3)

    simulation = simulator(dut)
    simulation.add_testbench(watch, background=True)
    simulation.add_testbench(bench)
    simulation.run()
    assert [strobes for strobes in seen if any(strobes)] == [(1, 0), (0, 1), (1, 1)]


@pytest.mark.parametrize("first", ["address", "data"])
def test_address_and_data_come_in_any_order(first: str) -> None:
    dut = RegisterFile(MAP)
    bus = dut.bus

    async def bench(ctx: SimulatorContext) -> None:
        ctx.set(bus.awaddr, 0x4)
        ctx.set(bus.wdata, 0x121)
        ctx.set(bus.wstrb, 15)
        early, late = bus.awvalid, bus.wvalid
        if first == "data":
            early, late = late, early
        ctx.set(early, 1)
        await ctx.tick()
        ctx.set(early, 0)
        await ctx.tick().repeat(3)
        assert not ctx.get(bus.bvalid)
        ctx.set(late, 1)
        await ctx.tick()
        ctx.set(late, 0)
        await ctx.tick()
        # Without `bready` the response waits, and the next address and data are held.
        response = Stable("B")
        ctx.set(bus.awvalid, 1)
        for _ in range(4):
            _, _, valid, code = await ctx.tick().sample(bus.bvalid, bus.bresp)
            response.see(valid, 0, (code,))
            assert (valid, code) == (1, OKAY)
        assert ctx.get(dut.mode.level) == 0x12

    run(dut, bench)


def test_clocks_as_documented() -> None:
    dut = RegisterFile(MAP)
    bus = dut.bus

    async def bench(ctx: SimulatorContext) -> None:
        await ctx.tick()
        ctx.set(bus.awaddr, 0x4)
        ctx.set(bus.awvalid, 1)
        ctx.set(bus.wdata, 1)
        ctx.set(bus.wstrb, 15)
        ctx.set(bus.wvalid, 1)
        ctx.set(bus.arvalid, 1)
        ctx.set(dut.status.a, 1)
        await ctx.tick()
        ctx.set(bus.awvalid, 0)
        ctx.set(bus.wvalid, 0)
        ctx.set(bus.arvalid, 0)
        ctx.set(dut.status.a, 7)
        assert (ctx.get(dut.mode.on), ctx.get(bus.bvalid), ctx.get(bus.rvalid)) == (0, 0, 0)
        await ctx.tick()
        ctx.set(dut.status.a, 2)
        assert (ctx.get(dut.mode.on), ctx.get(bus.bvalid), ctx.get(bus.rvalid)) == (1, 1, 1)
        assert ctx.get(bus.rdata) == 7 << 1

    run(dut, bench)


def test_the_static_regions_map() -> None:
    """Each register of the contract answers at its place, by what its access allows."""
    dut = RegisterFile(STATIC_REGION, {"partition2_control": 1})

    async def bench(ctx: SimulatorContext) -> None:
        assert ctx.get(dut.partition2_control.decouple) == 1
        assert ctx.get(dut.partition1_control.decouple) == 0
        for register in STATIC_REGION.registers:
            mask = register.pack(**{f.name: f.maximum for f in register.fields})
            if register.access is Access.READ_ONLY:
                for field in register.fields:
                    ctx.set(getattr(getattr(dut, register.name), field.name), field.maximum)
            for word in range(register.words):
                at = register.offset + 4 * word
                response = await write(ctx, dut, at, 0xFFFFFFFF)
                assert response == (SLVERR if register.access is Access.READ_ONLY else OKAY)
                shown = 0 if register.access is Access.WRITE_ONE else mask >> 32 * word
                assert await read(ctx, dut, at) == (shown & 0xFFFFFFFF, OKAY)

    run(dut, bench)


def test_misuse_is_refused() -> None:
    large = Register("far", 0x1000, Access.READ_ONLY, (Field("value", 0, 0, 32),))
    with pytest.raises(
        ValueError, match="register map large has 8192 bytes, expected at most 4096"
    ):
        RegisterFile(RegisterMap("large", (large,)))
    with pytest.raises(ValueError, match="no read-write register in small: nothing, status"):
        RegisterFile(MAP, {"status": 1, "nothing": 2})
