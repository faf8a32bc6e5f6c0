"""What a swap has to do, and what it must survive: each scenario on a board fresh from reset.

A scenario is a function of a `Rig`; what it shows is what the rig wrote down, with times. They are
about the behaviour that `contract.static_region` and `contract.boundary` promise.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from fpga_rt.arch.packets import NOP, SYNC, Command, Register, type1
from fpga_rt.device.memory import DRAM_BASE
from sim.mutations.bad_streams import BAD_STREAMS
from sim.mutations.rig import MEMORY_BYTES, STREAM, Rig, Words
from sim.pacing import Pacing

_SLOW = Pacing(30, Fraction(9))
_BUS_ERROR = 0x1000
_ERROR, _BABBLE, _BABBLE_LATER, _DEAF, _DEAF_LATER = 0xEE, 0xBB, 0xBC, 0xDD, 0xDE


def good_swap(rig: Rig) -> None:
    """A module is loaded and computes, another one after it."""
    rig.look()
    for module in (0, 1):
        rig.swap(0, module)
        rig.submit(0, commands=2)
        rig.await_program()
        rig.look()


def identity(rig: Rig) -> None:
    """The identity is read while decoupled and while coupled, and is 0 before any load."""
    rig.identify(0)
    rig.partition(0, "load", begin=1)
    rig.partition(0, "load", fail=1)
    rig.identify(0)
    for module in (0, 1):
        rig.swap(0, module)
        rig.identify(0)


def states(rig: Rig) -> None:
    """Every write of control and load in every state has its effect or none."""
    control = [{"decouple": d, "reset": r} for d in (0, 1) for r in (0, 1)]
    for prepare in range(5):
        for name, fields in (
            *(("load", {verb: 1}) for verb in ("begin", "finish", "fail")),
            *(("control", fields) for fields in control),
        ):
            _prepare(rig, prepare)
            rig.partition(0, name, **fields)
            rig.note(dict(rig.read("partition0_status")), dict(rig.read("partition0_control")))
            rig.partition(0, "control", decouple=1)
            rig.note(dict(rig.read("partition0_status")))


def _prepare(rig: Rig, state: int) -> None:
    """Bring partition 0 to one of its states from any other: empty only at the very first."""
    if not state:
        return
    rig.partition(0, "control", decouple=1)
    rig.partition(0, "load", begin=1)
    if state in (2, 3):
        rig.partition(0, "load", finish=1)
    if state == 3:
        rig.partition(0, "control", decouple=0)
    if state == 4:
        rig.partition(0, "load", fail=1)
    rig.note(dict(rig.read("partition0_status")))


def a_word_too_early(rig: Rig) -> None:
    """That a partition is to be connected counts when it is said, and not later."""
    rig.partition(0, "control", decouple=0)
    rig.look()
    rig.partition(0, "load", begin=1)
    rig.look()
    rig.partition(0, "load", finish=1)
    rig.look()
    rig.run(20)
    rig.partition(0, "control", decouple=0)
    rig.look()


def region_reset_after_a_load(rig: Rig) -> None:
    """A module whose registers hold anything computes right only after a reset."""
    for module in (0, 1, 0):
        rig.swap(0, module)
        rig.submit(0, 40)
        rig.await_program()
    rig.partition(0, "control", decouple=0, reset=1)
    rig.submit(0, 40)
    rig.await_program()
    rig.partition(0, "control", decouple=0)
    rig.submit(0, 40)
    rig.await_program()


def back_pressure(rig: Rig) -> None:
    """Slow memories hold beats up in every stream, in both directions."""
    rig.swap(0)
    names = ("features_0_write", "features_0_read", "parameters_0", "control")
    for name in names:
        rig.pace(name, _SLOW)
        rig.submit(0, 70, 2)
        rig.await_program()
        rig.pace(name, Pacing(5))
    rig.submit(0, 120, 3, repeat=2)
    rig.await_program()


def commands_without_parameters(rig: Rig) -> None:
    """Nothing but the command itself is waited for: its way through the boundary shows."""
    rig.swap(0)
    rig.with_parameters = False
    for beats in (1, 2, 9):
        rig.submit(0, beats, 6, repeat=3)
        rig.await_program()


def a_module_that_takes_nothing(rig: Rig) -> None:
    """What it was offered and did not take is dropped, and no later module sees it."""
    rig.swap(0)
    for commands, asks in ((1, _DEAF), (3, _DEAF), (1, _DEAF_LATER), (4, _DEAF_LATER)):
        rig.submit(0, 60, commands, asks=asks)
        rig.run(1500)
        rig.look()
        rig.decouple(0)
        rig.await_program()
        rig.partition(0, "control", decouple=0)
        rig.submit(0, 30, 2)
        rig.await_program()
        rig.swap(0, 1)
        rig.submit(0, 30, 2)
        rig.await_program()


def a_module_that_babbles_later(rig: Rig) -> None:
    """A beat that it forced on the idle writer goes with the reset, not before."""
    for module in (0, 1):
        rig.swap(0, module)
        rig.submit(0, 20, asks=_BABBLE_LATER)
        rig.await_program()
        rig.look()
        rig.run(1200)
        rig.look()
        rig.partition(0, "control", decouple=1)
        rig.look()
        rig.partition(0, "load", begin=1)
        rig.look()
        rig.partition(0, "control", decouple=1, reset=1)
        rig.look()
    rig.swap(0, 0)
    rig.submit(0, 20)
    rig.await_program()


def long_streams(rig: Rig) -> None:
    """Lengths of an odd number of words, of every number of bits that a partial needs."""
    for length in (0x8003,):
        words = np.full(length, NOP, np.uint32)
        words[1], words[-4:] = SYNC, (NOP, type1(Register.CMD, 1), Command.DESYNC, NOP)
        rig.pace("configuration", Pacing(2))
        rig.load(0, words)


def garbage_does_not_cross(rig: Rig) -> None:
    """While frames are written nothing of the partition is looked at, and the neighbour goes on."""
    rig.swap(1, 1)
    rig.swap(0, 0)
    rig.decouple(0)
    rig.partition(0, "load", begin=1)
    rig.begin(rig.stream_of(0, 1))
    rig.submit(1, 120, 2, repeat=2)
    rig.await_program()
    for _ in range(4):
        rig.note(dict(rig.read("partition0_status")), dict(rig.read("partition1_status")))
        rig.run(150)
    rig.await_load()
    rig.partition(0, "load", finish=1)
    rig.partition(0, "control", decouple=1, reset=1)
    rig.look()
    rig.partition(0, "control", decouple=0)
    rig.submit_all({0: 2, 1: 2})
    rig.await_program()
    rig.look()


def decouple_in_traffic(rig: Rig) -> None:
    """A program whose partition is decoupled ends with an error, whatever was under way."""
    rig.swap(0)
    for clocks in (*range(0, 200, 40), *range(200, 620, 29)):
        rig.submit(0, 60, 3)
        rig.run(clocks)
        rig.decouple(0)
        rig.await_program()
        rig.look()
        rig.partition(0, "control", decouple=0)
        rig.submit(0, 20)
        rig.await_program()


def decouple_against_a_slow_memory(rig: Rig) -> None:
    """A beat that was offered to the writer stays until it is taken."""
    rig.swap(0)
    rig.pace("features_0_write", _SLOW)
    for clocks in (200, 330, 351, 402, 503):
        rig.submit(0, 120, 2)
        rig.run(clocks)
        rig.decouple(0)
        rig.await_program()
        rig.partition(0, "control", decouple=0)
    rig.look()
    rig.submit(0, 30)
    rig.await_program()


def a_module_that_babbles(rig: Rig) -> None:
    """Beats that nobody asked for, and that change while offered, stay behind the decoupler."""
    rig.swap(0)
    rig.submit(0, 20, asks=_BABBLE)
    rig.await_program()
    rig.look()
    rig.submit(0, 20)
    rig.await_program()
    rig.decouple(0)
    for _ in range(4):
        rig.look()
        rig.run(11)
    rig.swap(0, 1)
    rig.submit(0, 20)
    rig.await_program()
    rig.look()


def a_module_that_fails(rig: Rig) -> None:
    """The error of a module ends the program; the region is reset, the next one computes."""
    rig.swap(0)
    rig.submit(0, 40, 2, asks=_ERROR)
    rig.await_program()
    rig.look()
    rig.submit(0, 40, 2)
    rig.await_program()
    rig.submit(0, 40, 2)
    rig.run(230)
    rig.write("doorbell", abort=1)
    rig.await_program()
    rig.look()
    rig.submit(0, 40, 2)
    rig.await_program()


def programs_need_an_active_partition(rig: Rig) -> None:
    """A ring of a partition that is not ACTIVE ends at once."""
    rig.submit(0)
    rig.await_program()
    rig.swap(0)
    rig.decouple(0)
    rig.submit(0)
    rig.await_program()
    rig.look()
    rig.submit(0)
    rig.partition(0, "load", begin=1)
    rig.look()


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
        rig.submit(1, 30)
        rig.await_program()
    rig.swap(0, 0)
    rig.submit(0, 30)
    rig.await_program()


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
        rig.partition(0, "load", begin=1)
        rig.begin(rig.stream_of(0))
        rig.run(clocks)
        rig.write("configuration_control", abort=1)
        rig.write("configuration_control", abort=1)
        rig.await_load()
        rig.partition(0, "load", fail=1)
    rig.swap(0)
    rig.submit(0, 20)
    rig.await_program()
    rig.write("configuration_control", abort=1)
    rig.look()


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


def loading_ends_in_a_load(rig: Rig) -> None:
    """The host's word, or a second partition, in the middle of a load ends it."""
    for index, verb in ((0, "fail"), (0, "finish"), (1, "begin")):
        rig.partition(0, "load", begin=1)
        rig.begin(rig.stream_of(0))
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
            rig.partition(0, "load", begin=1)
            rig.begin(rig.stream_of(0))
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
            rig.partition(0, "load", begin=1)
            rig.begin(rig.stream_of(0))
            rig.run(clocks)
            for name in names:
                rig.system.poke(name, 1)
            rig.run(30)
            for name in names:
                rig.system.poke(name, 0)
            if "rst" in names:
                rig.partition(0, "load", begin=1)
                rig.begin(rig.stream_of(0))
            rig.await_load()
            rig.partition(0, "load", fail=1)
            rig.swap(0)
            rig.look()


