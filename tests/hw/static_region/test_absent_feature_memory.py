# amaranth: UnusedElaboratable=no
"""AbsentFeatureMemory: an answer to every access, and each of them an error."""

from __future__ import annotations

from amaranth import Module
from amaranth.lib.wiring import connect
from amaranth.sim import SimulatorContext

from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE
from hw.static_region.absent_feature_memory import AbsentFeatureMemory
from hw.static_region.feature_fetcher import FeatureFetcher
from tests.hw.blocks.axi_memory import simulator


def test_every_access_lies_outside() -> None:
    dut = AbsentFeatureMemory(2)
    bench = simulator(dut)

    async def accesses(ctx: SimulatorContext) -> None:
        read, write = dut.read[1], dut.write[0]
        assert ctx.get(read.ready)
        assert ctx.get(write.ready)
        assert ctx.get(write.error)
        asked = [1, 1, 0, 1, 0, 0]
        answers = []
        for valid in asked:
            ctx.set(read.address, FEATURE_MEMORY_BASE)
            ctx.set(read.valid, valid)
            await ctx.tick()
            answers.append((ctx.get(read.data_valid), ctx.get(read.error)))
        assert answers == [(valid, valid) for valid in asked]
        assert not ctx.get(dut.read[0].data_valid)

    bench.add_testbench(accesses)
    bench.run()


def test_a_fetcher_ends_with_an_error() -> None:
    """Its beats flow on, so that a command on a board without such memory ends."""
    memory, fetcher = AbsentFeatureMemory(1), FeatureFetcher()
    m = Module()
    m.submodules += [memory, fetcher]
    connect(m, fetcher.features, memory.read[0])
    bench = simulator(m)

    async def fetch(ctx: SimulatorContext) -> None:
        ctx.set(fetcher.request.payload, {"address": FEATURE_MEMORY_BASE, "beats": 20})
        ctx.set(fetcher.request.valid, 1)
        await ctx.tick().until(fetcher.request.ready)
        ctx.set(fetcher.request.valid, 0)
        ctx.set(fetcher.data.ready, 1)
        for _ in range(20):
            await ctx.tick().until(fetcher.data.valid)
        assert ctx.get(fetcher.error)
        await ctx.tick().repeat(2)
        assert ctx.get(fetcher.idle)

    bench.add_testbench(fetch)
    bench.run()
