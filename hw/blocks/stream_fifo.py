"""A queue between two streams."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out


class StreamFifo(Component):
    """Holds up to `depth` payloads in distributed memory: out the clock after in, one a clock.

    `ready` and `valid` are registers. While `clear` is one it takes nothing to keep, and it holds
    nothing from the next clock on.
    """

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        """Make a queue for payloads of a shape; `depth` is a power of two.

        Raises:
            ValueError: it is not, or less than two.
        """
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"queue: got a depth of {depth}, expected a power of two from 2 on")
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
        """Build memory, pointers and level; what the level becomes is known before it changes."""
        m = Module()
        m.submodules.memory = memory = Memory(shape=self._shape, depth=self._depth, init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")
        level = Signal(range(self._depth + 1))
        holds, full = Signal(), Signal()
        put, get = Signal(), Signal()
        m.d.comb += [
            put.eq(self.input.valid & ~full),
            get.eq(self.output.ready & holds),
            write.en.eq(put),
            write.data.eq(self.input.payload),
            self.input.ready.eq(~full),
            self.output.payload.eq(read.data),
            self.output.valid.eq(holds),
        ]
        with m.If(put):
            m.d.sync += write.addr.eq(write.addr + 1)
        with m.If(get):
            m.d.sync += read.addr.eq(read.addr + 1)
        with m.If(put & ~get):
            m.d.sync += [level.eq(level + 1), holds.eq(1), full.eq(level == self._depth - 1)]
        with m.If(get & ~put):
            m.d.sync += [level.eq(level - 1), holds.eq(level != 1), full.eq(0)]
        with m.If(self.clear):
            m.d.sync += [signal.eq(0) for signal in (write.addr, read.addr, level, holds, full)]
        return m
