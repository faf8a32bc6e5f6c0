"""The registered wall between the static region and a partition, which ends what it cuts."""

from __future__ import annotations

from amaranth import Cat, Module, Signal
from amaranth.lib.wiring import Component, In, Out

from hw.blocks.boundary import BOUNDARY, STREAM_BITS
from hw.blocks.register_slice import RegisterSlice

TO_MODULE = ("command", "parameters", "input")
"""Streams that the module takes."""


class Decoupler(Component):
    """Every wire but `module_id` is cut and ended while decoupled; all outputs are registers.

    A clock after `decouple`, with `decoupled`: the module is offered nothing (a beat that it was
    offered and had not taken is withdrawn and dropped), not started, and nothing of it is taken;
    `error` reads zero. Every beat that the static side offers is taken and dropped, so its engines
    come to an end. A beat of `output` that the static side was offered stays until it is taken.

    `reset` goes to the module a clock later and drops every beat that is held, also one that the
    static side was offered: use it when the engines are idle, before a new module runs. The
    module's beats and error are not looked at until it has seen the reset.

    A beat takes one clock, as do `start`, `error` and `module_id`. `empty` says that no beat is
    held. `static.reset` is not looked at.
    """

    def __init__(self) -> None:
        """Make a decoupler, decoupled."""
        self.slices = {name: RegisterSlice(STREAM_BITS) for name in (*TO_MODULE, "output")}
        super().__init__(
            {
                "static": In(BOUNDARY),
                "module": Out(BOUNDARY),
                "decouple": In(1),
                "reset": In(1),
                "decoupled": Out(1, init=1),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build a register slice for each stream, and a register for each other wire."""
        m = Module()
        static, module = self.static, self.module
        resetting = Signal(init=1)
        cut = self.decouple | self.reset
        m.d.comb += module.reset.eq(resetting)
        m.d.sync += [
            self.decoupled.eq(self.decouple),
            resetting.eq(self.reset),
            module.start.eq(static.start & ~cut),
            static.error.eq(module.error & ~cut & ~resetting),
            static.module_id.eq(module.module_id),
        ]
        held = []
        for name, beats in self.slices.items():
            m.submodules[name] = beats
            source, sink = (static, module) if name in TO_MODULE else (module, static)
            source, sink = getattr(source, name), getattr(sink, name)
            m.d.comb += [
                beats.input.payload.eq(source.payload),
                beats.input.valid.eq(source.valid),
                source.ready.eq(beats.input.ready),
                sink.payload.eq(beats.output.payload),
                sink.valid.eq(beats.output.valid),
                beats.output.ready.eq(sink.ready),
            ]
            if name in TO_MODULE:
                m.d.comb += beats.clear.eq(cut)
            else:
                m.d.comb += [
                    beats.clear.eq(self.reset | resetting),
                    beats.closed.eq(self.decouple),
                ]
            held.append(beats.output.valid)
        m.d.comb += self.empty.eq(Cat(held) == 0)
        return m
