"""From the port of a processor to the static region's registers."""

from __future__ import annotations

from amaranth import Array, Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib.wiring import Component, In, Out, PureInterface

from hw.blocks.axi import OKAY, axi_lite
from hw.blocks.register_file import ADDRESS_BITS
from hw.platform.axi_full import INCR, processor_port

DECERR = 3
_WORD_BITS = 32
_WRAP = 2


class _Burst:
    """What a processor asks: where it is at, and whom it is answered to."""

    def __init__(self, name: str, id_bits: int, window_bits: int) -> None:
        self.address = Signal(ADDRESS_BITS, name=f"{name}_address")
        self.outside = Signal(name=f"{name}_outside")
        self.number = Signal(id_bits, name=f"{name}_number")
        self.size = Signal(3, name=f"{name}_size")
        self._steps = Signal(name=f"{name}_steps")
        self._window_bits = window_bits

    def take(self, m: Module, port: PureInterface, channel: str) -> None:
        """Keep what a channel of addresses offers."""
        asked = {name: getattr(port, channel + name) for name in ("id", "addr", "size", "burst")}
        m.d.sync += [
            self.address.eq(asked["addr"]),
            self.size.eq(asked["size"]),
            self.number.eq(asked["id"]),
            self._steps.eq(asked["burst"] == INCR),
            self.outside.eq(self.reaches_nothing(asked["addr"], asked["burst"])),
        ]

    def reaches_nothing(self, address: Value, burst: Value) -> Value:
        """Return whether a burst lies beyond the registers or wraps."""
        return address[ADDRESS_BITS : self._window_bits].any() | (burst == _WRAP)

    def step(self, m: Module) -> None:
        """Go on to the next beat: to the next multiple of the size."""
        following = Array(
            Cat(Const(0, bits), self.address[bits:] + 1)[:ADDRESS_BITS] for bits in range(8)
        )
        with m.If(self._steps):
            m.d.sync += self.address.eq(following[self.size])


