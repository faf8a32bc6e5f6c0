"""Says of every word of a bitstream what it would mean wherever it may stand in the stream.

A word is a packet header, a payload or neither by what came before it, which the decoder does not
know. It says all at once: which header it would be, whether as a payload it would be a command that
is allowed, and where it would point as a frame address. Nothing here depends on another word, so
this takes four clocks without holding the stream up:

    word -> pieces that match -> words and windows that match -> number of the window -> what it has

Ref: 7 Series FPGAs Configuration User Guide
Document: UG470, Configuration Packets; Configuration Registers
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from operator import add

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from fpga_rt.arch.packets import (
    NOP,
    SYNC,
    TYPE1_MAX_WORDS,
    TYPE2_MAX_WORDS,
    Command,
    Register,
    type1,
    type2,
)
from fpga_rt.arch.rules import IDCODE_MASK, Rules
from hw.static_region.frame_windows import FarWindow
from hw.static_region.word_patterns import WordPieces, blocks, delayed, exactly, long, short

COUNT_BITS = TYPE2_MAX_WORDS.bit_length()
"""Bits of the longest word count of a packet (type 2)."""
MINOR_BITS = 8
"""A window of several frames lies between two multiples of 256 addresses."""

_SHORT_BITS = TYPE1_MAX_WORDS.bit_length()
_REVISION = 0xFFFFFFFF & ~IDCODE_MASK


def words_bits(windows: Sequence[Sequence[FarWindow]]) -> int:
    """Return how many bits count the words of every packet that can be allowed."""
    most = max((words for words, _ in map(_room, _each(windows))), default=0)
    return max(most.bit_length(), _SHORT_BITS)


def decoded(words_bits: int) -> data.StructLayout:
    """Return what is said of a word.

    ============ ====================================================================
    word         the word itself
    unreadable   it is none: memory could not be read
    sync, nop    it is a sync word, a NOP
    frame_data   it is a header of type 1 that writes FDRI
    repeat       it is a header of type 1 that writes MFWR
    plain        it is a header of type 1 that writes one word to another allowed register
    long         it is a header of type 2 that writes
    register     that a header of type 1 names
    count        words of payload of a header, as far as `words_bits` go
    too_many     they go further
    some         they are not 0
    one_frame    they are those of a frame
    desync       as a command: it is DESYNC
    restarts     as a command: the CRC starts anew
    command      as a command: it is allowed
    option       as start-up option 0: it is allowed
    same_device  as an IDCODE: it is that of the device
    fits_ctl0    as a mask: it lets only harmless bits of control register 0 be written
    fits_ctl1    the same of control register 1
    inside       as a frame address: it lies in a window of the target
    room         as a frame address: words that the window has, plus `passed`
    passed       as a frame address: words of the frames below it
    ============ ====================================================================
    """
    flags = (
        *("unreadable", "sync", "nop", "frame_data", "repeat", "plain", "long", "too_many", "some"),
        *("one_frame", "desync", "restarts", "command", "option", "same_device"),
        *("fits_ctl0", "fits_ctl1", "inside"),
    )
    sizes = {"count": words_bits, "room": words_bits, "passed": words_bits}
    return data.StructLayout({"word": 32, "register": 5, **dict.fromkeys(flags, 1), **sizes})


class WordDecoder(Component):
    """Decodes a word per clock, four clocks after it came.

    ========== === =================================================================
    word       in  the stream, `valid` where there is a word
    unreadable in  there is none where one should be
    clear      in  drop what is under way
    target     in  which partition is loaded, one bit for each; exactly one is set
    seen       out `decoded`, `ready` where there is a word
    pending    out a word is under way or `ready`
    ========== === =================================================================
    """

    def __init__(
        self,
        idcode: int,
        frame_words: int,
        rules: Rules,
        far_windows: Sequence[Sequence[FarWindow]],
    ) -> None:
        """Make the decoder of a device.

        Args:
            idcode: of the device, as in bitstreams.
            frame_words: words of a frame.
            rules: what a stream may write.
            far_windows: for each partition what `frame_windows.far_windows` returns.

        Raises:
            ValueError: two windows of a partition overlap, or frames are counted in one that
                reaches across a multiple of 256 addresses.
        """
        for windows in far_windows:
            _check(windows)
        self._idcode, self._rules = idcode & IDCODE_MASK, rules
        self._windows, self._frame_words = far_windows, frame_words
        self._bits = words_bits(far_windows)
        self.layout = decoded(self._bits)
        super().__init__(
            {
                "word": In(32),
                "unreadable": In(1),
                "valid": In(1),
                "clear": In(1),
                "target": In(len(far_windows)),
                "seen": Out(self.layout),
                "ready": Out(1),
                "pending": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the four stages; the first is in `WordPieces`."""
        m = Module()
        second, third, seen = (Signal(self.layout, reset_less=True) for _ in range(3))
        valid = Signal(3)
        m.d.sync += Cat(valid, self.ready).eq(Mux(self.clear, 0, Cat(self.valid, valid)))
        m.d.sync += [third.eq(second), seen.eq(third)]
        m.d.comb += [self.seen.eq(seen), self.pending.eq(valid.any() | self.ready)]
        word, pieces = delayed(m, self.word), WordPieces(m, self.word)
        m.d.sync += [
            second.word.eq(word),
            second.unreadable.eq(delayed(m, self.unreadable)),
            second.register.eq(word[13:18]),
        ]
        self._headers(m, pieces, second)
        self._payloads(m, pieces, second)
        self._count(m, word, second, third)
        self._place(m, word, pieces, seen)
        return m

    def _headers(self, m: Module, pieces: WordPieces, second: data.View) -> None:
        """Find out what a word is where no payload is expected."""
        plain = sorted(self._rules.registers - {Register.FDRI, Register.MFWR})
        m.d.sync += [
            second.sync.eq(pieces.match(exactly(SYNC))),
            second.nop.eq(pieces.match(exactly(NOP))),
            second.frame_data.eq(pieces.match(short(Register.FDRI))),
            second.repeat.eq(pieces.match(short(Register.MFWR))),
            second.plain.eq(pieces.match(*(exactly(type1(register, 1)) for register in plain))),
            second.long.eq(pieces.match(long())),
        ]

    def _payloads(self, m: Module, pieces: WordPieces, second: data.View) -> None:
        """Find out what a word would do to the register that it is written to."""
        rules = self._rules
        options = (value for register, value, _ in rules.options if register is Register.COR0)
        restarts = (Command.DESYNC, Command.RCRC)
        fits = [pieces.match(exactly(0, free=bits)) for bits in rules.control]
        m.d.sync += [
            second.desync.eq(pieces.match(exactly(Command.DESYNC))),
            second.restarts.eq(pieces.match(*map(exactly, restarts))),
            second.command.eq(pieces.match(*map(exactly, sorted(rules.commands)))),
            second.option.eq(pieces.match(*map(exactly, options))),
            second.same_device.eq(pieces.match(exactly(self._idcode, free=_REVISION))),
            *(second.fits_ctl0.eq(fits[0]), second.fits_ctl1.eq(fits[1])),
        ]

    def _count(self, m: Module, word: Value, second: data.View, third: data.View) -> None:
        """Take the length of the payload from where a header of its type has it."""
        is_long = word[COUNT_BITS:] == type2(0) >> COUNT_BITS
        m.d.sync += [
            second.count.eq(Mux(is_long, word[:COUNT_BITS], word[:_SHORT_BITS])),
            second.too_many.eq(is_long & word[self._bits : COUNT_BITS].any()),
            third.some.eq(second.count.any()),
            third.one_frame.eq(second.count == self._frame_words),
        ]

    def _place(self, m: Module, word: Value, pieces: WordPieces, seen: data.View) -> None:
        """Find the one window that a word would lie in if it was an address, by its number.

        `passed` counts from the multiple of 256 addresses below, so that it needs no window.
        """
        most = max((window.frame_words for window in _each(self._windows)), default=0)
        passed = Signal(self._bits)
        m.d.comb += passed.eq(_times(word[:MINOR_BITS], most))
        target = delayed(m, self.target)
        hits = [
            delayed(m, pieces.match(*blocks(window)) & target[index])
            for index, windows in enumerate(self._windows)
            for window in windows
        ]
        number = delayed(m, _number(hits))
        rooms, counted = zip((0, False), *map(_room, _each(self._windows)), strict=True)
        m.d.sync += [
            seen.inside.eq(number.any()),
            seen.room.eq(_looked_up(rooms, number, self._bits)),
            seen.passed.eq(Mux(_looked_up(counted, number, 1), delayed(m, delayed(m, passed)), 0)),
        ]


