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

Ref: 7 Series FPGAs Configuration User Guide
Document: UG470, Configuration Packets; Configuration Registers
Ref: UltraScale Architecture Configuration User Guide
Document: UG570, Configuration Packets; Configuration Registers
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from fpga_rt.arch.devices import PAD_FRAMES, Device
from fpga_rt.arch.families import SERIES7, ULTRASCALE_PLUS, FrameAddress
from fpga_rt.arch.floorplan import DECLARED_FRAMES, Partition, cells, declared_start
from fpga_rt.arch.packets import NOP, SYNC, TYPE2_MAX_WORDS, Command, Register, type1, type2
from fpga_rt.arch.partials import Run, written_runs
from fpga_rt.arch.rules import IDCODE_MASK, rules_of
from fpga_rt.contract.static_region import ConfigurationError

Primitive = Literal["ICAPE2", "ICAPE3"]
"""The configuration port of the 7-series, and that of UltraScale and UltraScale+."""

COUNT_BITS = TYPE2_MAX_WORDS.bit_length()
"""Bits of the longest word count of a packet (type 2)."""

_HEADER_BITS = 27
_TYPE1_WRITE, _TYPE2_WRITE = type1(0, 0) >> _HEADER_BITS, type2(0) >> _HEADER_BITS
"""Type and opcode of a header, its bits from 27 on."""
_SHORT_BITS = 11
"""Bits of the word count of a type 1 packet."""
_RESET_MASK_BLOCK = 2
_FAMILIES = {"ICAPE2": SERIES7, "ICAPE3": ULTRASCALE_PLUS}
"""The family whose rules a port goes by; UltraScale has those of UltraScale+."""


class FarWindow(NamedTuple):
    """Frame addresses from `low` to `high`, both included.

    `words` is the most frame data that `low` may be given, flush and pad frames included; every
    address above has `frame_words` less than the one before. 0 words: it may be named only.
    """

    low: int
    high: int
    words: int = TYPE2_MAX_WORDS
    frame_words: int = 0


def far_windows(device: Device, partition: Partition) -> tuple[FarWindow, ...]:
    """Return the frame addresses that bitstreams for a partition may write, column by column.

    Those are its runs (on UltraScale+ with the routing on either side), the address past every
    frame that ends a stream, and the start of the 7-series reset mask.
    """
    family = device.family
    size = family.frame_words
    if partition.is_estimate:
        low, frames = declared_start(device, partition), DECLARED_FRAMES
        windows = [FarWindow(low, low + frames - 1, (frames + 1) * size, size)]
    else:
        windows = _run_windows(device, written_runs(device, cells(device, partition)))
    if family is SERIES7 and device.rows:
        mask = family.address.encode(FrameAddress(_RESET_MASK_BLOCK, 0, 0))
        frames = len(device.rows) * (len(device.columns) + PAD_FRAMES)
        windows.append(FarWindow(mask, mask, frames * size))
    return (*windows, FarWindow(family.end_address, family.end_address, 0))


def _run_windows(device: Device, runs: Iterable[Run]) -> list[FarWindow]:
    """Return a window for each column of the runs.

    A run that ends a row goes on into the next one, if that is written from its first column on.
    """
    found: list[FarWindow] = []
    last = None
    for run in sorted(runs, key=lambda run: run.address, reverse=True):
        first = device.family.address.decode(run.address)
        goes_on = run.pads == PAD_FRAMES and last is not None and last.column == 0
        left = run.frames + run.pads
        if goes_on and last is not None and last.block_type == first.block_type:
            left += found[0].words // device.family.frame_words
        found = [*_column_windows(device, first, run.frames, left), *found]
        last = first
    return found


def _column_windows(
    device: Device, first: FrameAddress, frames: int, left: int
) -> Iterator[FarWindow]:
    """Yield the columns of a run of `frames`, which has `left` with its pads and what follows."""
    encode, size = device.family.address.encode, device.family.frame_words
    content = [device.family.block_ram_frames] * len(device.block_ram_columns)
    columns: Sequence[int] = content if first.block_type == 1 else device.column_frames
    column = first.column
    while frames:
        low = encode(replace(first, column=column))
        yield FarWindow(low, low + columns[column] - 1, left * size, size)
        frames -= columns[column]
        left -= columns[column]
        column += 1


