"""Reads a configuration stream: its header, word order, packets, runs of frames and CRCs.

What is read here is what the file says; whether a device may be given it is for
`fpga_rt.bitstream.verify`. The frames of a compressed stream (multi-frame writes) and of the dies
nested in a multi-die stream are not expanded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import Device
from fpga_rt.bitstream.crc import REGISTER_TERM, crc_of_terms
from fpga_rt.bitstream.packets import SYNC, Command, Opcode, Packet, Register, packets
from fpga_rt.bitstream.sequence import PAD, FrameOrder
from fpga_rt.errors import ArtifactError

BIT_MAGIC = bytes.fromhex("0009 0ff0 0ff0 0ff0 0ff0 0000 01")
"""What every .bit file starts with; fields `a` (design) to `e` (length of the stream) follow."""
SYNC_WITHIN_WORDS = 1024
"""The first sync word is looked for in this many words; tools write it 12 or 20 words in."""
RESET_MASK = 2
"""Block type in whose frames a 7-series partial says which columns are reset."""
IDENTITY_MAGIC = 0x46524D31
"""Word 0 of a frame that carries a module's identity: `FRM1`."""
IDENTITY_WORDS = 6
_SWAPPED_SYNC = 0x665599AA


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


@dataclass(frozen=True)
class Segment:
    """What lies between a sync word and its DESYNC; `start` to `stop` are words, without both."""

    start: int
    stop: int
    packets: tuple[Packet, ...] = field(repr=False)
    idcodes: tuple[int, ...]
    runs: tuple[Run, ...]
    crcs: tuple[CrcCheck, ...]
    desynced: bool


