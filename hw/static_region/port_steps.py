"""The steps in which registers of the configuration port are read, and a load is aborted.

A step is a clock. All of them: abort what the port was in the middle of, sync, read a register,
desync. The abort alone ends a load that fails.

RDWRB may only change while CSIB is high; changing it while CSIB is low is how a load is aborted.

Ref: 7 Series FPGAs Configuration User Guide
Document: UG470, SelectMAP ABORT; Accessing Configuration Registers
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Value

from fpga_rt.arch.packets import DUMMY, NOP, SYNC, Command, Opcode, Register, type1, write

_ABORT_CYCLES, _READ_CYCLES, _ANSWER_CYCLES = 5, 8, 4


class Step(NamedTuple):
    """What the pins are driven to for a clock; word None stands for a read of the register."""

    csib: int
    rdwrb: int
    word: int | None = DUMMY


_ABORT = (Step(0, 0, NOP), *[Step(0, 1)] * _ABORT_CYCLES, Step(1, 1), Step(1, 0))
_ASK = tuple(Step(0, 0, word) for word in (DUMMY, SYNC, NOP, None, NOP, NOP))
_READ = (
    *(Step(1, 0), Step(1, 1)),
    *[Step(0, 1)] * _READ_CYCLES,
    *[Step(1, 1)] * _ANSWER_CYCLES,
    Step(1, 0),
)
_DESYNC = tuple(Step(0, 0, w) for w in (NOP, *write(Register.CMD, Command.DESYNC), NOP, NOP))
STEPS = (*_ABORT, *_ASK, *_READ, *_DESYNC, Step(1, 0))
ABORT_END = len(_ABORT) - 1
_FIRST_ANSWER = len(_ABORT) + len(_ASK) + 3
_LAST_ANSWER = _FIRST_ANSWER + _READ_CYCLES + _ANSWER_CYCLES - 2
USUAL_ANSWER = _FIRST_ANSWER + 4
"""The third read clock, and the registers on the way out and in."""


def csib_at(step: Value) -> Value:
    """Return the level of CSIB at a step."""
    return _table((s.csib for s in STEPS), step)


def rdwrb_at(step: Value) -> Value:
    """Return the level of RDWRB at a step."""
    return _table((s.rdwrb for s in STEPS), step)


def word_at(step: Value, register: Value, registers: tuple[Register, Register]) -> Value:
    """Return the word at a step when one of two registers is read."""
    reads = (type1(each, 1, Opcode.READ) for each in registers)
    words = [[read if s.word is None else s.word for s in STEPS] for read in reads]
    padded = [*words[0], *[0] * ((1 << len(step)) - len(STEPS)), *words[1]]
    at = Cat(step, register)
    return Cat(_table((word >> n & 1 for word in padded), at) for n in range(32))


def answers_at(step: Value) -> Value:
    """Tell whether the value of a register may be there at a step."""
    return _table((_FIRST_ANSWER <= n <= _LAST_ANSWER for n in range(len(STEPS))), step)


def _table(levels: Iterable[int], place: Value) -> Value:
    return Const(sum(level << n for n, level in enumerate(levels)), 1 << len(place)).bit_select(
        place, 1
    )
