"""What a swap must never do: properties that need no intact design to compare with.

A property is a function of a `Rig` that says what was violated, in words, and nothing when all is
well. Two values are simulated: what is unknown in a device is garbage here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from fpga_rt.contract.static_region import PartitionState, partition_register
from sim.mutations.rig import Rig

Property = Callable[[Rig], Iterator[str]]

GARBAGE = "garbage reached the static side"
WRONG_RESULT = "wrong result"
CRC_MISSED = "a wrong CRC was taken for a good load"
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
        state = PartitionState(rig.read(partition_register(0, "status"))["state"])
        if not error or state is not PartitionState.FAILED:
            yield f"{CRC_MISSED}: a flip in word {at} gave error {error}, partition {state.name}"


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
