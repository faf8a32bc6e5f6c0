"""What the decoupler promises, whatever module and host do."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.hdl import Assert, Assume, ResetSignal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hw.blocks.boundary import BOUNDARY, STREAM_BITS
from hw.blocks.decoupler import TO_MODULE, Decoupler
from hw.formal.past import Past


class DecouplerProperties(Component):
    """A decoupler between a free static side and a free module, decoupled and reset at will.

    Neither side is assumed to keep to anything. With the decoupler's `slices` the proof is one for
    all time, and says that each stream is a queue of two; without, it looks from outside only.
    """

    def __init__(self, design: Component, *, inside: bool = True) -> None:
        """Take a `Decoupler`, or anything with its ports if not `inside`."""
        self._design = design
        self._inside = inside
        super().__init__(
            {
                "static": In(BOUNDARY),
                "module": Out(BOUNDARY),
                "decouple": In(1),
                "reset": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the properties of every stream and of the other wires."""
        m = Module()
        m.submodules.design = design = self._design
        connect(m, flipped(self.static), design.static)
        connect(m, design.module, flipped(self.module))
        m.d.comb += [
            design.decouple.eq(self.decouple),
            design.reset.eq(self.reset),
            Assume(~ResetSignal()),
        ]
        past = Past(m)
        cut = self.decouple | self.reset
        self._check_isolation(m, past, cut)
        for name in TO_MODULE:
            source, sink = getattr(self.static, name), getattr(self.module, name)
            past.check_stable(sink, cut, f"{name} is stable")
            self._check_queue(m, name, source, sink, cut)
        output, dropped = self.module.output, self.reset | self.module.reset
        past.check_stable(self.static.output, dropped, "output is stable")
        self._check_queue(m, "output", output, self.static.output, dropped)
        return m

    def _check_isolation(self, m: Module, past: Past, cut: Value) -> None:
        """Check that nothing crosses while decoupled, and that the static side is drained."""
        static, module, decoupled = self.static, self.module, self._design.decoupled
        past.check(decoupled == past(self.decouple), "decoupled is decouple a clock before")
        past.check(module.reset == past(self.reset), "reset is passed on")
        past.check(module.start == (past(static.start) & ~past(cut)), "start is passed on or cut")
        past.check(static.module_id == past(module.module_id), "identity is passed on")
        past.check(~(decoupled & module.output.ready), "nothing of the module is taken")
        past.check(~(decoupled & static.error), "no error shows")
        for name in TO_MODULE:
            offered, taken = getattr(module, name).valid, getattr(static, name).ready
            past.check(~(decoupled & offered), f"{name} is not offered")
            past.check(~decoupled | taken, f"{name} is drained at once")

    def _check_queue(
        self,
        m: Module,
        name: str,
        source: stream.Interface,
        sink: stream.Interface,
        dropped: Value,
    ) -> None:
        """Check that the sink sees what a queue of two would show that `dropped` empties."""
        held = Signal(range(3), name=f"{name}_held")
        first, second = (Signal(STREAM_BITS, name=f"{name}_{n}") for n in ("first", "second"))
        enters, leaves = source.valid & source.ready, sink.valid & sink.ready
        stays = held - leaves
        with m.If(dropped):
            m.d.sync += held.eq(0)
        with m.Else():
            m.d.sync += [
                held.eq(stays + enters),
                first.eq(Mux(stays == 0, source.payload, Mux(leaves, second, first))),
                second.eq(Mux(stays == 1, source.payload, second)),
            ]
        m.d.comb += [
            Assert(held <= 2, f"{name}: two beats are held at most"),
            Assert(sink.valid == (held != 0), f"{name}: no beat is lost or made up"),
            Assert((held == 0) | (sink.payload == first), f"{name}: beats keep order and data"),
        ]
        if self._inside and isinstance(self._design, Decoupler):
            beats = self._design.slices[name]
            m.d.comb += [
                Assert(beats.spare_valid == (held == 2), f"{name}: spare is in use for the second"),
                Assert((held != 2) | (beats.spare == second), f"{name}: spare is the second"),
                Assert(~(beats.spare_valid & beats.input.ready), f"{name}: no third is taken"),
            ]
