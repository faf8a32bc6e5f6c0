"""The order in which whole streams do things: one line for each form that is accepted.

A CRC tells whether what lies between two CRCs is intact, not whether it is there at all: without
this list a stream could lose a CRC together with all that it covers, or the control bit that keeps
a reset within its region. Nor does a CRC cover what a full stream writes before it starts one. What
differs between good streams of a form is left out: WCFG, MFW, RCAP and, under a CRC, NULL, and how
many runs frames come in.

The forms are those of public files of Vivado 2017 to 2025, and of `fpga_rt.bitstream.build`, which
writes the same. Steps are named in them as follows:

- `frames`, `mask`, `clocks`: frame data; of the reset mask, or that holds or releases clocks;
- `CTL0[100]=0`: a write of a control register, with its mask, both hexadecimal;
- `FAR[0]`, `end`: an address without frame data behind it, `end` that of the family;
- `SYNC`, `CRC`, start-up options, IDCODE and commands by their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np

from fpga_rt.arch.families import SERIES7, ULTRASCALE, ULTRASCALE_PLUS, Family
from fpga_rt.arch.packets import Command, Register
from fpga_rt.arch.rules import CLOCK_BIT, MULTI_FRAME_BIT
from fpga_rt.bitstream.expand import RESET_MASK
from fpga_rt.bitstream.segments import Segment, last_before
from fpga_rt.bitstream.stream import ConfigurationStream
from fpga_rt.bitstream.walk import Indices, Packets

Form = tuple[str, ...]


class Step(NamedTuple):
    """One step of a stream: what it does, and the word where it begins."""

    name: str
    word: int


def _form(steps: str) -> Form:
    return tuple(steps.split())


_SET, _CLEAR = "CTL1[1000]=1000", "CTL1[1000]=0"
_CLOCKS = """
    SYNC RCRC IDCODE CTL0[500]=400 CTL1[20000]=20000 clocks CTL1[20000]=0 end CRC DESYNC
