"""Scenarios of the boundary: traffic that is held up or cut off, modules that misbehave."""

from __future__ import annotations

from fpga_rt.contract.command import Segment, address
from sim.mutations.rig import MEMORY_BYTES, SLOW, Rig
from sim.pacing import Pacing

_ERROR, _BABBLE, _BABBLE_LATER, _DEAF, _DEAF_LATER = 0xEE, 0xBB, 0xBC, 0xDD, 0xDE
_LEAVES_COMMAND, _LEAVES_PARAMETERS, _LEAVES_INPUT = 0xC1, 0xC2, 0xC3
_LEFT_INPUT = 20
"""Beats of input of which a module that leaves one takes all others."""


def decouple_in_traffic(rig: Rig) -> None:
    """A program whose partition is decoupled ends with an error, whatever was under way."""
    rig.swap(0)
    for clocks in (*range(0, 200, 40), *range(200, 620, 29)):
        rig.cut_off(0, 60, 3, clocks)
        rig.look()
        rig.partition(0, "control", decouple=0)
        rig.compute(0, 20)


def garbage_does_not_cross(rig: Rig) -> None:
    """While frames are written nothing of the partition is looked at, and the neighbour goes on."""
    rig.swap(1, 1)
    rig.swap(0, 0)
    rig.decouple(0)
    rig.partition(0, "load", begin=1)
    rig.begin(rig.stream_of(0, 1))
    rig.compute(1, 120, 2, repeat=2)
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


def back_pressure(rig: Rig) -> None:
    """Slow memories hold beats up in every stream, in both directions."""
    rig.swap(0)
    names = ("features_0_write", "features_0_read", "parameters_0", "control")
    for name in names:
        rig.pace(name, SLOW)
        rig.compute(0, 70, 2)
        rig.pace(name, Pacing(5))
    rig.compute(0, 120, 3, repeat=2)


def commands_without_parameters(rig: Rig) -> None:
    """Nothing but the command itself is waited for: its way through the boundary shows."""
    rig.swap(0)
    rig.with_parameters = False
    for beats in (1, 2, 9):
        rig.compute(0, beats, 6, repeat=3)


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
        rig.compute(0, 30, 2)
        rig.swap(0, 1)
        rig.compute(0, 30, 2)


def a_module_that_leaves_a_beat(rig: Rig) -> None:
    """A beat that nobody takes is held after the command has ended, until the wall is closed."""
    for asks in (_LEAVES_COMMAND, _LEAVES_PARAMETERS, _LEAVES_INPUT):
        rig.swap(0, 1)
        if asks == _LEAVES_INPUT:
            rig.instead = {"output_channels": 8 * (_LEFT_INPUT - 1)}
        rig.compute(0, _LEFT_INPUT, asks=asks)
        rig.instead = {}
        rig.look()
        rig.decouple(0)


def where_operands_lie(rig: Rig) -> None:
    """An operand outside of the memory is a bus error, whichever engine asks for it."""
    rig.swap(0)
    places = {
        "input": Segment.INPUT,
        "output": Segment.OUTPUT,
        "weights": Segment.WEIGHTS,
        "table": Segment.TABLES,
    }
    for field, segment in places.items():
        rig.instead = {field: address(segment, MEMORY_BYTES)}
        rig.compute(0, 20, 2)
        rig.look()
    rig.instead = {}
    rig.compute(0, 20, 2)


def a_module_that_babbles_later(rig: Rig) -> None:
    """A beat that it forced on the idle writer goes with the reset, not before."""
    for module in (0, 1):
        rig.swap(0, module)
        rig.compute(0, 20, asks=_BABBLE_LATER)
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
    rig.compute(0, 20)


def a_module_that_fails(rig: Rig) -> None:
    """The error of a module ends the program; the region is reset, the next one computes."""
    rig.swap(0)
    rig.compute(0, 40, 2, asks=_ERROR)
    rig.look()
    rig.compute(0, 40, 2)
    rig.submit(0, 40, 2)
    rig.run(230)
    rig.write("doorbell", abort=1)
    rig.await_program()
    rig.look()
    rig.compute(0, 40, 2)


def a_module_that_babbles(rig: Rig) -> None:
    """Beats that nobody asked for, and that change while offered, stay behind the decoupler."""
    rig.swap(0)
    rig.compute(0, 20, asks=_BABBLE)
    rig.look()
    rig.compute(0, 20)
    rig.decouple(0)
    for _ in range(4):
        rig.look()
        rig.run(11)
    rig.swap(0, 1)
    rig.compute(0, 20)
    rig.look()


def decouple_against_a_slow_memory(rig: Rig) -> None:
    """A beat that was offered to the writer stays until it is taken."""
    rig.swap(0)
    rig.pace("features_0_write", SLOW)
    for clocks in (200, 330, 351, 402, 503):
        rig.cut_off(0, 120, 2, clocks)
        rig.partition(0, "control", decouple=0)
    rig.look()
    rig.compute(0, 30)
