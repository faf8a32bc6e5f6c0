"""Loads partial bitstreams from memory into the configuration port.

Two halves on two clocks: this one, on the compute clock, takes the host's word and reads memory;
`PortFeeder`, on the ICAP clock, checks the stream and drives the pins. Between them lies an
asynchronous FIFO. Few other signals cross: `go`, `cancel`, `idle` and `finished`, each through a
synchroniser; what they vouch for stands still while they do:

    compute clock   go up ............................. go down
    ICAP clock             probe, stream ... finished up ....... finished down

`go` falls only when the reader is idle and the FIFO is empty, so nothing of a load is left over
for the next one.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, DomainRenamer, Module, Mux, Signal, Value
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.fifo import AsyncFIFO
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from fpga_rt.contract.static_region import (
    SOURCE_ALIGNMENT_BYTES,
    ConfigurationError,
    ConfigurationState,
)
from hw.blocks.axi import axi_read
from hw.blocks.axi_reader import AxiReader
from hw.static_region.frame_windows import FarWindow
from hw.static_region.port_feeder import BEAT, ICAP, WORDS_BITS, PortFeeder
from hw.static_region.stream_guard import ERROR_BITS, Primitive

FIFO_BEATS = 64
_WITHIN_BITS = (SOURCE_ALIGNMENT_BYTES - 1).bit_length()


class ConfigurationController(Component):
    """Streams a partial bitstream into the port of the partition that is LOADING.

    A stream is `words` big-endian words from `source` on. It must be made for this device and for
    the partition whose bit of `loading` alone is set when it starts, and until it ends. The state
    is RUNNING until the port is desynchronised and nothing of the load is under way any more; the
    error of a load stays until the next start. `runs` says for which partition the state is
    RUNNING, and `fails` is one in the last clock of a load that fails. A start for none or several
    partitions fails every one that is LOADING; one that comes while RUNNING is dropped, which
    `refused` shows until the next that is not. Pins are in the domain `icap`.
    """

    def __init__(
        self,
        partitions: int,
        idcode: int,
        far_windows: Sequence[Sequence[FarWindow]],
        icap: Primitive = "ICAPE2",
        address_bits: int = 32,
        fifo_beats: int = FIFO_BEATS,
    ) -> None:
        """Make the controller of a device.

        Args:
            partitions: how many there are.
            idcode: of the device, as in bitstreams.
            far_windows: for each partition what `frame_windows.far_windows` returns.
            icap: which configuration port the device has.
            address_bits: of the AXI port; a source beyond is a bus error.
            fifo_beats: between the clocks, a power of two.

        Raises:
            ValueError: there are not as many lists of windows as partitions.
        """
        if len(far_windows) != partitions:
            raise ValueError(f"far_windows of {len(far_windows)} partitions, expected {partitions}")
        self.feeder = PortFeeder(idcode, far_windows, icap)
        self.go = Signal()
        self._cancel = Signal()
        self.ended = Signal()
        self.idle = Signal()
        self.resting = Signal()
        self.engaged = Signal()
        self.target = Signal(partitions)
        """What the load is for: stands still while it runs."""
        self._address_bits = address_bits
        self._fifo_beats = fifo_beats
        super().__init__(
            {
                "source": In(64),
                "words": In(32),
                "start": In(1),
                "abort": In(1),
                "loading": In(partitions),
                "runs": Out(partitions),
                "fails": Out(partitions),
                "state": Out(4),
                "error": Out(ERROR_BITS),
                "refused": Out(1),
                "idcode_readback": Out(32),
                "stat": Out(32),
                "axi": Out(axi_read(address_bits)),
                "icap": Out(ICAP),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the state machine of a load, and what crosses the clocks."""
        m = Module()
        m.submodules.feeder = DomainRenamer("icap")(self.feeder)
        m.submodules.reader = self._reader = AxiReader(self._address_bits)
        m.submodules.fifo = AsyncFIFO(
            width=BEAT.size, depth=self._fifo_beats, r_domain="icap", w_domain="sync"
        )
        self._cross(m)
        self._watch(m)
        self._connect(m)
        with m.If(~self.resting):  # the state is RUNNING then, and one bit says so
            m.d.comb += self.runs.eq(self.target)
        m.d.comb += self._starting.eq(self.start & ~self.abort)
        with m.If(self._starting):
            m.d.sync += self.refused.eq(~self.resting)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.resting.eq(1)
                self._await_start(m)
            with m.State("BEGIN"):
                self._begin(m)
            with m.State("RUN"):
                m.d.comb += self.engaged.eq(1)
                self._run(m)
            with m.State("DRAIN"):
                m.d.comb += self.engaged.eq(1)
                with m.If(self._quiet):
                    m.d.sync += [self.go.eq(0), self._draining.eq(0)]
                    m.next = "END"
            with m.State("END"):
                with m.If(~self.ended):
                    self._end(m)
        return m

    def _cross(self, m: Module) -> None:
        """Carry the four levels over, each with a synchroniser of its own."""
        feeder = self.feeder
        m.submodules += [
            FFSynchronizer(self.go, feeder.go, o_domain="icap"),
            FFSynchronizer(self._cancel, feeder.cancel, o_domain="icap"),
            FFSynchronizer(feeder.finished, self.ended),
            FFSynchronizer(feeder.idle, self.idle),
        ]

    def _connect(self, m: Module) -> None:
        """Lead memory to the FIFO, the FIFO to the feeder and that to the pins."""
        reader, feeder, fifo = self._reader, self.feeder, m.submodules.fifo
        connect(m, reader.axi, flipped(self.axi))
        connect(m, feeder.icap, flipped(self.icap))
        beat = Signal(BEAT)
        m.d.comb += [
            reader.abort.eq(self._draining),
            reader.request.valid.eq(self._asking),
            reader.request.payload.address.eq(Cat(Const(0, _WITHIN_BITS), self._block)),
            reader.request.payload.beats.eq(self._beats),
            beat.data.eq(reader.data.payload),
            beat.fault.eq(reader.error),
            fifo.w_data.eq(beat),
            fifo.w_en.eq(reader.data.valid),
            reader.data.ready.eq(fifo.w_rdy),
            feeder.beats.payload.eq(fifo.r_data),
            feeder.beats.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(feeder.beats.ready),
        ]

    def _watch(self, m: Module) -> None:
        """Keep what a load is given, and why it is given up."""
        self._block = Signal(self._address_bits - _WITHIN_BITS)
        self._length = Signal(WORDS_BITS)
        self._beats = Signal(WORDS_BITS - 1)
        self._bad_range = Signal()
        self._quiet = Signal()
        # A clock old: what was idle then has nothing left for the FIFO.
        m.d.sync += self._quiet.eq(self._reader.idle & (m.submodules.fifo.w_level == 0))
        self._asking, self._draining, self._told, self._starting = (
            Signal(name=name) for name in ("asking", "draining", "told", "starting")
        )
        m.d.comb += [self.feeder.words.eq(self._length), self.feeder.target.eq(self.target)]

    def _await_start(self, m: Module) -> None:
        many = (self.loading & (self.loading - 1)).any()
        unaligned = self.source % SOURCE_ALIGNMENT_BYTES != 0
        too_long = self.words[WORDS_BITS:].any() | self.words[:WORDS_BITS].all()
        with m.If(self._starting):
            m.d.sync += [
                self._block.eq(self.source >> _WITHIN_BITS),
                self._length.eq(self.words),
                self.target.eq(self.loading),
                self._bad_range.eq(
                    unaligned | (self.source >> self._address_bits).any() | too_long
                ),
                self._cancel.eq(0),
                self.error.eq(ConfigurationError.NONE),
            ]
            with m.If(~self.loading.any() | many):
                self._fail(m, ConfigurationError.PARTITION, self.loading)
            with m.Else():
                m.d.sync += self.state.eq(ConfigurationState.RUNNING)
                m.next = "BEGIN"

    def _fail(self, m: Module, error: ConfigurationError | Value, partitions: Value) -> None:
        m.d.comb += self.fails.eq(partitions)
        m.d.sync += [self.state.eq(ConfigurationState.FAILED), self.error.eq(error)]

    def _begin(self, m: Module) -> None:
        """Wait until the feeder is ready, which it is unless a reset cut a load off."""
        m.d.sync += self._beats.eq((self._length + 1) >> 1)
        with m.If(self._bad_range):
            self._fail(m, ConfigurationError.BUS, self.target)
            m.next = "IDLE"
        with m.Elif(self.abort):
            self._fail(m, ConfigurationError.ABORTED, self.target)
            m.next = "IDLE"
        with m.Elif(self.idle):
            m.d.sync += [self.go.eq(1), self._asking.eq(1)]
            m.next = "RUN"

    def _run(self, m: Module) -> None:
        """Read memory until the feeder has finished; give up when told, or if LOADING ends."""
        with m.If(self._reader.request.ready):
            m.d.sync += self._asking.eq(0)
        with m.If(~self._cancel & (self.abort | (self.loading != self.target))):
            m.d.sync += [self._cancel.eq(1), self._told.eq(self.abort)]
        with m.If(self.ended):
            m.d.sync += [self._asking.eq(0), self._draining.eq(1)]
            m.next = "DRAIN"

    def _end(self, m: Module) -> None:
        """Take over how the feeder ended; it calls everything it was told to give up ABORTED."""
        feeder = self.feeder
        m.next = "IDLE"
        m.d.sync += [self.idcode_readback.eq(feeder.idcode_readback), self.stat.eq(feeder.stat)]
        with m.If(feeder.error == ConfigurationError.NONE):
            m.d.sync += self.state.eq(ConfigurationState.DONE)
        with m.Elif(feeder.error == ConfigurationError.ABORTED):
            cause = Mux(self._told, ConfigurationError.ABORTED, ConfigurationError.PARTITION)
            self._fail(m, cause, self.target)
        with m.Else():
            self._fail(m, feeder.error, self.target)
