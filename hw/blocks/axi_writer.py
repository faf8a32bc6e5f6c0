"""Writes a stream into ranges of memory by AXI4 bursts."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream
from amaranth.lib.data import StructLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hw.blocks.axi import DATA_BITS, DATA_BYTES, MAX_BURST_BEATS, axi_write
from hw.blocks.bursts import BurstSplitter, OutstandingBursts, request_layout
from hw.blocks.register_slice import RegisterSlice

BEAT = StructLayout({"data": DATA_BITS, "strobe": DATA_BYTES})
"""A beat to write; a byte whose strobe is zero stays as it is in memory."""

_BUFFER_BEATS = 2 * MAX_BURST_BEATS
_LENGTH_BITS = (MAX_BURST_BEATS - 1).bit_length()
_EXCEEDING = sum(
    1 << (have + MAX_BURST_BEATS * need)
    for need in range(MAX_BURST_BEATS)
    for have in range(need + 1, MAX_BURST_BEATS)
)


class AxiWriter(Component):
    """Serves requests in order; a burst is announced when all of its data is here.

    So a source that stops can never hang the bus. Data may come before its request. Clocks: with
    the request taken before, `awaddr` is valid 2 after the last beat of a burst was taken, and its
    first beat 1 later; then a beat a clock. `done` is one for a clock, 1 after the last response of
    a request (a request of no beats: 2 after it was taken, and after all before it).

    `abort` (a level) announces nothing more, forgets what is asked for and not announced, takes and
    drops data, and ends the bursts that are under way; hold it until `idle`. `error` says that
    memory refused a burst; it stays until `abort`. `idle` sees a request and a beat a clock late.
    """

    def __init__(self, address_bits: int = 32, outstanding: int = 8) -> None:
        """Make a writer with up to `outstanding` bursts under way, a power of two."""
        self._address_bits = address_bits
        self._outstanding = outstanding
        super().__init__(
            {
                "request": In(stream.Signature(request_layout(address_bits))),
                "data": In(stream.Signature(BEAT)),
                "axi": Out(axi_write(address_bits)),
                "done": Out(1),
                "idle": Out(1),
                "abort": In(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build splitter, address register and account of bursts around the data's way."""
        m = Module()
        m.submodules.splitter = splitter = BurstSplitter(self._address_bits)
        m.submodules.bursts = bursts = OutstandingBursts(self._outstanding)
        m.submodules.lengths = lengths = RegisterSlice(splitter.burst.payload.length.shape())
        axi, burst = self.axi, splitter.burst
        stopping, draining, announce, skip = Signal(), Signal(), Signal(), Signal()
        all_announced = Signal(init=1)
        unclaimed, some = Signal(range(_BUFFER_BEATS + 1)), Signal()  # and that it is not zero
        m.d.comb += [
            stopping.eq(self.abort | draining),
            splitter.request.payload.eq(self.request.payload),
            splitter.request.valid.eq(self.request.valid),
            self.request.ready.eq(splitter.request.ready),
            splitter.clear.eq(stopping),
            announce.eq(
                burst.valid
                & ~burst.payload.empty
                & (unclaimed[_LENGTH_BITS:].any() | _exceeds(unclaimed, burst.payload.length))
                & (~axi.awvalid | axi.awready)
                & lengths.input.ready
                & ~bursts.full
                & ~stopping
            ),
            skip.eq(burst.valid & burst.payload.empty & bursts.none & ~stopping),
            burst.ready.eq(announce | skip),
            bursts.push.eq(announce),
            bursts.push_last.eq(burst.payload.last),
            bursts.pop.eq(axi.bvalid),
            lengths.input.payload.eq(burst.payload.length),
            lengths.input.valid.eq(announce),
            axi.bready.eq(1),
            self.idle.eq(all_announced & bursts.none),
        ]
        m.d.sync += all_announced.eq(~burst.valid & ~some)
        with m.If(announce):
            m.d.sync += [
                axi.awaddr.eq(burst.payload.address),
                axi.awlen.eq(burst.payload.length),
                axi.awvalid.eq(1),
            ]
        with m.Elif(axi.awready):
            m.d.sync += axi.awvalid.eq(0)
        m.d.sync += [
            self.done.eq(((axi.bvalid & bursts.oldest_last) | skip) & ~stopping),
            draining.eq(stopping & ~(bursts.none & ~self.abort)),
            self.error.eq((self.error | (axi.bvalid & axi.bresp[1])) & ~stopping),
        ]
        self._buffer(m, lengths, unclaimed, some, stopping)
        return m

    def _buffer(
        self,
        m: Module,
        lengths: RegisterSlice,
        unclaimed: Signal,
        some: Signal,
        stopping: Signal,
    ) -> None:
        """Build the buffer: beats from `read` to `claim` are announced, from there on unclaimed."""
        m.submodules.buffer = buffer = Memory(shape=BEAT, depth=_BUFFER_BEATS, init=[])
        write_port, read_port = buffer.write_port(), buffer.read_port(domain="comb")
        write, claim, read = (Signal(range(2 * _BUFFER_BEATS), name=n) for n in ("w", "c", "r"))
        axi, sent, length = self.axi, Signal.like(lengths.output.payload), lengths.output.payload
        push, send, announce, burst = Signal(), Signal(), lengths.input.valid, lengths.input.payload
        left = (unclaimed - burst - 1)[: len(unclaimed)]
        held = (write - read)[: len(unclaimed)]
        # One place is kept free for the beat that is taken as `ready` falls.
        m.d.sync += self.data.ready.eq((held < _BUFFER_BEATS - 1) | stopping)
        m.d.comb += [
            push.eq(self.data.valid & self.data.ready & ~stopping),
            write_port.addr.eq(write),
            write_port.data.eq(self.data.payload),
            write_port.en.eq(push),
            send.eq(lengths.output.valid & (~axi.wvalid | axi.wready)),
            lengths.output.ready.eq(send & (sent == length)),
            read_port.addr.eq(read),
        ]
        with m.If(announce):
            m.d.sync += claim.eq(claim + burst + 1)
        m.d.sync += read.eq(read + send)
        with m.If(stopping):
            m.d.sync += [write.eq(claim), unclaimed.eq(0), some.eq(0)]
        with m.Else():
            with m.If(push):
                m.d.sync += some.eq(1)
            with m.Elif(announce):
                m.d.sync += some.eq(left != 0)
            m.d.sync += [
                write.eq(write + push),
                unclaimed.eq(Mux(announce, left, unclaimed) + push),
            ]
        with m.If(send):
            m.d.sync += [
                axi.wdata.eq(read_port.data.data),
                axi.wstrb.eq(read_port.data.strobe),
                axi.wlast.eq(sent == length),
                axi.wvalid.eq(1),
                sent.eq(sent + 1),
            ]
            with m.If(sent == length):
                m.d.sync += sent.eq(0)
        with m.Elif(axi.wready):
            m.d.sync += axi.wvalid.eq(0)


def _exceeds(have: Value, need: Value) -> Value:
    """Compare by table, so that it takes no carry chain."""
    pair = Cat(have[:_LENGTH_BITS], need[:_LENGTH_BITS])
    return Const(_EXCEEDING, MAX_BURST_BEATS**2).bit_select(pair, 1)
