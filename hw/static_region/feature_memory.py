"""On-chip feature maps: one memory that the engines of all partitions read and write.

Eight banks of 64 bits, neighbouring beats in neighbouring banks, so streams that run side by side
meet in a bank only now and then. Each bank serves one read and one write a clock; where two want
the same one, they take turns, and what a port has accepted waits in a register slice. A byte
address starts at `contract.memory_map.FEATURE_MEMORY_BASE`.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib.data import StructLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out, PureInterface, Signature

from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE
from hw.blocks.axi import DATA_BITS, DATA_BYTES
from hw.blocks.register_slice import RegisterSlice
from hw.blocks.round_robin import RoundRobin, precedes
from hw.static_region.resolved_command import ADDRESS_BITS

BANKS = 8
READ_CYCLES = 3
"""From the clock in which an address is accepted to the clock of its data, if its bank is free."""
WRITE_CYCLES = 2
"""From the clock in which a beat is accepted to the first in which it can be read, likewise."""

_BYTE_BITS = (DATA_BYTES - 1).bit_length()
_BANK_BITS = (BANKS - 1).bit_length()
_ROW_BYTES = BANKS * DATA_BYTES


def feature_read() -> Signature:
    """Return a port that reads a beat a clock, seen from the engine.

    `address` is a multiple of 8, and is accepted in a clock in which `valid` and `ready` are one.
    Data come in order, `READ_CYCLES` later or as soon as their banks are free, with `data_valid`;
    they cannot be held up. `error` beside them says that the address lies outside. An address that
    was not accepted may change.
    """
    return Signature(
        {
            "address": Out(ADDRESS_BITS),
            "valid": Out(1),
            "ready": In(1),
            "data": In(DATA_BITS),
            "data_valid": In(1),
            "error": In(1),
        }
    )


def feature_write() -> Signature:
    """Return a port that writes a beat a clock, seen from the engine.

    A beat is accepted when `valid` and `ready` are one, and written as far as its `strobe` goes;
    who asks `WRITE_CYCLES` later reads it, or as soon as its bank was free. `error` says in the
    same clock that the address lies outside, so that nothing is written. A beat that was not
    accepted may be withdrawn.
    """
    return Signature(
        {
            "address": Out(ADDRESS_BITS),
            "data": Out(DATA_BITS),
            "strobe": Out(DATA_BYTES),
            "valid": Out(1),
            "ready": In(1),
            "error": In(1),
        }
    )


def _bank(place: Value) -> Value:
    return place[:_BANK_BITS]


def _row(place: Value) -> Value:
    return place[_BANK_BITS:]


def _is_served(beats: Sequence[PureInterface], i: int, arbiters: Sequence[RoundRobin]) -> Value:
    """Tell whether a port's beat comes before all others that want its bank.

    So says the bank's arbiter, too; but this looks at one bank, and at no grant. Of a port without
    a beat it says anything.
    """
    bank = _bank(beats[i].payload.place)
    winner = Array(arbiter.winner for arbiter in arbiters)[bank]
    others = [(j, other) for j, other in enumerate(beats) if j != i]
    return ~Cat(
        other.valid & (_bank(other.payload.place) == bank) & precedes(j, i, winner, len(beats))
        for j, other in others
    ).any()


class FeatureMemory(Component):
    """A memory of `size_bytes` with `ports` read ports and as many write ports.

    No more than two beats of a port wait for their banks, so all that was accepted is written
    2 * (`ports` + 1) clocks later.
    """

    def __init__(self, size_bytes: int, ports: int) -> None:
        """Make an empty memory.

        Raises:
            ValueError: the size is not a positive multiple of a beat in every bank.
        """
        if size_bytes <= 0 or size_bytes % _ROW_BYTES:
            raise ValueError(
                f"feature memory: got {size_bytes} bytes, expected a positive multiple of"
                f" {_ROW_BYTES}"
            )
        self._size_bytes = size_bytes
        self._ports = range(ports)
        self._place_bits = (size_bytes // DATA_BYTES - 1).bit_length()
        super().__init__(
            {
                "read": In(feature_read()).array(ports),
                "write": In(feature_write()).array(ports),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build banks with an arbiter for each of their ports, and the way back of what is read."""
        m = Module()
        self._reads = [self._accept_reads(m, i) for i in self._ports]
        self._writes = [self._accept_writes(m, i) for i in self._ports]
        read_data, read_arbiters, write_arbiters = [], [], []
        for bank in range(BANKS):
            memory = Memory(shape=DATA_BITS, depth=self._size_bytes // _ROW_BYTES, init=[])
            m.submodules[f"bank{bank}"] = memory
            data, arbiter = self._read_port(m, memory, bank)
            read_data.append(data)
            read_arbiters.append(arbiter)
            write_arbiters.append(self._write_port(m, memory, bank))
        for i in self._ports:
            self._answer(m, i, Array(read_data))
            m.d.comb += [
                self._reads[i].ready.eq(_is_served(self._reads, i, read_arbiters)),
                self._writes[i].ready.eq(_is_served(self._writes, i, write_arbiters)),
            ]
        return m

    def _accept_reads(self, m: Module, i: int) -> PureInterface:
        """Return the addresses that a port has accepted."""
        shape = StructLayout({"place": self._place_bits, "outside": 1})
        m.submodules[f"reads{i}"] = addresses = RegisterSlice(shape)
        read = self.read[i]
        m.d.comb += [
            addresses.input.valid.eq(read.valid),
            read.ready.eq(addresses.input.ready),
            addresses.input.payload.place.eq(read.address[_BYTE_BITS:]),
            addresses.input.payload.outside.eq(self._outside(read.address)),
        ]
        return addresses.output

    def _accept_writes(self, m: Module, i: int) -> PureInterface:
        """Return the beats that a port has accepted, without strobes where they lie outside."""
        shape = {"place": self._place_bits, "data": DATA_BITS, "strobe": DATA_BYTES}
        m.submodules[f"writes{i}"] = beats = RegisterSlice(StructLayout(shape))
        write = self.write[i]
        m.d.comb += [
            beats.input.valid.eq(write.valid),
            write.ready.eq(beats.input.ready),
            write.error.eq(self._outside(write.address)),
            beats.input.payload.place.eq(write.address[_BYTE_BITS:]),
            beats.input.payload.data.eq(write.data),
            beats.input.payload.strobe.eq(Mux(write.error, 0, write.strobe)),
        ]
        return beats.output

    def _outside(self, address: Value) -> Value:
        within = address - FEATURE_MEMORY_BASE
        return (address < FEATURE_MEMORY_BASE) | (within >= self._size_bytes)

    def _read_port(self, m: Module, memory: Memory, bank: int) -> tuple[Value, RoundRobin]:
        port = memory.read_port()
        arbiter = m.submodules[f"read_arbiter{bank}"] = RoundRobin(len(self._ports))
        for i, read in enumerate(self._reads):
            wants = read.valid & (_bank(read.payload.place) == bank)
            m.d.comb += arbiter.requests[i].eq(wants)
            with m.If(arbiter.grants[i]):
                m.d.comb += port.addr.eq(_row(read.payload.place))
        m.d.comb += port.en.eq(arbiter.grants.any())
        return port.data, arbiter

    def _write_port(self, m: Module, memory: Memory, bank: int) -> RoundRobin:
        port = memory.write_port(granularity=8)
        arbiter = m.submodules[f"write_arbiter{bank}"] = RoundRobin(len(self._ports))
        for i, write in enumerate(self._writes):
            wants = write.valid & (_bank(write.payload.place) == bank)
            m.d.comb += arbiter.requests[i].eq(wants)
            with m.If(arbiter.grants[i]):
                m.d.comb += [
                    port.addr.eq(_row(write.payload.place)),
                    port.data.eq(write.payload.data),
                    port.en.eq(write.payload.strobe),
                ]
        return arbiter

    def _answer(self, m: Module, i: int, banks: Array) -> None:
        read, address = self.read[i], self._reads[i]
        bank = Signal(_BANK_BITS, name=f"bank_of_{i}")
        served, outside = Signal(name=f"served_{i}"), Signal(name=f"outside_{i}")
        m.d.sync += [
            bank.eq(_bank(address.payload.place)),
            served.eq(address.valid & address.ready),
            outside.eq(address.payload.outside),
            read.data.eq(banks[bank]),
            read.data_valid.eq(served),
            read.error.eq(served & outside),
        ]
