"""On-chip feature maps: one memory that the engines of all partitions read and write.

Eight banks of 64 bits, neighbouring beats in neighbouring banks, so streams that run side by side
meet in a bank only now and then. Each bank serves one read and one write a clock; where two want
the same one, they take turns. A byte address starts at `contract.memory_map.FEATURE_MEMORY_BASE`.
"""

from __future__ import annotations

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out, Signature

from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE
from hw.blocks.axi import DATA_BITS, DATA_BYTES
from hw.blocks.round_robin import RoundRobin
from hw.static_region.resolved_command import ADDRESS_BITS

BANKS = 8
READ_CYCLES = 2
"""From the clock in which an address is accepted to the clock of its data."""

_BYTE_BITS = (DATA_BYTES - 1).bit_length()
_BANK_BITS = (BANKS - 1).bit_length()
_ROW_BYTES = BANKS * DATA_BYTES


def feature_read() -> Signature:
    """Return a port that reads a beat a clock, seen from the engine.

    `address` is a multiple of 8, and is accepted in a clock in which `valid` and `ready` are one.
    Data come in order, `READ_CYCLES` later, with `data_valid`; they cannot be held up. `error`
    beside them says that the address lies outside. An address that was not accepted may change.
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

    A beat is written when `valid` and `ready` are one, as far as its `strobe` goes, and is read
    from the next clock on. `error` says in the same clock that the address lies outside, so that
    nothing is written. A beat that was not accepted may be withdrawn.
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


def _bank(address: Value) -> Value:
    return address[_BYTE_BITS : _BYTE_BITS + _BANK_BITS]


def _row(address: Value) -> Value:
    return address[_BYTE_BITS + _BANK_BITS :]


class FeatureMemory(Component):
    """A memory of `size_bytes` with `ports` read ports and as many write ports."""

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
        super().__init__(
            {
                "read": In(feature_read()).array(ports),
                "write": In(feature_write()).array(ports),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build banks with an arbiter for each of their ports, and the way back of what is read."""
        m = Module()
        read_data = []
        read_grants, write_grants = [], []
        for bank in range(BANKS):
            memory = Memory(shape=DATA_BITS, depth=self._size_bytes // _ROW_BYTES, init=[])
            m.submodules[f"bank{bank}"] = memory
            data, grants = self._read_port(m, memory, bank)
            read_data.append(data)
            read_grants.append(grants)
            write_grants.append(self._write_port(m, memory, bank))
        for i in self._ports:
            self._answer(m, i, Array(read_data))
            m.d.comb += [
                self.read[i].ready.eq(Cat(grants[i] for grants in read_grants).any()),
                self.write[i].ready.eq(Cat(grants[i] for grants in write_grants).any()),
                self.write[i].error.eq(self._outside(self.write[i].address)),
            ]
        return m

    def _outside(self, address: Value) -> Value:
        within = address - FEATURE_MEMORY_BASE
        return (address < FEATURE_MEMORY_BASE) | (within >= self._size_bytes)

    def _read_port(self, m: Module, memory: Memory, bank: int) -> tuple[Value, Value]:
        port = memory.read_port()
        arbiter = m.submodules[f"read_arbiter{bank}"] = RoundRobin(len(self._ports))
        for i in self._ports:
            wants = self.read[i].valid & (_bank(self.read[i].address) == bank)
            m.d.comb += arbiter.requests[i].eq(wants)
            with m.If(arbiter.grants[i]):
                m.d.comb += port.addr.eq(_row(self.read[i].address))
        m.d.comb += port.en.eq(arbiter.grants.any())
        return port.data, arbiter.grants

    def _write_port(self, m: Module, memory: Memory, bank: int) -> Value:
        port = memory.write_port(granularity=8)
        arbiter = m.submodules[f"write_arbiter{bank}"] = RoundRobin(len(self._ports))
        for i in self._ports:
            write = self.write[i]
            wants = write.valid & (_bank(write.address) == bank)
            m.d.comb += arbiter.requests[i].eq(wants)
            with m.If(arbiter.grants[i]):
                m.d.comb += [
                    port.addr.eq(_row(write.address)),
                    port.data.eq(write.data),
                    port.en.eq(Mux(write.error, 0, write.strobe)),
                ]
        return arbiter.grants

    def _answer(self, m: Module, i: int, banks: Array) -> None:
        read = self.read[i]
        bank = Signal(_BANK_BITS, name=f"bank_of_{i}")
        accepted, outside = Signal(name=f"accepted_{i}"), Signal(name=f"outside_{i}")
        m.d.sync += [
            bank.eq(_bank(read.address)),
            accepted.eq(read.valid & read.ready),
            outside.eq(self._outside(read.address)),
            read.data.eq(banks[bank]),
            read.data_valid.eq(accepted),
            read.error.eq(accepted & outside),
        ]