class RegisterBridge(Component):
    """Makes single 32-bit accesses of whatever a processor sends: bursts, wide and narrow beats.

    A write reaches the words that it has strobes for, a read those that its beats cover. An address
    beyond the registers, and a burst that wraps, is answered DECERR and reaches none. The worst
    answer of a burst is that of its end; for a read each beat has its own. One write and one read
    at a time.
    """

    def __init__(self, data_bits: int, address_bits: int, id_bits: int, window_bits: int) -> None:
        """Make a bridge.

        Args:
            data_bits: of the processor's port.
            address_bits: of its addresses.
            id_bits: of its IDs.
            window_bits: of an address within what the processor sends here.
        """
        self._lanes = data_bits // _WORD_BITS
        self._lane_bits = (self._lanes - 1).bit_length()
        self._write, self._read = (_Burst(name, id_bits, window_bits) for name in ("write", "read"))
        super().__init__(
            {
                "processor": In(processor_port(data_bits, address_bits, id_bits)),
                "registers": Out(axi_lite(ADDRESS_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the two state machines, which share nothing."""
        m = Module()
        self._build_write(m)
        self._build_read(m)
        return m

    def _word_address(self, address: Value, lane: Value) -> Value:
        """Return the address of the word of a lane in the beat at an address."""
        return Cat(Const(0, 2), lane[: self._lane_bits], address[2 + self._lane_bits :])

    def _build_write(self, m: Module) -> None:
        port, registers, burst = self.processor, self.registers, self._write
        lane = Signal(range(self._lanes + 1), name="write_lane")
        place = lane[: max(1, self._lane_bits)]
        response = Signal(2)
        data = Array(port.wdata.word_select(i, _WORD_BITS) for i in range(self._lanes))
        strobes = Array(port.wstrb.word_select(i, 4) for i in range(self._lanes))
        m.d.comb += [port.bid.eq(burst.number), port.bresp.eq(response)]
        with m.FSM(name="write"):
            with m.State("ADDRESS"):
                refused = burst.reaches_nothing(port.awaddr, port.awburst)
                m.d.comb += port.awready.eq(1)
                burst.take(m, port, "aw")
                m.d.sync += [lane.eq(0), response.eq(Mux(refused, DECERR, OKAY))]
                with m.If(port.awvalid):
                    m.next = "BEAT"
            with m.State("BEAT"):
                m.d.sync += [
                    registers.awaddr.eq(self._word_address(burst.address, lane)),
                    registers.wdata.eq(data[place]),
                    registers.wstrb.eq(strobes[place]),
                ]
                with m.If(port.wvalid):
                    with m.If((lane == self._lanes) | burst.outside):
                        m.d.comb += port.wready.eq(1)
                        m.d.sync += lane.eq(0)
                        burst.step(m)
                        with m.If(port.wlast):
                            m.next = "RESPONSE"
                    with m.Elif(strobes[place] == 0):
                        m.d.sync += lane.eq(lane + 1)
                    with m.Else():
                        m.d.sync += [registers.awvalid.eq(1), registers.wvalid.eq(1)]
                        m.next = "WORD"
            with m.State("WORD"):
                m.d.comb += registers.bready.eq(1)
                with m.If(registers.awready):
                    m.d.sync += registers.awvalid.eq(0)
                with m.If(registers.wready):
                    m.d.sync += registers.wvalid.eq(0)
                with m.If(registers.bvalid):
                    m.d.sync += [lane.eq(lane + 1), response.eq(response | registers.bresp)]
                    m.next = "BEAT"
            with m.State("RESPONSE"):
                m.d.comb += port.bvalid.eq(1)
                with m.If(port.bready):
                    m.next = "ADDRESS"

    def _build_read(self, m: Module) -> None:
        port, registers, burst = self.processor, self.registers, self._read
        beats_left = Signal(8)
        words_left = Signal(range(self._lanes + 1))
        lane = Signal(max(1, self._lane_bits), name="read_lane")
        first = burst.address[2 : 2 + self._lane_bits]
        with m.FSM(name="read"):
            with m.State("ADDRESS"):
                m.d.comb += port.arready.eq(1)
                burst.take(m, port, "ar")
                m.d.sync += beats_left.eq(port.arlen)
                with m.If(port.arvalid):
                    m.next = "BEAT"
            with m.State("BEAT"):
                m.d.sync += [
                    lane.eq(first),
                    words_left.eq(self._words_of(burst.size) - 1),
                    registers.araddr.eq(self._word_address(burst.address, first)),
                    registers.arvalid.eq(~burst.outside),
                ]
                m.next = "WORD"
                with m.If(burst.outside):
                    m.next = "ANSWER"
            with m.State("WORD"):
                m.d.comb += registers.rready.eq(1)
                with m.If(registers.arready):
                    m.d.sync += registers.arvalid.eq(0)
                with m.If(registers.rvalid):
                    m.d.sync += [
                        lane.eq(lane + 1),
                        words_left.eq(words_left - 1),
                        registers.araddr.eq(self._word_address(burst.address, lane + 1)),
                        registers.arvalid.eq(words_left != 0),
                    ]
                    with m.If(words_left == 0):
                        m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += port.rvalid.eq(1)
                with m.If(port.rready):
                    m.d.sync += beats_left.eq(beats_left - 1)
                    burst.step(m)
                    m.next = "BEAT"
                    with m.If(beats_left == 0):
                        m.next = "ADDRESS"
        self._answer_read(m, lane, beats_left)

    def _answer_read(self, m: Module, lane: Signal, beats_left: Signal) -> None:
        """Gather the words of a beat, and what was answered to them; the others are zero."""
        port, registers, burst = self.processor, self.registers, self._read
        response = Signal(2)
        data = Array(Signal(_WORD_BITS, name=f"read_data{i}") for i in range(self._lanes))
        m.d.comb += [
            port.rid.eq(burst.number),
            port.rresp.eq(response),
            port.rdata.eq(Cat(data)),
            port.rlast.eq(beats_left == 0),
        ]
        with m.If(registers.rvalid & registers.rready):
            m.d.sync += [data[lane].eq(registers.rdata), response.eq(response | registers.rresp)]
        with m.Elif(~registers.rready & ~port.rvalid):
            m.d.sync += [
                response.eq(Mux(burst.outside, DECERR, OKAY)),
                *(word.eq(0) for word in data),
            ]

    def _words_of(self, size: Value) -> Value:
        """Return how many words a beat of 2**size bytes covers: one if it is narrow."""
        count = Const(1)
        for lanes in range(1, self._lane_bits + 1):
            count = Mux(size == 2 + lanes, 1 << lanes, count)
        return count
