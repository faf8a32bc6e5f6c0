"""A queue between two streams."""

from __future__ import annotations

from amaranth import Module, ResetInserter
from amaranth.hdl import Shape, ShapeLike
from amaranth.lib import stream
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out


class StreamFifo(Component):
    """Holds up to `depth` payloads in distributed memory: out the clock after in, one a clock.

    While `clear` is one it holds nothing and takes nothing to keep.
    """

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        """Make a queue for payloads of a shape."""
        self._shape = shape
        self._depth = depth
        super().__init__(
            {
                "input": In(stream.Signature(shape)),
                "output": Out(stream.Signature(shape)),
                "clear": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Wrap the library's queue."""
        m = Module()
        fifo = SyncFIFO(width=Shape.cast(self._shape).width, depth=self._depth)
        m.submodules.fifo = ResetInserter(self.clear)(fifo)
        m.d.comb += [
            fifo.w_data.eq(self.input.payload),
            fifo.w_en.eq(self.input.valid),
            self.input.ready.eq(fifo.w_rdy),
            self.output.payload.eq(fifo.r_data),
            self.output.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.output.ready),
        ]
        return m
