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

    `piece` is taken in its last clock, whose number is `last`. A beat comes out one clock after
    `data` moved, one a clock, also from piece to piece. What a piece's last beat holds behind its
    bytes means nothing.
    """

    def __init__(self) -> None:
        """Make a realigner; where `gap` is zero, so are `offset` and `tail`."""
        layout = {"offset": _BYTE_BITS, "last": BEATS_BITS, "gap": 1, "tail": 1}
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
        step, held = Signal(BEATS_BITS), Signal(DATA_BITS)
        final, fill, takes, go = Signal(), Signal(), Signal(), Signal()
        free = output.ready | ~output.valid
        m.d.comb += [
            final.eq(step == piece.last),
            fill.eq(piece.gap & (step == 0)),
            takes.eq(~(piece.gap & final & ~piece.tail)),
            go.eq(self.piece.valid & (self.data.valid | ~takes) & free),
            self.piece.ready.eq(go & final),
            self.data.ready.eq(go & takes),
        ]
        with m.If(output.ready):
            m.d.sync += output.valid.eq(0)
        with m.If(go):
            m.d.sync += [step.eq(Mux(final, 0, step + 1)), held.eq(self.data.payload)]
        with m.If(go & ~fill):
            window = Cat(Mux(piece.gap, held, self.data.payload), self.data.payload)
            m.d.sync += [
                output.valid.eq(1),
                output.payload.eq(_bytes_from(window, piece.offset)),
            ]
        return m


class Displacer(Component):
    """Brings pieces from byte 0 of the stream's beats to their addresses in memory's.

    `piece` is taken in its last clock, whose number is `last`; `rest` is its bytes modulo 8. A beat
    comes out one clock after `data` moved, one a clock, with the strobes of its bytes and the
    address of its byte 0. Without `tail` the last clock of a piece with a gap gives no beat.
    """

    def __init__(self, address_bits: int = 32) -> None:
        """Make it; where `gap` is zero, the address is a multiple of 8 and `tail` is zero."""
        piece = {
            "address": address_bits,
            "rest": _BYTE_BITS,
            "last": BEATS_BITS,
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
        step, held = Signal(BEATS_BITS), Signal(DATA_BITS)
        strobes, held_strobes = Signal(DATA_BYTES), Signal(DATA_BYTES)
        final, flush, gives, go = Signal(), Signal(), Signal(), Signal()
        free = output.ready | ~output.valid
        m.d.comb += [
            final.eq(step == piece.last),
            flush.eq(piece.gap & final),
            gives.eq(~flush | piece.tail),
            go.eq(self.piece.valid & (self.data.valid | flush) & free),
            self.piece.ready.eq(go & final),
            self.data.ready.eq(go & ~flush),
            strobes.eq(self._strobes(step, flush, final)),
        ]
        with m.If(output.ready):
            m.d.sync += output.valid.eq(0)
        with m.If(go):
            m.d.sync += [
                step.eq(Mux(final, 0, step + 1)),
                held.eq(self.data.payload),
                held_strobes.eq(Mux(final, 0, strobes)),
            ]
        with m.If(go & gives):
            following = output.payload.address + DATA_BYTES
            first = Cat(Const(0, _BYTE_BITS), piece.address[_BYTE_BITS:])
            place = (DATA_BYTES - piece.address[:_BYTE_BITS])[: _BYTE_BITS + 1]
            m.d.sync += [
                output.valid.eq(1),
                output.payload.address.eq(Mux(step == 0, first, following)),
                output.payload.data.eq(_bytes_from(Cat(held, self.data.payload), place)),
                output.payload.strobe.eq(Cat(held_strobes, strobes).bit_select(place, DATA_BYTES)),
            ]
        return m

    def _strobes(self, step: Value, flush: Value, final: Value) -> Value:
        """Return which bytes of the beat that comes belong to the piece."""
        piece = self.piece.payload
        closing = Mux(piece.gap, step + 1 == piece.last, final)
        part = (Const(1, DATA_BYTES) << piece.rest)[:DATA_BYTES] - 1
        whole = Const((1 << DATA_BYTES) - 1, DATA_BYTES)
        return Mux(flush, 0, Mux(closing & piece.rest.any(), part, whole))


def _bytes_from(window: Value, place: Value) -> Value:
    """Return the eight bytes of a window from byte `place` on."""
    return window.bit_select(Cat(Const(0, _BYTE_BITS), place), DATA_BITS)