def nothing_or_too_much_is_loading(rig: Rig) -> None:
    """No load starts unless exactly one partition is LOADING."""
    rig.begin(rig.stream_of(0))
    rig.await_load()
    rig.partition(0, "load", begin=1)
    rig.partition(1, "load", begin=1)
    rig.begin(rig.stream_of(0))
    rig.await_load()
    rig.partition(1, "load", fail=1)
    rig.begin(rig.stream_of(0))
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


def the_processor_has_the_port(rig: Rig) -> None:
    """A load that cannot have the port, or loses it, is a PORT error."""
    rig.system.poke("pcap_owns", 1)
    rig.load(0, rig.stream_of(0))
    rig.system.poke("pcap_owns", 0)
    rig.swap(0)
    for clocks in (20, 60, 90, 500, 840, 869):
        rig.decouple(0)
        rig.partition(0, "load", begin=1)
        rig.begin(rig.stream_of(0))
        rig.run(clocks)
        rig.system.poke("pcap_owns", 1)
        rig.await_load()
        rig.system.poke("pcap_owns", 0)
        rig.partition(0, "load", fail=1)
        rig.look()
    rig.swap(0, 1)


def slow_bitstream_memory(rig: Rig) -> None:
    """The port waits for words, also in the middle of everything."""
    for pacing in (_SLOW, Pacing(200), Pacing(3, Fraction(7, 3)), Pacing(1)):
        rig.pace("configuration", pacing)
        rig.swap(0)
        words = rig.stream_of(0, 1)
        words[300] ^= 1
        rig.decouple(0)
        rig.load(0, words)


SCENARIOS: tuple[Callable[[Rig], None], ...] = (
    good_swap,
    identity,
    states,
    a_word_too_early,
    region_reset_after_a_load,
    programs_need_an_active_partition,
    decouple_in_traffic,
    garbage_does_not_cross,
    back_pressure,
    crc_error,
    commands_without_parameters,
    a_module_that_takes_nothing,
    a_module_that_babbles_later,
    a_module_that_fails,
    a_module_that_babbles,
    decouple_against_a_slow_memory,
    nothing_or_too_much_is_loading,
    the_processor_has_the_port,
    loading_ends_in_a_load,
    two_reasons,
    resets_in_a_load,
    *BAD_STREAMS,
    truncated_streams,
    aborted_loads,
    aborted_before_the_port_listens,
    where_streams_lie,
    slow_bitstream_memory,
    long_streams,
)
