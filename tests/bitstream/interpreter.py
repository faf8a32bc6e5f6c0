"""A small interpreter of configuration streams, word by word, written from the format alone.

The oracle of what the package builds: it shares no code with it but the data files of `arch`, and
even the order of the frames and the CRC are its own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from fpga_rt.arch.devices import Device
from fpga_rt.bitstream.read import Frames

DUMMY, SYNC, NOP = 0xFFFFFFFF, 0xAA995566, 0x20000000
CRC, FAR, FDRI, CMD, MFWR, IDCODE = 0, 1, 2, 4, 10, 12
MFW, RCRC, DESYNC = 2, 7, 13
RESET_MASK = 2 << 23


@dataclass
class Memory:
    """What a stream did: `writes` are (register, values), frame data cut to one word.

    `frames` are the contents by address in the end, `first` those first written.
    """

    frames: dict[int, tuple[int, ...]] = field(default_factory=dict)
    first: dict[int, tuple[int, ...]] = field(default_factory=dict)
    reset_mask: list[tuple[int, ...]] = field(default_factory=list)
    writes: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    segments: int = 0
    crcs: int = 0
    data_frames: int = 0

    def values(self, register: int) -> list[int]:
        """Return the last value of each write to a register."""
        return [values[-1] for target, values in self.writes if target == register]


def counting_order(device: Device) -> list[int]:
    """Return every frame address from the lowest to the highest, -1 for the two pads of a row."""
    is_plus = device.family.frame_words == 93
    type_bit, row_bit, column_bit = (24, 18, 8) if is_plus else (23, 17, 7)
    content = 256 if is_plus else 128
    memories = [content for kind in device.columns if kind == "BRAM"]
    order: list[int] = []
    rows = sorted((row.bottom << 22 | row.row << row_bit) for row in device.rows)
    for block_type, columns in ((0, device.column_frames), (1, memories)):
        for row in rows:
            for column, count in enumerate(columns):
                start = block_type << type_bit | row | column << column_bit
                order += range(start, start + count)
            order += [-1, -1]
    return order


def _remainders(bits: int) -> list[int]:
    """Return what `bits` shifts make of every value of so many bits."""
    table = list(range(1 << bits))
    for _ in range(bits):
        table = [value >> 1 ^ (0x82F63B78 if value & 1 else 0) for value in table]
    return table


BYTE, ADDRESS = _remainders(8), _remainders(5)


def crc32c(state: int, register: int, value: int) -> int:
    """Feed one register write to the CRC: 32 data bits, then 5 address bits, lowest first."""
    state ^= value
    for _ in range(4):
        state = state >> 8 ^ BYTE[state & 0xFF]
    return state >> 5 ^ ADDRESS[(state ^ register) & 0x1F]


class Interpreter:
    """Plays the configuration logic of one device."""

    def __init__(self, device: Device, check_crc: bool) -> None:
        self.order = counting_order(device)
        self.index = {far: at for at, far in enumerate(self.order)}
        self.size = device.family.frame_words
        self.check_crc = check_crc
        self.memory = Memory()
        self.far = self.state = 0
        self.buffer: tuple[int, ...] = ()

    def play(self, data: bytes) -> Memory:
        """Play a .bin file in the order of the port."""
        words = struct.unpack(f">{len(data) // 4}I", data)
        at, register, synced = 0, -1, False
        while at < len(words):
            word = words[at]
            at += 1
            if not synced:
                synced = word == SYNC
                self.memory.segments += synced
                assert synced or word in (DUMMY, NOP, 0xBB, 0x11220044), hex(word)
                continue
            if word == NOP:
                continue
            assert word >> 27 & 3 == 2, hex(word)
            if word >> 29 == 1:
                register, count = word >> 13 & 31, word & 0x7FF
            else:
                assert word >> 29 == 2, hex(word)
                count = word & 0x7FFFFFF
            if count:
                self.write(register, words[at : at + count], words, at + count)
                synced = (register, word) != (CMD, word) or words[at] != DESYNC
            at += count
        assert not synced
        return self.memory

    def write(
        self, register: int, values: tuple[int, ...], words: tuple[int, ...], after: int
    ) -> None:
        """Do what a write does; `words[after:]` follow it."""
        self.memory.writes.append((register, values if register != FDRI else values[:1]))
        if register == CRC:
            self.memory.crcs += 1
            assert not self.check_crc or self.state == values[0], "CRC"
            self.state = 0
            return
        if self.check_crc:
            for value in values:
                self.state = crc32c(self.state, register, value)
        if register == FAR:
            self.far = values[0]
        elif register == FDRI:
            is_source = words[after : after + 2] == (0x30008001, MFW)
            self.frame_data(values, is_source)
        elif register == MFWR:
            assert not any(values)
            self.store(self.far, self.buffer)
        elif register == CMD and values[0] == RCRC:
            self.state = 0

    def store(self, far: int, frame: tuple[int, ...]) -> None:
        """Write a frame; what it was written with first is kept apart."""
        self.memory.first.setdefault(far, frame)
        self.memory.frames[far] = frame

    def frame_data(self, values: tuple[int, ...], is_source: bool) -> None:
        """Take frames in; the last one is only kept in the frame register."""
        assert len(values) % self.size == 0
        frames = [values[at : at + self.size] for at in range(0, len(values), self.size)]
        self.memory.data_frames += len(frames)
        if self.size == 101 and self.far == RESET_MASK:
            self.memory.reset_mask += frames
            return
        first = self.index[self.far]
        for far, frame in zip(self.order[first:], frames[:-1], strict=False):
            if far < 0:
                assert not any(frame)
            else:
                self.store(far, frame)
        assert first + len(frames) <= len(self.order)
        self.buffer = frames[-1]
        assert is_source or not any(self.buffer)
        if is_source:
            self.far = self.order[first + len(frames) - 1]


def as_frames(contents: dict[int, tuple[int, ...]]) -> Frames:
    """Return frames as the package has them."""
    addresses = sorted(contents)
    words = [contents[address] for address in addresses]
    return Frames(np.array(addresses, np.int64), np.array(words, np.uint32))


def as_contents(frames: Frames) -> dict[int, tuple[int, ...]]:
    """Return frames of the package as contents by address."""
    rows = (tuple(row) for row in frames.words.tolist())
    return dict(zip(frames.addresses.tolist(), rows, strict=True))


def play(data: bytes, device: Device, check_crc: bool = True) -> Memory:
    """Play a stream for a device and return what it did."""
    return Interpreter(device, check_crc).play(data)
