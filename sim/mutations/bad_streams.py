"""Scenarios about streams that must not go through the controller: each rule of the guard.

Streams are short: sync, IDCODE, the packets in question, CRC, DESYNC.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import NamedTuple

import numpy as np

from fpga_rt.arch.devices import Device
from fpga_rt.arch.packets import DUMMY, NOP, SYNC, Command, Opcode, Register, type1, type2
from fpga_rt.bitstream.writer import StreamWriter
from hw.static_region.frame_windows import far_windows
from sim.mutations.rig import Rig, Words
from sim.pacing import Pacing

_FRAME_WORDS = 101


class Write(NamedTuple):
    """A packet that writes words to a register; `long`: by a type 2 header."""

    register: int
    words: tuple[int, ...]
    long: bool = False


Item = Write | int
"""A packet, or a word as it is."""

_WCFG = Write(Register.CMD, (Command.WCFG,))
_RCRC = Write(Register.CMD, (Command.RCRC,))
_MFW = Write(Register.CMD, (Command.MFW,))
_LONG = type1(Register.FDRI, 0)
_CONTENT = tuple(range(_FRAME_WORDS))


def idcodes(rig: Rig) -> None:
    """A stream for another device writes nothing; the revision is not compared."""
    for bit in range(32):
        _load(rig, *_frame(rig), idcode=1 << bit)
    _send(rig, (SYNC, NOP, *_frame(rig)), finish=True)


def registers_and_commands(rig: Rig) -> None:
    """Only registers and commands of partial bitstreams pass."""
    for register in range(32):
        for count in (0, 1, 2):
            _load(rig, type1(register, count), *(0,) * count)
    for command in (*range(33), *(1 << bit for bit in range(5, 32))):
        _load(rig, Write(Register.CMD, (command,)))


def headers(rig: Rig) -> None:
    """Every bit of a header, and of the words where no packet is expected."""
    for bit in range(32):
        _load(rig, type1(Register.CMD, 1) ^ 1 << bit, 0)
        _load(rig, NOP ^ 1 << bit)
        _load(rig, type2(1) ^ 1 << bit, 0)
        _after_desync(rig, NOP ^ 1 << bit)
        _send(rig, (SYNC ^ 1 << bit, DUMMY, NOP), finish=True)
    _after_desync(rig, NOP, NOP, NOP)
    _after_desync(rig, SYNC, NOP)
    _send(rig, (SYNC, SYNC, DUMMY), finish=True)
    _send(rig, (NOP, SYNC, NOP), finish=True)
    _load(rig, type1(Register.STAT, 1, Opcode.READ))


def control_registers(rig: Rig) -> None:
    """CTL0 and CTL1 are written under harmless masks only."""
    for register in (Register.CTL0, Register.CTL1):
        for mask in (0, 0x500, 0x1500, 0x1000, *(1 << bit for bit in range(32))):
            _load(rig, Write(Register.MASK, (mask,)), Write(register, (mask,)))
        _load(rig, Write(register, (0,)))


def frame_addresses(rig: Rig) -> None:
    """Addresses at both ends of everything that a partition has, and beside it."""
    for index in (0, 1):
        for low, high, _ in _windows(rig, index):
            for far in sorted({low - 1, low, high, high + 1}):
                _load(rig, Write(Register.FAR, (far,)), index=index)
        for low, _, _ in _windows(rig, 1 - index)[:3]:
            _load(rig, Write(Register.FAR, (low,)), index=index)


def bits_of_frame_addresses(rig: Rig) -> None:
    """Every address that differs in one bit from the first or last one of a column."""
    for index, (low, high, _) in [(n, w) for n in (0, 1) for w in _windows(rig, n)]:
        for bit in range(7, 32):
            for far in (low, high) if bit % 2 else (high, low):
                _load(rig, Write(Register.FAR, (far ^ 1 << bit,)), index=index)


def frame_counts(rig: Rig) -> None:
    """Frame data follows a FAR of its own and is no longer than what its window has from there."""
    windows = _windows(rig)
    for index, (low, high, most) in [(n, w) for n in (0, 1) for w in _windows(rig, n)]:
        for minor in sorted({0, high - low, *(1 << n for n in range(7) if low + (1 << n) <= high)}):
            if most:
                left = most - _FRAME_WORDS * minor
                _announce(rig, low + minor, left, index)
                _announce(rig, low + minor, left + 1, index)
    low, _, most = windows[0]
    for bit in range(27):
        _announce(rig, low, 1 << bit)
        _announce(rig, low, most ^ 1 << bit)
    _announce(rig, windows[-1][0], 1)
    far = Write(Register.FAR, (low,))
    for count in (most - 40, most - 80):
        first = Write(Register.FDRI, (0,) * 40)
        _load(rig, far, first, type2(count), far, _LONG, NOP, type2(1), 0, finish=False)


def frame_counts_of_a_slow_memory(rig: Rig) -> None:
    """What a word does it does once, however long the next one takes."""
    low, _, most = _windows(rig)[0]
    for pacing in (Pacing(30, Fraction(9)), Pacing(200), Pacing(1)):
        rig.pace("configuration", pacing)
        for nops in range(18):
            before = (NOP,) * nops
            for count in (most, most + 1):
                far = Write(Register.FAR, (low,))
                _load(rig, _WCFG, far, *before, _LONG, type2(count), *range(40), finish=False)


def packets_of_frames(rig: Rig) -> None:
    """What may follow what: FAR, frame data, type 2, multi-frame writes."""
    parts: dict[str, tuple[Item, ...]] = {
        "far": (Write(Register.FAR, (_first_far(rig),)),),
        "frame": (Write(Register.FDRI, _CONTENT),),
        "long frame": (Write(Register.FDRI, _CONTENT, long=True),),
        "part": (Write(Register.FDRI, _CONTENT[:-1]),),
        "mfw": (_MFW,),
        "mfwr": (Write(Register.MFWR, (0, 0, 0, 0)),),
        "no mfwr": (type1(Register.MFWR, 0),),
        "end": (Write(Register.FAR, (rig.board.device.family.end_address,)),),
        "long": (_LONG,),
        "nothing": (type2(0),),
    }
    pairs: list[tuple[str, ...]] = [("far", a, b) for a in parts for b in parts]
    for names in (
        *pairs,
        ("frame",),
        ("mfwr",),
        ("far", "frame", "mfw", "mfwr", "mfwr"),
        ("far", "frame", "mfw", "mfwr", "far", "mfwr", "far", "mfwr", "mfwr"),
        ("far", "frame", "far", "mfwr"),
        ("far", "frame", "end", "mfwr"),
    ):
        _load(rig, _WCFG, *(item for name in names for item in parts[name]))


def segments(rig: Rig) -> None:
    """A second segment starts with nothing allowed."""
    bodies: tuple[tuple[Item, ...], ...] = (
        _frame(rig),
        (Write(Register.FDRI, _CONTENT),),
        (Write(Register.CTL0, (0,)),),
        (Write(Register.MFWR, (0,)),),
        (type2(4),),
    )
    idcode = Write(Register.IDCODE, (rig.board.device.idcode,))
    before = (
        *(Write(Register.MASK, (0x500,)), Write(Register.CTL0, (0x500,))),
        *(*_frame(rig), Write(Register.FAR, (_first_far(rig),)), _LONG),
        *(Write(Register.CMD, (Command.DESYNC,)), NOP, NOP, NOP),
    )
    for body in bodies:
        for begin in ((SYNC, _RCRC, idcode), (SYNC,), (DUMMY, SYNC)):
            _load(rig, *before, *begin, *body)


def _announce(rig: Rig, far: int, count: int, index: int = 0) -> None:
    """Name an address and a length, and stop there."""
    address = Write(Register.FAR, (far,))
    _load(rig, _WCFG, address, _LONG, type2(count), 1, 2, 3, finish=False, index=index)


def _windows(rig: Rig, index: int = 0) -> list[tuple[int, int, int]]:
    """Return lowest and highest address, and the most words, of each window of a partition."""
    found = far_windows(rig.board.device, rig.board.partitions[index])
    return [(window.low, window.high, window.words) for window in found]


def _first_far(rig: Rig) -> int:
    return _windows(rig)[0][0]


def _frame(rig: Rig) -> tuple[Item, ...]:
    """Return the packets of a frame of partition 0 and a flush frame."""
    flush = (0,) * _FRAME_WORDS
    return _WCFG, Write(Register.FAR, (_first_far(rig),)), Write(Register.FDRI, _CONTENT + flush)


def _load(rig: Rig, *items: Item, idcode: int = 0, finish: bool = True, index: int = 0) -> None:
    """Load a short stream into a partition; `idcode` is what is wrong with its IDCODE."""
    identity = Write(Register.IDCODE, (rig.board.device.idcode ^ idcode,))
    _send(rig, (DUMMY, SYNC, NOP, _RCRC, identity, *items), finish=finish, index=index)


def _after_desync(rig: Rig, *words: int) -> None:
    _send(rig, (SYNC, Write(Register.CMD, (Command.DESYNC,)), NOP, *words), finish=False)


def _send(rig: Rig, items: tuple[Item, ...], *, finish: bool, index: int = 0) -> None:
    """Load items into a partition; `finish`: with a CRC and DESYNC behind them."""
    rig.load(index, _words(rig.board.device, items, finish))


@cache
def _words(device: Device, items: tuple[Item, ...], finish: bool) -> Words:
    """Return the words of a stream, kept for the next mutant."""
    writer = StreamWriter(device.family)
    for item in items:
        if isinstance(item, int):
            writer.raw(item)
        elif item is _RCRC:
            writer.command(Command.RCRC)
        else:
            writer.data(item.register, np.array(item.words, np.uint32), item.long)
    if finish:
        writer.finish(1)
    return writer.words()


BAD_STREAMS: tuple[Callable[[Rig], None], ...] = (
    idcodes,
    control_registers,
    frame_addresses,
    frame_counts,
    frame_counts_of_a_slow_memory,
    packets_of_frames,
    segments,
    registers_and_commands,
    headers,
    bits_of_frame_addresses,
)
