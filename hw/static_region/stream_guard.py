"""Looks at a bitstream on its way to the configuration port, and holds back what must not go there.

The host has verified the file; the guard trusts neither host nor memory. It parses the packets of
a partial bitstream word by word. A word that breaks a rule is not passed on, nor is any after it:

- nothing before the sync word, and between two segments only NOPs, which push DESYNC through;
- IDCODE is that of the device, and written before frame data;
- every FAR lies in the windows of the partition that is LOADING, and frame data follows a FAR of
  its own and is no longer than what the region has from there on;
- frame data is followed by a CRC before DESYNC or before the CRC starts anew (START may come first,
  as in partials of Vivado);
- registers, commands and bits of control registers are those that partial bitstreams need: no full
  bitstream, no readback, nothing encrypted, no IPROG.

So frames are written inside the partition only; SHUTDOWN, GRESTORE and START act beyond it. Not
looked at: contents of frames, a reset mask included, and values of checksums, which are the port's.

What a word is by itself takes four clocks to find out: `WordDecoder`. What it is in the stream
is found out in one, before the next word comes; one more gives the error its name. A word comes out
beside the verdict on it:

    word -> decoder -> parser -> verdict -> write, output, error

Ref: 7 Series FPGAs Configuration User Guide
Document: UG470, Configuration Packets; Configuration Registers
Ref: UltraScale Architecture Configuration User Guide
Document: UG570, Configuration Packets; Configuration Registers
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from fpga_rt.arch.families import SERIES7, ULTRASCALE_PLUS
from fpga_rt.arch.packets import Register
from fpga_rt.arch.rules import rules_of
from fpga_rt.contract.static_region import ConfigurationError
from hw.static_region.frame_windows import FarWindow
from hw.static_region.word_decoder import WordDecoder, words_bits

ERROR_BITS = max(ConfigurationError).bit_length()

Primitive = Literal["ICAPE2", "ICAPE3"]
"""The configuration port of the 7-series, and that of UltraScale and UltraScale+."""

_FAMILIES = {"ICAPE2": SERIES7, "ICAPE3": ULTRASCALE_PLUS}
"""The family whose rules a port goes by; UltraScale has those of UltraScale+."""
_FAULTS = (
    ConfigurationError.BUS,
    ConfigurationError.IDCODE,
    ConfigurationError.PARTITION,
    ConfigurationError.CRC,
    ConfigurationError.FORBIDDEN,
)
"""What may be wrong with a word; if it is several, the first counts."""


class StreamGuard(Component):
    """Passes the words of a partial bitstream on, one per clock, six clocks after they came.

    ========== === ===================================================================
    word       in  the stream, `valid` where there is a word
    unreadable in  memory has no word where this one should be: refused with BUS
    clear      in  forget everything: the next word is the first of a stream
    target     in  which partition is loaded, one bit for each; exactly one is set
    write      out `output` is to be written to the port
    error      out a `ConfigurationError`, from when the word would have come out, until `clear`
    refuses    out `error` is not NONE
    aligned    out a packet or its payload is expected: after a sync word, before DESYNC
    started    out a sync word has passed
    pending    out a word is still on its way
    ========== === ===================================================================

    `aligned` and `started` are about what has come out.
    """

    def __init__(
        self,
        idcode: int,
        far_windows: Sequence[Sequence[FarWindow]],
        icap: Primitive = "ICAPE2",
    ) -> None:
        """Make the guard of a device.

        Args:
            idcode: of the device, as in bitstreams.
            far_windows: for each partition what `frame_windows.far_windows` returns.
            icap: which port the device has, and so what its partial bitstreams write.

        Raises:
            ValueError: of `WordDecoder`.
        """
        windows = [[FarWindow(*window) for window in each] for each in far_windows]
        self._family = _FAMILIES[icap]
        self._rules = rules_of(self._family, full=False)
        self.decoder = WordDecoder(idcode, self._family.frame_words, self._rules, windows)
        self.parser = Parser(words_bits(windows))
        """Its state, for proofs; it is two clocks ahead of what has come out."""
        self.passed = Signal()
        """The word before `output` passes unless something is wrong with it."""
        super().__init__(
            {
                "word": In(32),
                "unreadable": In(1),
                "valid": In(1),
                "clear": In(1),
                "target": In(len(windows)),
                "write": Out(1),
                "output": Out(32),
                "refuses": Out(1),
                "error": Out(ERROR_BITS),
                "aligned": Out(1),
                "started": Out(1),
                "pending": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the parser behind the decoder, and register its verdict."""
        m = Module()
        m.submodules.decoder = decoder = self.decoder
        p, seen = self.parser, decoder.seen
        for name in ("word", "unreadable", "valid", "clear", "target"):
            m.d.comb += getattr(decoder, name).eq(getattr(self, name))
        word = Signal(32, reset_less=True)
        aligned = Signal()
        started = Signal()
        parsed = Signal()
        m.d.sync += [
            parsed.eq(decoder.ready),
            self.pending.eq(self.valid | decoder.pending | parsed),
            word.eq(seen.word),
            *(aligned.eq(p.aligned), self.aligned.eq(aligned)),
            *(started.eq(p.started), self.started.eq(started)),
        ]
        with m.If(self.passed):  # `word` is unknown until the first one has come
            m.d.sync += self.output.eq(word)
        with m.If(decoder.ready):
            self._parse(m, p, seen)
        self._judge(m, p, seen)
        with m.If(self.clear):
            kept = (p.aligned, p.started, aligned, started, self.aligned, self.started)
            m.d.sync += [signal.eq(0) for signal in (parsed, self.pending, *kept)]
        return m

    def _judge(self, m: Module, p: Parser, seen: data.View) -> None:
        """Name what is wrong with a word, a clock after it was parsed; the first error stays.

        Whether a packet of frame data is too long takes a carry chain, so that nothing else is done
        with it in the clock of the parser.
        """
        faults = Signal.like(p.faults)
        too_long = Signal()
        begins_data = Signal()
        m.d.sync += [
            *(self.passed.eq(p.passes), faults.eq(p.faults), begins_data.eq(p.begins_data)),
            too_long.eq(seen.count > p.words),
        ]
        beyond = too_long & begins_data
        wrong = faults.any() | beyond
        m.d.sync += self.write.eq(self.passed & ~wrong & ~self.refuses)
        with m.If(~self.refuses):
            m.d.sync += self.refuses.eq(wrong)
            with m.If(beyond):
                m.d.sync += self.error.eq(ConfigurationError.PARTITION)
            for number, error in reversed(list(enumerate(_FAULTS))):
                with m.If(faults[number]):
                    m.d.sync += self.error.eq(error)
        with m.If(self.clear):
            shown = (self.write, self.refuses, self.error)
            m.d.sync += [each.eq(0) for each in (self.passed, faults, begins_data, *shown)]

    def _parse(self, m: Module, p: Parser, seen: data.View) -> None:
        _refuse(m, p, ConfigurationError.BUS, seen.unreadable)
        with m.If(p.aligned):
            m.d.comb += p.passes.eq(1)
            with m.If(p.in_packet):
                m.d.sync += [p.left.eq(p.left - 1), p.in_packet.eq(p.left != 1)]
                self._payload(m, p, seen)
            with m.Else():
                self._header(m, p, seen)
        with m.Elif(seen.sync):
            m.d.comb += p.passes.eq(1)
            m.d.sync += [p.started.eq(1), *p.begin_segment()]
        with m.Else():
            m.d.comb += p.passes.eq(seen.nop & p.started)

    def _header(self, m: Module, p: Parser, seen: data.View) -> None:
        """Take a packet header: NOP, type 1 or type 2 write."""
        m.d.sync += p.long.eq(seen.frame_data & ~seen.some)
        with m.If(~seen.nop):
            m.d.sync += [p.left.eq(seen.count), p.in_packet.eq(seen.some)]
        with m.If(~seen.nop & ~seen.long):
            m.d.sync += p.register.eq(seen.register)
        continued = seen.long & p.long
        with m.If(seen.frame_data | continued):
            self._frame_data(m, p, seen)
            _refuse(m, p, ConfigurationError.PARTITION, seen.frame_data & ~p.addressed)
        with m.Elif(seen.repeat):
            self._multi_frame(m, p, seen)
        with m.Elif(seen.plain):
            bare0 = (seen.register == Register.CTL0) & ~p.mask_fits_ctl0
            bare1 = (seen.register == Register.CTL1) & ~p.mask_fits_ctl1
            _refuse(m, p, ConfigurationError.FORBIDDEN, bare0 | bare1)
        with m.Else():
            _refuse(m, p, ConfigurationError.FORBIDDEN, ~seen.nop)

    def _frame_data(self, m: Module, p: Parser, seen: data.View) -> None:
        """Let frame data follow IDCODE, and no more of it than the window has."""
        m.d.sync += [p.addressed.eq(0), p.words.eq(p.words - seen.count)]
        with m.If(seen.some):
            m.d.sync += p.unchecked.eq(1)
        if self._family is SERIES7:
            m.d.sync += p.held.eq(seen.one_frame)
        _refuse(m, p, ConfigurationError.IDCODE, ~p.identified)
        m.d.comb += p.begins_data.eq(1)
        _refuse(m, p, ConfigurationError.PARTITION, seen.too_many)

    def _multi_frame(self, m: Module, p: Parser, seen: data.View) -> None:
        """Let a repeat follow a FAR, or on the 7-series the one frame that it repeats."""
        m.d.sync += [p.addressed.eq(0), p.held.eq(0), p.unchecked.eq(1)]
        placed = (p.addressed & p.words.any()) | p.held
        _refuse(m, p, ConfigurationError.IDCODE, ~p.identified)
        _refuse(m, p, ConfigurationError.PARTITION, ~placed)
        _refuse(m, p, ConfigurationError.FORBIDDEN, ~seen.some)

    def _payload(self, m: Module, p: Parser, seen: data.View) -> None:
        """Take a word that is written to a register."""
        with m.Switch(p.register):
            with m.Case(Register.FAR):
                m.d.sync += [
                    *(p.addressed.eq(1), p.held.eq(0)),
                    p.words.eq(seen.room - seen.passed),
                ]
                _refuse(m, p, ConfigurationError.PARTITION, ~seen.inside)
            with m.Case(Register.IDCODE):
                m.d.sync += p.identified.eq(1)
                _refuse(m, p, ConfigurationError.IDCODE, ~seen.same_device)
            with m.Case(Register.CMD):
                with m.If(seen.desync):
                    m.d.sync += p.aligned.eq(0)
                _refuse(m, p, ConfigurationError.FORBIDDEN, ~seen.command)
                _refuse(m, p, ConfigurationError.CRC, seen.restarts & p.unchecked)
            with m.Case(Register.CRC):
                m.d.sync += p.unchecked.eq(0)
            with m.Case(Register.COR0):
                _refuse(m, p, ConfigurationError.FORBIDDEN, ~seen.option)
            with m.Case(Register.MASK):
                m.d.sync += [
                    p.mask_fits_ctl0.eq(seen.fits_ctl0),
                    p.mask_fits_ctl1.eq(seen.fits_ctl1),
                ]


