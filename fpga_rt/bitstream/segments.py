"""One segment of a configuration stream: what lies between a sync word and its DESYNC.

The CRC of a segment counts every register write since the last CRC write or CMD RCRC, except the
CRC writes themselves, LOUT (checked on debug streams of Vivado) and what is handed on to another
die. The bare zero words of a debug stream count as frame data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.packets import Command, Register
from fpga_rt.bitstream.crc import REGISTER_TERM, crcs_of_intervals
from fpga_rt.bitstream.walk import Indices, Packets, walk
from fpga_rt.errors import ArtifactError

_UNCOUNTED = (Register.CRC, Register.LOUT, Register.NESTED, Register.CIPHERTEXT)
_COUNTED = ~np.isin(np.arange(32), _UNCOUNTED)
_FEW_PACKETS = 256


class CrcCheck(NamedTuple):
    """A write to the CRC register: word index of the value, the value, and what it had to be."""

    at: int
    written: int
    computed: int


class Run(NamedTuple):
    """Frame data written to consecutive frames from `far` on, at words `start` to `stop`.

    The last frame of a run is a flush frame: it pushes the one before it out and is not written.
    """

    far: int
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Segment:
    """What lies between a sync word and its DESYNC; `start` to `stop` are words, without both.

    `computed` (n,) are the CRCs that the n writes to the CRC register had to hold.
    """

    start: int
    stop: int
    packets: Packets = field(repr=False)
    computed: NDArray[np.uint32] = field(repr=False)

    def __eq__(self, other: object) -> bool:
        """Tell whether both hold the same packets at the same words."""
        return isinstance(other, Segment) and self.packets == other.packets

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash

    @property
    def desynced(self) -> bool:
        """Whether it ends with DESYNC."""
        return bool(len(self.packets.commands(Command.DESYNC)))

    @property
    def idcodes(self) -> tuple[int, ...]:
        """Every IDCODE written, in order."""
        return tuple(self.packets.value[self.packets.to(Register.IDCODE)].tolist())

    @cached_property
    def frame_addresses(self) -> Indices:
        """(n,) int64: for each packet what the FAR register holds before it, 0 at the start."""
        packets = self.packets
        last = last_before(packets.to(Register.FAR), len(packets))
        held: Indices = np.where(last < 0, 0, packets.value[last]) if len(packets) else last
        return held

    @cached_property
    def data(self) -> Indices:
        """Indices of the packets that write frame data, bare words left out."""
        found = self.packets.to(Register.FDRI)
        data: Indices = found[self.packets.type[found] != 0]
        return data

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Every run of frames, in order."""
        data, packets = self.data, self.packets
        columns = (self.frame_addresses[data], packets.start[data], packets.stop[data])
        return tuple(Run(*row) for row in zip(*(c.tolist() for c in columns), strict=True))

    @cached_property
    def crcs(self) -> tuple[CrcCheck, ...]:
        """Every CRC written, in order."""
        found, packets = self.packets.to(Register.CRC), self.packets
        columns = (packets.start[found], packets.value[found], self.computed)
        return tuple(CrcCheck(*row) for row in zip(*(c.tolist() for c in columns), strict=True))

    @property
    def crcs_matched(self) -> int:
        """How many of the CRCs written are right."""
        written = self.packets.value[self.packets.to(Register.CRC)]
        return int(np.count_nonzero(written == self.computed))


def last_before(chosen: Indices, count: int) -> Indices:
    """Return (count,): for each index the last member of `chosen` below it, -1 for none."""
    place = np.searchsorted(chosen, np.arange(count)) - 1
    found: Indices = np.append(chosen, -1)[place]
    return found


def read_segment(
    words: NDArray[np.uint32], start: int, origin_bytes: int = 0, most_crcs: int | None = None
) -> Segment:
    """Read the segment whose first packet is `words[start]`; see `walk.walk`.

    Raises:
        ArtifactError: A word is no packet, a packet runs past the end, or there are more than
            `most_crcs`.
    """
    packets = walk(words, start, origin_bytes)
    crcs = packets.to(Register.CRC)
    if most_crcs is not None and len(crcs) > most_crcs:
        raise ArtifactError(
            f"CRC at byte {origin_bytes + 4 * int(packets.at[crcs[most_crcs]])}: got {len(crcs):,} "
            f"in a segment, expected at most {most_crcs}; with a CRC per frame two streams spliced "
            "at a frame would match: build the bitstream without that option"
        )
    ended = len(packets) and _ends_itself(packets)
    stop = int(packets.stop[-1]) if ended else len(words)
    return Segment(start, stop, packets, _computed(words, packets))


def _ends_itself(packets: Packets) -> bool:
    closing = packets[len(packets) - 1]
    command = closing.register == Register.CMD and packets.value[-1] == Command.DESYNC
    return bool(command) or closing.register == Register.CIPHERTEXT


def _computed(words: NDArray[np.uint32], packets: Packets) -> NDArray[np.uint32]:
    """Return what each write to the CRC register had to hold."""
    crcs = packets.to(Register.CRC)
    resets = np.sort(np.concatenate([crcs, packets.commands(Command.RCRC)]))
    opened = last_before(resets, len(packets))[crcs]
    counted = np.flatnonzero(packets.writes & _COUNTED[packets.register])
    closes = np.searchsorted(crcs, counted)
    within = closes < len(crcs)
    counted, closes = counted[within], closes[within]
    counted = counted[counted > opened[closes]] if len(crcs) else counted
    sizes = packets.stop[counted] - packets.start[counted]
    stops = np.append(0, np.cumsum(sizes))[np.searchsorted(counted, crcs)]
    return crcs_of_intervals(_terms(words, packets, counted), stops)


def _terms(words: NDArray[np.uint32], packets: Packets, counted: Indices) -> NDArray[np.uint32]:
    """Return the payloads of some packets, one after the other, as terms of the CRC."""
    starts, stops = packets.start[counted], packets.stop[counted]
    effects = REGISTER_TERM[packets.register[counted]]
    if len(counted) <= _FEW_PACKETS:
        terms = np.empty(int((stops - starts).sum()), np.uint32)
        at = 0
        for start, stop, effect in zip(starts.tolist(), stops.tolist(), effects, strict=True):
            np.bitwise_xor(words[start:stop], effect, out=terms[at : at + stop - start])
            at += stop - start
        return terms
    first = int(starts[0])
    change = np.zeros(int(stops[-1]) - first + 1, np.int8)
    change[starts - first] += 1  # of payloads that follow each other directly one starts where
    change[stops - first] -= 1  # the other stops
    covered = np.cumsum(change[:-1], dtype=np.int8).view(np.bool_)
    gathered: NDArray[np.uint32] = words[first : int(stops[-1])][covered]
    gathered ^= np.repeat(effects, (stops - starts).astype(np.intp, copy=False))
    return gathered
