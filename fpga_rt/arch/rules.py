"""What streams of a kind and family may write: a list of what they need, not of what devices do.

The host holds a file against it (`bitstream.checks`), and the gateware every word on its way to the
port (`hw.static_region.stream_guard`).
"""

from __future__ import annotations

from dataclasses import dataclass

from fpga_rt.arch.families import SERIES7, ULTRASCALE, ULTRASCALE_PLUS, Family
from fpga_rt.arch.packets import Command, Register

IDCODE_MASK = 0x0FFFFFFF
"""The top nibble of an IDCODE is the revision of the silicon."""
MULTI_FRAME_BIT = 0x1000
"""Bit of CTL1 that is set while a stream has multi-frame writes."""
CLOCK_BIT = 0x20000
"""UltraScale+: bit of CTL1 that is set while clocks of columns are held or released."""
DEFAULT_OPTIONS = {
    SERIES7.name: (0x02003FE5, 0),
    ULTRASCALE.name: (0x38003FE5, 0x00400000),
    ULTRASCALE_PLUS.name: (0x38003FE5, 0x00400000),
}
"""COR0 and COR1, the start-up options, as Vivado writes them by default; so do all public files."""
_OWN_OPTIONS = (0x037E0FC0, 0xF)
"""Bits of COR0 and COR1 that a designer may choose without harm (UG470, tables for both): DONE_PIPE
and DRIVE_DONE, OSCFSEL of the master modes, MATCH_CYCLE and LOCK_CYCLE; page size and first read of
a parallel flash. The others choose the start-up clock, hold outputs or writes back for good, or let
a read-back CRC halt a device whose frames a partial has changed."""
NO_RESET = (50, 0xE00009BC)
"""7-series: which word of a reset mask frame has which value where nothing is reset."""
MOST_CRCS = 16
"""CRCs in a segment of a stream that may be loaded; the forms have three at most."""
SIMULATION_FRAMES = 4
"""Frames that a simulation bitstream writes, without the flush frame."""
REBUILD = "build or fetch the bitstream again"

ZERO_ONLY = (Register.TIMER, Register.WBSTAR, Register.RESERVED_13)
"""Settings that full streams write zero to: no watchdog, no other boot address."""

_COMMANDS = {
    Command.NULL,
    Command.WCFG,
    Command.MFW,
    Command.START,
    Command.RCRC,
    Command.GRESTORE,
    Command.SHUTDOWN,
    Command.DESYNC,
}
_REGISTERS = {
    Register.CRC,
    Register.FAR,
    Register.FDRI,
    Register.CMD,
    Register.CTL0,
    Register.MASK,
    Register.IDCODE,
    Register.MFWR,
    Register.CTL1,
}
_START_UP = {
    Register.COR0,
    Register.COR1,
    Register.TIMER,
    Register.WBSTAR,
    Register.RESERVED_13,
}
_MULTI_FRAME_WORDS = {SERIES7.name: (4, 8), ULTRASCALE.name: (7,), ULTRASCALE_PLUS.name: (14,)}


@dataclass(frozen=True)
class Rules:
    """What streams of one kind and family may write.

    `control` are the bits of CTL0 and CTL1 that may change; `options` has start-up options, their
    values and the bits of these that may differ; `full` asks what only full streams have to keep.
    """

    commands: frozenset[int]
    registers: frozenset[int]
    control: tuple[int, int]
    multi_frame_words: tuple[int, ...]
    options: tuple[tuple[Register, int, int], ...]
    full: bool


def rules_of(family: Family, full: bool) -> Rules:
    """Return the rules for full or partial streams of a family."""
    commands, registers = set(_COMMANDS), set(_REGISTERS)
    control = (0x500, MULTI_FRAME_BIT)
    if full:
        commands |= {Command.SWITCH, Command.LFRM}
        registers |= _START_UP
        control = (0x501, MULTI_FRAME_BIT)
    elif family is not SERIES7:
        commands |= {Command.AGHIGH, Command.LFRM, Command.RCAP}
        registers |= {Register.COR0}
        control = (0x500, MULTI_FRAME_BIT | CLOCK_BIT)
    cor0, cor1 = DEFAULT_OPTIONS[family.name]
    free = _OWN_OPTIONS if full else (0, 0)
    return Rules(
        frozenset(commands),
        frozenset(registers),
        control,
        _MULTI_FRAME_WORDS[family.name],
        (
            *((register, 0, 0) for register in ZERO_ONLY),
            (Register.COR0, cor0, free[0]),
            (Register.COR1, cor1, free[1]),
        ),
        full,
    )
