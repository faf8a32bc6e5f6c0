"""A feature memory for the tests of engines: bytes behind a read and a write port."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass

from amaranth.lib.wiring import PureInterface
from amaranth.sim import SimulatorContext

from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE
from hw.static_region.feature_memory import READ_CYCLES


@dataclass
class FeaturePorts:
    """Bytes from `FEATURE_MEMORY_BASE` on; a port is not ready in a share of the clocks."""

    data: bytearray
    stalls: float = 0.0
    seed: int = 0
    first_address: int | None = None
    """Clock in which the first address was offered to the read port."""

    def _inside(self, address: int) -> bool:
        return 0 <= address - FEATURE_MEMORY_BASE < len(self.data)

    async def serve_reads(self, ctx: SimulatorContext, port: PureInterface) -> None:
        """Answer `READ_CYCLES` after an address was accepted."""
        chooser, clock = random.Random(self.seed), 0
        pipeline: deque[int | None] = deque([None] * READ_CYCLES)
        while True:
            answer = pipeline.popleft()
            ctx.set(port.data_valid, answer is not None)
            ctx.set(port.error, answer is not None and not self._inside(answer))
            at = (answer or 0) - FEATURE_MEMORY_BASE
            beat = self.data[at : at + 8] if at >= 0 else b""
            ctx.set(port.data, int.from_bytes(beat, "little"))
            ready = chooser.random() >= self.stalls
            ctx.set(port.ready, ready)
            _, _, valid, address = await ctx.tick().sample(port.valid, port.address)
            assert not valid or address % 8 == 0
            if valid and self.first_address is None:
                self.first_address = clock
            pipeline.append(address if valid and ready else None)
            clock += 1

    async def serve_writes(self, ctx: SimulatorContext, port: PureInterface) -> None:
        """Take beats; the error of an address outside comes with its acceptance."""
        chooser = random.Random(self.seed + 1)
        while True:
            ready = chooser.random() >= self.stalls
            ctx.set(port.ready, ready)
            ctx.set(port.error, ctx.get(port.valid) and not self._inside(ctx.get(port.address)))
            _, _, valid, address, data, strobe = await ctx.tick().sample(
                port.valid, port.address, port.data, port.strobe
            )
            if valid and ready and self._inside(address):
                assert strobe, "a beat without a byte"
                for byte in range(8):
                    if strobe >> byte & 1:
                        at = address - FEATURE_MEMORY_BASE + byte
                        self.data[at] = data >> (8 * byte) & 0xFF
