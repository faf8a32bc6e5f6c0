"""Reads ranges of memory by AXI4 bursts into a stream."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import stream
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out

from hw.blocks.axi import DATA_BITS, axi_read
from hw.blocks.bursts import BurstSplitter, OutstandingBursts, request_layout
from hw.blocks.register_slice import RegisterSlice


class AxiReader(Component):
    """Serves requests in order; the next one is asked of memory while beats of the last still come.

    Clocks: `araddr` is valid 2 after a request was taken, a beat of the bus is on `data` 1 later,
    `done` is one for a clock, 1 after the last beat of a request was taken (a request of no beats:
    2 after it was taken itself, and after all before it). Bursts follow each other every clock,
    single-burst requests every second one.

    `abort` (a level) issues nothing more, forgets what is asked for and held, and takes and drops
    what memory still sends; hold it until `idle`. `error` says that memory refused a beat; the
    beats flow on, and it stays until `abort`.
    """

    def __init__(self, address_bits: int = 32, outstanding: int = 8) -> None:
        """Make a reader with up to `outstanding` bursts under way, a power of two."""
        self._address_bits = address_bits
        self._outstanding = outstanding
        super().__init__(
            {
                "request": In(stream.Signature(request_layout(address_bits))),
                "axi": Out(axi_read(address_bits)),
                "data": Out(stream.Signature(DATA_BITS)),
                "done": Out(1),
                "idle": Out(1),
                "abort": In(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build splitter, address register, account of bursts, and the slice that data goes by."""
        m = Module()
        m.submodules.splitter = splitter = BurstSplitter(self._address_bits)
        m.submodules.bursts = bursts = OutstandingBursts(self._outstanding)
        m.submodules.beats = beats = RegisterSlice(StructLayout({"data": DATA_BITS, "last": 1}))
        axi, burst = self.axi, splitter.burst
        stopping, draining, issue, skip = Signal(), Signal(), Signal(), Signal()
        received = axi.rvalid & axi.rready
        taken = self.data.valid & self.data.ready
        nothing_held = bursts.none & ~beats.output.valid
        m.d.comb += [
            stopping.eq(self.abort | draining),
            splitter.request.payload.eq(self.request.payload),
            splitter.request.valid.eq(self.request.valid),
            self.request.ready.eq(splitter.request.ready),
            splitter.clear.eq(stopping),
            issue.eq(
                burst.valid
                & ~burst.payload.empty
                & ~bursts.full
                & (~axi.arvalid | axi.arready)
                & ~stopping
            ),
            skip.eq(burst.valid & burst.payload.empty & nothing_held & ~stopping),
            burst.ready.eq(issue | skip),
            bursts.push.eq(issue),
            bursts.push_last.eq(burst.payload.last),
            bursts.pop.eq(received & axi.rlast),
            beats.clear.eq(stopping),
            beats.input.payload.data.eq(axi.rdata),
            beats.input.payload.last.eq(axi.rlast & bursts.oldest_last),
            beats.input.valid.eq(axi.rvalid),
            axi.rready.eq(beats.input.ready),
            self.data.payload.eq(beats.output.payload.data),
            self.data.valid.eq(beats.output.valid),
            beats.output.ready.eq(self.data.ready),
            self.idle.eq(~burst.valid & nothing_held),
        ]
        with m.If(issue):
            m.d.sync += [
                axi.araddr.eq(burst.payload.address),
                axi.arlen.eq(burst.payload.length),
                axi.arvalid.eq(1),
            ]
        with m.Elif(axi.arready):
            m.d.sync += axi.arvalid.eq(0)
        m.d.sync += [
            self.done.eq(((taken & beats.output.payload.last) | skip) & ~stopping),
            draining.eq(stopping & ~(bursts.none & ~self.abort)),
            self.error.eq((self.error | (received & axi.rresp[1])) & ~stopping),
        ]
        return m
