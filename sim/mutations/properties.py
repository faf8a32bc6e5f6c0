"""What a swap must never do: properties that need no intact design to compare with.

A property is a function of a `Rig` that says what was violated, in words, and nothing when all is
well. Two values are simulated: what is unknown in a device is garbage here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from fpga_rt.arch.packets import Opcode, Register, type1
from fpga_rt.contract.static_region import (
    ConfigurationError,
    PartitionState,
    SequencerError,
    partition_register,
)
from fpga_rt.device.memory import DRAM_BASE
from fpga_rt.errors import DeviceError
from sim.mutations.rig import MODULES, Rig

Property = Callable[[Rig], Iterator[str]]

GARBAGE = "garbage reached the static side"
WRONG_RESULT = "wrong result"
CRC_MISSED = "a wrong CRC was taken for a good load"
GOOD_REFUSED = "a good swap did not go well"
WRONG_CODE = "a fault was given another code"
BROKEN_OFF = "the simulation broke off"
_POLLS = 40


def garbage_stays_out(rig: Rig) -> Iterator[str]:
    """While frames are written, and after a broken load, the partition stays quiescent."""
    rig.swap(1, 1)
    if not rig.compute(1, 120, 2):
        yield f"{WRONG_RESULT}: a program of partition 1 did not end well with the other one idle"
    alone = rig.output()
    rig.swap(1, 1)  # it answers by what it was given since its reset
    rig.swap(0, 0)
    rig.decouple(0)
    words = rig.stream_of(0, 1)
    words[-100] ^= 1  # garbage goes on after the load
    rig.begin_load(0, words)
    rig.submit(1, 120, 2)
    seen = False
    for _ in range(_POLLS):
        rig.run(30)
        if not rig.system.peek("garbage") & 1:
            continue
        seen = True
        if not rig.read(partition_register(0, "status"))["quiescent"]:
            yield f"{GARBAGE}: partition 0 is decoupled and not quiescent while frames are written"
            break
    if not seen:
        yield "no garbage was driven: the scenario shows nothing"
    if not rig.await_program() or rig.output() != alone:
        yield f"{WRONG_RESULT}: the program of partition 1 ended in another way beside the load"


def a_good_swap_goes_well(rig: Rig) -> Iterator[str]:
    """A good stream ends without an error, its module answers by its name, and computes."""
    for module, identity in enumerate(MODULES):
        rig.decouple(0)
        error = rig.load(0, rig.stream_of(0, module))
        if error:
            yield f"{GOOD_REFUSED}: the load of module {module} ended with error {error}"
        for reset in (1, 0):
            rig.partition(0, "control", decouple=1, reset=reset)
        rig.partition(0, "control", decouple=0)
        state = rig.read(partition_register(0, "status"))["state"]
        if state != PartitionState.ACTIVE:
            yield f"{GOOD_REFUSED}: the partition is {_named(state)} after it was recoupled"
        (answer,) = rig.read(partition_register(0, "module_id")).values()
        if answer != identity:
            yield f"{GOOD_REFUSED}: identity {answer:#018x}, expected {identity:#018x}"
        if not rig.compute(0, 40, 2):
            yield f"{GOOD_REFUSED}: a program of module {module} did not end well"


def results_do_not_depend_on_the_past(rig: Rig) -> Iterator[str]:
    """A module that was swapped in answers the same whatever its registers held at the load."""
    found: dict[int, set[int]] = {0: set(), 1: set()}
    for module in (0, 1, 0, 1, 0):
        rig.swap(0, module)
        if not rig.compute(0, 40):
            yield f"{WRONG_RESULT}: the first program of module {module} did not end well"
        found[module].add(rig.output())
    for module, results in found.items():
        if len(results) > 1:
            count = len(results)
            yield f"{WRONG_RESULT}: module {module} made {count} different ones of the same data"


def a_wrong_crc_is_an_error(rig: Rig) -> Iterator[str]:
    """A flipped bit in a frame ends the load with an error and leaves the partition failed."""
    rig.swap(0, 0)
    rig.decouple(0)
    for at in (100, 400, -20):
        words = rig.stream_of(0, 1)
        words[at] ^= 1 << 9
        error = rig.load(0, words)
        state = rig.read(partition_register(0, "status"))["state"]
        if not error or state != PartitionState.FAILED:
            yield f"{CRC_MISSED}: a flip in word {at} gave error {error}, partition {_named(state)}"


def every_fault_has_its_code(rig: Rig) -> Iterator[str]:
    """A load that cannot be done ends with the error that the contract names for its reason."""
    good = rig.stream_of(0)
    (at,) = np.flatnonzero(good == type1(Register.IDCODE, 1))
    foreign, broken, refused = good.copy(), good.copy(), good.copy()
    foreign[at + 1] ^= 1
    broken[-100] ^= 1
    refused[at] = type1(Register.IDCODE, 1, Opcode.READ)
    streams = {
        ConfigurationError.IDCODE: foreign,
        ConfigurationError.CRC: broken,
        ConfigurationError.FORBIDDEN: refused,
        ConfigurationError.INCOMPLETE: good[: len(good) // 2],
        ConfigurationError.PARTITION: rig.stream_of(1),
    }
    for expected, words in streams.items():
        yield from _unexpected(rig.load(0, words), expected)
    rig.begin(good)  # no partition is LOADING
    yield from _unexpected(rig.await_load()["error"], ConfigurationError.PARTITION)
    rig.partition(0, "load", begin=1)
    rig.begin(good, source=DRAM_BASE - (1 << 20))
    yield from _unexpected(rig.await_load()["error"], ConfigurationError.BUS)
    rig.partition(0, "load", fail=1)
    rig.system.poke("pcap_owns", 1)
    yield from _unexpected(rig.load(0, good), ConfigurationError.PORT)
    rig.system.poke("pcap_owns", 0)
    if rig.compute(0, 40):
        yield f"{WRONG_CODE}: a program of a failed partition ended well"
    error = rig.read("sequencer_status")["error"]
    if error != SequencerError.PARTITION:
        yield f"{WRONG_CODE}: a program of a failed partition ended with error {error}"


def _unexpected(error: int, expected: ConfigurationError) -> Iterator[str]:
    if error != expected:
        yield f"{WRONG_CODE}: error {error}, expected {expected.value} ({expected.name})"


PROPERTIES: tuple[Property, ...] = (
    a_good_swap_goes_well,
    garbage_stays_out,
    results_do_not_depend_on_the_past,
    a_wrong_crc_is_an_error,
    every_fault_has_its_code,
)


def violations(library: Path, mutant: int, rule: Property) -> list[str]:
    """Return how a mutant of a library, 0 for none, violates a property.

    Raises:
        DeviceError: the simulation itself breaks off.
    """
    rig = Rig(library, mutant)
    try:
        return list(rule(rig))
    finally:
        rig.system.close()


def first_violation(library: Path, mutant: int) -> str | None:
    """Return what a mutant does that must never be, None where no property sees anything.

    A simulation that breaks off is such a thing too: the contract answers every access.
    """
    for rule in PROPERTIES:
        try:
            found = violations(library, mutant, rule)
        except DeviceError as error:
            return f"{BROKEN_OFF}: {error}"
        if found:
            return found[0]
    return None


def _named(state: int) -> str:
    """Return a state's name; a mutant may answer one that is none."""
    known = {member.value: member.name for member in PartitionState}
    return known.get(state, f"in the unknown state {state}")
