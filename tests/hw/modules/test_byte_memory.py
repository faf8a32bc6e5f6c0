"""A memory of banks against bytes in a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw.modules.window.byte_memory import READ_CYCLES, ByteMemory

PAD = 0xA5


@pytest.mark.parametrize(
    ("lanes", "depth"), [(2, 64), (8, 2048), (8, 512), (16, 2048), (32, 2048), (64, 2048)]
)
def test_reads_any_bytes(lanes: int, depth: int) -> None:
    """Beats across the end of the memory; what is not inside is padding."""
    random = np.random.default_rng(lanes)
    dut = ByteMemory(lanes, depth)
    first = depth - 11 - int(random.integers(0, 5))
    written = random.integers(0, 256, 8 * 30)
    starts = [*range(16), *random.integers(0, len(written) - lanes, 20).tolist()]
    masks = [int.from_bytes(random.bytes(8), "little") % (1 << lanes) for _ in starts]
    read: list[list[int]] = []

    async def bench(ctx: Any) -> None:  # noqa: ANN401
        ctx.set(dut.write, 1)
        ctx.set(dut.pad_value, PAD)
        for beat, codes in enumerate(written.reshape(-1, 8)):
            ctx.set(dut.write_address, (first + beat) % depth)
            ctx.set(dut.beat, int.from_bytes(codes.astype(np.uint8).tobytes(), "little"))
            await ctx.tick()
        ctx.set(dut.write, 0)
        for clock in range(len(starts) + READ_CYCLES):
            if clock < len(starts):
                ctx.set(dut.read_address, (8 * first + starts[clock]) % (8 * depth))
            if 0 <= clock - READ_CYCLES + 1 < len(starts):
                ctx.set(dut.inside, masks[clock - READ_CYCLES + 1])
            if clock >= READ_CYCLES:
                read.append(list(ctx.get(dut.bytes)))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(7e-9)
    simulator.add_testbench(bench)
    simulator.run()
    for start, mask, codes in zip(starts, masks, read, strict=True):
        inside = [mask >> lane & 1 for lane in range(lanes)]
        wanted = written[start : start + lanes]
        assert codes == [
            int(code) if here else PAD for code, here in zip(wanted, inside, strict=True)
        ]
