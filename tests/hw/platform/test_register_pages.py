# amaranth: UnusedElaboratable=no
"""RegisterPages: every access reaches the page that its address names, whatever comes first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from amaranth import Module
from amaranth.lib.wiring import Component, In, connect, flipped
from amaranth.sim import SimulatorContext

from fpga_rt.contract.layout import Field
from fpga_rt.contract.registers import Access, Register, RegisterMap
from hw.blocks.axi import axi_lite
from hw.blocks.register_file import ADDRESS_BITS, RegisterFile
from hw.platform.register_pages import RegisterPages
from tests.hw.blocks.axi_memory import simulator

PAGE = 1 << ADDRESS_BITS
OKAY, SLVERR = 0, 2
WORD = RegisterMap("word", (Register("word", 0x8, Access.READ_WRITE, (Field("value", 0, 0, 32),)),))


class Paged(Component):
    """Two pages with a register each."""

    def __init__(self) -> None:
        super().__init__({"bus": In(axi_lite(ADDRESS_BITS + 1))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.pages = pages = RegisterPages(2)
        connect(m, flipped(self.bus), pages.bus)
        for index in range(2):
            m.submodules[f"file{index}"] = file = RegisterFile(WORD)
            connect(m, pages.pages[index], file.bus)
        return m


async def write(
    ctx: SimulatorContext, dut: Paged, at: int, value: int, *, data_late: int = 0, late: int = 0
) -> int:
    """Write with the data or the address some clocks late, and the answer taken late."""
    bus = dut.bus
    ctx.set(bus.wdata, value)
    ctx.set(bus.wstrb, 15)
    ctx.set(bus.awaddr, at)
    for clock in range(64):
        if clock == data_late:
            ctx.set(bus.wvalid, 1)
        if clock == late:
            ctx.set(bus.awvalid, 1)
        _, _, taken, data_taken, answered, response = await ctx.tick().sample(
            bus.awready & bus.awvalid, bus.wready & bus.wvalid, bus.bvalid, bus.bresp
        )
        if taken:
            ctx.set(bus.awvalid, 0)
            ctx.set(bus.awaddr, at ^ PAGE)  # nothing may depend on it any more
        if data_taken:
            ctx.set(bus.wvalid, 0)
        if answered:
            ctx.set(bus.bready, 1)
            await ctx.tick()
            ctx.set(bus.bready, 0)
            return int(response)
    raise AssertionError("no answer")


async def read(ctx: SimulatorContext, dut: Paged, at: int) -> tuple[int, int]:
    bus = dut.bus
    ctx.set(bus.araddr, at)
    ctx.set(bus.arvalid, 1)
    await ctx.tick().until(bus.arready)
    ctx.set(bus.arvalid, 0)
    ctx.set(bus.araddr, at ^ PAGE)
    ctx.set(bus.rready, 1)
    value, response = await ctx.tick().sample(bus.rdata, bus.rresp).until(bus.rvalid)
    ctx.set(bus.rready, 0)
    return int(value), int(response)


@pytest.mark.parametrize(("data_late", "late"), [(0, 0), (5, 0), (0, 5), (1, 0), (0, 1)])
def test_each_page_has_its_own(data_late: int, late: int) -> None:
    dut = Paged()

    async def bench(ctx: SimulatorContext) -> None:
        for turn in range(4):
            for page in (0, 1):
                value = 0x1000 * turn + page
                at = page * PAGE + 8
                answer = await write(ctx, dut, at, value, data_late=data_late, late=late)
                assert answer == OKAY
                assert await read(ctx, dut, at) == (value, OKAY)
                other = 0x1000 * turn if page else max(0, 0x1000 * (turn - 1)) + (turn > 0)
                assert await read(ctx, dut, at ^ PAGE) == (other, OKAY)

    simulate(dut, bench)


def test_an_address_that_no_page_has() -> None:
    dut = Paged()

    async def bench(ctx: SimulatorContext) -> None:
        for page in (0, 1):
            assert await write(ctx, dut, page * PAGE + 4, 1) == SLVERR
            assert await read(ctx, dut, page * PAGE + 4) == (0, SLVERR)

    simulate(dut, bench)


def simulate(dut: Paged, bench: Callable[[SimulatorContext], Awaitable[None]]) -> None:
    running = simulator(dut)
    running.add_testbench(bench)
    running.run()


@pytest.mark.parametrize("pages", [1, 3])
def test_a_number_of_pages_that_no_bits_have(pages: int) -> None:
    with pytest.raises(ValueError, match=f"{pages} pages of registers, expected a power of two"):
        RegisterPages(pages)
