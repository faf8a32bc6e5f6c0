"""Finds the packets of a configuration stream without stepping through its words one by one.

Packets are a linked list: each header says where the next one lies. The list is followed by
*pointer doubling*: from "where the next packet is" for every word that may be a header come "where
the second next is", "the fourth next" and so on, each by one array look-up, and each doubles the
number of packets known. It is worth while where packets are dense (a compressed stream has 100,000
of them); the few packets around long payloads are found one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.packets import (
    NOP,
    TYPE1_MAX_WORDS,
    TYPE2_MAX_WORDS,
    Command,
    Opcode,
    Packet,
    Register,
)
from fpga_rt.errors import ArtifactError

Indices = NDArray[np.int64]

MAX_PACKETS = 1 << 18
"""A segment with more packets is refused: a compressed XCVU9P has 100,000 on each of three dies."""
_STEPS, _SPARSE_WORDS, _WINDOW_WORDS = 32, 512, 1 << 15
_NEAR_WORDS = 8
_OPCODE = 3 << 27
_REGISTERS = 32


@dataclass(frozen=True, eq=False)
class Packets:
    """The packets of a segment as arrays of one length (n,) int64, canonical NOPs left out.

    The attributes are those of `Packet`; `value` is the last payload word, -1 where there is none.
    """

    at: Indices
    type: Indices
    opcode: Indices
    register: Indices
    start: Indices
    stop: Indices
    value: Indices

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.at)

    def __getitem__(self, index: int) -> Packet:
        """Return one packet."""
        columns = (self.at, self.type, self.opcode, self.register, self.start, self.stop)
        return Packet(*(int(column[index]) for column in columns))

    def __iter__(self) -> Iterator[Packet]:
        """Yield the packets in the order of the stream."""
        columns = (self.at, self.type, self.opcode, self.register, self.start, self.stop)
        return (Packet(*row) for row in zip(*(c.tolist() for c in columns), strict=True))

    def __eq__(self, other: object) -> bool:
        """Tell whether both are the same packets at the same words."""
        if not isinstance(other, Packets):
            return NotImplemented
        pairs = zip(self.columns(), other.columns(), strict=True)
        return all(np.array_equal(mine, theirs) for mine, theirs in pairs)

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash

    def columns(self) -> tuple[Indices, ...]:
        """Return the attributes in their order."""
        shared = (self.at, self.type, self.opcode, self.register, self.start, self.stop)
        return (*shared, self.value)

    def first(self, count: int | None) -> Packets:
        """Return the first `count` packets, all for None."""
        if count is None or count == len(self):
            return self
        return Packets(*(column[:count] for column in self.columns()))

    @cached_property
    def writes(self) -> NDArray[np.bool_]:
        """(n,): which packets write at least one word."""
        found: NDArray[np.bool_] = (self.opcode == Opcode.WRITE) & (self.stop > self.start)
        return found

    def to(self, register: int) -> Indices:
        """Return the indices of the packets that write to a register."""
        indices, bounds = self._by_register
        found: Indices = indices[bounds[register] : bounds[register + 1]]
        return found

    def commands(self, *commands: int) -> Indices:
        """Return the indices of the packets that give one of these commands."""
        found = self.to(Register.CMD)
        values = self.value[found]
        chosen = values == commands[0]
        for command in commands[1:]:
            chosen |= values == command
        given: Indices = found[chosen]
        return given

    @cached_property
    def _by_register(self) -> tuple[Indices, list[int]]:
        """The indices of all packets that write, by register, and where those of each begin."""
        indices = np.flatnonzero(self.writes)
        registers = self.register[indices].astype(np.uint8)  # no register, -1, comes last
        order = np.argsort(registers, kind="stable")
        bounds = np.searchsorted(registers[order], np.arange(_REGISTERS + 1, dtype=np.uint8))
        return indices[order], bounds.tolist()


def walk(words: NDArray[np.uint32], start: int, origin_bytes: int = 0) -> Packets:
    """Return the packets of `words[start:]`, the word after a sync word first.

    The last one is DESYNC, or the header of an encrypted part: what follows either is no packet.
    `origin_bytes` is where `words[0]` lies in its file, for messages.

    Raises:
        ArtifactError: A word is no header, or a payload runs past the end.
    """
    found: list[Packets] = []
    register, total = -1, 0
    for places, behind in _rounds(words, start):
        packets = _packets(words, places, register)
        end = _end(packets)
        found.append(packets.first(end))
        _check(words, found[-1], origin_bytes)
        total += len(found[-1])
        if total > MAX_PACKETS:
            raise ArtifactError(
                f"got {total:,} packets before byte {origin_bytes + 4 * behind}, expected a DESYNC "
                "or longer ones by then; the stream is corrupt: build or fetch it again"
            )
        if end is not None:
            break
        register = int(packets.register[-1]) if len(packets) else register
    return found[0] if len(found) == 1 else _joined(words, found)


def _joined(words: NDArray[np.uint32], parts: list[Packets]) -> Packets:
    """Return the packets of all parts, one part after the other."""
    none = _packets(words, np.zeros(0, np.int64), -1)
    columns = zip(*(part.columns() for part in (none, *parts)), strict=True)
    return Packets(*(np.concatenate(column) for column in columns))


def _rounds(words: NDArray[np.uint32], at: int) -> Iterator[tuple[Indices, int]]:
    """Yield where the next headers are and where the search goes on, up to what is no header.

    A window is only searched where packets before it were dense. It costs as much as some hundred
    steps; each one that ends early lengthens the search one by one, so that no pattern of packets
    makes many of them useless.
    """
    dense, steps = False, _STEPS
    while at < len(words):
        places, behind = _window(words, at) if dense else _stepwise(words, at, steps)
        yield places, behind
        short = dense and behind - at < _WINDOW_WORDS
        pays = not short and len(places) * _SPARSE_WORDS >= behind - at
        steps = 2 * steps if short else steps
        while behind < len(words) and words.item(behind) == NOP:
            behind = _behind_equal(words, behind)
        dense = pays and behind < len(words) and words.item(behind) >> 29 in (1, 2)
        at = behind


def _stepwise(words: NDArray[np.uint32], at: int, steps: int) -> tuple[Indices, int]:
    """Return where about the next `steps` headers are, found one by one, and where to go on."""
    found: list[int] = []
    end = len(words)
    while at < end and len(found) < steps:
        header = words.item(at)
        if header in (0, NOP):
            first, at = at, _behind_equal(words, at)
            found += range(first, at) if header == 0 else ()
            continue
        found.append(at)
        if header >> 29 not in (1, 2):
            return np.array(found), end
        longest = TYPE2_MAX_WORDS if header >> 30 else TYPE1_MAX_WORDS
        at += 1 + (header & longest if header & _OPCODE else 0)
    return np.array(found, np.int64), at


def _behind_equal(words: NDArray[np.uint32], at: int) -> int:
    """Return where a run of equal words ends that begins at `at`, or a place in a long one."""
    value, stop = words.item(at), at + 1
    near = min(at + _NEAR_WORDS, len(words))
    while stop < near and words.item(stop) == value:
        stop += 1
    if stop < near:
        return stop
    size = 16 * _NEAR_WORDS
    while stop < len(words) and size <= _WINDOW_WORDS:
        other = words[stop : stop + size] != value
        first = int(other.argmax())
        if other[first]:
            return stop + first
        stop, size = stop + len(other), 4 * size
    return stop


def _window(words: NDArray[np.uint32], at: int) -> tuple[Indices, int]:
    """Return where the headers in the next words are, all at once, and where to go on.

    `words[at]` is a header, and no NOP: the first packet begins there. Each of the others begins
    behind the one before it and the NOPs that follow that one; where no header is, the search ends.
    """
    heads = words[at : at + _WINDOW_WORDS]
    size, nops = len(heads), heads == NOP
    maybe = np.flatnonzero(((heads >> 29) - 1 < 2) & ~nops)  # type 1 or 2; 0 - 1 wraps
    header = heads[maybe]
    count = (header & np.where(header >> 30, TYPE2_MAX_WORDS, TYPE1_MAX_WORDS)).astype(np.int64)
    count[(header & _OPCODE) == 0] = 0
    behind = maybe + 1 + count
    inside = np.flatnonzero(behind < size)
    behind[inside] = _behind_runs(nops, behind[inside])
    number = np.full(size + 1, len(maybe))
    number[maybe] = np.arange(len(maybe))
    chain = _chain(number[np.minimum(behind, size)])
    return at + maybe[chain], min(at + int(behind[chain[-1]]), len(words))


def _behind_runs(members: NDArray[np.bool_], places: Indices) -> Indices:
    """Return for each of some places the first one, from there on, that is no member."""
    if not members[places].any():
        return places
    length = len(members)
    onward = np.arange(length)
    onward[members] = length
    behind: Indices = np.minimum.accumulate(onward[::-1])[::-1]
    return behind[places]


def _chain(following: Indices) -> Indices:
    """Return 0, `following[0]`, `following[following[0]]` ... as long as they are in the array."""
    length = len(following)
    jump = np.append(following, length).astype(np.intp, copy=False)  # what take takes
    found = np.zeros(1, np.intp)
    while jump[0] < length:
        found = np.concatenate([found, jump.take(found)])
        jump = jump.take(jump)
    return found[found < length]


def _packets(words: NDArray[np.uint32], at: Indices, before: int) -> Packets:
    """Return the packets whose headers are at these words; type -1 where a word is no header.

    `before` is the register of the packet before them, -1 for none.
    """
    heads = words[at]
    kind = (heads >> 29).astype(np.int64)
    opcode = (heads >> 27 & 3).astype(np.int64)
    bare = np.flatnonzero(heads == 0)
    register = (heads >> 13 & 0x1F).astype(np.int64)
    register[bare] = Register.FDRI
    register = _inherited(register, kind == 2, before)
    kind[(kind > 2) | ((kind == 0) & (heads != 0)) | (register < 0)] = -1
    count = np.where(kind == 1, heads & TYPE1_MAX_WORDS, heads & TYPE2_MAX_WORDS).astype(np.int64)
    count[opcode == Opcode.NOP] = 0
    start = at + 1
    opcode[bare], start[bare], count[bare] = Opcode.WRITE, at[bare], 1
    stop = start + count
    value = words[np.minimum(stop, len(words)) - 1].astype(np.int64)
    value[stop == start] = -1
    return Packets(at, kind, opcode, register, start, stop, value)


def _end(packets: Packets) -> int | None:
    """Return how many packets there are up to the one that ends the segment, None for no end."""
    desync = (packets.register == Register.CMD) & (packets.value == Command.DESYNC)
    closing = packets.writes & (desync | (packets.register == Register.CIPHERTEXT))
    return int(closing.argmax()) + 1 if closing.any() else None


def _inherited(register: Indices, inherits: NDArray[np.bool_], before: int) -> Indices:
    """Give every packet that inherits the register of the last that does not, else `before`."""
    source = np.maximum.accumulate(np.where(inherits, -1, np.arange(len(register))))
    return np.where(source < 0, before, register[source])


def _check(words: NDArray[np.uint32], packets: Packets, origin_bytes: int) -> None:
    """Refuse the first packet that is none, or that runs past the end.

    Raises:
        ArtifactError: There is such a packet.
    """
    wrong = np.flatnonzero((packets.type < 0) | (packets.stop > len(words)))
    if not len(wrong):
        return
    packet = packets[int(wrong[0])]
    header, byte = int(words[packet.at]), origin_bytes + 4 * packet.at
    if packet.type < 0:
        raise ArtifactError(
            f"configuration word 0x{header:08X} at byte {byte} is no packet header, expected a "
            "type 1 or type 2 header; the stream is corrupt: build or fetch it again"
        )
    raise ArtifactError(
        f"the packet 0x{header:08X} at byte {byte} announces {packet.stop - packet.start:,} "
        f"words, got {len(words) - packet.start:,} before the end; the stream is truncated: build "
        "or fetch it again"
    )
