"""Several readers of memory behind one port of the processor."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.hdl import Value
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out, PureInterface, Signature

from hw.blocks.axi import DATA_BITS, MAX_BURST_BEATS, axi_read
from hw.blocks.register_slice import RegisterSlice
from hw.blocks.round_robin import RoundRobin
from hw.blocks.stream_fifo import StreamFifo

DEPTH_BEATS = 64
"""Beats that a reader may have asked for and not taken: a memory that answers after 48 clocks keeps
it fed."""

_LENGTH_BITS = (MAX_BURST_BEATS - 1).bit_length()
_BEAT = StructLayout({"data": DATA_BITS, "resp": 2, "last": 1})


class ReadJoin(Component):
    """Asks memory for one reader after another, each under an ID of its own.

    A burst is asked for only when there is room for all of it, so memory is never held up, and no
    reader waits for another one to take its beats: a module that takes no input until it has its
    parameters would otherwise wait for ever. Bursts of a reader come in order; they have at most
    `MAX_BURST_BEATS` beats. It adds a clock to an address and one to a beat.
    """

    def __init__(self, readers: int, address_bits: int, id_bits: int) -> None:
        """Make a join of some readers.

        Raises:
            ValueError: there are more of them than IDs.
        """
        if not 1 <= readers <= 1 << id_bits:
            raise ValueError(
                f"{readers} readers, expected 1 to {1 << id_bits} with {id_bits} ID bits"
            )
        self._readers = readers
        self._address = StructLayout(
            {"address": address_bits, "length": _LENGTH_BITS, "id": id_bits}
        )
        memory = {"arid": Out(id_bits), "rid": In(id_bits)}
        super().__init__(
            {
                "readers": In(axi_read(address_bits)).array(readers),
                "memory": Out(Signature({**axi_read(address_bits).members, **memory})),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the arbiter of addresses, and a queue of beats for each reader."""
        m = Module()
        m.submodules.arbiter = arbiter = RoundRobin(self._readers)
        m.submodules.addresses = addresses = RegisterSlice(self._address)
        memory, asked = self.memory, addresses.output
        m.d.comb += [
            addresses.input.valid.eq(arbiter.grants.any()),
            memory.araddr.eq(asked.payload.address),
            memory.arlen.eq(asked.payload.length),
            memory.arid.eq(asked.payload.id),
            memory.arvalid.eq(asked.valid),
            asked.ready.eq(memory.arready),
            memory.rready.eq(1),
        ]
        for index in range(self._readers):
            reader = self.readers[index]
            has_room = self._queue(m, index, arbiter.grants[index])
            m.d.comb += [
                arbiter.requests[index].eq(reader.arvalid & has_room & addresses.input.ready),
                reader.arready.eq(arbiter.grants[index]),
            ]
            with m.If(arbiter.grants[index]):
                m.d.comb += [
                    addresses.input.payload.address.eq(reader.araddr),
                    addresses.input.payload.length.eq(reader.arlen),
                    addresses.input.payload.id.eq(index),
                ]
        return m

    def _queue(self, m: Module, index: int, granted: Value) -> Value:
        """Build what a reader takes its beats from; return whether it has room for a burst."""
        reader: PureInterface = self.readers[index]
        memory = self.memory
        m.submodules[f"beats{index}"] = beats = StreamFifo(_BEAT, DEPTH_BEATS)
        m.d.comb += [
            beats.input.valid.eq(memory.rvalid & (memory.rid == index)),
            beats.input.payload.data.eq(memory.rdata),
            beats.input.payload.resp.eq(memory.rresp),
            beats.input.payload.last.eq(memory.rlast),
            reader.rdata.eq(beats.output.payload.data),
            reader.rresp.eq(beats.output.payload.resp),
            reader.rlast.eq(beats.output.payload.last),
            reader.rvalid.eq(beats.output.valid),
            beats.output.ready.eq(reader.rready),
        ]
        free = Signal(range(DEPTH_BEATS + 1), init=DEPTH_BEATS, name=f"free{index}")
        taken, asked = Signal(name=f"taken{index}"), Signal(_LENGTH_BITS + 1, name=f"asked{index}")
        m.d.comb += [
            taken.eq(beats.output.valid & reader.rready),
            asked.eq(reader.arlen[:_LENGTH_BITS] + 1),
        ]
        with m.If(granted):
            m.d.sync += free.eq(free - asked + taken)
        with m.Else():
            m.d.sync += free.eq(free + taken)
        return free >= asked
