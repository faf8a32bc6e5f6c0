"""The host's registers: an AXI4-Lite subordinate made from a register map of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib.wiring import Component, In, Out, Signature

from fpga_rt.contract.layout import WORD_BITS, Field
from fpga_rt.contract.registers import WORD_BYTES, Access, Register, RegisterMap
from hw.blocks.axi import OKAY, SLVERR, axi_lite

ADDRESS_BITS = 12
_WORD_BITS = (WORD_BYTES - 1).bit_length()
_WHOLE_WORD = (1 << WORD_BYTES) - 1


class Pending:
    """What was taken from the bus and waits for its turn."""

    def __init__(self) -> None:
        """Make the registers."""
        self.write_address = Signal(ADDRESS_BITS)
        self.data = Signal(WORD_BITS)
        self.strobe = Signal(WORD_BYTES)
        self.read_address = Signal(ADDRESS_BITS)


class RegisterFile(Component):
    """Every field of the map is a port `<register>.<field>`.

    A read-only field is an input; a read-write one is an output that keeps what was written, and
    `<register>.written` is one for a clock with each write; a write-one field is an output that is
    one for a clock. A write takes effect 1 clock after address
    and data are both here, and the response is valid in that clock; a read shows the field as it is
    1 clock after the address was taken, `rdata` is valid in the next. One write and one read at a
    time.

    SLVERR answers an address without a register, a write to a read-only one, and a write of less
    than a word; nothing changes then, and `rdata` is zero. The words of a pair are read and written
    by themselves. `pending` is there for proofs.
    """

    def __init__(self, registers: RegisterMap, initial: Mapping[str, int] | None = None) -> None:
        """Make the registers of a map.

        Args:
            registers: the map; it fits into 4 KiB.
            initial: values of read-write registers after reset, by name; zero where absent.

        Raises:
            ValueError: the map is too large, or `initial` names a register that it cannot set.
        """
        if registers.size_bytes > 1 << ADDRESS_BITS:
            raise ValueError(
                f"register map {registers.name} has {registers.size_bytes} bytes, expected at most"
                f" {1 << ADDRESS_BITS}"
            )
        self._registers = registers
        self._initial = dict(initial or {})
        writable = {r.name for r in registers.registers if r.access is Access.READ_WRITE}
        if unknown := sorted(self._initial.keys() - writable):
            raise ValueError(f"no read-write register in {registers.name}: {', '.join(unknown)}")
        self.pending = Pending()
        ports = {r.name: Out(self._ports(r)) for r in registers.registers}
        super().__init__({"bus": In(axi_lite(ADDRESS_BITS)), **ports})

    def _ports(self, register: Register) -> Signature:
        """Return a port for each field of a register."""
        if register.access is Access.READ_ONLY:
            return Signature({f.name: In(f.width) for f in register.fields})
        first = register.unpack(self._initial.get(register.name, 0))
        ports = {f.name: Out(f.width, init=first[f.name]) for f in register.fields}
        if register.access is Access.READ_WRITE:
            ports["written"] = Out(1)
        return Signature(ports)

    def elaborate(self, platform: object) -> Module:
        """Build the two channels, which share nothing but the fields."""
        m = Module()
        self._build_write(m)
        self._build_read(m)
        return m

    def _words(self) -> Iterator[tuple[Register, int]]:
        """Yield every word of every register that the map has."""
        for register in self._registers.registers:
            for word in range(register.words):
                yield register, word

    def _port(self, register: Register, field: Field) -> Value:
        return getattr(getattr(self, register.name), field.name)

    def _build_write(self, m: Module) -> None:
        """Hold address and data until both are here, then write and answer."""
        bus = self.bus
        pending = self.pending
        address, data, strobe = pending.write_address, pending.data, pending.strobe
        have_address, have_data, write, allowed = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            bus.awready.eq(~have_address),
            bus.wready.eq(~have_data),
            write.eq(have_address & have_data & ~bus.bvalid),
        ]
        with m.If(bus.awvalid & bus.awready):
            m.d.sync += [address.eq(bus.awaddr), have_address.eq(1)]
        with m.If(bus.wvalid & bus.wready):
            m.d.sync += [data.eq(bus.wdata), strobe.eq(bus.wstrb), have_data.eq(1)]
        for register in self._registers.registers:
            if register.access is Access.WRITE_ONE:
                m.d.sync += [self._port(register, field).eq(0) for field in register.fields]
            elif register.access is Access.READ_WRITE:
                m.d.sync += getattr(self, register.name).written.eq(0)
        writable = [(r, word) for r, word in self._words() if r.access is not Access.READ_ONLY]
        m.d.comb += allowed.eq(_is_word_of(address, writable) & (strobe == _WHOLE_WORD))
        with m.Switch(address):
            for register, word in writable:
                with m.Case(register.offset + word * WORD_BYTES):
                    with m.If(write & (strobe == _WHOLE_WORD)):
                        m.d.sync += [
                            self._port(register, field)[to].eq(data[bits])
                            for field, to, bits in _parts(register, word)
                        ]
                        if register.access is Access.READ_WRITE:
                            m.d.sync += getattr(self, register.name).written.eq(1)
        with m.If(write):
            m.d.sync += [
                have_address.eq(0),
                have_data.eq(0),
                bus.bvalid.eq(1),
                bus.bresp.eq(Mux(allowed, OKAY, SLVERR)),
            ]
        with m.Elif(bus.bready):
            m.d.sync += bus.bvalid.eq(0)

    def _build_read(self, m: Module) -> None:
        """Hold the address, then show the word."""
        bus = self.bus
        address, have_address, read = self.pending.read_address, Signal(), Signal()
        word_value, mapped = Signal(WORD_BITS), Signal()
        m.d.comb += [bus.arready.eq(~have_address), read.eq(have_address & ~bus.rvalid)]
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += [address.eq(bus.araddr), have_address.eq(1)]
        words = {_place(*word): self._word(*word) for word in self._words()}
        place, within = address[_WORD_BITS:], address[:_WORD_BITS]
        m.d.comb += [
            mapped.eq(_is_word_of(address, self._words())),
            word_value.eq(Mux(within == 0, _choose(place, words), 0)),
        ]
        with m.If(read):
            m.d.sync += [
                have_address.eq(0),
                bus.rvalid.eq(1),
                bus.rdata.eq(word_value),
                bus.rresp.eq(Mux(mapped, OKAY, SLVERR)),
            ]
        with m.Elif(bus.rready):
            m.d.sync += bus.rvalid.eq(0)

    def _word(self, register: Register, word: int) -> Value:
        """Return what a read of a word shows: its fields in place, zeros between them."""
        if register.access is Access.WRITE_ONE:
            return Const(0, WORD_BITS)
        pieces: list[Value] = []
        filled = 0
        parts = sorted(_parts(register, word), key=lambda part: part[2].start)
        for field, to, bits in parts:
            pieces += [Const(0, bits.start - filled), self._port(register, field)[to]]
            filled = bits.stop
        return Cat(*pieces)


def _place(register: Register, word: int) -> int:
    return register.offset // WORD_BYTES + word


def _is_word_of(address: Value, words: Iterable[tuple[Register, int]]) -> Value:
    """Tell whether an address is that of one of some words."""
    places = frozenset(_place(register, word) for register, word in words)
    return (address[:_WORD_BITS] == 0) & _is_among(address[_WORD_BITS:], places)


def _is_among(place: Value, chosen: frozenset[int]) -> Value:
    """Tell whether a place is among some by halving; what repeats in both halves is asked once."""
    if not chosen:
        return Const(0)
    half = 1 << len(place) >> 1
    if len(chosen) == 2 * half or not half:
        return Const(1)
    low = frozenset(at for at in chosen if at < half)
    high = frozenset(at - half for at in chosen if at >= half)
    if low == high:
        return _is_among(place[:-1], low)
    return Mux(place[-1], _is_among(place[:-1], high), _is_among(place[:-1], low))


def _choose(place: Value, words: Mapping[int, Value]) -> Value:
    """Return the word at a place, 0 where there is none.

    Halving is less deep than comparing with every place.
    """
    if not words:
        return Const(0, WORD_BITS)
    if not len(place):
        return words[0]
    half = 1 << (len(place) - 1)
    low = {at: word for at, word in words.items() if at < half}
    high = {at - half: word for at, word in words.items() if at >= half}
    return Mux(place[-1], _choose(place[:-1], high), _choose(place[:-1], low))


def _parts(register: Register, word: int) -> Iterator[tuple[Field, slice, slice]]:
    """Yield the fields in a word: the field, its bits that lie there, and the word's bits."""
    low_bit, end_bit = word * WORD_BITS, (word + 1) * WORD_BITS
    for field in register.fields:
        start = field.word * WORD_BITS + field.low
        first, last = max(start, low_bit), min(start + field.width, end_bit)
        if first < last:
            yield field, slice(first - start, last - start), slice(first - low_bit, last - low_bit)
