"""Scenarios of the configuration controller: loads that are refused, broken, given up, slow."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from fpga_rt.arch.packets import NOP, SYNC, Command, Register, type1
from fpga_rt.device.memory import DRAM_BASE
from sim.mutations.rig import MEMORY_BYTES, SLOW, STREAM, Rig, Words
from sim.pacing import Pacing

_BUS_ERROR = 0x1000


def crc_error(rig: Rig) -> None:
    """A flipped bit in a frame: CRC error, garbage, still decoupled, then a good load."""
    rig.swap(1, 1)
    rig.swap(0, 0)
    rig.decouple(0)
    for at in (100, 400, -20):
        words = rig.stream_of(0, 1)
        words[at] ^= 1 << 9
        rig.load(0, words)
        rig.partition(0, "control", decouple=0)
        rig.look()
        rig.compute(1, 30)
    rig.swap(0, 0)
    rig.compute(0, 30)


def nothing_or_too_much_is_loading(rig: Rig) -> None:
    """No load starts unless exactly one partition is LOADING."""
    rig.begin(rig.stream_of(0))
    rig.await_load()
    rig.partition(0, "load", begin=1)
    rig.partition(1, "load", begin=1)
    rig.begin(rig.stream_of(0))
    rig.await_load()
    rig.look()
    rig.begin_load(0, rig.stream_of(0))
    rig.write("configuration_control", start=1)
    rig.run(60)
    rig.write("configuration_source", value=DRAM_BASE + _BUS_ERROR)
    rig.write("configuration_words", value=3)
    rig.write("configuration_control", start=1)
    rig.await_load()
    rig.partition(0, "load", fail=1)
    rig.load(1, rig.stream_of(0))
    rig.load(0, rig.stream_of(1))
    rig.load(1, rig.stream_of(1))
    rig.look()


def the_processor_has_the_port(rig: Rig) -> None:
    """A load that cannot have the port, or loses it, is a PORT error."""
    rig.system.poke("pcap_owns", 1)
    rig.load(0, rig.stream_of(0))
    rig.system.poke("pcap_owns", 0)
    rig.swap(0)
    for clocks in (20, 60, 90, 500, 840, 869):
        rig.decouple(0)
        rig.begin_load(0, rig.stream_of(0))
        rig.run(clocks)
        rig.system.poke("pcap_owns", 1)
        rig.await_load()
        rig.system.poke("pcap_owns", 0)
        rig.partition(0, "load", fail=1)
        rig.look()
    rig.swap(0, 1)


def loading_ends_in_a_load(rig: Rig) -> None:
    """The host's word, or a second partition, in the middle of a load ends it."""
    for index, verb in ((0, "fail"), (0, "finish"), (1, "begin")):
        rig.begin_load(0, rig.stream_of(0))
        rig.run(400)
        rig.partition(index, "load", **{verb: 1})
        rig.await_load()
        for partition in (0, 1):
            rig.partition(partition, "load", fail=1)
        rig.look()


def two_reasons(rig: Rig) -> None:
    """Of two reasons to give a load up the first one counts."""
    for clocks in (0, 5, 10, 20, 30, 50, 300):
        for first in ("abort", "fail"):
            rig.begin_load(0, rig.stream_of(0))
            rig.run(clocks)
            if first == "fail":
                rig.partition(0, "load", fail=1)
            rig.write("configuration_control", abort=1)
            rig.partition(0, "load", fail=1)
            rig.await_load()


def resets_in_a_load(rig: Rig) -> None:
    """Each clock's reset may come in the middle of a load; the next load works."""
    for names in (("rst",), ("icap_rst",), ("rst", "icap_rst")):
        for clocks in (10, 60, 110, 400):
            rig.partition(0, "control", decouple=1)
            rig.begin_load(0, rig.stream_of(0))
            rig.run(clocks)
            for name in names:
                rig.system.poke(name, 1)
            rig.run(30)
            for name in names:
                rig.system.poke(name, 0)
            if "rst" in names:
                rig.begin_load(0, rig.stream_of(0))
            rig.await_load()
            rig.partition(0, "load", fail=1)
            rig.swap(0)
            rig.look()


