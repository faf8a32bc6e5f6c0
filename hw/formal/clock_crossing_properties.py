"""What a FIFO between two clocks promises, whatever their ratio and phase."""

from __future__ import annotations

from amaranth import ClockDomain, ClockSignal, EnableInserter, Module, Signal
from amaranth.hdl import Assert, Assume, ResetSignal
from amaranth.lib.fifo import FIFOInterface
from amaranth.lib.wiring import Component, In

WRITE_DOMAIN, READ_DOMAIN = "write", "read"
LATENCY_CLOCKS = 3
"""Ticks of the reader, after a beat was written, from which on it shows."""

_COUNT_BITS = 5
"""A bounded proof of fewer than 32 steps never wraps a count."""


class ClockCrossingProperties(Component):
    """A FIFO written and read at will, by two clocks that tick at will: one or both of them a step.

    `choose` picks any one written beat: when as many beats were read as were written before it, it
    is the one that shows. With no more read than written that says: order is kept, and no beat is
    lost, doubled or made up.

    Flip-flops that sample as their input changes see the old value. That a Gray counter changes one
    bit at a time, so that no mixture of old and new is seen, is Amaranth's own.
    """

    def __init__(self, design: FIFOInterface) -> None:
        """Take a FIFO between the domains `WRITE_DOMAIN` and `READ_DOMAIN`."""
        self._design = design
        ticks = {"write_tick": In(1), "read_tick": In(1)}
        super().__init__(
            {**ticks, "write": In(1), "data": In(design.width), "read": In(1), "choose": In(1)}
        )

    def elaborate(self, platform: object) -> Module:
        """Build both domains, and count what goes in and what comes out."""
        m = Module()
        ticks = {WRITE_DOMAIN: self.write_tick, READ_DOMAIN: self.read_tick}
        for name in ticks:
            m.domains += ClockDomain(name, reset_less=True)
            m.d.comb += ClockSignal(name).eq(ClockSignal())
        m.submodules.design = EnableInserter(ticks)(self._design)
        design = self._design
        m.d.comb += [
            design.w_en.eq(self.write),
            design.w_data.eq(self.data),
            design.r_en.eq(self.read),
            Assume(~ResetSignal()),
            Assume(self.write_tick | self.read_tick),
        ]
        written, taken, place = (Signal(_COUNT_BITS, name=n) for n in ("written", "taken", "place"))
        chosen, there = Signal(design.width), Signal()
        waited = Signal(range(LATENCY_CLOCKS + 2))
        with m.If(self.write_tick & design.w_en & design.w_rdy):
            m.d.sync += written.eq(written + 1)
            with m.If(self.choose & ~there):
                m.d.sync += [place.eq(written), chosen.eq(self.data), there.eq(1)]
        with m.If(self.read_tick & design.r_en & design.r_rdy):
            m.d.sync += taken.eq(taken + 1)
        with m.If(design.r_rdy | (written == taken)):
            m.d.sync += waited.eq(0)
        with m.Elif(self.read_tick):
            m.d.sync += waited.eq(waited + 1)
        due = there & (taken == place) & design.r_rdy
        held = (written - taken)[:_COUNT_BITS]
        m.d.comb += [
            Assert(~due | (design.r_data == chosen), "order and data are kept"),
            Assert(~design.r_rdy | (held != 0), "no beat is made up"),
            Assert(held <= design.depth, "no more is held than fits"),
            Assert(waited <= LATENCY_CLOCKS, "a beat shows in time"),
        ]
        return m
