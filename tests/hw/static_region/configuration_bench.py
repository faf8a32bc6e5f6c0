"""A configuration controller between a memory and a stand-in of the port, in Amaranth's simulator.

The stand-in does what UG470 says, as far as a controller can tell: sync, packets, CRC, IDCODE,
STAT, ABORT and readback. It keeps every word that was written to it.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import ClockDomain, Module, ResetSignal, Signal
from amaranth.sim import Simulator, SimulatorContext

from fpga_rt.arch.devices import Device, Row
from fpga_rt.arch.families import CLB, DSP, INT, SERIES7, Family
from fpga_rt.arch.floorplan import Partition, Rectangle, place
from fpga_rt.arch.packets import Command, Register
from fpga_rt.arch.resources import Resources
from fpga_rt.bitstream.read import Frames
from fpga_rt.bitstream.sequence import FrameOrder
from fpga_rt.contract.static_region import ConfigurationError, ConfigurationState
from hw.static_region.configuration_controller import ConfigurationController
from hw.static_region.frame_windows import FarWindow, far_windows
from hw.static_region.port_feeder import POWER_UP_CYCLES
from hw.static_region.stream_guard import Primitive

BASE = 0x1000_0000
SYNC_PS, ICAP_PS = 7_000, 10_000
MAX_CLOCKS = 60_000


def device(family: Family = SERIES7) -> Device:
    """Return a device of one row whose columns have a frame each, so that streams are short.

    On UltraScale+ a frame in two holds and releases clocks.
    """
    if family is SERIES7:
        kinds: tuple[str, ...] = (CLB,) * 4
        idcode = 0x03727093
    else:
        kinds, idcode = (DSP, INT, DSP) * 2, 0x04A42093
    return Device(
        name="small",
        family=family,
        idcode=idcode,
        resources=Resources(),
        source="made up",
        columns=kinds,
        column_frames=(1,) * len(kinds),
        rows=(Row("Y0", 0),),
    )


def partitions(where: Device) -> list[Partition]:
    """Return two partitions of `device`, side by side."""
    row = where.rows[0].name
    first, second = ((0, 1), (2, 3)) if where.family is SERIES7 else ((0, 2), (3, 5))
    return [
        place(where, "rp0", 0, [Rectangle(first, (row,))]),
        place(where, "rp1", 1, [Rectangle(second, (row,))]),
    ]


def frames_of(where: Device, partition: Partition, seed: int = 1) -> Frames:
    """Return random frames for a partition."""
    addresses = FrameOrder(where).partition(partition)
    words = np.random.default_rng(seed).integers(
        0, 1 << 32, (len(addresses), where.family.frame_words), np.uint32
    )
    return Frames(addresses, words)


def reverse_bits(word: int) -> int:
    """Reverse the bits within each byte."""
    return int.from_bytes(bytes(int(f"{b:08b}"[::-1], 2) for b in word.to_bytes(4, "big")), "big")


def crc_after(crc: int, register: int, word: int) -> int:
    """Return the CRC after a register write: CRC-32C over 37 bits, lowest first."""
    bits = register << 32 | word
    for place_ in range(37):
        crc = crc >> 1 ^ (0x82F63B78 if (crc ^ bits >> place_) & 1 else 0)
    return crc


@dataclass
class Port:
    """Stands in for the port and the logic behind it."""

    idcode: int
    latency: int = 3
    """Read clock that brings the first word."""
    power_up: int = 125
    checks_crc: bool = True
    deaf: bool = False
    """Another master owns the port."""
    unavailable: bool = False
    fails_at: tuple[int, str] | None = None
    """After how many words which attribute is set, as if by a fault of the device."""
    written: list[int] = field(default_factory=list)
    """Every word written, whatever it was."""
    aborts: int = 0
    aligned: bool = False
    frames: int = 0
    """Words of frame data."""
    crc_error: bool = False
    id_error: bool = False
    early: int = 0
    """Clocks on which the port was selected too soon after power-up."""
    o: int = 0xFFFFFFFF
    _crc: int = 0
    _left: int = 0
    _register: int = 0
    _read: int | None = None
    _read_clocks: int = 0
    _last: tuple[int, int] = (1, 0)
    _abort_clocks: int = 0

    def clock(self, csib: int, rdwrb: int, i: int) -> int:
        """Take the pins at a rising edge; return `o` after it."""
        if self.power_up:
            self.power_up -= 1
            self.early += not csib
            return self.o
        if self.deaf:
            self.o = 0xFFFFFFFF
            return self.o
        value = None
        if self._last[0] == 0 and csib == 0 and rdwrb != self._last[1]:
            self.aborts += 1
            self._abort_clocks, self._read = 4, None
        elif csib == 0 and rdwrb == 0 and not self._abort_clocks:
            self._take(reverse_bits(i))
        elif csib == 0 and rdwrb == 1:
            self._read_clocks += 1
            if self._read is not None and self._read_clocks >= self.latency:
                value = reverse_bits(self._value(self._read))
        if csib == 1:
            self._read_clocks = 0
        if self._abort_clocks:
            self._abort_clocks -= 1
            if self._abort_clocks == 1:
                self.aligned, self._left = False, 0
        self._last = (csib, rdwrb)
        good = not (self.crc_error or self.id_error)
        status = good << 7 | self.aligned << 6 | (self._abort_clocks not in (1, 2)) << 4
        self.o = 0xFFFFFF0F | status if value is None else value
        return self.o

    def _value(self, register: int) -> int:
        if register == Register.IDCODE:
            return self.idcode
        assert register == Register.STAT
        return 0x00107AFC | self.crc_error | self.id_error << 15

    def _take(self, word: int) -> None:
        self.written.append(word)
        if self.fails_at and len(self.written) == self.fails_at[0]:
            setattr(self, self.fails_at[1], True)
            self.aligned = False
        if not self.aligned:
            if word == 0xAA995566:
                self.aligned, self._left = True, 0
        elif self._left:
            self._left -= 1
            self._write(self._register, word)
        elif word >> 29 in (1, 2):
            opcode = word >> 27 & 3
            if word >> 29 == 1:
                self._register = word >> 13 & 31
            count = word & (0x7FF if word >> 29 == 1 else 0x7FFFFFF)
            if opcode == 2:
                self._left = count
            elif opcode == 1:
                self._read = self._register

    def _write(self, register: int, word: int) -> None:
        if register == Register.CRC:
            if self.checks_crc and word != self._crc:
                self.crc_error, self.aligned = True, False
            self._crc = 0
            return
        if self.checks_crc:
            self._crc = crc_after(self._crc, register, word)
        if register == Register.CMD:
            if word == Command.RCRC:
                self._crc, self.crc_error, self.id_error = 0, False, False
            elif word == Command.DESYNC:
                self.aligned, self._read = False, None
        elif register == Register.IDCODE and (word ^ self.idcode) & 0x0FFFFFFF:
            self.id_error, self.aligned = True, False
        elif register == Register.FDRI:
            self.frames += 1


@dataclass
class Memory:
    """Bytes from `BASE` on behind an AXI4 port: 30 clocks of latency, a beat per 5/4 clocks."""

    data: bytes
    latency: int = 30
    numerator: int = 5
    denominator: int = 4
    beats: int = 0
    refuses_from: int | None = None
    """Offset from which on every beat is refused."""
    _queue: deque[tuple[int, int, bool]] = field(default_factory=deque)
    _clock: int = 0
    _credit: int = 0
    _offered: bool = False

    def forget(self) -> None:
        """Drop what was asked for: the manager was reset."""
        self._queue.clear()
        self._offered = False

    async def serve(self, ctx: SimulatorContext, axi: object) -> None:
        """Answer bursts in order."""
        ctx.set(axi.arready, 1)  # type: ignore[attr-defined]
        pins = (axi.arvalid, axi.araddr, axi.arlen, axi.rready)  # type: ignore[attr-defined]
        async for _, _, arvalid, araddr, arlen, rready in ctx.tick().sample(*pins):
            self._clock += 1
            self._credit = min(self._credit + self.denominator, self.numerator)
            if arvalid:
                for n in range(arlen + 1):
                    entry = (self._clock + self.latency, araddr + 8 * n, n == arlen)
                    self._queue.append(entry)
            if self._offered and rready:
                self._queue.popleft()
                self.beats += 1
                self._offered = False
            ready = bool(self._queue) and self._queue[0][0] <= self._clock
            if not self._offered and ready and self._credit >= self.numerator:
                self._offered = True
                self._credit -= self.numerator
            self._drive(ctx, axi, self._offered)

    def _drive(self, ctx: SimulatorContext, axi: object, offered: bool) -> None:
        ctx.set(axi.rvalid, offered)  # type: ignore[attr-defined]
        if offered:
            _, address, last = self._queue[0]
            at = address - BASE
            limit = len(self.data) if self.refuses_from is None else self.refuses_from
            inside = 0 <= at < limit
            beat = self.data[at : at + 8] if inside else b""
            ctx.set(axi.rdata, int.from_bytes(beat, "little"))  # type: ignore[attr-defined]
            ctx.set(axi.rresp, 0 if inside else 3)  # type: ignore[attr-defined]
            ctx.set(axi.rlast, last)  # type: ignore[attr-defined]


@dataclass
class Outcome:
    """How a load ended."""

    state: ConfigurationState
    error: ConfigurationError
    idcode: int
    stat: int
    clocks: int
    """Compute clocks from the start strobe to the end of RUNNING."""


class Bench:
    """Controller, memory and port; every `load` is one after the other."""

    def __init__(
        self,
        stream: bytes,
        where: Device,
        regions: Sequence[Partition] | None = None,
        port: Port | None = None,
        unbounded: bool = False,
    ) -> None:
        """Put the stream into memory at `BASE`; `unbounded` frame data may follow any address."""
        self.port = port or Port(where.idcode)
        self.memory = Memory(stream)
        regions = partitions(where) if regions is None else regions
        icap: Primitive = "ICAPE2" if where.family is SERIES7 else "ICAPE3"
        windows = [far_windows(where, region) for region in regions]
        if unbounded:
            windows = [(FarWindow(0, 0xFFFFFFFF),)] * len(regions)
        self.dut = ConfigurationController(len(regions), where.idcode, windows, icap)
        self.words = len(stream) // 4
        self.writes: list[int] = []
        """ICAP clocks on which a word was written."""
        top = Module()
        top.domains += ClockDomain("sync"), ClockDomain("icap")
        top.submodules.dut = self.dut
        self.resets = {name: Signal(name=f"{name}_reset") for name in ("sync", "icap")}
        top.d.comb += [ResetSignal(name).eq(reset) for name, reset in self.resets.items()]
        self.simulator = Simulator(top)
        self.simulator.add_clock(SYNC_PS * 1e-12)
        self.simulator.add_clock(ICAP_PS * 1e-12, domain="icap")
        self.simulator.add_testbench(self._serve, background=True)
        self.simulator.add_testbench(self._answer, background=True)

    async def _serve(self, ctx: SimulatorContext) -> None:
        await self.memory.serve(ctx, self.dut.axi)

    async def _answer(self, ctx: SimulatorContext) -> None:
        pins, clock = self.dut.icap, 0
        ctx.set(pins.prdone, 1)
        async for _, _, csib, rdwrb, i in ctx.tick("icap").sample(pins.csib, pins.rdwrb, pins.i):
            before = len(self.port.written)
            ctx.set(pins.o, self.port.clock(csib, rdwrb, i))
            away = self.port.unavailable or self.port.deaf or self.port.power_up
            ctx.set(pins.avail, not away)
            failed = self.port.crc_error or self.port.id_error
            ctx.set(pins.prerror, failed)
            clock += 1
            if len(self.port.written) > before:
                self.writes.append(clock)

    async def start(
        self, ctx: SimulatorContext, loading: int = 1, source: int = BASE, words: int | None = None
    ) -> None:
        """Give the start strobe."""
        dut = self.dut
        ctx.set(dut.loading, loading)
        ctx.set(dut.source, source)
        ctx.set(dut.words, self.words if words is None else words)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)

    async def end(self, ctx: SimulatorContext) -> Outcome:
        """Wait until it no longer runs."""
        clock = 1
        while ctx.get(self.dut.state) == ConfigurationState.RUNNING:
            await ctx.tick()
            clock += 1
            assert clock < MAX_CLOCKS, "the load does not end"
        return Outcome(
            ConfigurationState(ctx.get(self.dut.state)),
            ConfigurationError(ctx.get(self.dut.error)),
            ctx.get(self.dut.idcode_readback),
            ctx.get(self.dut.stat),
            clock,
        )

    def load(
        self, during: Callable[[SimulatorContext], Awaitable[None]] | None = None, **how: int
    ) -> Outcome:
        """Load once, see `start`, and do something `during` it."""
        return self.loads(during, **how)[0]

    def loads(
        self,
        *during: Callable[[SimulatorContext], Awaitable[None]] | None,
        **how: int,
    ) -> list[Outcome]:
        """Load as often as there are arguments."""
        found: list[Outcome] = []

        async def every(ctx: SimulatorContext) -> None:
            await ctx.tick().repeat(POWER_UP_CYCLES * ICAP_PS // SYNC_PS + 10)
            for action in during:
                await self.start(ctx, **how)
                if action is not None:
                    await action(ctx)
                found.append(await self.end(ctx))
                await ctx.tick().repeat(30)

        self.simulator.add_testbench(every)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.simulator.run()
        return found
