"""Configuration controller and configuration port, with a memory that pauses at random.

The tests stand in one simulation: the port is what the test before left it.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, ReadOnly, RisingEdge, Timer
from cocotb.utils import get_sim_time

from fpga_rt.arch.packets import SYNC
from fpga_rt.contract.static_region import ConfigurationError, ConfigurationState
from sim.benches.faults import fault
from sim.benches.memory import BASE, Dram, Pauses, serve
from sim.benches.streams import ERRORS, broken_stream, stream_of
from sim.benches.tops import bench_modules
from sim.reconfiguration import words_of
from sim.reconfiguration.port import ConfigurationPort, swapped

SCALE, ADD, CLAMP = bench_modules()
_CLOCK_PS = 7000
_POWER_UP_PS = 1_250_000
_ABORT_CLOCKS = 4
NONE = ConfigurationError.NONE

test = cocotb.test(timeout_time=2, timeout_unit="ms")


class Bench:
    """The controller, its memory, its port and the pins between them.

    Attributes:
        port: the port's model, watched.
        written: the words that went into the port since the last load began.
        aborts: how often RDWRB was changed to abort since then.
        frames: how many frames were written since then.
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
        for wire in ("source", "words", "start", "abort", "loading", "pcap_owns"):
            getattr(dut, wire).value = 0
        cocotb.start_soon(self._watch_pins())
        Pauses(self._channels, self.random, _CLOCK_PS)

    async def begin(self) -> None:
        """Reset the controller."""
        await self.reset()

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
        self.port.loads.clear()
        self.dut.source.value, self.dut.words.value = address, words
        self.dut.loading.value = loading
        await self._strobe(self.dut.start)

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
        assert not fault(self.dut), fault(self.dut)
        return error

    async def load(self, stream: bytes, loading: int = 1) -> ConfigurationError:
        """Load a stream from memory, and return how it ended."""
        await self.start(self.dram.place(stream), len(stream) // 4, loading)
        return await self.end()

    async def good(self, partition: int) -> None:
        """Load a good stream, which has to succeed, and check every word on the pins."""
        module = self.random.choice((SCALE, ADD, CLAMP))
        stream = stream_of(module, partition)
        assert await self.load(stream, 1 << partition) is NONE
        found = [(load.partition, load.identity) for load in self.port.loads]
        assert found == [(partition, module.module_id)]
        assert not any(self.port.flags().values())
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
        before, since = (1, 0), _ABORT_CLOCKS
        await FallingEdge(self.dut.rst)
        while True:
            await FallingEdge(self._port.clk)
            await ReadOnly()
            self.frames += int(self._port.frame_written.value)
            csib, rdwrb = int(self._port.csib.value), int(self._port.rdwrb.value)
            if int(get_sim_time("ps")) < _POWER_UP_PS:
                assert csib, "the port was used before it had powered up"
            turned = (csib, rdwrb) != before and rdwrb != before[1]
            if turned and not csib and not before[0]:
                assert rdwrb, "RDWRB fell while CSIB was low"
                self.aborts += 1
                since = 0
            elif since < _ABORT_CLOCKS:
                since += 1
                assert since >= _ABORT_CLOCKS or (csib, rdwrb) == (0, 1), "an abort was cut short"
            if not csib and not rdwrb:
                self.written.append(swapped(int(self._port.i.value)))
            before = (csib, rdwrb)


@test
async def good_streams(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """Good streams load, the first from the moment of the reset on; the pins carry each word."""
    bench = Bench(dut, "good")
    await bench.begin()
    for partition in (0, 1, 0):
        await bench.good(partition)
    device_id = int(dut.idcode_readback.value) & 0x0FFFFFFF
    assert device_id == 0x03727093


@test
async def broken_streams(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """What is wrong with a stream is named, nothing is loaded, and the next load is good."""
    bench = Bench(dut, "broken")
    await bench.begin()
    await bench.good(1)
    for name in bench.random.sample(list(ERRORS), len(ERRORS)):
        stream, errors = broken_stream(name, SCALE, 0, bench.random)
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
async def aborted_at_random(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """A load that is aborted, or whose partition leaves LOADING, ends at once; the next is good."""
    bench = Bench(dut, "aborted")
    await bench.begin()
    stream = stream_of(ADD, 0)
    for turn in range(6):
        await bench.start(bench.dram.place(stream), len(stream) // 4)
        await ClockCycles(dut.clk, bench.random.randrange(1, 500))
        if turn % 2:
            await bench.abort()
            expected = ConfigurationError.ABORTED
        else:
            dut.loading.value = bench.random.choice((0, 2, 3))
            expected = ConfigurationError.PARTITION
        written = len(bench.written)
        error = await bench.end()
        assert error in (expected, NONE)
        assert error is NONE or not bench.port.loads
        if error is not NONE:
            assert len(bench.written) - written < 70, "the stream went on after the abort"
    await bench.good(0)


@test
async def refused(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """A load that must not begin writes no word of its stream."""
    bench = Bench(dut, "refused")
    await bench.begin()
    stream = stream_of(ADD, 0)
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
    """The processor takes the port in the middle of a load: it fails, and a later one is good."""
    bench = Bench(dut, "taken")
    await bench.begin()
    stream = stream_of(ADD, 0)
    await bench.start(bench.dram.place(stream), len(stream) // 4)
    await ClockCycles(dut.clk, bench.random.randrange(1, 300))
    dut.pcap_owns.value = 1
    assert await bench.end() is ConfigurationError.PORT
    dut.pcap_owns.value = 0
    await bench.good(0)


@test
async def reset_in_a_load(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """After a reset at any moment nothing of a load is left over."""
    bench = Bench(dut, "reset")
    await bench.begin()
    stream = stream_of(ADD, 0)
    for _ in range(3):
        await bench.start(bench.dram.place(stream), len(stream) // 4)
        await ClockCycles(dut.clk, bench.random.randrange(1, 450))
        await bench.reset()
        await RisingEdge(dut.clk)
        assert dut.state.value == ConfigurationState.IDLE
        await bench.good(0)