def _number(conditions: Sequence[Value]) -> Value:
    """Return which of some conditions holds, counted from 1; 0 if none does."""
    numbered = list(enumerate(conditions, 1))
    bits = range(len(conditions).bit_length())
    return Cat(Cat(each for n, each in numbered if n >> bit & 1).any() for bit in bits)


def _looked_up(table: Sequence[int], number: Value, bits: int) -> Value:
    """Return an entry of a table: a multiplexer of constants for each of its bits."""
    columns = (sum((entry >> bit & 1) << n for n, entry in enumerate(table)) for bit in range(bits))
    return Cat(Const(column, 1 << len(number)).bit_select(number, 1) for column in columns)


def _each(windows: Sequence[Sequence[FarWindow]]) -> list[FarWindow]:
    return [window for of_partition in windows for window in of_partition]


def _check(windows: Sequence[FarWindow]) -> None:
    """Refuse windows that are not what the decoder can tell apart."""
    ordered = sorted(windows)
    for before, window in pairwise(ordered):
        if window.low <= before.high:
            raise ValueError(
                f"windows overlap: 0x{before.low:08x} to 0x{before.high:08x} and"
                f" 0x{window.low:08x} to 0x{window.high:08x}"
            )
    for window in windows:
        if window.frame_words and (window.low ^ window.high) >> MINOR_BITS:
            raise ValueError(
                f"a window of 0x{window.low:08x} to 0x{window.high:08x} reaches across a multiple"
                f" of {1 << MINOR_BITS} addresses"
            )


def _room(window: FarWindow) -> tuple[int, bool]:
    """Return the words of a window from the multiple of 256 below, and if frames count."""
    below = window.low % (1 << MINOR_BITS) * window.frame_words
    return window.words + below, bool(window.frame_words)


def _times(factor: Value, constant: int) -> Value:
    """Multiply in the fabric: a DSP slice would need registers of its own."""
    parts = [factor << n for n in range(constant.bit_length()) if constant >> n & 1]
    return reduce(add, parts, Const(0))