def truncated_streams(rig: Rig) -> None:
    """A stream that stops anywhere is INCOMPLETE, and the next one finds a port that listens."""
    whole = rig.stream_of(0)
    for length in (0, 1, 5, 10, 11, 12, 18, 25, 26, 27, 28, 29, 30, 200, 531):
        rig.load(0, whole[:length])
    end = int(np.flatnonzero(whole == Command.DESYNC)[-1])
    for length in range(end - 6, min(end + 6, len(whole))):
        rig.load(0, whole[:length])
    rig.swap(0)
    rig.look()


def aborted_loads(rig: Rig) -> None:
    """A load that is given up ends soon, leaves the port desynchronised, and the next one works."""
    for clocks in (0, 1, 2, 3, 10, 33, 47, 59, 77, 90, 101, 140, 300, 701, 842, 869, 884, 905, 930):
        rig.begin_load(0, rig.stream_of(0))
        rig.run(clocks)
        rig.write("configuration_control", abort=1)
        rig.write("configuration_control", abort=1)
        rig.await_load()
        rig.partition(0, "load", fail=1)
    rig.swap(0)
    rig.compute(0, 20)
    rig.write("configuration_control", abort=1)
    rig.look()


def aborted_near_the_end(rig: Rig) -> None:
    """Given up in any clock before DESYNC no word of it goes in; after it, the load has ended."""
    for clocks in range(800, 930):
        rig.begin_load(0, rig.stream_of(0))
        rig.run(clocks)
        rig.write("configuration_control", abort=1)
        rig.await_load()
        rig.partition(0, "load", fail=1)


def aborted_before_the_port_listens(rig: Rig) -> None:
    """A load that waits for the port fills the buffer; given up, it leaves nothing of it behind."""
    rig.pace("configuration", Pacing(1))
    for length in (126, 128, 129, 140):
        for clocks in (40, 80, 110):
            rig.system.poke("icap_rst", 1)
            rig.run(4)
            rig.system.poke("icap_rst", 0)
            rig.partition(0, "load", begin=1)
            rig.begin(rig.stream_of(0)[:length])
            rig.run(clocks)
            rig.write("configuration_control", abort=1)
            rig.await_load()
            rig.partition(0, "load", fail=1)
            rig.swap(0)


def where_streams_lie(rig: Rig) -> None:
    """Every address and length: aligned or not, in memory or not."""
    words = rig.stream_of(0)
    for bit in range(64):
        _load_from(rig, words, (DRAM_BASE + STREAM) ^ (1 << bit), len(words))
    for bit in range(11, 32):
        _load_from(rig, words, DRAM_BASE + STREAM, 1 << bit)
    _load_from(rig, words, DRAM_BASE + MEMORY_BYTES - 256, 200)
    for offset in (64, 128, 0x1540, 0x2AAC0, 0x15540):
        rig.put(words, offset)
        _load_from(rig, words, DRAM_BASE + offset, len(words))


def _load_from(rig: Rig, words: Words, source: int, count: int) -> None:
    rig.partition(0, "load", begin=1)
    rig.put(words)
    rig.write("configuration_source", value=source)
    rig.write("configuration_words", value=count)
    rig.system.arm("configuration_running")
    rig.write("configuration_control", start=1)
    if rig.read("configuration_status")["state"] == 1:
        rig.run(700)
        rig.write("configuration_control", abort=1)
        rig.await_load()
    rig.note(dict(rig.read("configuration_status")))
    rig.partition(0, "load", fail=1)


def slow_bitstream_memory(rig: Rig) -> None:
    """The port waits for words, also in the middle of everything."""
    for pacing in (SLOW, Pacing(200), Pacing(3, Fraction(7, 3)), Pacing(1)):
        rig.pace("configuration", pacing)
        rig.swap(0)
        words = rig.stream_of(0, 1)
        words[300] ^= 1
        rig.decouple(0)
        rig.load(0, words)


def long_streams(rig: Rig) -> None:
    """Lengths of an odd number of words, of every number of bits that a partial needs."""
    for length in (0x8003,):
        words = np.full(length, NOP, np.uint32)
        words[1], words[-4:] = SYNC, (NOP, type1(Register.CMD, 1), Command.DESYNC, NOP)
        rig.pace("configuration", Pacing(2))
        rig.load(0, words)
