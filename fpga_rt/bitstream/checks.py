"""Holds a segment against the rules, packet by packet.

Each check looks at all packets of a segment at once and names the first that breaks it; the one
that comes first in the file is the reason of the refusal.

Two rules are about CRCs. *Every write is checked*: between a CRC and the next CMD RCRC or DESYNC
there is no write, so that each is followed by a CRC that matches before the segment ends. And *a
full stream checks before it starts*: no frame data between a CRC and the next GRESTORE or START.
Partials of Vivado restore and start the region before their last CRC, so the second rule cannot be
asked of them; since a file is verified whole before a word of it is sent, the first is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import Device
from fpga_rt.arch.packets import NOP, Command, Opcode, Register
from fpga_rt.arch.rules import IDCODE_MASK, REBUILD, ZERO_ONLY, Rules
from fpga_rt.bitstream.expand import frames_at
from fpga_rt.bitstream.segments import Segment, last_before
from fpga_rt.bitstream.stream import ConfigurationStream
from fpga_rt.bitstream.walk import Indices, Packets

_NUMBERS = 1 << 5


class Refusal(NamedTuple):
    """Why a stream is refused: what is wrong at which word, what to do about it."""

    word: int
    what: str
    got: str
    expected: str
    step: str = REBUILD


def refusal(
    stream: ConfigurationStream, segment: Segment, device: Device, rules: Rules
) -> Refusal | None:
    """Return why a segment is refused, None if it keeps all rules: the first fault in the file."""
    checked = _Checked(stream, segment, device, rules)
    faults = [fault for check in _CHECKS if (fault := check(checked)) is not None]
    return min(faults, key=lambda fault: fault.word, default=None)


@dataclass(frozen=True, eq=False)
class _Checked:
    """A segment under rules, and what several checks ask of it."""

    stream: ConfigurationStream
    segment: Segment
    device: Device
    rules: Rules

    @property
    def packets(self) -> Packets:
        """The packets of the segment."""
        return self.segment.packets

    @cached_property
    def writes(self) -> Indices:
        """Indices of the packets that write."""
        return np.flatnonzero(self.packets.writes)

    @cached_property
    def command_before(self) -> Indices:
        """(n,): for each packet the last command before it, -1 for none."""
        commands = self.packets.to(Register.CMD)
        last = last_before(commands, len(self.packets))
        return np.where(last < 0, -1, self.packets.value[last])

    @cached_property
    def sent(self) -> Indices:
        """Indices of the packets that write frames: data and multi-frame writes."""
        both = (self.segment.data, self.packets.to(Register.MFWR))
        return np.sort(np.concatenate(both))

    @cached_property
    def repeated(self) -> Indices:
        """Indices of the frame data that a multi-frame command follows."""
        following = np.searchsorted(self.writes, self.segment.data, side="right")
        after = np.append(self.writes, len(self.packets))[following]
        orders = self.packets.commands(Command.MFW)
        return self.segment.data[np.isin(after, orders)] if len(orders) else orders

    def since(self, resets: Indices, ends: Indices, events: Indices) -> tuple[int, int] | None:
        """Return the first of `ends` with an event since the last of `resets`, and that event."""
        before = np.append(resets, -1)[np.searchsorted(resets, ends) - 1]
        event = np.append(events, len(self.packets))[np.searchsorted(events, before, side="right")]
        wrong = np.flatnonzero((event < ends) & (before >= 0))
        return (int(ends[wrong[0]]), int(event[wrong[0]])) if len(wrong) else None

    def at(self, index: int) -> int:
        """Return the word of a packet's header."""
        return int(self.packets.at[index])


def _first(chosen: Indices) -> int | None:
    return int(chosen[0]) if len(chosen) else None


@cache
def _member(numbers: Collection[int]) -> NDArray[np.bool_]:
    """Return (32,): which register or command numbers are among `numbers`."""
    return np.isin(np.arange(_NUMBERS), list(numbers))


def _names(chosen: frozenset[int], names: type[Register] | type[Command]) -> str:
    return ", ".join(sorted(names(value).name for value in chosen))


