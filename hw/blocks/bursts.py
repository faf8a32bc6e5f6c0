"""What both AXI engines share: requests cut into bursts, and the bursts that are under way."""

from __future__ import annotations

from amaranth import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out

from hw.blocks.axi import DATA_BYTES, MAX_BURST_BEATS

BEATS_BITS = 22
_INDEX_BITS = (MAX_BURST_BEATS - 1).bit_length()
_BYTE_BITS = (DATA_BYTES - 1).bit_length()


def request_layout(address_bits: int = 32) -> StructLayout:
    """Return what is asked of an engine: a byte address, a multiple of 8, and a number of beats."""
    return StructLayout({"address": address_bits, "beats": BEATS_BITS})


def burst_layout(address_bits: int = 32) -> StructLayout:
    """Return a burst: `length` is its beats less one as on the bus, `last` ends its request.

    `empty` stands for a request of no beats.
    """
    return StructLayout({"address": address_bits, "length": _INDEX_BITS, "last": 1, "empty": 1})


class BurstSplitter(Component):
    """Cuts requests at multiples of 128 bytes, so that no burst crosses 4 KiB or has over 16 beats.

    The first burst is offered in the clock after a request was taken, and then one a clock. A
    request is taken when the one before has gone. `clear` forgets the request and takes none.
    """

    def __init__(self, address_bits: int = 32) -> None:
        """Make a splitter for byte addresses of a width."""
        self._address_bits = address_bits
        super().__init__(
            {
                "request": In(stream.Signature(request_layout(address_bits))),
                "burst": Out(stream.Signature(burst_layout(address_bits))),
                "clear": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Count blocks of 128 bytes; where the last beat lies in the last one is known at once."""
        m = Module()
        request, burst = self.request, self.burst
        start = _BYTE_BITS + _INDEX_BITS
        block = Signal(self._address_bits - start)
        first, last, final = Signal(_INDEX_BITS), Signal(_INDEX_BITS), Signal()
        more = Signal(BEATS_BITS + 1 - _INDEX_BITS)
        place = request.payload.address[_BYTE_BITS:start]
        end = Signal(BEATS_BITS + 1)
        beats = request.payload.beats
        few, many = beats[: _INDEX_BITS + 1], beats[_INDEX_BITS + 1 :]
        fits = ~many.any() & (few + place <= MAX_BURST_BEATS)  # into the first burst
        m.d.comb += [
            request.ready.eq(~burst.valid & ~self.clear),
            end.eq(beats + (place - 1)),
            burst.payload.address.eq(Cat(Const(0, _BYTE_BITS), first, block)),
            burst.payload.last.eq(final),
        ]
        with m.If(self.clear):
            m.d.sync += burst.valid.eq(0)
        with m.Elif(request.valid & request.ready):
            m.d.sync += [
                burst.valid.eq(1),
                burst.payload.empty.eq(beats == 0),
                block.eq(request.payload.address[start:]),
                first.eq(place),
                Cat(last, more).eq(end),
                final.eq(fits),
                burst.payload.length.eq(Mux(fits, few - 1, MAX_BURST_BEATS - 1 - place)),
            ]
        with m.Elif(burst.valid & burst.ready):
            m.d.sync += [
                burst.valid.eq(~(burst.payload.last | burst.payload.empty)),
                block.eq(block + 1),
                first.eq(0),
                more.eq(more - 1),
                final.eq(more == 1),
                burst.payload.length.eq(Mux(more == 1, last, MAX_BURST_BEATS - 1)),
            ]
        return m


class OutstandingBursts(Component):
    """Remembers, in order, which of the bursts under way are the last of their request."""

    def __init__(self, depth: int) -> None:
        """Make room for `depth` bursts, a power of two.

        Raises:
            ValueError: `depth` is not a power of two.
        """
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"outstanding bursts: got {depth}, expected a power of two from 2 on")
        self._depth = depth
        super().__init__(
            {
                "push": In(1),
                "push_last": In(1),
                "pop": In(1),
                "oldest_last": Out(1),
                "full": Out(1),
                "none": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build a ring of flags."""
        m = Module()
        flags = Array(Signal(name=f"flag{i}") for i in range(self._depth))
        head, tail = Signal(range(self._depth)), Signal(range(self._depth))
        count, some = Signal(range(self._depth + 1)), Signal()
        m.d.comb += [self.oldest_last.eq(flags[tail]), self.none.eq(~some)]
        with m.If(self.push & ~self.pop):
            m.d.sync += [count.eq(count + 1), some.eq(1), self.full.eq(count == self._depth - 1)]
        with m.If(self.pop & ~self.push):
            m.d.sync += [count.eq(count - 1), some.eq(count != 1), self.full.eq(0)]
        with m.If(self.push):
            m.d.sync += [flags[head].eq(self.push_last), head.eq(head + 1)]
        with m.If(self.pop):
            m.d.sync += tail.eq(tail + 1)
        return m
