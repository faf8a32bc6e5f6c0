"""Ways to break a configuration stream, and what each of them has to lead to.

A stream is (n,) uint32 words, as `words_of` reads it from a .bin file. Those with CRCs made anew
pass the port's own check: what is wrong with them must be found elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from random import Random

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.packets import NOP, SYNC, Command, Register, type1
from fpga_rt.bitstream.read import ConfigurationStream, parse

Words = NDArray[np.uint32]


class Effect(Enum):
    """What the port makes of a broken stream."""

    CRC = "a wrong CRC is reported; the partition stays broken"
    IDCODE = "a wrong IDCODE is reported; no frame is written"
    NOTHING = "the port never synchronises; no frame is written"
    OPEN = "the port waits for more; the partition stays broken"
    UNCHECKED = "nothing is reported, though no CRC covers the frames; the partition stays broken"


@dataclass(frozen=True)
class Corruption:
    """A way to break a stream: its name, the effect on the port, and what does it."""

    name: str
    effect: Effect
    apply: Callable[[Words, Random], Words]


def words_of(stream: bytes) -> Words:
    """Return (n,) uint32: the words of a big-endian .bin file."""
    return np.frombuffer(stream, ">u4").astype(np.uint32)


def with_crcs(words: Words) -> Words:
    """Return a stream with the CRCs that its contents call for."""
    fixed: Words = words.copy()
    for segment in _parsed(words).segments:
        for check in segment.crcs:
            fixed[check.at] = check.computed
    return fixed


def moved(words: Words, address: int) -> Words:
    """Return a stream whose first run of frames goes to another FAR; its CRCs are right."""
    changed: Words = words.copy()
    segment = _parsed(words).segments[0]
    at = int(segment.packets.start[segment.packets.to(Register.FAR)][0])
    changed[at] = address
    return with_crcs(changed)


def _parsed(words: Words) -> ConfigurationStream:
    return parse(words.astype(">u4").tobytes())


def _frames(words: Words) -> tuple[int, int]:
    """Return where the frame data of the longest run begins and ends."""
    run = max(_parsed(words).runs, key=lambda run: run.stop - run.start)
    return run.start, run.stop


def _flipped_bit(words: Words, random: Random) -> Words:
    changed: Words = words.copy()
    changed[random.randrange(*_frames(words))] ^= np.uint32(1 << random.randrange(32))
    return changed


def _swapped_words(words: Words, random: Random) -> Words:
    start, stop = _frames(words)
    changed: Words = words.copy()
    differ = start + np.flatnonzero(np.diff(words[start:stop]))
    at = int(random.choice(differ.tolist()))
    changed[[at, at + 1]] = words[[at + 1, at]]
    return changed


def _truncated(words: Words, random: Random) -> Words:
    start, stop = _frames(words)
    kept: Words = words[: random.randrange(start + (stop - start) // 2, stop)]
    return kept


def _without_sync(words: Words, _: Random) -> Words:
    hidden: Words = np.where(words == SYNC, np.uint32(0xFFFFFFFF), words)
    return hidden


def _for_another_device(words: Words, random: Random) -> Words:
    changed: Words = words.copy()
    for segment in _parsed(words).segments:
        at = segment.packets.start[segment.packets.to(Register.IDCODE)]
        changed[at] ^= np.uint32(1 << random.randrange(28))
    return with_crcs(changed)


def _wrong_crc(words: Words, random: Random) -> Words:
    changed: Words = words.copy()
    checks = [check for segment in _parsed(words).segments for check in segment.crcs]
    changed[checks[-1].at] ^= np.uint32(1 << random.randrange(32))
    return changed


def _without_crc(words: Words, _: Random) -> Words:
    changed: Words = words.copy()
    for segment in _parsed(words).segments:
        for check in segment.crcs:
            changed[check.at - 1 : check.at + 1] = NOP
    return changed


def _without_end(words: Words, _: Random) -> Words:
    """Leave DESYNC out and what comes after it."""
    header = np.flatnonzero(words == type1(Register.CMD, 1))
    last = header[words[header + 1] == Command.DESYNC][-1]
    kept: Words = words[:last]
    return kept


CORRUPTIONS = (
    Corruption("flipped-bit", Effect.CRC, _flipped_bit),
    Corruption("swapped-words", Effect.CRC, _swapped_words),
    Corruption("wrong-crc", Effect.CRC, _wrong_crc),
    Corruption("other-device", Effect.IDCODE, _for_another_device),
    Corruption("no-sync", Effect.NOTHING, _without_sync),
    Corruption("truncated", Effect.OPEN, _truncated),
    Corruption("no-desync", Effect.OPEN, _without_end),
    Corruption("no-crc", Effect.UNCHECKED, _without_crc),
)
"""For streams of one segment; `moved` makes the stream of a wrong partition."""
