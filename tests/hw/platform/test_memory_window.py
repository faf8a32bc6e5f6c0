# amaranth: UnusedElaboratable=no
"""MemoryWindow: addresses are displaced modulo 2**64, in order, and none is lost."""

from __future__ import annotations

import random
from functools import partial

import pytest
from amaranth.hdl import Value
from amaranth.sim import SimulatorContext

from hw.platform.memory_window import MemoryWindow
from tests.hw.blocks.axi_memory import simulator

ID_BITS = 2
MASK = (1 << 64) - 1


def pins(port: object, channel: str, *names: str) -> list[Value]:
    return [getattr(port, channel + name) for name in names]


async def offer(
    ctx: SimulatorContext, dut: MemoryWindow, channel: str, bursts: list[tuple[int, int, int]]
) -> None:
    """Offer addresses with their lengths and IDs, with pauses."""
    chooser = random.Random(channel)
    address, length, valid, ready = pins(dut.region, channel, "addr", "len", "valid", "ready")
    for at, beats, number in bursts:
        while chooser.random() < 0.3:
            await ctx.tick()
        ctx.set(address, at)
        ctx.set(length, beats)
        if channel == "ar":
            ctx.set(dut.region.arid, number)
        ctx.set(valid, 1)
        await ctx.tick().until(ready)
        ctx.set(valid, 0)


async def take(
    ctx: SimulatorContext, dut: MemoryWindow, channel: str, found: list[tuple[int, int, int]]
) -> None:
    """Take addresses as they come, with pauses."""
    chooser = random.Random(channel + "taken")
    address, length, valid, ready = pins(dut.card, channel, "addr", "len", "valid", "ready")
    number = dut.card.arid if channel == "ar" else Value.cast(0)
    while True:
        is_ready = chooser.random() < 0.5
        ctx.set(ready, is_ready)
        _, _, valid_now, *burst = await ctx.tick().sample(valid, address, length, number)
        if valid_now and is_ready:
            found.append((burst[0], burst[1], burst[2]))


@pytest.mark.parametrize(
    "base", [0, 0x50_0000_0000, 0x7F_FFFF_F000, (0x50_0000_0000 - 0x1000_0000) & MASK, -4096 & MASK]
)
def test_addresses_are_displaced(base: int) -> None:
    dut, chooser = MemoryWindow(ID_BITS), random.Random(base)
    bursts = {
        channel: [
            (chooser.randrange(1 << 29) * 8, chooser.randrange(16), chooser.randrange(4))
            for _ in range(60)
        ]
        for channel in ("ar", "aw")
    }
    found: dict[str, list[tuple[int, int, int]]] = {"ar": [], "aw": []}
    bench = simulator(dut)

    async def wait(ctx: SimulatorContext) -> None:
        ctx.set(dut.base, base)
        await ctx.tick().repeat(400)

    for channel in ("ar", "aw"):
        offered = partial(offer, dut=dut, channel=channel, bursts=bursts[channel])
        taken = partial(take, dut=dut, channel=channel, found=found[channel])
        bench.add_testbench(offered, background=True)
        bench.add_testbench(taken, background=True)
    bench.add_testbench(wait)
    bench.run()
    assert found["ar"] == [((at + base) & MASK, beats, n) for at, beats, n in bursts["ar"]]
    assert found["aw"] == [((at + base) & MASK, beats, 0) for at, beats, _ in bursts["aw"]]


def test_a_rest_to_4_kib_is_ignored() -> None:
    """Else a burst within 4 KiB might cross them on the card."""
    dut = MemoryWindow(ID_BITS)
    bench = simulator(dut)

    async def offered(ctx: SimulatorContext) -> None:
        ctx.set(dut.base, 0x12345678)
        ctx.set(dut.region.araddr, 0xFF8)
        ctx.set(dut.region.arvalid, 1)
        address, _ = await ctx.tick().sample(dut.card.araddr, 0).until(dut.card.arvalid)
        assert address == 0x12345FF8

    bench.add_testbench(offered)
    bench.run()
