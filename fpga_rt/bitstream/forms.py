"""The order in which whole streams do things: one line for each form that is accepted.

A CRC tells whether what lies between two CRCs is intact, not whether it is there at all: without
this list a stream could lose a CRC together with all that it covers. What differs between good
streams of a form is left out: NULL, WCFG, MFW and RCAP, and how many runs frames come in.

The forms are those of public files of Vivado 2017 to 2025, and of `fpga_rt.bitstream.build`, which
writes the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np

from fpga_rt.arch.families import SERIES7, ULTRASCALE, ULTRASCALE_PLUS, Family
from fpga_rt.bitstream.expand import RESET_MASK
from fpga_rt.bitstream.packets import Command, Register
from fpga_rt.bitstream.rules import CLOCK_BIT
from fpga_rt.bitstream.segments import Segment, last_before
from fpga_rt.bitstream.stream import ConfigurationStream
from fpga_rt.bitstream.walk import Indices

Form = tuple[str, ...]


class Step(NamedTuple):
    """One step of a stream: what it does, and the word where it begins."""

    name: str
    word: int


PLAIN: Form = tuple("SYNC RCRC frames CRC DESYNC".split())
RESTARTED: Form = tuple("SYNC RCRC frames GRESTORE START CRC DESYNC".split())
RESET: Form = tuple(
    "SYNC RCRC mask CRC SHUTDOWN CRC frames GRESTORE START CRC DESYNC".split()  # 7-series
)
_CLOCKS: Form = tuple("SYNC RCRC clocks CRC DESYNC".split())
FOUR_SEGMENTS: Form = (
    *_CLOCKS,
    *"SYNC RCRC SHUTDOWN CRC AGHIGH CRC DESYNC".split(),
    *"SYNC RCRC SHUTDOWN CRC frames GRESTORE LFRM START CRC DESYNC".split(),
    *_CLOCKS,
)
FULL: Form = tuple("SYNC RCRC SWITCH frames CRC GRESTORE LFRM START CRC DESYNC".split())
PARTIAL: dict[str, tuple[Form, ...]] = {
    SERIES7.name: (PLAIN, RESTARTED, RESET),
    ULTRASCALE.name: (PLAIN, RESTARTED),
    ULTRASCALE_PLUS.name: (PLAIN, RESTARTED, FOUR_SEGMENTS),
}

_UNORDERED = (Command.NULL, Command.WCFG, Command.MFW, Command.RCAP)
_END = "the end"
_CRC, _FRAMES, _CLOCKED, _MASK = range(1_000, 1_004)
_NAMES = {
    **{int(command): command.name for command in Command},
    **{_CRC: "CRC", _FRAMES: "frames", _CLOCKED: "clocks", _MASK: "mask"},
}
"""Names of steps by number: of a command its value, which `checks` knows to be one of these."""


class Departure(NamedTuple):
    """Where a stream departs from every form: at which word, what is there, what had to be."""

    word: int
    got: str
    expected: str


def departure(stream: ConfigurationStream, family: Family, full: bool) -> Departure | None:
    """Return where a stream departs from the forms of its kind and family, None if nowhere."""
    forms = (FULL,) if full else PARTIAL[family.name]
    steps = (_steps(segment, family) for segment in stream.segments)
    end = Step(_END, len(stream.words))
    for index, step in enumerate(chain(chain.from_iterable(steps), [end])):
        wanted = {form[index] if index < len(form) else _END for form in forms}
        if step.name not in wanted:
            return Departure(step.word, step.name, " or ".join(sorted(wanted)))
        forms = tuple(form for form in forms if form[index : index + 1] in ((step.name,), ()))
    return None


def _steps(segment: Segment, family: Family) -> Iterator[Step]:
    """Yield the steps of a segment; frames of one sort in a row are one step."""
    packets = segment.packets
    numbers = np.full(len(packets), -1)
    numbers[packets.to(Register.CRC)] = _CRC
    commands = packets.to(Register.CMD)
    numbers[commands] = packets.value[commands]
    numbers[packets.commands(*_UNORDERED)] = -1
    sent = np.concatenate([packets.to(Register.FDRI), packets.to(Register.MFWR)])
    numbers[sent] = _sorts(segment, family)[sent]
    steps = np.flatnonzero(numbers >= 0)
    found = numbers[steps]
    again = np.append(False, found[1:] == found[:-1])[: len(found)] & (found > _CRC)
    yield Step("SYNC", segment.start - 1)
    for index in steps[~again].tolist():
        yield Step(_NAMES[int(numbers[index])], int(packets.at[index]))


def _sorts(segment: Segment, family: Family) -> Indices:
    """Return (n,): for each packet the number of the sort of frames that it would write."""
    packets = segment.packets
    high, low = family.address.block_type
    block_types = segment.frame_addresses >> low & ((1 << (high - low + 1)) - 1)
    controls = last_before(packets.to(Register.CTL1), len(packets))
    clocked = (controls >= 0) & (packets.value[controls] & CLOCK_BIT != 0)
    return np.where(block_types == RESET_MASK, _MASK, np.where(clocked, _CLOCKED, _FRAMES))
