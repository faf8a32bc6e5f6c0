"""The rows of a second operand, beside the results that they are added to."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from fpga_rt.contract.command import STREAM_BYTES
from hw.blocks.boundary import STREAM_BITS
from hw.modules.window.byte_memory import ByteMemory
from hw.modules.window.loader import RESIDUAL_BEATS


class Residual(wiring.Component):
    """Keep two rows, and give their bytes in order.

    Attributes:
        beat: In, goes to `address` when `write` is one.
        start: In, begin with address zero.
        take: In, `count` bytes are wanted; with `ends`, the rest of their beat is left out.
        bytes: Out, those that were wanted `byte_memory.READ_CYCLES` before.
    """

    def __init__(self, lanes: int) -> None:
        """Make it for up to `lanes` bytes a clock."""
        self._lanes = lanes
        super().__init__(
            {
                "write": In(1),
                "address": In(range(RESIDUAL_BEATS)),
                "beat": In(STREAM_BITS),
                "start": In(1),
                "take": In(1),
                "count": In(range(lanes + 1)),
                "ends": In(1),
                "bytes": Out(data.ArrayLayout(signed(8), lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return memory and pointer."""
        m = Module()
        m.submodules.rows = rows = ByteMemory(self._lanes, RESIDUAL_BEATS)
        pointer = Signal(range(RESIDUAL_BEATS * STREAM_BYTES))
        bits = exact_log2(STREAM_BYTES)
        behind = (pointer + self.count)[: len(pointer)]
        full = ((pointer + self.count + STREAM_BYTES - 1) >> bits << bits)[: len(pointer)]
        with m.If(self.start):
            m.d.sync += pointer.eq(0)
        with m.Elif(self.take):
            m.d.sync += pointer.eq(Mux(self.ends, full, behind))
        m.d.comb += [
            rows.write.eq(self.write),
            rows.write_address.eq(self.address),
            rows.beat.eq(self.beat),
            rows.read_address.eq(pointer),
            rows.inside.eq(-1),
            self.bytes.eq(rows.bytes),
        ]
        return m
