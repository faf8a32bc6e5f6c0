"""A memory behind an AXI4 port, for the Amaranth simulator, that checks what the manager does."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

from amaranth.lib.wiring import PureInterface
from amaranth.sim import Simulator, SimulatorContext

from hw.blocks.axi import DECERR, OKAY

BASE = 0x1000_0000
CLOCK_PERIOD = 7e-9


@dataclass
class Pacing:
    """How a port answers: `latency` clocks, and how often it is not ready or has no beat."""

    latency: int = 30
    stalls: float = 0.0
    seed: int = 0

    def chooser(self, salt: int) -> random.Random:
        return random.Random(1000 * self.seed + salt)


class Stable:
    """Checks one channel: what was offered stays as it is until it is taken."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: tuple[int, ...] | None = None

    def see(self, valid: int, ready: int, payload: tuple[int, ...]) -> bool:
        """Return whether a beat moves."""
        if self._waiting is not None:
            assert valid, f"{self._name} was withdrawn"
            assert payload == self._waiting, f"{self._name} changed"
        self._waiting = payload if valid and not ready else None
        return bool(valid and ready)


def check_burst(address: int, length: int) -> None:
    """Fail unless a burst keeps to what `hw.blocks.axi` promises."""
    assert address % 8 == 0
    assert length < 16, "a burst of more than 16 beats"
    assert address // 4096 == (address + 8 * length) // 4096, "a burst crosses 4 KiB"


@dataclass
class AxiMemory:
    """Bytes from `BASE` on; anything else answers DECERR."""

    data: bytearray
    pacing: Pacing = field(default_factory=Pacing)
    bursts: list[tuple[int, int]] = field(default_factory=list)
    """Address and beats of every burst that was taken."""
    under_way: int = 0
    """Beats to read, or bursts to answer, that the manager has announced and not got."""
    most_under_way: int = 0

    def inside(self, address: int) -> bool:
        return 0 <= address - BASE < len(self.data)

    def _announced(self, address: int, length: int, owed: int) -> None:
        check_burst(address, length)
        self.bursts.append((address, length + 1))
        self.under_way += owed
        self.most_under_way = max(self.most_under_way, self.under_way)

    def _read(self, address: int) -> tuple[int, int]:
        if not self.inside(address):
            return 0, DECERR
        at = address - BASE
        return int.from_bytes(self.data[at : at + 8], "little"), OKAY

    async def serve_reads(self, ctx: SimulatorContext, axi: PureInterface) -> None:
        """Serve a port of `axi_read`, in order."""
        chooser = self.pacing.chooser(1)
        beats: deque[tuple[int, int, int, int]] = deque()
        channel, clock, offered = Stable("AR"), 0, False
        while True:
            offered = bool(beats) and beats[0][0] <= clock and (offered or self._goes(chooser))
            ctx.set(axi.rvalid, offered)
            if offered:
                _, data, response, last = beats[0]
                ctx.set(axi.rdata, data)
                ctx.set(axi.rresp, response)
                ctx.set(axi.rlast, last)
            ready = self._goes(chooser)
            ctx.set(axi.arready, ready)
            _, _, rready, valid, address, length, size, kind = await ctx.tick().sample(
                axi.rready, axi.arvalid, axi.araddr, axi.arlen, axi.arsize, axi.arburst
            )
            if offered and rready:
                beats.popleft()
                offered = False
                self.under_way -= 1
            if channel.see(valid, ready, (address, length)):
                assert (size, kind) == (3, 1)
                self._announced(address, length, length + 1)
                for beat in range(length + 1):
                    data, response = self._read(address + 8 * beat)
                    due = clock + self.pacing.latency
                    beats.append((due, data, response, beat == length))
            clock += 1

    async def serve_writes(self, ctx: SimulatorContext, axi: PureInterface) -> None:
        """Serve a port of `axi_write`, in order; data is taken before its address as well."""
        chooser = self.pacing.chooser(2)
        bursts: deque[tuple[int, int]] = deque()
        beats: deque[tuple[int, int, int]] = deque()
        responses: deque[tuple[int, int]] = deque()
        addresses, data, clock, offered = Stable("AW"), Stable("W"), 0, False
        while True:
            offered = bool(responses) and responses[0][0] <= clock
            ctx.set(axi.bvalid, offered)
            ctx.set(axi.bresp, responses[0][1] if offered else OKAY)
            address_ready, data_ready = self._goes(chooser), self._goes(chooser)
            ctx.set(axi.awready, address_ready)
            ctx.set(axi.wready, data_ready)
            seen = await ctx.tick().sample(
                axi.bready, axi.awvalid, axi.awaddr, axi.awlen, axi.awsize, axi.awburst,
                axi.wvalid, axi.wdata, axi.wstrb, axi.wlast,
            )  # fmt: skip
            bready, awvalid, address, length, size, kind, wvalid, *beat = seen[2:]
            if offered and bready:
                responses.popleft()
                self.under_way -= 1
            if addresses.see(awvalid, address_ready, (address, length)):
                assert (size, kind) == (3, 1)
                self._announced(address, length, 1)
                bursts.append((address, length))
            if data.see(wvalid, data_ready, tuple(beat)):
                beats.append(tuple(beat))
            while bursts and len(beats) > bursts[0][1]:
                response = self._write(*bursts.popleft(), beats)
                responses.append((clock + self.pacing.latency, response))
            assert bursts or not beats or not any(last for _, _, last in beats) or awvalid
            clock += 1

    def _write(self, address: int, length: int, beats: deque[tuple[int, int, int]]) -> int:
        response = OKAY
        for beat in range(length + 1):
            value, strobe, last = beats.popleft()
            assert last == (beat == length), "WLAST is not with the last beat"
            at = address + 8 * beat
            if not self.inside(at):
                response = DECERR
                continue
            for byte in range(8):
                if strobe >> byte & 1:
                    self.data[at - BASE + byte] = value >> (8 * byte) & 0xFF
        return response

    def _goes(self, chooser: random.Random) -> bool:
        return chooser.random() >= self.pacing.stalls


def simulator(design: object) -> Simulator:
    """Return a simulator of a design with its clock."""
    simulator = Simulator(design)
    simulator.add_clock(CLOCK_PERIOD)
    return simulator
