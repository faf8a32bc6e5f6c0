"""What the stream guard lets through, whatever it is sent: read again as the port reads it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import reduce
from operator import or_

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Assert, Assume, ResetSignal, Value
from amaranth.lib.wiring import Component, In

from fpga_rt.arch.packets import NOP, SYNC, Command, Register
from fpga_rt.arch.rules import IDCODE_MASK
from hw.formal.past import Past
from hw.static_region.frame_windows import FarWindow
from hw.static_region.stream_guard import Parser, StreamGuard
from hw.static_region.word_decoder import COUNT_BITS

HARMLESS_CTL0, HARMLESS_CTL1 = 0x500, 0x1000
"""Bits of the control registers that partial bitstreams of the 7-series change."""
HARMLESS_COMMANDS = (0, 1, 2, 5, 7, 10, 11, 13)
"""NULL, WCFG, MFW, START, RCRC, GRESTORE, SHUTDOWN, DESYNC (UG470 table 5-25)."""
WRITTEN = (0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x0A, 0x0C, 0x18)
"""CRC, FAR, FDRI, CMD, CTL0, MASK, MFWR, IDCODE, CTL1 (UG470 table 5-23)."""


class GuardProperties(Component):
    """A guard of an ICAPE2 with free words, gaps and clears; one partition is chosen for a stream.

    A reader of its own parses what is written, as tolerantly as a port: any type 1 or 2 header has
    a payload. That its state equals the guard's is part of what is proven by induction.
    """

    def __init__(
        self, design: StreamGuard, idcode: int, far_windows: Sequence[Sequence[FarWindow]]
    ) -> None:
        """Take a guard and what it was made with."""
        self._design, self._idcode, self._windows = design, idcode, far_windows
        super().__init__(
            {
                "word": In(32),
                "unreadable": In(1),
                "valid": In(1),
                "clear": In(1),
                "target": In(len(far_windows)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Connect the guard, read what it writes, and say what that may be."""
        m = Module()
        m.submodules.design = design = self._design
        past = Past(m)
        begun = Signal()
        m.d.sync += begun.eq(1)
        m.d.comb += [
            design.word.eq(self.word),
            design.unreadable.eq(self.unreadable),
            design.valid.eq(self.valid),
            design.clear.eq(self.clear),
            design.target.eq(self.target),
            Assume(~ResetSignal()),
            Assume(self.target.any() & ~(self.target & (self.target - 1)).any()),
            Assume(~begun | past(self.clear) | (self.target == past(self.target))),
        ]
        self._check_errors(m, past)
        self._read(m, past)
        return m

    def _check_errors(self, m: Module, past: Past) -> None:
        """Check that an error stays, and that nothing is written under one."""
        error = self._design.error
        kept = (past(error) == error) | past(self.clear) | ~past(error).any()
        past.check(kept, "an error stays until it is cleared")
        m.d.comb += [
            Assert(~(error.any() & self._design.write), "nothing is written in error"),
            Assert(error.any() == self._design.refuses, "the state is sound: refuses"),
        ]

    def _read(self, m: Module, past: Past) -> None:
        """Parse what is written."""
        self._aligned, self._before = Signal(), Signal()
        self._left, self._register = Signal(COUNT_BITS), Signal(5)
        self._room, self._identified = Signal(COUNT_BITS), Signal()
        self._mask, self._is_masked = Signal(32), Signal()
        self._unchecked = Signal()
        word = self._design.output
        with m.If(self._design.write):
            with m.If(~self._aligned):
                nop_behind = (word == NOP) & self._before
                m.d.comb += Assert((word == SYNC) | nop_behind, "only a sync word begins")
                with m.If(word == SYNC):
                    m.d.sync += [self._aligned.eq(1), self._before.eq(1), self._left.eq(0)]
                    m.d.sync += [self._room.eq(0), self._identified.eq(0), self._is_masked.eq(0)]
                    m.d.sync += self._unchecked.eq(0)
            with m.Elif(self._left.any()):
                m.d.sync += self._left.eq(self._left - 1)
                self._payload(m, word)
            with m.Elif((word[29:] == 1) | (word[29:] == 2)):
                m.d.comb += Assert((word[27:29] == 2) | (word == NOP), "nothing is read back")
                count = Mux(word[29:] == 1, word[:11], word[:COUNT_BITS])
                m.d.sync += self._left.eq(Mux(word[27:29] == 0, 0, count))
                with m.If((word[29:] == 1) & (word != NOP)):
                    m.d.sync += self._register.eq(word[13:18])
            with m.Else():
                m.d.comb += Assert(0, "a header is of type 1 or 2")
        with m.If(self.clear):
            m.d.sync += [self._aligned.eq(0), self._before.eq(0)]
        self._check_states(m, past)

    def _payload(self, m: Module, word: Value) -> None:
        """Check a word that the port would take for a register."""
        with m.Switch(self._register):
            with m.Case(Register.FAR):
                inside, room = self._place(word)
                m.d.comb += Assert(inside, "an address is one of the partition")
                m.d.sync += self._room.eq(room)
            with m.Case(Register.FDRI):
                m.d.comb += [
                    Assert(self._room.any(), "frame data ends where the region ends"),
                    Assert(self._identified, "frame data follows IDCODE"),
                ]
                m.d.sync += [self._room.eq(self._room - 1), self._unchecked.eq(1)]
            with m.Case(Register.IDCODE):
                same = (word ^ self._idcode) & IDCODE_MASK == 0
                m.d.comb += Assert(same, "IDCODE is that of the device")
                m.d.sync += self._identified.eq(1)
            with m.Case(Register.CMD):
                self._command(m, word)
            with m.Case(Register.MASK):
                m.d.sync += [self._mask.eq(word), self._is_masked.eq(1)]
            with m.Case(Register.CTL0):
                m.d.comb += Assert(self._fits(HARMLESS_CTL0), "CTL0 is changed where harmless")
            with m.Case(Register.CTL1):
                m.d.comb += Assert(self._fits(HARMLESS_CTL1), "CTL1 is changed where harmless")
            with m.Case(Register.CRC):
                m.d.sync += self._unchecked.eq(0)
            with m.Case(Register.MFWR):
                m.d.comb += Assert(self._identified, "a repeat follows IDCODE")
                m.d.sync += self._unchecked.eq(1)
            with m.Default():
                m.d.comb += Assert(0, "a register is one that partials write")

    def _command(self, m: Module, word: Value) -> None:
        m.d.comb += Assert(word.matches(*HARMLESS_COMMANDS), "a command is one that partials give")
        ends = word.matches(Command.DESYNC, Command.RCRC)
        m.d.comb += Assert(~(ends & self._unchecked), "a CRC follows frame data")
        with m.If(word == Command.DESYNC):
            m.d.sync += self._aligned.eq(0)

    def _place(self, far: Value) -> tuple[Value, Value]:
        """Return whether an address is one of the target's, and how much data it may get."""
        hits, rooms = [], []
        for partition, windows in enumerate(self._windows):
            for low, high, words, frame_words in windows:
                hit = (far >= low) & (far <= high) & self.target[partition]
                hits.append(hit)
                rooms.append(Mux(hit, words - (far - low) * frame_words, 0)[:COUNT_BITS])
        return Cat(hits).any(), reduce(or_, rooms)

    def _fits(self, bits: int) -> Value:
        return self._is_masked & ((self._mask & ~Value.cast(bits)) == 0)

    def _check_states(self, m: Module, past: Past) -> None:
        """Check that reader and guard agree, which carries the induction.

        The guard shows a word two clocks after it has parsed it.
        """
        design = self._design
        parser, on = _earlier(design.parser, past), ~design.error.any() & ~self.clear
        data = (self._register == Register.FDRI) & self._aligned
        sends = data | ((self._register == Register.MFWR) & self._aligned)
        owed = Mux(data, self._left, 0)
        same = self._register == parser.register
        fresh = same & (self._register == Register.FDRI) & (self._left == 0)
        in_packet = self._aligned & self._left.any()
        agree = {
            "known": ~in_packet | self._register.matches(*WRITTEN),
            "CTL0": ~in_packet | (self._register != Register.CTL0) | self._fits(HARMLESS_CTL0),
            "CTL1": ~in_packet | (self._register != Register.CTL1) | self._fits(HARMLESS_CTL1),
            "aligned": design.aligned == self._aligned,
            "begun": design.started == self._before,
            "in packet": ~self._aligned | (parser.in_packet == parser.left.any()),
            "left": ~self._aligned | (parser.left == self._left),
            "register": ~self._aligned | ~self._left.any() | same,
            "long": ~self._aligned | ~parser.long | fresh,
            "identified": ~self._aligned | (parser.identified == self._identified),
            "room": ~self._aligned | (self._room == (parser.words + owed)[:COUNT_BITS]),
            "enough": ~self._aligned | (self._room >= owed),
            "checked": ~self._aligned | ~self._unchecked | parser.unchecked,
            "to check": ~sends | ~self._left.any() | parser.unchecked,
            "data": ~sends | ~self._left.any() | self._identified,
            "mask of CTL0": ~parser.mask_fits_ctl0 | ~self._aligned | self._fits(HARMLESS_CTL0),
            "mask of CTL1": ~parser.mask_fits_ctl1 | ~self._aligned | self._fits(HARMLESS_CTL1),
        }
        for name, holds in agree.items():
            m.d.comb += Assert(~on | holds, f"guard and reader agree: {name}")


def _earlier(parser: Parser, past: Past) -> Parser:
    """Return the state of a parser two clocks ago."""
    found = copy(parser)
    for name, signal in vars(parser).items():
        setattr(found, name, past(past(signal)))
    return found