def _header(c: _Checked) -> Refusal | None:
    """Only NOPs and writes, with no stray bit."""
    p = c.packets
    count = p.stop - p.start
    type1 = 1 << 29 | int(Opcode.WRITE) << 27 | p.register << 13 | count
    type2 = 2 << 29 | int(Opcode.WRITE) << 27 | count
    canonical = np.where(p.opcode == Opcode.NOP, NOP, np.where(p.type == 2, type2, type1))
    headers = c.stream.words[p.at]
    index = _first(np.flatnonzero((headers != canonical) | (p.type == 0)))
    if index is None:
        return None
    expected = f"0x{int(canonical[index]):08X}"
    return Refusal(c.at(index), "packet header", f"0x{int(headers[index]):08X}", expected)


def _register(c: _Checked) -> Refusal | None:
    """Only the registers that such a stream needs."""
    p = c.packets
    allowed = _member(c.rules.registers)[p.register]
    index = _first(np.flatnonzero((p.opcode == Opcode.WRITE) & ~allowed))
    if index is None:
        return None
    expected = f"one of {_names(c.rules.registers, Register)}"
    return Refusal(c.at(index), "write", f"register {int(p.register[index])}", expected)


def _length(c: _Checked) -> Refusal | None:
    """One word to every register but those of frame data."""
    p = c.packets
    count = p.stop - p.start
    many = _member((Register.FDRI, Register.MFWR))[p.register]
    one = (p.opcode == Opcode.WRITE) & (p.type == 1) & ~many
    index = _first(np.flatnonzero(one & (count != 1)))
    return (
        None
        if index is None
        else Refusal(c.at(index), "write", f"{int(count[index])} words", "1 word")
    )


def _type2(c: _Checked) -> Refusal | None:
    """A type 2 packet carries frame data and follows an empty type 1 header."""
    p = c.packets
    empty = (p.type == 1) & (p.opcode == Opcode.WRITE) & (p.stop == p.start)
    follows = np.append(False, empty[:-1] & (p.stop[:-1] == p.at[1:]))[: len(p)]
    stray = (p.type == 2) & ~(follows & (p.register == Register.FDRI))
    index = _first(np.flatnonzero(stray & (p.opcode == Opcode.WRITE)))
    expected = "one that follows an empty type 1 header of FDRI"
    return None if index is None else Refusal(c.at(index), "type 2 packet", "a stray one", expected)


def _opening(c: _Checked) -> Refusal | None:
    """The CRC is started before anything that it has to cover."""
    p = c.packets
    resets = p.commands(Command.RCRC)
    early = c.writes[c.writes < resets[0]] if len(resets) else c.writes
    if c.rules.full:
        harmless = _member(ZERO_ONLY)[p.register[early]]
        early = early[~harmless & ~np.isin(early, p.commands(Command.NULL))]
    index = _first(early)
    if index is None:
        return None
    number = int(p.register[index])
    known = number in set(Register)
    got = f"0x{int(p.value[index]):08X} to {Register(number).name if known else number}"
    return Refusal(c.at(index), "first write", got, "CMD RCRC, which starts the CRC at 0")


def _crc(c: _Checked) -> Refusal | None:
    """Every CRC matches."""
    p, computed = c.packets, c.segment.computed
    crcs = p.to(Register.CRC)
    wrong = _first(np.flatnonzero(p.value[crcs] != computed))
    if wrong is None:
        return None
    got, due = int(p.value[crcs[wrong]]), int(computed[wrong])
    expected = f"0x{due:08X} from the words before it"
    return Refusal(int(p.start[crcs[wrong]]), "CRC", f"0x{got:08X}", expected)


def _unchecked(c: _Checked) -> Refusal | None:
    """Every write is followed by a CRC before the CRC starts anew or the segment ends."""
    p = c.packets
    resets = np.sort(np.concatenate([p.to(Register.CRC), p.commands(Command.RCRC)]))
    found = c.since(resets, p.commands(Command.RCRC, Command.DESYNC), c.writes)
    if found is None:
        return None
    end, write = found
    name = Command(int(p.value[end])).name
    since = c.stream.byte(c.at(write))
    return Refusal(c.at(end), name, f"writes since byte {since} without a CRC", "a CRC first")


def _reset_once(c: _Checked) -> Refusal | None:
    """The CRC is started once in a segment."""
    index = _first(c.packets.commands(Command.RCRC)[1:])
    return None if index is None else Refusal(c.at(index), "RCRC", "a second one", "one")


