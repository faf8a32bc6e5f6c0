"""A stage of registers in a stream that cuts both of its directions."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out


class RegisterSlice(Component):
    """Two entries: a beat comes out one clock after it went in, and one can follow every clock.

    Every output is a register. While `clear` is one, held beats are dropped and offered ones are
    taken and dropped; it is the one way to withdraw a beat from `output`. From the clock after
    `closed` was one, no beat is taken; what is held stays. `spare` is the second entry, for proofs.
    """

    def __init__(self, shape: ShapeLike) -> None:
        """Make a slice for beats of a shape."""
        self.spare, self.spare_valid = Signal(shape), Signal()
        super().__init__(
            {
                "input": In(stream.Signature(shape)),
                "output": Out(stream.Signature(shape)),
                "clear": In(1),
                "closed": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the output register, and the second one for a beat that came as it was full."""
        m = Module()
        spare, spare_valid = self.spare, self.spare_valid
        take, move = Signal(), Signal()
        m.d.comb += [
            take.eq(self.input.valid & self.input.ready),
            move.eq(self.output.ready | ~self.output.valid),
        ]
        with m.If(take):
            m.d.sync += spare.eq(self.input.payload)
        with m.If(move & (spare_valid | take)):
            m.d.sync += self.output.payload.eq(Mux(spare_valid, spare, self.input.payload))
        with m.If(self.clear):
            m.d.sync += [self.output.valid.eq(0), spare_valid.eq(0)]
        with m.Elif(move):
            m.d.sync += [self.output.valid.eq(spare_valid | take), spare_valid.eq(0)]
        with m.Elif(take):
            m.d.sync += spare_valid.eq(1)
        free = self.clear | move | ~(spare_valid | take)
        m.d.sync += self.input.ready.eq(free & ~self.closed)
        return m
