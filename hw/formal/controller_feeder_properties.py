"""What the configuration controller does to the pins, whatever port, memory and host do."""

from __future__ import annotations

from functools import reduce
from operator import add

from amaranth import Array, Cat, Const, Module, Signal
from amaranth.hdl import Assert, Assume, ResetSignal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, connect, flipped

from fpga_rt.arch.packets import NOP, SYNC
from fpga_rt.arch.rules import IDCODE_MASK
from fpga_rt.contract.static_region import ConfigurationError
from hw.formal.past import Past
from hw.static_region.port_feeder import BEAT, ICAP, PortFeeder, swapped
from hw.static_region.port_steps import ABORT_END, STEPS

OWN_WORDS = (0xFFFFFFFF, SYNC, NOP, 0x28018001, 0x2800E001, 0x30008001, 0x0000000D)
"""All that is written besides the stream: dummy, sync, NOP, reads of two registers, DESYNC."""


class FeederProperties(Component):
    """A feeder with a free stream, a free port, and a host that keeps to the handshake.

    The handshake: `go` rises when the feeder is idle and stays until it has finished, unless a
    reset of the host's clock cuts it short; what `go` vouches for stands still.
    """

    def __init__(self, design: PortFeeder) -> None:
        """Take a feeder."""
        self._design = design
        members = design.signature.members
        super().__init__(
            {
                "go": In(1),
                "cancel": In(1),
                "words": In(members["words"].shape),
                "target": In(members["target"].shape),
                "beats": In(stream.Signature(BEAT)),
                "port": In(ICAP.flip()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Connect the feeder and say what holds on its pins and at its end."""
        m = Module()
        m.submodules.design = design = self._design
        past = Past(m)
        pins = design.icap
        connect(m, flipped(self.beats), design.beats)
        m.d.comb += [
            design.go.eq(self.go),
            design.cancel.eq(self.cancel),
            design.words.eq(self.words),
            design.target.eq(self.target),
            *(getattr(pins, name).eq(getattr(self.port, name)) for name in _ANSWERS),
            Assume(~ResetSignal()),
        ]
        self._assume_handshake(m)
        written = ~pins.csib & ~pins.rdwrb
        self._check_words(m, past, written)
        self._check_pins(m, past)
        self._check_end(m, past)
        self._check_states(m)
        return m

    def _assume_handshake(self, m: Module) -> None:
        """Let `go` rise only towards an idle feeder, and the target be one partition."""
        before, target = Signal(), Signal.like(self.target)
        m.d.sync += [before.eq(self.go), target.eq(self.target)]
        m.d.comb += [
            Assume(~self.go | before | self._design.idle),
            Assume(~before | ~self.go | (self.target == target)),
            Assume(self.target.any() & ~(self.target & (self.target - 1)).any()),
        ]

    def _check_words(self, m: Module, past: Past, written: Value) -> None:
        """Check which words are written: its own, or what the guard lets through meanwhile."""
        design, guard = self._design, self._design.guard
        word = Signal(32)
        m.d.comb += word.eq(swapped(design.icap.i))
        device = (design.idcode_readback ^ design.idcode) & IDCODE_MASK == 0
        foreign = written & ~word.matches(*OWN_WORDS)
        passed = past(guard.write & design.streaming) & (past(guard.output) == word)
        past.check(~foreign | passed, "a word is its own or passed the guard")
        m.d.comb += [
            Assert(~foreign | guard.started, "nothing of a stream is written before its sync word"),
            Assert(~guard.started | design.recognised, "no stream without the right IDCODE"),
            Assert(~design.recognised | device, "the probe found the device"),
        ]
        past.check(~foreign | ~past(guard.error.any()), "nothing of a stream in error")
        self._check_over(m, past, foreign)

    def _check_over(self, m: Module, past: Past, foreign: Value) -> None:
        """Check that nothing of a stream follows once it was left."""
        design = self._design
        over = Signal()
        left = past(design.streaming) & ~design.streaming
        with m.If(design.waiting):
            m.d.sync += over.eq(0)
        with m.Elif(left):
            m.d.sync += over.eq(1)
        m.d.comb += [
            Assert(~(over & foreign), "nothing of a stream after its end"),
            Assert(~(over & design.streaming), "a stream is not taken up again"),
            Assert(
                ~over | design.waiting | (design.probed & design.recognised),
                "the state is sound: over",
            ),
        ]

    def _check_pins(self, m: Module, past: Past) -> None:
        """Check the rules of RDWRB and of the time after reset."""
        design, pins = self._design, self._design.icap
        selected = ~pins.csib & ~past(pins.csib)
        m.d.comb += Assert(pins.csib | design.available, "the port is left alone after reset")
        turned = pins.rdwrb != past(pins.rdwrb)
        aborts = selected & turned
        past.check(~aborts | pins.rdwrb, "RDWRB turns to reading only while selected")
        past.check(~aborts | ~design.streaming, "an abort ends a stream")

    def _check_end(self, m: Module, past: Past) -> None:
        """Check that a result stays, and that a good one is good."""
        design, guard = self._design, self._design.guard
        ended = past(design.finished & self.go) & self.go
        past.check(~ended | design.finished, "the end stays until it is acknowledged")
        past.check(~ended | (design.error == past(design.error)), "an error stays")
        good = design.finished & self.go & (design.error == ConfigurationError.NONE)
        m.d.comb += [
            Assert(~good | (guard.started & ~guard.aligned), "a good stream ended with DESYNC"),
            Assert(~good | ~guard.error.any(), "a good stream broke no rule"),
        ]

    def _check_states(self, m: Module) -> None:
        """Check what each state is about, which carries the induction."""
        design, guard, pins = self._design, self._design.guard, self._design.icap
        states = (design.waiting, design.stepping, design.streaming, design.settling, design.ended)
        parser = guard.parser
        still = ~guard.pending & ~guard.error.any()
        empty = still & ~(guard.started | guard.aligned | parser.started | parser.aligned)
        early = ~design.recognised | ~design.probed
        active = design.stepping | design.streaming | design.settling
        desynced = still & guard.started & ~guard.aligned & ~parser.aligned
        good = design.error == ConfigurationError.NONE
        sure = {
            "one state": Cat(states).any() & (reduce(add, states) == 1),
            "guard": ~guard.aligned | guard.started,
            "refuses": guard.error.any() == guard.refuses,
            "passes": ~(guard.passed | guard.write) | guard.pending,
            "early": ~early | (empty & ~design.streaming & ~design.settling),
            "streaming": ~design.streaming | (design.error == ConfigurationError.PORT),
            "stepping": ~(design.stepping & design.probed) | ~good,
            "settling": ~design.settling | desynced,
            "ended": ~(design.ended & good) | desynced,
            "available": ~active | design.available,
            "selected": ~(design.waiting | design.ended) | pins.csib,
            "last step": ~design.stepping | design.last_step.matches(ABORT_END, len(STEPS) - 1),
            "step": ~design.stepping | (design.step <= design.last_step),
            "last": design.at_end == (design.stepping & (design.step == design.last_step)),
            "first step": design.stepping | design.step.matches(0, 2),
            "at rest": design.stepping | ~pins.rdwrb,
            "finished": ~design.finished | design.ended | design.waiting,
            "idle": ~design.idle | ~design.finished,
        }
        m.d.comb += [Assert(holds, f"the state is sound: {name}") for name, holds in sure.items()]
        at = Array(Const(s.csib | s.rdwrb << 1, 2) for s in (STEPS[-1], *STEPS))[design.step]
        on = Assert(~design.stepping | (Cat(pins.csib, pins.rdwrb) == at), "pins follow the steps")
        m.d.comb += on


_ANSWERS = ("o", "avail", "prdone", "prerror")
