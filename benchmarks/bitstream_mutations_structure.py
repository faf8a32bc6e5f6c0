"""Edits of whole packets, with every CRC right again after: what a CRC cannot find.

`edited` takes packets out, doubles them or changes what they say; `moved` puts them elsewhere, or
brings some of another stream in. Since any contents of frames are a module, an edit is found only
where it changes what is done: `meaning` says what that is, without looking at the order in which
frames are written or at commands that only announce frame data.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import Device
from fpga_rt.arch.packets import (
    TYPE1_MAX_WORDS,
    Command,
    Packet,
    Register,
    type1,
    type2,
)
from fpga_rt.bitstream.expand import RESET_MASK, frame_order
from fpga_rt.bitstream.read import parse
from fpga_rt.bitstream.segments import Segment
from fpga_rt.errors import ArtifactError

Words = NDArray[np.uint32]
Edit = Callable[[random.Random, Words, Words, int], Words]
FrameContents = dict[int, list[bytes]]
"""What is written to each frame address, in order."""

_STRETCHES = (1, 1, 1, 2, 3, 5, 8)
_VALUES = {Register.MASK, Register.CTL0, Register.CTL1, Register.TIMER, Register.WBSTAR}
_FRAME_DATA = {Register.FDRI, Register.MFWR}
_SILENT = {Command.NULL, Command.WCFG, Command.MFW, Command.RCAP}


def edited(chance: random.Random, words: Words, _: Words, frame_words: int) -> Words:
    """Drop, double or change packets of a stream; `other` streams are not looked at."""
    packets = _taken_apart(words)
    at = chance.randrange(1, len(packets))
    stop = at + chance.choice(_STRETCHES)
    what = chance.randrange(6)
    if what == 0:
        packets[at:stop] = []
    elif what == 1:
        packets[at:at] = packets[at:stop]
    elif what == 2:
        _change_length(chance, packets, frame_words)
    else:
        _change_value(chance, packets, ({Register.FAR}, {Register.CMD}, _VALUES)[what - 3])
    return _joined(packets)


def moved(chance: random.Random, words: Words, other: Words, _: int) -> Words:
    """Swap or move packets of a stream, or insert some of another one."""
    packets = _taken_apart(words)
    first, second = chance.randrange(1, len(packets)), chance.randrange(1, len(packets))
    stop = first + chance.choice(_STRETCHES)
    what = chance.randrange(3)
    if what == 0:
        packets[first], packets[second] = packets[second], packets[first]
    elif what == 1:
        part = packets[first:stop]
        packets[first:stop] = []
        packets[second:second] = part
    else:
        source = _taken_apart(other)
        begin = chance.randrange(1, len(source))
        packets[first:first] = source[begin : begin + stop - first]
    return _joined(packets)


EDITS: dict[str, Edit] = {"edited packets": edited, "moved packets": moved}


def effect(data: bytes) -> bytes:
    """Return a digest of the register writes of a stream, in order and by segment."""
    digest = hashlib.sha256()
    stream = parse(data)
    for segment in stream.segments:
        packets = segment.packets
        for index in np.flatnonzero(packets.writes).tolist():
            payload = stream.words[packets.start[index] : packets.stop[index]]
            digest.update(b"%d " % packets.register[index] + payload.tobytes())
        digest.update(b"end")
    return digest.digest()


def meaning(data: bytes, device: Device, contents: bool) -> bytes:
    """Return a digest of what a stream does: each step, and the frames written between two steps.

    Args:
        data: A file that can be parsed.
        device: What it is for.
        contents: Whether it matters what frames hold, first and last; else it matters which are
            written, and how often where there is a reset mask, which asks for two passes.
    """
    stream, digest = parse(data), hashlib.sha256()
    low = device.family.address.block_type[1]
    is_reset = any(run.far >> low == RESET_MASK for run in stream.runs)
    for segment in stream.segments:
        written: FrameContents = {}
        for step in [*_steps(segment, stream.words, device), b"end"]:
            if isinstance(step, dict):
                for far, frames in step.items():
                    written.setdefault(far, []).extend(frames)
                continue
            for far, frames in sorted(written.items()):
                held = frames[0] + frames[-1] if contents else b"%d" % (len(frames) * is_reset)
                digest.update(b"frame %d " % far + held)
            written.clear()
            digest.update(step)
    return digest.digest()


def _steps(segment: Segment, words: Words, device: Device) -> Iterator[bytes | FrameContents]:
    """Yield what the packets of a segment do: steps, and frames with their contents."""
    player = _Player(device)
    for packet in segment.packets:
        if packet.stop > packet.start:
            yield from player.play(packet, words[packet.start : packet.stop])
    yield from player.address()


class _Player:
    """What a segment has done so far: its address, whether it was used, the frame it holds."""

    def __init__(self, device: Device) -> None:
        self.order = frame_order(device)
        self.size, self.low = device.family.frame_words, device.family.address.block_type[1]
        self.far, self.used, self.held, self.counts = 0, True, b"", False

    def play(self, packet: Packet, payload: Words) -> Iterator[bytes | FrameContents]:
        """Yield what a write does."""
        value = int(payload[0])
        if packet.register == Register.FAR:
            yield from self.address()
            self.far, self.used = value, False
        elif packet.register in _FRAME_DATA:
            self.used = True
            yield self.held_frame() if packet.register == Register.MFWR else self.frames(payload)
        elif packet.register == Register.CRC:
            yield b"CRC"
        elif packet.register != Register.CMD or value not in _SILENT or not self.counts:
            self.counts |= (packet.register, value) == (Register.CMD, Command.RCRC)
            yield b"%d " % packet.register + payload.tobytes()

    def address(self) -> Iterator[bytes]:
        """Yield the address when nothing was written there."""
        if not self.used:
            yield b"FAR %d" % self.far

    def held_frame(self) -> FrameContents:
        """Return what a multi-frame write does."""
        return {self.far: [self.held]}

    def frames(self, payload: Words) -> bytes | FrameContents:
        """Return what frame data does; the last frame is held."""
        if self.far >> self.low == RESET_MASK:
            return b"mask %d " % self.far + payload.tobytes()
        *written, self.held = (row.tobytes() for row in payload.reshape(-1, self.size))
        fars = self.order.run(self.far, 1 + len(written)).tolist()
        self.far = fars[-1]
        pairs = zip(fars, written, strict=False)
        return {far: [frame] for far, frame in pairs if far >= 0}


def _taken_apart(words: Words) -> list[Words]:
    """Return the lead-in, and each packet with the words before the next one."""
    segments = parse(words.astype(">u4").tobytes()).segments
    starts = [packet.at for s in segments for packet in s.packets if packet.type != 2]
    return np.split(words, starts)


def _joined(packets: list[Words]) -> Words:
    """Return the words of packets, with every CRC right where they can be read at all."""
    words = np.concatenate(packets)
    try:
        crcs = parse(words.astype(">u4").tobytes()).crcs
    except ArtifactError:
        return words
    for crc in crcs:
        words[crc.at] = crc.computed
    return words


def _writes_to(packet: Words, registers: set[Register]) -> bool:
    header = int(packet[0])
    return len(packet) > 1 and header >> 27 == 6 and header >> 13 & 31 in registers


def _chosen(
    chance: random.Random, packets: list[Words], registers: set[Register]
) -> tuple[int, Words] | None:
    """Return a packet that writes to one of the registers, and its place; None for no such one."""
    places = [at for at in range(1, len(packets)) if _writes_to(packets[at], registers)]
    if not places:
        return None
    at = chance.choice(places)
    return at, packets[at].copy()


def _change_value(chance: random.Random, packets: list[Words], registers: set[Register]) -> None:
    """Write another value to one of the registers: an address or command, or a bit more or less."""
    found = _chosen(chance, packets, registers)
    if found is None:
        return
    at, packet = found
    value = int(packet[1])
    if Register.FAR in registers:
        others = [int(other[1]) for other in packets[1:] if _writes_to(other, registers)]
        packet[1] = chance.choice((value + 1, value - 1, chance.choice(others), 0)) & 0xFFFFFFFF
    elif Register.CMD in registers:
        packet[1] = chance.choice((*Command, chance.getrandbits(5)))
    else:
        packet[1] = value ^ 1 << chance.randrange(32)
    packets[at] = packet


def _change_length(chance: random.Random, packets: list[Words], frame_words: int) -> None:
    """Make frame data or a multi-frame write longer or shorter, by a word or a frame."""
    found = _chosen(chance, packets, _FRAME_DATA)
    if found is None:
        return
    at, packet = found
    header, start = int(packet[0]), 1
    count = header & TYPE1_MAX_WORDS
    if not count:
        count, start = int(packet[1]) & ((1 << 27) - 1), 2
    size = min(count, chance.choice((1, frame_words)))
    payload, rest = packet[start : start + count], packet[start + count :]
    payload = payload[size:] if chance.random() < 0.5 else np.append(payload[:size], payload)
    register = header >> 13 & 31
    long = start == 2 or len(payload) > TYPE1_MAX_WORDS
    head = [type1(register, 0), type2(len(payload))] if long else [type1(register, len(payload))]
    packets[at] = np.concatenate([np.array(head, np.uint32), payload, rest])
