"""The access rules of a register file, from the contract's own description of its map."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Assert, Assume, ResetSignal, Value
from amaranth.lib.wiring import Component, connect, flipped

from fpga_rt.contract.layout import WORD_BITS, Field
from fpga_rt.contract.registers import WORD_BYTES, Access, Register, RegisterMap
from hw.blocks.axi import OKAY, SLVERR
from hw.blocks.register_file import RegisterFile
from hw.formal.past import Past


class RegisterFileProperties(Component):
    """A register file with a free manager, which keeps to nothing, and free read-only fields."""

    def __init__(
        self, design: RegisterFile, registers: RegisterMap, initial: Mapping[str, int]
    ) -> None:
        """Take a register file, and the map and initial values that it was made from."""
        self._design = design
        self._registers = registers
        self._initial = initial
        super().__init__(design.signature)

    def elaborate(self, platform: object) -> Module:
        """Build the properties of writes and of reads."""
        m = Module()
        m.submodules.design = self._design
        connect(m, flipped(self), self._design)
        m.d.comb += Assume(~ResetSignal())
        past = Past(m)
        self._check_writes(m, past)
        self._check_reads(m, past)
        return m

    def _check_writes(self, m: Module, past: Past) -> None:
        """Check when a write is answered, how, and that it changes what it names and no more."""
        bus, pending = self.bus, self._design.pending
        address = _taken(m, bus.awvalid & bus.awready, bus.awaddr)
        data = _taken(m, bus.wvalid & bus.wready, bus.wdata)
        strobe = _taken(m, bus.wvalid & bus.wready, bus.wstrb)
        has_address, has_data, writes, legal = Signal(), Signal(), Signal(), Signal()
        m.d.comb += writes.eq(has_address & has_data & ~bus.bvalid)
        m.d.sync += [
            has_address.eq((has_address & ~writes) | (bus.awvalid & bus.awready)),
            has_data.eq((has_data & ~writes) | (bus.wvalid & bus.wready)),
        ]
        at = {
            (r.name, word): address == r.offset + word * WORD_BYTES
            for r in self._registers.registers
            for word in range(r.words)
            if r.access is not Access.READ_ONLY
        }
        m.d.comb += [
            legal.eq(Cat(*at.values()).any() & strobe.all()),
            Assert(bus.awready == ~has_address, "one address waits"),
            Assert(bus.wready == ~has_data, "one word waits"),
            Assert(pending.write_address == address, "the address waits unchanged"),
            Assert(pending.data == data, "the word waits unchanged"),
            Assert(pending.strobe == strobe, "the strobes wait unchanged"),
        ]
        past.check(bus.bvalid == past(writes | (bus.bvalid & ~bus.bready)), "a write is answered")
        response = Mux(past(legal), OKAY, SLVERR)
        past.check(~past(writes) | (bus.bresp == response), "the answer to a write is right")
        waits = past(bus.bvalid & ~bus.bready)
        past.check(~waits | (bus.bresp == past(bus.bresp)), "the answer to a write stays")
        for register in self._registers.registers:
            if register.access is Access.READ_ONLY:
                continue
            written = [writes & legal & at[register.name, word] for word in range(register.words)]
            if register.access is Access.READ_WRITE:
                self._check_kept(m, register, written, data)
            else:
                self._check_strobes(past, register, written[0], data)

    def _check_kept(self, m: Module, register: Register, written: list[Value], data: Value) -> None:
        """Check that a register holds the last words that were written to it."""
        first = self._initial.get(register.name, 0)
        shadow = Signal(register.words * WORD_BITS, init=first, name=f"{register.name}_shadow")
        for word, now in enumerate(written):
            with m.If(now):
                m.d.sync += shadow.word_select(word, WORD_BITS).eq(data)
        for field in register.fields:
            kept = shadow.bit_select(_low(field), field.width)
            same = self._port(register, field) == kept
            m.d.comb += Assert(same, f"{register.name} {field.name} is what was written")

    def _check_strobes(self, past: Past, register: Register, written: Value, data: Value) -> None:
        """Check that a write of one, and only that, gives one clock of one."""
        for field in register.fields:
            port = self._port(register, field)
            name = f"{register.name} {field.name}"
            past.check(port == past(written & data[field.low]), f"{name} follows a write of one")
            past.check(~(port & past(port)), f"{name} lasts one clock")

    def _check_reads(self, m: Module, past: Past) -> None:
        """Check that a read shows the fields in their places, and SLVERR where there is none."""
        bus, pending = self.bus, self._design.pending
        address = _taken(m, bus.arvalid & bus.arready, bus.araddr)
        has_address, reads, mapped = Signal(), Signal(), Signal()
        shown = Signal(WORD_BITS)
        m.d.comb += reads.eq(has_address & ~bus.rvalid)
        m.d.sync += has_address.eq((has_address & ~reads) | (bus.arvalid & bus.arready))
        for register in self._registers.registers:
            for word in range(register.words):
                with m.If(address == register.offset + word * WORD_BYTES):
                    m.d.comb += [
                        mapped.eq(1),
                        shown.eq(self._whole(register).word_select(word, WORD_BITS)),
                    ]
        m.d.comb += [
            Assert(bus.arready == ~has_address, "one address to read waits"),
            Assert(pending.read_address == address, "the address to read waits unchanged"),
        ]
        past.check(bus.rvalid == past(reads | (bus.rvalid & ~bus.rready)), "a read is answered")
        response = Mux(past(mapped), OKAY, SLVERR)
        right = (bus.rdata == past(shown)) & (bus.rresp == response)
        past.check(~past(reads) | right, "a read shows the fields")
        same = (bus.rdata == past(bus.rdata)) & (bus.rresp == past(bus.rresp))
        past.check(~past(bus.rvalid & ~bus.rready) | same, "the answer to a read stays")

    def _whole(self, register: Register) -> Value:
        """Return a register as the contract describes it: each field shifted to its place."""
        whole: Value = Const(0, register.words * WORD_BITS)
        if register.access is not Access.WRITE_ONE:
            for field in register.fields:
                whole = whole | (self._port(register, field) << _low(field))
        return whole[: register.words * WORD_BITS]

    def _port(self, register: Register, field: Field) -> Value:
        return getattr(getattr(self, register.name), field.name)


def _taken(m: Module, taken: Value, value: Value) -> Value:
    """Return what was taken last."""
    last = Signal(value.shape())
    with m.If(taken):
        m.d.sync += last.eq(value)
    return last


def _low(field: Field) -> int:
    """Return the place of a field's lowest bit in its register."""
    return field.word * WORD_BITS + field.low