"""
_SHUTDOWN = "SYNC RCRC IDCODE COR0 SHUTDOWN CRC AGHIGH end CRC DESYNC"

PLAIN = _form("SYNC RCRC IDCODE frames CRC DESYNC")
COMPRESSED = _form(f"SYNC RCRC IDCODE {_SET} frames {_CLEAR} CRC DESYNC")


def _reset(before: str = "", after: str = "") -> Form:
    """Return the 7-series form that resets a region."""
    return _form(f"""
        SYNC RCRC IDCODE mask CRC SHUTDOWN CRC CTL0[100]=100 CTL0[400]=400 {before} frames
        GRESTORE CTL0[100]=0 {after} START end CRC DESYNC
    """)


def _four_segments(before: str = "", after: str = "") -> Form:
    """Return the UltraScale+ form that resets a region."""
    return _form(f"""
        {_CLOCKS} {_SHUTDOWN}
        SYNC RCRC IDCODE COR0 SHUTDOWN CRC CTL0[500]=500 CTL1[20000]=0 {before} frames
        GRESTORE CTL0[100]=0 LFRM {after} START end CRC DESYNC
        {_CLOCKS}
    """)


def _full(address: str, control: str, before: str, after: str, closing: str) -> Form:
    return _form(f"""
        SYNC TIMER WBSTAR NULL RCRC {address} RESERVED_13 COR0 COR1 IDCODE SWITCH {control} {before}
        frames CRC GRESTORE LFRM {after} START end {closing} CRC DESYNC
    """)


_MULTI_FRAME = (("CTL1[0]=0", ""), (_SET, _CLEAR), (f"CTL1[0]=0 {_SET}", _CLEAR))
"""What comes before the frames and before START of a full stream, without and with multi-frame
writes; the last is a stream that `fpga_rt.bitstream.shrink` made smaller."""
_FULL_PLUS = tuple(_full("FAR[0]", "CTL0[1]=101", *pair, "CTL0[101]=101") for pair in _MULTI_FRAME)
FULL: dict[str, tuple[Form, ...]] = {
    SERIES7.name: tuple(
        _full("", "CTL0[401]=501", *pair, "CTL0[501]=501") for pair in _MULTI_FRAME
    ),
    ULTRASCALE.name: _FULL_PLUS,
    ULTRASCALE_PLUS.name: _FULL_PLUS,
}
PARTIAL: dict[str, tuple[Form, ...]] = {
    SERIES7.name: (PLAIN, COMPRESSED, _reset(), _reset(_SET, _CLEAR)),
    ULTRASCALE.name: (PLAIN, COMPRESSED),
    ULTRASCALE_PLUS.name: (PLAIN, COMPRESSED, _four_segments(), _four_segments(_SET, _CLEAR)),
}

_UNORDERED = (Command.NULL, Command.WCFG, Command.MFW, Command.RCAP)
_END = "the end"
_CRC, _FRAMES, _CLOCKED, _MASK, _UNSET = range(1_000, 1_005)
_PLAIN_REGISTERS = 2_000
_OPTIONS = (
    Register.TIMER,
    Register.WBSTAR,
    Register.RESERVED_13,
    Register.COR0,
    Register.COR1,
    Register.IDCODE,
)
"""Registers whose values `checks` looks at: here it is enough that they are written."""
_NAMES = {
    **{int(command): command.name for command in Command},
    **{_CRC: "CRC", _FRAMES: "frames", _CLOCKED: "clocks", _MASK: "mask"},
    _UNSET: f"multi-frame writes without {_SET}",
    **{_PLAIN_REGISTERS + register: register.name for register in _OPTIONS},
}
"""Names of steps by number: of a command its value, which `checks` knows to be one of these, of a
register in `_OPTIONS` its number above `_PLAIN_REGISTERS`."""
_REGISTER_SHIFT, _MASK_SHIFT = 50, 32
"""Steps of other registers are numbered by register, mask (`checks` allows bits below 18) and
value."""


class Departure(NamedTuple):
    """Where a stream departs from every form: at which word, what is there, what had to be."""

    word: int
    got: str
    expected: str


def departure(stream: ConfigurationStream, family: Family, full: bool) -> Departure | None:
    """Return where a stream departs from the forms of its kind and family, None if nowhere."""
    forms = (FULL if full else PARTIAL)[family.name]
    steps = (_steps(segment, family) for segment in stream.segments)
    end = Step(_END, len(stream.words))
    for index, step in enumerate(chain(chain.from_iterable(steps), [end])):
        wanted = {form[index] if index < len(form) else _END for form in forms}
        if step.name not in wanted:
            return Departure(step.word, step.name, " or ".join(sorted(wanted)))
        forms = tuple(form for form in forms if form[index : index + 1] in ((step.name,), ()))
    return None


def is_plain(stream: ConfigurationStream, family: Family) -> bool:
    """Tell whether a stream has the plain form."""
    steps = chain.from_iterable(_steps(segment, family) for segment in stream.segments)
    return tuple(step.name for step in steps) == PLAIN


def _steps(segment: Segment, family: Family) -> Iterator[Step]:
    """Yield the steps of a segment; runs of frames in a row are one step."""
    packets = segment.packets
    numbers = np.full(len(packets), -1, np.int64)
    numbers[packets.to(Register.CRC)] = _CRC
    commands = packets.to(Register.CMD)
    numbers[commands] = packets.value[commands]
    numbers[_unordered(packets)] = -1
    for register in _OPTIONS:
        numbers[packets.to(register)] = _PLAIN_REGISTERS + register
    sent = np.concatenate([packets.to(Register.FDRI), packets.to(Register.MFWR)])
    numbers[sent] = _sorts(segment, family)[sent]
    for register in (Register.CTL0, Register.CTL1):
        controls = packets.to(register)
        masks = packets.value[last_before(packets.to(Register.MASK), len(packets))[controls]]
        numbers[controls] = _number(register, masks, packets.value[controls])
    unused = _unused_addresses(packets)
    numbers[unused] = _number(Register.FAR, np.zeros(len(unused), np.int64), packets.value[unused])
    steps = np.flatnonzero(numbers >= 0)
    found = numbers[steps]
    collapsed = np.isin(found, (_FRAMES, _CLOCKED))
    again = np.append(False, found[1:] == found[:-1])[: len(found)] & collapsed
    yield Step("SYNC", segment.start - 1)
    for index in steps[~again].tolist():
        yield Step(_name(int(numbers[index]), family), int(packets.at[index]))


def _unordered(packets: Packets) -> Indices:
    """Return the indices of the commands that forms leave out: NULL only once a CRC covers it."""
    chosen = packets.commands(*_UNORDERED)
    starts = packets.commands(Command.RCRC)
    bare = chosen < starts[0] if len(starts) else np.ones(len(chosen), np.bool_)
    unordered: Indices = chosen[~bare | (packets.value[chosen] != Command.NULL)]
    return unordered


def _number(register: Register, masks: Indices, values: Indices) -> Indices:
    """Return (n,): the numbers of steps that write `values` under `masks` to a register."""
    numbers: Indices = (int(register) << _REGISTER_SHIFT) | masks << _MASK_SHIFT | values
    return numbers


def _name(number: int, family: Family) -> str:
    """Return the name of a step, as forms have it."""
    if number in _NAMES:
        return _NAMES[number]
    register = Register(number >> _REGISTER_SHIFT)
    mask, value = (number & ((1 << _REGISTER_SHIFT) - 1)) >> _MASK_SHIFT, number & 0xFFFFFFFF
    if register != Register.FAR:
        return f"{register.name}[{mask:X}]={value:X}"
    return "end" if value == family.end_address else f"FAR[{value:X}]"


def _unused_addresses(packets: Packets) -> Indices:
    """Return the indices of the writes of FAR that no frame data follows before the next one."""
    fars = packets.to(Register.FAR)
    sent = np.concatenate([packets.to(Register.FDRI), packets.to(Register.MFWR)])
    used = np.searchsorted(np.sort(sent), np.append(fars, len(packets)))
    unused: Indices = fars[np.diff(used) == 0]
    return unused


def _sorts(segment: Segment, family: Family) -> Indices:
    """Return (n,): for each packet the number of the sort of frames that it would write."""
    packets = segment.packets
    high, low = family.address.block_type
    block_types = segment.frame_addresses >> low & ((1 << (high - low + 1)) - 1)
    controls = last_before(packets.to(Register.CTL1), len(packets))
    control = np.where(controls >= 0, packets.value[controls], 0)
    unset = (packets.register == Register.MFWR) & (control & MULTI_FRAME_BIT == 0)
    sorts = np.where(unset, _UNSET, np.where(control & CLOCK_BIT, _CLOCKED, _FRAMES))
    return np.where(block_types == RESET_MASK, _MASK, sorts)
