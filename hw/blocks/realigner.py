"""Moves pieces of bytes between the place they have in a beat of memory and byte 0 of a stream.

Both directions step alike. A piece of n beats takes n clocks. Where a tensor is misaligned, each of
its pieces takes n + 1: there is a gap of one clock while the first beat is only held (reading), or
the last one only given (writing). `tail` tells whether memory has a beat in the last clock.
"""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out

from hw.blocks.axi import DATA_BITS, DATA_BYTES
from hw.blocks.bursts import BEATS_BITS

_BYTE_BITS = (DATA_BYTES - 1).bit_length()


class Realigner(Component):
    """Brings pieces from byte `offset` of memory's beats to byte 0 of the output's.

    `piece` is taken in its last clock, whose number is `last`; `short` says that this is 0, which
    it is not where there is a gap. A beat comes out one clock after `data` moved, one a clock, also
    from piece to piece. What a piece's last beat holds behind its bytes means nothing.
    """

    def __init__(self) -> None:
        """Make a realigner; where `gap` is zero, so are `offset` and `tail`."""
        layout = {"offset": _BYTE_BITS, "last": BEATS_BITS, "short": 1, "gap": 1, "tail": 1}
        super().__init__(
            {
                "piece": In(stream.Signature(StructLayout(layout))),
                "data": In(stream.Signature(DATA_BITS)),
                "output": Out(stream.Signature(DATA_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Hold the last beat, and cut eight bytes out of it and the one that comes."""
        m = Module()
        piece, output = self.piece.payload, self.output
        following, held = Signal(BEATS_BITS, init=1), Signal(DATA_BITS)
        first, at_last = Signal(init=1), Signal()
        final, takes, go = Signal(), Signal(), Signal()
        free = output.ready | ~output.valid
        m.d.comb += [
            final.eq(Mux(first, piece.short, at_last)),
            takes.eq(first | ~(piece.gap & at_last & ~piece.tail)),
            go.eq(self.piece.valid & (self.data.valid | ~takes) & free),
            self.piece.ready.eq(go & final),
            self.data.ready.eq(self.piece.valid & takes & free),
        ]
        with m.If(output.ready):
            m.d.sync += output.valid.eq(0)
        with m.If(go):
            m.d.sync += [first.eq(final), following.eq(Mux(final, 1, following + 1))]
            m.d.sync += [at_last.eq(following == piece.last), held.eq(self.data.payload)]
        with m.If(go & ~(piece.gap & first)):
            window = Cat(Mux(piece.gap, held, self.data.payload), self.data.payload)
            m.d.sync += [
                output.valid.eq(1),
                output.payload.eq(_bytes_from(window, piece.offset)),
            ]
        return m


class Displacer(Component):
    """Brings pieces from byte 0 of the stream's beats to their addresses in memory's.

    `piece` is taken in its last clock; it takes `beats` of the stream, `one` says that this is 1,
    and `rest` is its bytes modulo 8. A beat comes out one clock after `data` moved, one a clock,
    with the strobes of its bytes and the address of its byte 0. Without `tail` the last clock of a
    piece with a gap gives no beat.
    """

    def __init__(self, address_bits: int = 32) -> None:
        """Make it; where `gap` is zero, the address is a multiple of 8 and `tail` is zero."""
        piece = {
            "address": address_bits,
            "rest": _BYTE_BITS,
            "beats": BEATS_BITS,
            "one": 1,
            "gap": 1,
            "tail": 1,
        }
        output = {"address": address_bits, "data": DATA_BITS, "strobe": DATA_BYTES}
        super().__init__(
            {
                "piece": In(stream.Signature(StructLayout(piece))),
                "data": In(stream.Signature(DATA_BITS)),
                "output": Out(stream.Signature(StructLayout(output))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Hold the last beat with its strobes, and shift it and the one that comes."""
        m = Module()
        piece, output = self.piece.payload, self.output
        held, strobes, held_strobes = Signal(DATA_BITS), Signal(DATA_BYTES), Signal(DATA_BYTES)
        taken = Signal(BEATS_BITS, init=2)  # of the piece, once the next clock is over
        first, at_last = Signal(init=1), Signal()
        closing, final, flush, go = Signal(), Signal(), Signal(), Signal()
        free = output.ready | ~output.valid
        m.d.comb += [
            closing.eq(Mux(first, piece.one, at_last)),
            final.eq(flush | (closing & ~piece.gap)),
            go.eq(self.piece.valid & (self.data.valid | flush) & free),
            self.piece.ready.eq(go & final),
            self.data.ready.eq(self.piece.valid & ~flush & free),
            strobes.eq(self._strobes(flush, closing)),
        ]
        with m.If(output.ready):
            m.d.sync += output.valid.eq(0)
        with m.If(go):
            m.d.sync += [
                first.eq(final),
                at_last.eq(taken == piece.beats),
                flush.eq(closing & piece.gap),
                taken.eq(Mux(final, 2, taken + 1)),
                held.eq(self.data.payload),
                held_strobes.eq(Mux(final, 0, strobes)),
            ]
        with m.If(go & (~flush | piece.tail)):
            following = output.payload.address + DATA_BYTES
            opening = Cat(Const(0, _BYTE_BITS), piece.address[_BYTE_BITS:])
            place = piece.address[:_BYTE_BITS]
            m.d.sync += [
                output.valid.eq(1),
                output.payload.address.eq(Mux(first, opening, following)),
                output.payload.data.eq(_moved_up(held, self.data.payload, place)),
                output.payload.strobe.eq(_moved_up(held_strobes, strobes, place)),
            ]
        return m

    def _strobes(self, flush: Value, closing: Value) -> Value:
        """Return which bytes of the beat that comes belong to the piece."""
        rest = self.piece.payload.rest
        # By `rest`, of which zero stands for a whole beat: whether a byte belongs to it.
        ends = (sum(1 << r for r in range(DATA_BYTES) if not 0 < r <= i) for i in range(DATA_BYTES))
        part = Cat(Const(table, DATA_BYTES).bit_select(rest, 1) for table in ends)
        return Mux(flush, 0, part | (~closing).replicate(DATA_BYTES))


def _bytes_from(window: Value, place: Value) -> Value:
    """Return the eight bytes of a window from byte `place` on."""
    return window.bit_select(Cat(Const(0, _BYTE_BITS), place), DATA_BITS)


def _moved_up(before: Value, now: Value, places: Value) -> Value:
    """Move the eighths of a word up by some places; those of the word before come in below."""
    window, width = Cat(before, now), len(now) // DATA_BYTES
    for bit in reversed(range(len(places))):
        keep = len(now) + width * ((1 << bit) - 1)
        window = Mux(places[bit], window[-keep - (width << bit) : -(width << bit)], window[-keep:])
    return window
