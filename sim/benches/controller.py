"""Configuration controller and configuration port, with a memory that pauses at random.

The tests stand in one simulation: the port is what the test before left it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from enum import IntEnum
from random import Random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, FallingEdge, ReadOnly, RisingEdge, Timer
from cocotb.utils import get_sim_time

from fpga_rt.arch.packets import SYNC, Command
from fpga_rt.arch.rules import IDCODE_MASK
from fpga_rt.contract.static_region import ConfigurationError, ConfigurationState
from sim.benches.faults import fault
from sim.benches.memory import BASE, Dram, Pauses, serve
from sim.benches.streams import ERRORS, broken_stream, stream_of
from sim.benches.tops import SERIES7, bench_modules, small_board
from sim.reconfiguration import words_of
from sim.reconfiguration.port import ConfigurationPort, swapped

BOARD = small_board(os.environ.get("BENCH_BOARD", SERIES7))
ICAPE3 = BOARD.name != SERIES7
SCALE, ADD, CLAMP = bench_modules()
_CLOCK_PS = 7000
_POWER_UP_PS = 1_250_000
_ABORT_CLOCKS = 4
_FRAMES = 3
"""Frames of a load that is to be interrupted after the first one."""
FLIPS = 16
DESYNC = int(Command.DESYNC)
NONE = ConfigurationError.NONE

test = cocotb.test(timeout_time=2, timeout_unit="ms")


class Phase(IntEnum):
    """How far a load has come."""

    PROBE = 0
    """The controller asks the port who it is; no word of the stream has gone in."""
    STREAM = 1
    """The IDCODE of the stream has gone in, and no frame."""
    FRAMES = 2
    """A frame was written."""


_LATER = {Phase.PROBE: 60, Phase.STREAM: 80, Phase.FRAMES: 60}
"""How many clocks after the begin of a phase a load is interrupted at most."""


class Bench:
    """The controller, its memory, its port and the pins between them.

    Attributes:
        port: the port's model, watched.
        written: the words that went into the port since the last load began.
        aborts: how often RDWRB was changed to abort since then.
        frames: how many frames were written since then.
        prdone: the levels that PRDONE has changed to since then.
    """

    def __init__(self, dut: Any, name: str) -> None:  # noqa: ANN401  # cocotb
        """Put memory to the controller and watch the pins."""
        self.dut = dut
        self.random = Random(f"{cocotb.RANDOM_SEED} {name}")
        self.dram = Dram()
        self._channels = serve(dut, self.dram, ["axi"], [])
        self._port: Any = dut.dut.configuration
        self.port = ConfigurationPort(self._port)
        self.written: list[int] = []
        self.aborts = 0
        self.frames = 0
        self.prdone: list[int] = []
        for wire in ("source", "words", "start", "abort", "loading", "pcap_owns"):
            getattr(dut, wire).value = 0
        cocotb.start_soon(self._watch_pins())
        Pauses(self._channels, self.random, _CLOCK_PS)

    @staticmethod
    async def begin(dut: Any, name: str) -> Bench:  # noqa: ANN401  # cocotb
        """Return the bench of a test, the controller reset."""
        bench = Bench(dut, name)
        await bench.reset()
        return bench

    async def reset(self) -> None:
        """Reset both halves of the controller; the port goes on."""
        self.dut.rst.value, self.dut.icap_rst.value = 1, 1
        await ClockCycles(self.dut.clk, 5)
        self.dut.rst.value, self.dut.icap_rst.value = 0, 0
        await ClockCycles(self.dut.clk, 2)

    async def start(self, address: int, words: int, loading: int = 1) -> None:
        """Give the start strobe of a load."""
        self.written.clear()
        self.aborts = 0
        self.frames = 0
        self.prdone.clear()
        self.port.loads.clear()
        self.dut.source.value, self.dut.words.value = address, words
        self.dut.loading.value = loading
        await self._strobe(self.dut.start)

    async def start_stream(self, stream: bytes, loading: int = 1) -> None:
        """Put a stream into memory and give the start strobe of its load."""
        await self.start(self.dram.place(stream), len(stream) // 4, loading)

    async def start_until(self, phase: Phase) -> None:
        """Start a load of some frames into partition 0, and return at random within a phase."""
        await self.start_stream(stream_of(ADD, 0, BOARD, _FRAMES))
        while self.phase < phase:
            await FallingEdge(self.dut.clk)
        for _ in range(self.random.randrange(_LATER[phase])):
            await FallingEdge(self.dut.clk)
        assert self.phase is phase
        assert self.dut.state.value == ConfigurationState.RUNNING

    @property
    def phase(self) -> Phase:
        """How far the load has come, by what went into the port."""
        if self.frames:
            return Phase.FRAMES
        return Phase.STREAM if BOARD.device.idcode in self.written else Phase.PROBE

    async def abort(self) -> None:
        """Give the abort strobe."""
        await self._strobe(self.dut.abort)

    async def end(self) -> ConfigurationError:
        """Wait for the end of a load, and return how it ended."""
        while self.dut.state.value == ConfigurationState.RUNNING:
            await FallingEdge(self.dut.clk)
        error = ConfigurationError(int(self.dut.error.value))
        done = self.dut.state.value == ConfigurationState.DONE
        assert done == (error is NONE)
        await Timer(20, "ns")  # the port's strobes come an ICAP clock later
        flags = self.port.flags()
        if ICAPE3:
            assert int(self._port.prerror.value) == (flags["crc_error"] | flags["id_error"])
        assert not fault(self.dut), fault(self.dut)
        return error

    async def load(self, stream: bytes, loading: int = 1) -> ConfigurationError:
        """Load a stream from memory, and return how it ended."""
        await self.start_stream(stream, loading)
        return await self.end()

    async def good(self, partition: int) -> None:
        """Load a good stream, which has to succeed, and check every word on the pins."""
        module = self.random.choice((SCALE, ADD, CLAMP))
        stream = stream_of(module, partition, BOARD)
        assert await self.load(stream, 1 << partition) is NONE
        found = [(load.partition, load.identity) for load in self.port.loads]
        assert found == [(partition, module.module_id)]
        assert not any(self.port.flags().values())
        # ICAPE2 has no such pin; a load before that broke off leaves it low until the next probe.
        assert self.prdone[-2:] == ([0, 1] if ICAPE3 else [])
        words = words_of(stream).tolist()
        words = words[words.index(SYNC) :]
        assert self.came(words), "the stream on the pins is not the stream in memory"

    def came(self, words: Sequence[int]) -> bool:
        """Tell whether words went into the port, one after the other."""
        first = [at for at, word in enumerate(self.written) if word == words[0]]
        return any(self.written[at : at + len(words)] == list(words) for at in first)

    async def _strobe(self, wire: Any) -> None:  # noqa: ANN401  # cocotb
        await FallingEdge(self.dut.clk)
        wire.value = 1
        await FallingEdge(self.dut.clk)
        wire.value = 0
        await FallingEdge(self.dut.clk)

    async def _watch_pins(self) -> None:
        """Check the rules of the pins at each edge: csib and rdwrb as the port sees them."""
        before, since, done = (1, 0), _ABORT_CLOCKS, 1
        await FallingEdge(self.dut.rst)
        while True:
            await FallingEdge(self._port.clk)
            await ReadOnly()
            self.frames += int(self._port.frame_written.value)
            if int(self._port.prdone.value) != done:
                done = int(self._port.prdone.value)
                self.prdone.append(done)
            csib, rdwrb = int(self._port.csib.value), int(self._port.rdwrb.value)
            if int(get_sim_time("ps")) < _POWER_UP_PS:
                assert csib, "the port was used before it had powered up"
            turned = (csib, rdwrb) != before and rdwrb != before[1]
            if turned and not csib and not before[0]:
                assert rdwrb, "RDWRB fell while CSIB was low"
                self.aborts += 1
                since = 0
            elif self.dut.icap_rst.value == 1:  # it may end an abort: the next load has its own
                since = _ABORT_CLOCKS
            elif since < _ABORT_CLOCKS:
                since += 1
                assert since >= _ABORT_CLOCKS or (csib, rdwrb) == (0, 1), "an abort was cut short"
            if not csib and not rdwrb:
                self.written.append(swapped(int(self._port.i.value)))
            before = (csib, rdwrb)


@test
async def good_streams(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """Good streams load, the first from the moment of the reset on; the pins carry each word."""
    bench = await Bench.begin(dut, "good")
    for partition in (0, 1, 0):
        await bench.good(partition)
    assert int(dut.idcode_readback.value) & IDCODE_MASK == BOARD.device.idcode & IDCODE_MASK


@test
async def broken_streams(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """What is wrong with a stream is named, nothing is loaded, and the next load is good."""
    bench = await Bench.begin(dut, "broken")
    await bench.good(1)
    for name in bench.random.sample(list(ERRORS), len(ERRORS)):
        stream, errors = broken_stream(name, SCALE, 0, bench.random, BOARD)
        error = await bench.load(stream)
        assert error in errors, f"{name} was called {error.name}"
        assert not bench.port.loads
        assert not bench.port.flags()["garbage"] & 2, "the neighbour was written to"
        if name in ("other-device", "no-sync", "wrong-partition"):
            assert not bench.frames, f"{name} wrote frames"
        if bench.random.random() < 0.4 or name == "wrong-partition":
            await bench.good(0)
    await bench.good(0)


@test
async def flips_anywhere(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """Whichever bit of a stream flips from the sync word to DESYNC, no module is loaded."""
    bench = await Bench.begin(dut, "flips")
    words = words_of(stream_of(SCALE, 0, BOARD))
    first, last = int(np.flatnonzero(words == SYNC)[0]), int(np.flatnonzero(words == DESYNC)[-1])
    for _ in range(FLIPS):
        at, broken = bench.random.randrange(first, last + 1), words.copy()
        broken[at] ^= np.uint32(1 << bench.random.randrange(32))
        error = await bench.load(broken.astype(">u4").tobytes())
        assert error is not NONE, f"a flip in word {at} was not noticed"
        assert not bench.port.loads, f"a flip in word {at} loaded a module"
        assert not bench.port.flags()["synced"], f"a flip in word {at} leaves the port listening"
    await bench.good(0)


@test
async def given_up_in_every_phase(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """A load that is aborted, or whose partition leaves LOADING, ends at once; the next is good."""
    bench = await Bench.begin(dut, "given up")
    landed: Counter[tuple[Phase, ConfigurationError]] = Counter()
    expected = (ConfigurationError.ABORTED, ConfigurationError.PARTITION)
    turns = [(phase, error) for phase in Phase for error in expected]
    for phase, error in bench.random.sample(turns, len(turns)):
        await bench.start_until(phase)
        written = len(bench.written)
        if error is ConfigurationError.ABORTED:
            await bench.abort()
        else:
            dut.loading.value = bench.random.choice((0, 2, 3))
        landed[phase, await bench.end()] += 1
        assert len(bench.written) - written < 70, "the stream went on after the abort"
        assert bench.aborts == 2 or phase is Phase.PROBE, "one before the probe, one at the end"
        assert not bench.port.loads
        assert not bench.port.flags()["synced"]
        assert bench.port.flags()["garbage"] & 1 or phase < Phase.FRAMES
        if bench.random.random() < 0.3:
            await bench.good(0)
    assert all(landed[turn] for turn in turns), f"landed: {landed}"
    await bench.good(0)


@test
async def aborted_around_the_end(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """An abort as a load ends comes in time or too late; a load that ended well has loaded."""
    bench = await Bench.begin(dut, "end")
    stream = stream_of(ADD, 0, BOARD)
    seen = set()
    for clocks in range(0, 120, 12):
        await bench.start_stream(stream)
        while not bench.frames:
            await FallingEdge(dut.clk)
        for _ in range(clocks):
            await FallingEdge(dut.clk)
        if dut.state.value == ConfigurationState.RUNNING:
            await bench.abort()
        error = await bench.end()
        assert error in (ConfigurationError.ABORTED, NONE)
        assert bench.port.loads or error is not NONE
        seen.add(error)
    assert seen == {ConfigurationError.ABORTED, NONE}
    await bench.good(0)


@test
async def refused(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """A load that must not begin writes no word of its stream."""
    bench = await Bench.begin(dut, "refused")
    stream = stream_of(ADD, 0, BOARD)
    address, words = bench.dram.place(stream), len(stream) // 4
    for where, length, loading, error in (
        (address, words, 0, ConfigurationError.PARTITION),
        (address, words, 3, ConfigurationError.PARTITION),
        (address + 8, words, 1, ConfigurationError.BUS),
        (1 << 40, words, 1, ConfigurationError.BUS),
        (BASE - 4096, words, 1, ConfigurationError.BUS),
        (address, 0, 1, ConfigurationError.INCOMPLETE),
    ):
        await bench.start(where, length, loading)
        assert await bench.end() is error
        assert not bench.frames
        assert not bench.port.loads
    dut.pcap_owns.value = 1
    await bench.start(address, words)
    assert await bench.end() is ConfigurationError.PORT
    assert not bench.came(words_of(stream).tolist()[:24])
    dut.pcap_owns.value = 0
    await bench.good(0)


@test
async def the_port_is_taken_away(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """The processor takes the port in any phase of a load: it fails, and a later one is good."""
    bench = await Bench.begin(dut, "taken")
    for phase in bench.random.sample(list(Phase), len(Phase)):
        await bench.start_until(phase)
        dut.pcap_owns.value = 1
        assert await bench.end() is ConfigurationError.PORT, phase.name
        assert not bench.port.loads
        dut.pcap_owns.value = 0
        await bench.good(0)


@test
async def reset_in_a_load(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """After a reset in any phase nothing of a load is left over."""
    bench = await Bench.begin(dut, "reset")
    for phase in bench.random.sample(list(Phase), len(Phase)):
        await bench.start_until(phase)
        await bench.reset()
        await RisingEdge(dut.clk)
        assert dut.state.value == ConfigurationState.IDLE
        await bench.good(0)