def _start(c: _Checked) -> Refusal | None:
    """A full stream checks its frame data before it starts the device."""
    if not c.rules.full:
        return None
    p = c.packets
    resets = np.sort(np.concatenate([p.to(Register.CRC), p.commands(Command.RCRC)]))
    found = c.since(resets, p.commands(Command.GRESTORE, Command.START), c.sent)
    if found is None:
        return None
    end, data = found
    since = c.stream.byte(c.at(data))
    name = Command(int(p.value[end])).name
    return Refusal(c.at(end), name, f"frame data since byte {since} without a CRC", "a CRC first")


def _command(c: _Checked) -> Refusal | None:
    """Only the commands that such a stream needs."""
    p = c.packets
    commands = p.to(Register.CMD)
    known = _member(c.rules.commands)[np.minimum(p.value[commands], _NUMBERS - 1)]
    strange = commands[~known]
    index = _first(strange)
    if index is None:
        return None
    expected = f"one of {_names(c.rules.commands, Command)}"
    return Refusal(int(p.start[index]), "command", f"{int(p.value[index])}", expected)


def _addressed(c: _Checked) -> Refusal | None:
    """Frame data follows IDCODE and a FAR of its own."""
    p, sent = c.packets, c.sent
    index = _first(sent[sent < (_first(p.to(Register.IDCODE)) or len(p))])
    if index is not None:
        return Refusal(c.at(index), "frame data", "no IDCODE", "one before it")
    named = np.diff(np.searchsorted(p.to(Register.FAR), sent), prepend=0) > 0
    held = (p.register[sent] == Register.MFWR) & np.append(
        False, p.register[sent[:-1]] == Register.FDRI
    )[: len(sent)]
    index = _first(sent[~named & ~held])
    return None if index is None else Refusal(c.at(index), "frame data", "no FAR", "one before it")


def _commanded(c: _Checked) -> Refusal | None:
    """Frame data is sent under CMD WCFG, multi-frame writes under CMD MFW."""
    p, sent = c.packets, c.sent
    due = np.where(p.register[sent] == Register.MFWR, int(Command.MFW), int(Command.WCFG))
    given = c.command_before[sent]
    wrong = _first(np.flatnonzero(given != due))
    if wrong is None:
        return None
    expected = f"CMD {Command(int(due[wrong])).name} before it"
    return Refusal(c.at(int(sent[wrong])), "frame data", f"command {int(given[wrong])}", expected)


def _frames(c: _Checked) -> Refusal | None:
    """Frame data is whole frames, of which the last is a flush frame or is written repeatedly."""
    p, data, size = c.packets, c.segment.data, c.device.family.frame_words
    count = p.stop[data] - p.start[data]
    once = ~np.isin(data, c.repeated) if len(c.repeated) else np.ones(len(data), np.bool_)
    short = (count < 2 * size) & once
    index = _first(np.flatnonzero((count % size != 0) | short))
    if index is not None:
        expected = f"2 or more frames of {size} words, as {c.device.family} has them"
        got = f"{int(count[index]):,} words"
        return Refusal(c.at(int(data[index])), "frame data", got, expected)
    flush = p.stop[data[once]] - size
    return _nonzero(c, "flush frame", flush, size)


def _held(c: _Checked) -> Refusal | None:
    """MFW follows the frame data that it repeats, and repeats it before anything else is done."""
    p, writes = c.packets, c.writes
    orders = p.commands(Command.MFW)
    before = np.searchsorted(writes, orders) - 1
    follows = (before >= 0) & (p.register[writes[before]] == Register.FDRI)
    index = _first(orders[~follows])
    if index is not None:
        return Refusal(c.at(index), "command MFW", "no frame to repeat", "frame data before it")
    others = writes[p.register[writes] != Register.FAR]
    behind = np.append(others, len(p))[np.searchsorted(others, orders, side="right")]
    repeats = np.append(p.register, -1)[behind] == Register.MFWR
    index = _first(orders[~repeats])
    if index is None:
        return None
    expected = "one before any other write but FAR"
    return Refusal(c.at(index), "command MFW", "no multi-frame write", expected)