class StreamGuard(Component):
    """Passes the words of a partial bitstream on, one per clock, a clock after they came.

    ======== === ===================================================================
    word     in  the stream, `valid` where there is a word
    clear    in  forget everything: the next word is the first of a stream
    target   in  which partition is loaded, one bit for each; exactly one is set
    write    out `output` is to be written to the port
    error    out a `ConfigurationError`, from the clock of the word on, until `clear`
    aligned  out a packet or its payload is expected: after a sync word, before DESYNC
    started  out a sync word has passed
    pending  out a word is still on its way
    ======== === ===================================================================
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
            far_windows: for each partition what `far_windows` returns.
            icap: which port the device has, and so what its partial bitstreams write.
        """
        self._idcode = idcode & IDCODE_MASK
        self._windows = [[FarWindow(*window) for window in windows] for windows in far_windows]
        self._frame_words = max((w.frame_words for each in self._windows for w in each), default=0)
        self._family = _FAMILIES[icap]
        self._rules = rules_of(self._family, full=False)
        most = max((w.words for each in self._windows for w in each), default=0)
        self.parser = Parser(max(most.bit_length(), _SHORT_BITS))
        """Its state, for proofs."""
        super().__init__(
            {
                "word": In(32),
                "valid": In(1),
                "clear": In(1),
                "target": In(len(self._windows)),
                "write": Out(1),
                "output": Out(32),
                "error": Out(8),
                "aligned": Out(1),
                "started": Out(1),
                "pending": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build two stages: compare the word with the windows, then parse it."""
        m = Module()
        p = self.parser
        m.d.sync += [p.word.eq(self.word), p.valid.eq(self.valid & ~self.clear)]
        self._compare(m, p)
        stopped = Signal(8)
        m.d.comb += [
            self.output.eq(p.word),
            self.error.eq(Mux(stopped.any(), stopped, p.fault)),
            self.write.eq(p.valid & p.passes & ~self.error.any()),
            self.aligned.eq(p.aligned),
            self.started.eq(p.started),
            self.pending.eq(p.valid),
        ]
        m.d.sync += stopped.eq(self.error)
        with m.If(p.valid & ~stopped.any()):
            self._parse(m, p)
        with m.If(self.clear):
            m.d.sync += [stopped.eq(0), p.aligned.eq(0), p.started.eq(0)]
        return m

    def _compare(self, m: Module, p: Parser) -> None:
        """Find the window that a word would lie in if it was a FAR; the longest of several."""
        m.d.sync += [p.inside.eq(0), p.window_words.eq(0), p.above_low.eq(0)]
        every = [(w, target) for target, windows in enumerate(self._windows) for w in windows]
        for window, target in sorted(every, key=lambda pair: pair[0].words):
            free = (window.low ^ window.high).bit_length()
            with m.If(_lies_in(self.word, window, free) & self.target[target]):
                m.d.sync += [p.inside.eq(1), p.window_words.eq(window.words)]
                if window.frame_words:
                    m.d.sync += p.above_low.eq(self.word[:free] - window.low % (1 << free))

    def _parse(self, m: Module, p: Parser) -> None:
        with m.If(~p.aligned):
            with m.If(p.word == SYNC):
                m.d.comb += p.passes.eq(1)
                m.d.sync += [p.started.eq(1), *p.begin_segment()]
            with m.Elif((p.word == NOP) & p.started):
                m.d.comb += p.passes.eq(1)
        with m.Else():
            m.d.comb += p.passes.eq(1)
            with m.If(p.left.any()):
                m.d.sync += p.left.eq(p.left - 1)
                self._payload(m, p)
            with m.Else():
                self._header(m, p)

    def _header(self, m: Module, p: Parser) -> None:
        """Take a packet header: NOP, type 1 or type 2 write."""
        kind, register = p.word[27:32], p.word[13:18]
        short, long = p.word[:_SHORT_BITS], p.word[:COUNT_BITS]
        m.d.sync += p.long.eq(0)
        with m.If(p.word == NOP):
            pass
        with m.Elif((kind == _TYPE1_WRITE) & (p.word[18:27] == 0) & (p.word[11:13] == 0)):
            m.d.sync += [p.register.eq(register), p.left.eq(short)]
            with m.Switch(register):
                with m.Case(Register.FDRI):
                    m.d.sync += p.long.eq(short == 0)
                    self._frame_data(m, p, short)
                with m.Case(Register.MFWR):
                    self._multi_frame(m, p, short)
                with m.Case(*self._plain_registers()):
                    with m.If(short != 1):
                        m.d.comb += p.fault.eq(ConfigurationError.FORBIDDEN)
                with m.Default():
                    m.d.comb += p.fault.eq(ConfigurationError.FORBIDDEN)
            self._masked(m, p, register)
        with m.Elif((kind == _TYPE2_WRITE) & p.long):
            m.d.sync += p.left.eq(long)
            self._frame_data(m, p, long, continued=True)
        with m.Else():
            m.d.comb += p.fault.eq(ConfigurationError.FORBIDDEN)

    def _frame_data(self, m: Module, p: Parser, count: Value, continued: bool = False) -> None:
        """Let frame data follow IDCODE and a FAR of its own, and no more than its window has."""
        m.d.sync += [p.addressed.eq(0), p.words.eq(p.words - count)]
        with m.If(count.any()):
            m.d.sync += p.unchecked.eq(1)
        if self._family is SERIES7:
            m.d.sync += p.held.eq(count == SERIES7.frame_words)
        with m.If(~p.identified):
            m.d.comb += p.fault.eq(ConfigurationError.IDCODE)
        with m.Elif((count > p.words) | (~p.addressed & (not continued))):
            m.d.comb += p.fault.eq(ConfigurationError.PARTITION)

    def _multi_frame(self, m: Module, p: Parser, count: Value) -> None:
        """Let a repeat follow a FAR, or on the 7-series the one frame that it repeats."""
        m.d.sync += [p.addressed.eq(0), p.held.eq(0), p.unchecked.eq(1)]
        with m.If(~p.identified):
            m.d.comb += p.fault.eq(ConfigurationError.IDCODE)
        with m.Elif(~((p.addressed & p.words.any()) | p.held)):
            m.d.comb += p.fault.eq(ConfigurationError.PARTITION)
        with m.Elif(count == 0):
            m.d.comb += p.fault.eq(ConfigurationError.FORBIDDEN)

    def _masked(self, m: Module, p: Parser, register: Value) -> None:
        """Let a control register be written only under a mask of bits that are harmless."""
        bare0 = (register == Register.CTL0) & ~p.mask_fits_ctl0
        bare1 = (register == Register.CTL1) & ~p.mask_fits_ctl1
        with m.If(bare0 | bare1):
            m.d.comb += p.fault.eq(ConfigurationError.FORBIDDEN)

    def _payload(self, m: Module, p: Parser) -> None:
        """Take a word that is written to a register."""
        with m.Switch(p.register):
            with m.Case(Register.FAR):
                passed_over = p.above_low * self._frame_words
                m.d.sync += [
                    *(p.addressed.eq(1), p.held.eq(0)),
                    p.words.eq(p.window_words - passed_over),
                ]
                with m.If(~p.inside):
                    m.d.comb += p.fault.eq(ConfigurationError.PARTITION)
            with m.Case(Register.IDCODE):
                m.d.sync += p.identified.eq(1)
                with m.If((p.word & IDCODE_MASK) != self._idcode):
                    m.d.comb += p.fault.eq(ConfigurationError.IDCODE)
            with m.Case(Register.CMD):
                with m.If(p.word == Command.DESYNC):
                    m.d.sync += p.aligned.eq(0)
                self._among(m, p, sorted(self._rules.commands))
                with m.If(p.word.matches(Command.DESYNC, Command.RCRC) & p.unchecked):
                    m.d.comb += p.fault.eq(ConfigurationError.CRC)
            with m.Case(Register.CRC):
                m.d.sync += p.unchecked.eq(0)
            with m.Case(Register.COR0):
                self._among(
                    m, p, (value for r, value, _ in self._rules.options if r is Register.COR0)
                )
            with m.Case(Register.MASK):
                m.d.sync += [
                    fits.eq((p.word & ~Const(bits, 32)) == 0)
                    for fits, bits in zip(
                        (p.mask_fits_ctl0, p.mask_fits_ctl1), self._rules.control, strict=True
                    )
                ]

    def _among(self, m: Module, p: Parser, allowed: Iterable[int]) -> None:
        with m.Switch(p.word):
            with m.Case(*allowed):
                pass
            with m.Default():
                m.d.comb += p.fault.eq(ConfigurationError.FORBIDDEN)

    def _plain_registers(self) -> list[int]:
        """Return the registers that take one word at a time."""
        return sorted(self._rules.registers - {Register.FDRI, Register.MFWR})


def _lies_in(word: Value, window: FarWindow, free: int) -> Value:
    """Compare the bits that all addresses of a window share, then the `free` ones below."""
    low, high = window.low % (1 << free), window.high % (1 << free)
    hit = word[free:] == window.low >> free
    if low:
        hit &= word[:free] >= low
    if high != (1 << free) - 1:
        hit &= word[:free] <= high
    return hit


class Parser:
    """What the guard keeps of a stream, and the word it looks at."""

    def __init__(self, words_bits: int) -> None:
        """Start before the sync word; no packet has more words than `words_bits` can count."""
        self.word, self.valid = Signal(32), Signal()
        self.inside, self.window_words = Signal(), Signal(words_bits)
        self.above_low = Signal(8)  # frames between the window's first and this one
        self.fault, self.passes = Signal(8), Signal()
        self.aligned, self.started = Signal(), Signal()
        self.register, self.left = Signal(5), Signal(words_bits)
        self.long = Signal()  # the last header was FDRI without a payload: type 2 may follow
        self.identified = Signal()
        self.addressed = Signal()  # a FAR came, and no frame data since
        self.held = Signal()  # one frame came, which a multi-frame write may repeat
        self.words = Signal(words_bits)  # frame data that may still come since the FAR
        self.unchecked = Signal()  # frame data came, and no CRC since
        self.mask_fits_ctl0, self.mask_fits_ctl1 = Signal(), Signal()

    def begin_segment(self) -> list[Value]:
        """Return the assignments of a sync word."""
        forgotten = (
            *(self.left, self.long, self.identified, self.addressed, self.held, self.words),
            *(self.unchecked, self.mask_fits_ctl0, self.mask_fits_ctl1),
        )
        return [self.aligned.eq(1), *(signal.eq(0) for signal in forgotten)]
