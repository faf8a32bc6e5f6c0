"""Scenarios of a swap: states, identity, region reset, and programs that need a module."""

from __future__ import annotations

from sim.mutations.rig import Rig


def good_swap(rig: Rig) -> None:
    """A module is loaded and computes, another one after it."""
    rig.look()
    for module in (0, 1):
        rig.swap(0, module)
        rig.compute(0, commands=2)
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
        rig.compute(0, 40)
    for reset in (1, 0):
        rig.partition(0, "control", decouple=0, reset=reset)
        rig.compute(0, 40)


def a_reset_forgets_everything(rig: Rig) -> None:
    """A reset of the static region resets its modules and takes none for known."""
    for module in (0, 1):
        rig.swap(0, module)
        rig.compute(0, 40)
        rig.system.poke("rst", 1)
        rig.run(30)
        rig.system.poke("rst", 0)
        rig.identify(0)
        rig.look()
        for verb in ("begin", "finish"):
            rig.partition(0, "load", **{verb: 1})
        rig.partition(0, "control", decouple=0)
        rig.identify(0)
        rig.compute(0, 40)


def programs_need_an_active_partition(rig: Rig) -> None:
    """A ring of a partition that is not ACTIVE ends at once."""
    rig.compute(0)
    rig.swap(0)
    rig.decouple(0)
    rig.compute(0)
    rig.look()
    rig.submit(0)
    rig.partition(0, "load", begin=1)
    rig.look()


def the_controller_has_the_word(rig: Rig) -> None:
    """While the controller runs the host neither begins nor finishes; its failures isolate."""
    for index, verb in ((0, "begin"), (0, "finish"), (1, "finish")):
        rig.swap(index)
        rig.decouple(index)
        rig.begin_load(index, rig.stream_of(index, 1))
        for clocks in (5, 100, 300):
            rig.run(clocks)
            rig.partition(index, "load", **{verb: 1})
            rig.partition(index, "control", decouple=0)
            rig.look()
        rig.write("configuration_control", abort=1)
        rig.await_load()
        rig.look()
        rig.partition(index, "load", finish=1)
        rig.partition(index, "control", decouple=0)
        rig.look()
    for partition in (0, 1):
        rig.partition(partition, "load", begin=1)
    rig.begin(rig.stream_of(0))
    rig.await_load()
    rig.look()
    rig.swap(0)
    rig.compute(0, 30)