def _repeats(c: _Checked) -> Refusal | None:
    """Multi-frame writes carry zeros, as many as the family needs."""
    p = c.packets
    repeats = p.to(Register.MFWR)
    count = p.stop[repeats] - p.start[repeats]
    index = _first(np.flatnonzero(~np.isin(count, c.rules.multi_frame_words)))
    if index is not None:
        expected = " or ".join(str(size) for size in c.rules.multi_frame_words)
        got = f"{int(count[index])} words"
        return Refusal(c.at(int(repeats[index])), "multi-frame write", got, expected)
    for size in c.rules.multi_frame_words:
        found = _nonzero(c, "multi-frame write", p.start[repeats[count == size]], size)
        if found is not None:
            return found
    return None


def _nonzero(c: _Checked, what: str, starts: Indices, size: int) -> Refusal | None:
    """Refuse the first word that is not 0 of what begins at `starts` and has `size` words."""
    wrong = _first(np.flatnonzero(frames_at(c.stream.words, starts, size).any(axis=1)))
    if wrong is None:
        return None
    start = int(starts[wrong])
    at = start + int(np.flatnonzero(c.stream.words[start : start + size])[0])
    return Refusal(at, what, f"0x{int(c.stream.words[at]):08X}", "0")


def _idcode(c: _Checked) -> Refusal | None:
    """Every IDCODE is that of the device."""
    p = c.packets
    idcodes = p.to(Register.IDCODE)
    index = _first(idcodes[((p.value[idcodes] ^ c.device.idcode) & IDCODE_MASK) != 0])
    if index is None:
        return None
    name = c.device.name
    return Refusal(
        int(p.start[index]),
        "IDCODE",
        f"0x{int(p.value[index]):08X}",
        f"0x{c.device.idcode:08X} of {name}",
        f"build the bitstream for {name}",
    )


def _masked(c: _Checked) -> Refusal | None:
    """Control registers are written under a mask of their own."""
    p = c.packets
    controls = np.flatnonzero(p.writes & _member((Register.CTL0, Register.CTL1))[p.register])
    before = np.searchsorted(c.writes, controls) - 1
    masked = p.register[c.writes[before]] == Register.MASK
    index = _first(controls[(before < 0) | ~masked])
    if index is None:
        return None
    name = Register(int(p.register[index])).name
    return Refusal(c.at(index), name, "no MASK", "MASK before it")


def _mask(c: _Checked) -> Refusal | None:
    """MASK belongs to a control register, and only bits that such a stream needs are changed."""
    p = c.packets
    masks = p.to(Register.MASK)
    following = np.append(c.writes, c.writes[-1:])[np.searchsorted(c.writes, masks) + 1]
    index = _first(masks[~_member((Register.CTL0, Register.CTL1))[p.register[following]]])
    if index is not None:
        return Refusal(c.at(index), "MASK", "no control register", "CTL0 or CTL1 behind it")
    bits = np.where(p.register[following] == Register.CTL1, c.rules.control[1], c.rules.control[0])
    wrong = _first(np.flatnonzero(p.value[masks] & ~bits))
    if wrong is None:
        return None
    got, expected = int(p.value[masks[wrong]]), f"bits of 0x{int(bits[wrong]):X} only"
    return Refusal(int(p.start[masks[wrong]]), "MASK", f"0x{got:08X}", expected)


def _options(c: _Checked) -> Refusal | None:
    """No watchdog, no boot address, and start-up options that do no harm."""
    p = c.packets
    found = []
    for register, due, free in c.rules.options:
        written = p.to(register)
        for index in written[(p.value[written] ^ due) & ~free != 0][:1].tolist():
            expected = f"0x{due:08X}" + (f", but for bits of 0x{free:X}" if free else "")
            got = f"0x{int(p.value[index]):08X}"
            found.append(Refusal(int(p.start[index]), register.name, got, expected))
    return min(found, default=None)


_CHECKS: tuple[Callable[[_Checked], Refusal | None], ...] = (
    _header,
    _register,
    _length,
    _type2,
    _opening,
    _command,
    _idcode,
    _masked,
    _mask,
    _options,
    _addressed,
    _commanded,
    _frames,
    _held,
    _repeats,
    _crc,
    _unchecked,
    _reset_once,
    _start,
)