def _refuse(m: Module, p: Parser, error: ConfigurationError, when: Value) -> None:
    with m.If(when):
        m.d.comb += p.faults[_FAULTS.index(error)].eq(1)


class Parser:
    """What the guard keeps of a stream, and its verdict on the word that was decoded."""

    def __init__(self, words_bits: int) -> None:
        """Start before the sync word; no packet has more words than `words_bits` can count."""
        self.faults = Signal(len(_FAULTS))
        self.passes = Signal()
        self.begins_data = Signal()  # what is wrong if `words` are too few is not among `faults`
        self.aligned = Signal()
        self.started = Signal()
        self.register = Signal(5)
        self.left = Signal(words_bits)
        self.in_packet = Signal()  # `left` is not 0
        self.long = Signal()  # the last header was FDRI without a payload: type 2 may follow
        self.identified = Signal()
        self.addressed = Signal()  # a FAR came, and no frame data since
        self.held = Signal()  # one frame came, which a multi-frame write may repeat
        self.words = Signal(words_bits)  # frame data that may still come since the FAR
        self.unchecked = Signal()  # frame data came, and no CRC since
        self.mask_fits_ctl0 = Signal()
        self.mask_fits_ctl1 = Signal()

    def begin_segment(self) -> list[Value]:
        """Return the assignments of a sync word."""
        forgotten = (
            *(
                self.left,
                self.in_packet,
                self.long,
                self.identified,
                self.addressed,
                self.held,
                self.words,
            ),
            *(self.unchecked, self.mask_fits_ctl0, self.mask_fits_ctl1),
        )
        return [self.aligned.eq(1), *(signal.eq(0) for signal in forgotten)]