@dataclass(frozen=True, eq=False)
class ConfigurationStream:
    """A parsed file: `words` (n,) uint32 in stream order, and what was found in them.

    `header` holds the fields `a` to `d` of a .bit file and is empty for a .bin; `origin_bytes` is
    where the words start in the file; `swapped` tells that the file has them little-endian.
    """

    words: NDArray[np.uint32] = field(repr=False)
    header: dict[str, str]
    origin_bytes: int
    swapped: bool
    segments: tuple[Segment, ...]

    @property
    def idcodes(self) -> tuple[int, ...]:
        """Every IDCODE written, in order."""
        return tuple(idcode for segment in self.segments for idcode in segment.idcodes)

    @property
    def crcs(self) -> tuple[CrcCheck, ...]:
        """Every CRC written, in order."""
        return tuple(crc for segment in self.segments for crc in segment.crcs)

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run of frames, in order."""
        return tuple(run for segment in self.segments for run in segment.runs)

    def byte(self, word: int) -> int:
        """Return where `words[word]` lies in the file."""
        return self.origin_bytes + 4 * word


class PlacedRun(NamedTuple):
    """A run without its flush frame: (n,) int64 FARs (`PAD` for pad frames), (n, frame words).

    `start` is the word of the stream at which `words` begin.
    """

    start: int
    addresses: NDArray[np.int64]
    words: NDArray[np.uint32]


class Frames(NamedTuple):
    """Frames by address, ascending: (n,) int64 FARs and (n, frame words) uint32 contents."""

    addresses: NDArray[np.int64]
    words: NDArray[np.uint32]


def identity_words(module_id: int, partition: int) -> tuple[int, ...]:
    """Return the words that identify a module at the start of a simulation bitstream's first frame.

    Word 0 is `IDENTITY_MAGIC`, words 1 and 2 the 64-bit module identity (high half first), word 3
    the index of the partition, words 4 and 5 the first 64 bits of the SHA-256 of words 0 to 3
    (big-endian). All lie before word 50, where the 7-series keeps a frame's ECC.

    Raises:
        ValueError: `module_id` has more than 64 bits or `partition` more than 32.
    """
    if not (0 <= module_id < 1 << 64 and 0 <= partition < 1 << 32):
        raise ValueError(f"module identity {module_id:#x} or partition {partition} out of range")
    words = (IDENTITY_MAGIC, module_id >> 32, module_id & 0xFFFFFFFF, partition)
    digest = hashlib.sha256(np.array(words, ">u4").tobytes()).digest()
    return (*words, int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:8], "big"))


def identity(frames: NDArray[np.uint32]) -> tuple[int, int] | None:
    """Return (module identity, partition index) from (n, frame words) uint32 frame contents.

    The first frame carries it, laid out as `identity_words` says; None when it does not.
    """
    if not len(frames):
        return None
    words = tuple(int(word) for word in frames[0, :IDENTITY_WORDS])
    module_id, partition = words[1] << 32 | words[2], words[3]
    return (module_id, partition) if words == identity_words(module_id, partition) else None


def place_runs(stream: ConfigurationStream, order: FrameOrder) -> list[PlacedRun]:
    """Return the runs of a plain stream with the address of each frame, in file order.

    The reset mask of the 7-series (block type 2) is left out: it is no configuration memory.

    Raises:
        ArtifactError: A run is not a whole number of frames or leaves the device, or the stream is
            compressed.
    """
    family = order.device.family
    packed = (p for s in stream.segments for p in s.packets if p.register == Register.MFWR)
    for packet in packed:
        raise ArtifactError(
            f"multi-frame write at byte {stream.byte(packet.at)}: compressed streams are not "
            "expanded, expected plain frame data; build the stream without compression"
        )
    placed = []
    for run in stream.runs:
        if family.address.decode(run.far).block_type == RESET_MASK:
            continue
        words = stream.words[run.start : run.stop]
        if len(words) % family.frame_words:
            raise ArtifactError(
                f"frame data at byte {stream.byte(run.start)}: got {len(words):,} words, expected "
                f"a multiple of {family.frame_words}, a {family} frame; build the stream for "
                f"{order.device.name}"
            )
        written = words.reshape(-1, family.frame_words)[:-1]
        placed.append(PlacedRun(run.start, order.run(run.far, len(written)), written))
    return placed


def last_written(placed: list[PlacedRun], frame_words: int) -> Frames:
    """Return what the frames hold after all runs; of a frame written twice, the last contents."""
    addresses = np.concatenate([np.zeros(0, np.int64), *(run.addresses for run in placed)])
    empty = np.zeros((0, frame_words), np.uint32)
    contents = np.concatenate([empty, *(run.words for run in placed)])
    unique, from_end = np.unique(addresses[::-1], return_index=True)
    kept = unique != PAD
    return Frames(unique[kept], contents[len(addresses) - 1 - from_end[kept]])


def frames(stream: ConfigurationStream, device: Device) -> Frames:
    """Return what the frames hold after a plain stream, without flush and pad frames.

    Raises:
        ArtifactError: As `place_runs`.
    """
    return last_written(place_runs(stream, FrameOrder(device)), device.family.frame_words)


def _split_header(data: bytes) -> tuple[dict[str, str], int]:
    """Return the fields of a .bit header, if there is one, and the offset of the stream."""
    if not data.startswith(BIT_MAGIC):
        return {}, 0
    fields: dict[str, str] = {}
    at = len(BIT_MAGIC)
    while data[at : at + 1] != b"e":
        size = int.from_bytes(data[at + 1 : at + 3], "big")
        key, text = data[at : at + 1], data[at + 3 : at + 3 + size]
        if key not in (b"a", b"b", b"c", b"d") or len(text) != size:
            raise ArtifactError(
                f"the .bit header is corrupt at byte {at}: got field {key!r}, expected a, b, c, d "
                "or e; build or fetch the file again"
            )
        fields[key.decode()] = text.rstrip(b"\0").decode("ascii", "replace")
        at += 3 + size
    announced, follow = int.from_bytes(data[at + 1 : at + 5], "big"), len(data) - at - 5
    if announced != follow:
        raise ArtifactError(
            f"the .bit header announces {announced:,} bytes at byte {at}, got {follow:,}; the file "
            "is truncated or has something behind it: build or fetch it again"
        )
    return fields, at + 5


def _stream_words(data: bytes, origin_bytes: int) -> tuple[NDArray[np.uint32], int, bool]:
    """Return the words in stream order, the index of the first sync word and "was swapped"."""
    size_bytes = len(data) - origin_bytes
    if not size_bytes or size_bytes % 4:
        raise ArtifactError(
            f"the configuration stream has {size_bytes:,} bytes from byte {origin_bytes} on, "
            "expected a multiple of 4 above 0; is this a bitstream? build or fetch it again"
        )
    big_endian = np.frombuffer(data, ">u4", offset=origin_bytes)
    for sync, order in ((SYNC, ">u4"), (_SWAPPED_SYNC, "<u4")):
        found = np.flatnonzero(big_endian[:SYNC_WITHIN_WORDS] == sync)
        if len(found):
            words = big_endian.view(order).astype(np.uint32)
            return words, int(found[0]), order == "<u4"
    raise ArtifactError(
        f"no sync word 0x{SYNC:08X} in the first {SYNC_WITHIN_WORDS} words from byte "
        f"{origin_bytes} on, in either byte order; is this a bitstream? build or fetch it again"
    )


class _Walk:
    """Reads one segment packet by packet, keeping what the hardware would keep."""

    def __init__(self, words: NDArray[np.uint32], start: int) -> None:
        self.words, self.start, self.stop = words, start, start
        self.far = 0
        self.desynced = False
        self.packets: list[Packet] = []
        self.idcodes: list[int] = []
        self.runs: list[Run] = []
        self.crcs: list[CrcCheck] = []
        self._unchecked: list[NDArray[np.uint32]] = []

    def write(self, packet: Packet) -> None:
        """Take in a register write with its payload."""
        payload = self.words[packet.start : packet.stop]
        last = int(payload[-1])
        if packet.register == Register.CRC:
            terms = np.concatenate(self._unchecked) if self._unchecked else payload[:0]
            self.crcs.append(CrcCheck(packet.start, last, crc_of_terms(terms)))
            self._unchecked = []
            return
        self._unchecked.append(payload ^ REGISTER_TERM[packet.register])
        if packet.register == Register.FDRI:
            self.runs.append(Run(self.far, packet.start, packet.stop))
        elif packet.register == Register.FAR:
            self.far = last
        elif packet.register == Register.IDCODE:
            self.idcodes.append(last)
        elif packet.register == Register.CMD and last == Command.RCRC:
            self._unchecked = []
        elif packet.register == Register.CMD and last == Command.DESYNC:
            self.desynced = True

    def walk(self, origin_bytes: int) -> Segment:
        """Read up to DESYNC or the end of the words."""
        for packet in packets(self.words, self.start, origin_bytes):
            self.packets.append(packet)
            self.stop = packet.stop
            if packet.opcode == Opcode.WRITE and packet.stop > packet.start:
                self.write(packet)
            if self.desynced:
                break
        return Segment(
            self.start,
            self.stop,
            tuple(self.packets),
            tuple(self.idcodes),
            tuple(self.runs),
            tuple(self.crcs),
            self.desynced,
        )


def _segments(words: NDArray[np.uint32], sync: int, origin_bytes: int) -> Iterator[Segment]:
    """Yield the segments; the first starts after the sync word at `sync`."""
    while True:
        segment = _Walk(words, sync + 1).walk(origin_bytes)
        yield segment
        following = np.flatnonzero(words[segment.stop :] == SYNC)
        if not len(following):
            return
        sync = segment.stop + int(following[0])


def parse(data: bytes) -> ConfigurationStream:
    """Parse a .bit file, or a .bin file of either byte order.

    Raises:
        ArtifactError: The header is corrupt or its length wrong, there is no sync word, or the
            words are no packets.
    """
    header, origin_bytes = _split_header(data)
    words, sync, swapped = _stream_words(data, origin_bytes)
    segments = tuple(_segments(words, sync, origin_bytes))
    return ConfigurationStream(words, header, origin_bytes, swapped, segments)
