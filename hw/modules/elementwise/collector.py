"""From results to beats of output, with room for all that is under way."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from fpga_rt.contract.command import STREAM_BYTES
from hw.blocks.boundary import STREAM_BITS
from hw.modules.elementwise.walker import place_layout

LATENCY_CYCLES = 2
"""Clocks from the results that close a beat to the beat."""


class Collector(wiring.Component):
    """Put results into beats and hold them until they are taken.

    Operators cannot wait, so a beat's place is reserved before its results are computed.

    Attributes:
        reserve: In, a beat more will come.
        room: Out, a place is free.
        empty: Out, every beat that was reserved has been taken.
        codes: In, when `codes_valid`; `to` is their place in the beat.
        output: Out, beats; bytes above the last place are zero.
    """

    def __init__(self, lanes: int, depth: int) -> None:
        """Make a collector that holds `depth` beats."""
        self._lanes = lanes
        self._depth = depth
        super().__init__(
            {
                "reserve": In(1),
                "room": Out(1),
                "empty": Out(1),
                "codes": In(data.ArrayLayout(signed(8), lanes)),
                "codes_valid": In(1),
                "to": In(place_layout(lanes)),
                "output": Out(stream.Signature(STREAM_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the beat that is put together, the FIFO, and the count of free places."""
        m = Module()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=STREAM_BITS, depth=self._depth)
        free = Signal(range(self._depth + 1), init=self._depth)
        taken = self.output.valid & self.output.ready
        m.d.sync += free.eq(free + taken - self.reserve)

        chunks = STREAM_BYTES // self._lanes
        earlier = Signal(data.ArrayLayout(8 * self._lanes, chunks))
        beat = [
            Mux(self.to.place == place, self.codes.as_value(), earlier[place])
            for place in range(chunks)
        ]
        with m.If(self.codes_valid):
            m.d.sync += earlier.eq(Mux(self.to.closes, 0, Cat(*beat)))
        m.d.comb += [
            self.room.eq(free != 0),
            self.empty.eq(free == self._depth),
            fifo.w_data.eq(Cat(*beat)),
            fifo.w_en.eq(self.codes_valid & self.to.closes),
            self.output.payload.eq(fifo.r_data),
            self.output.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.output.ready),
        ]
        return m
