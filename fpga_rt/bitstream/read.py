"""Reads a configuration stream: its header, word order, segments, packets, CRCs and frames.

What is read here is what the file says; whether a device may be given it is for
`fpga_rt.bitstream.verify`. Every form is read: plain, compressed, with a CRC per frame, debug, and
the streams of further dies nested in that of the first. Encrypted frames are told, not read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import Device
from fpga_rt.arch.packets import SYNC, Register
from fpga_rt.bitstream.expand import Frames, frame_order, frame_writes, last_written
from fpga_rt.bitstream.segments import CrcCheck, Run, Segment, read_segment
from fpga_rt.bitstream.stream import ConfigurationStream
from fpga_rt.errors import ArtifactError

__all__ = [
    "ConfigurationStream",
    "CrcCheck",
    "Frames",
    "Run",
    "Segment",
    "frames",
    "identity",
    "identity_words",
    "parse",
]

BIT_MAGIC = bytes.fromhex("0009 0ff0 0ff0 0ff0 0ff0 0000 01")
"""What every .bit file starts with; fields `a` (design) to `e` (length of the stream) follow."""
SYNC_WITHIN_WORDS = 1024
"""The first sync word is looked for in this many words; tools write it 12 or 20 words in."""
MAX_SEGMENTS = 64
"""A file with more segments is refused; a partial of UltraScale+ has four for each die."""
MAX_FILE_BYTES = 1 << 27
"""A larger file is refused: a full XCVU9P, among the largest known, has 80 MB uncompressed."""
MAX_FILE_PACKETS = 1 << 19
"""A file with more packets is refused: a compressed XCVU9P has 300,000 on its three dies."""
MAX_DIES = 8
"""Streams nested deeper are refused; the largest devices have four dies."""
IDENTITY_MAGIC = 0x46524D31
"""Word 0 of a frame that carries a module's identity: `FRM1`."""
IDENTITY_WORDS = 6
_SEARCH_WORDS = 1 << 16
_SWAPPED_SYNC = 0x665599AA


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


def frames(stream: ConfigurationStream, device: Device) -> Frames:
    """Return what the frames hold after a stream, without flush and pad frames.

    The reset mask of the 7-series (block type 2) is left out: it is no configuration memory. So
    are the frames of other dies: take those from `stream.nested`.

    Raises:
        ArtifactError: As `expand.frame_writes`.
    """
    writes = frame_writes(stream, frame_order(device))
    return last_written(stream, writes, device.family.frame_words)


def _split_header(data: bytes) -> tuple[dict[str, str], int]:
    """Return the fields of a .bit header, if there is one, and the offset of the stream."""
    if not data.startswith(BIT_MAGIC):
        return {}, 0
    fields: dict[str, str] = {}
    at = len(BIT_MAGIC)
    while data[at : at + 1] != b"e":
        size = int.from_bytes(data[at + 1 : at + 3], "big")
        key, text = data[at : at + 1], data[at + 3 : at + 3 + size]
        known = key in (b"a", b"b", b"c", b"d") and key.decode() not in fields
        if not known or len(text) != size:
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
    raise _no_sync(origin_bytes)


def _sync_from(words: NDArray[np.uint32], start: int) -> int | None:
    """Return where the first sync word from `start` on is, None for nowhere."""
    for at in range(start, len(words), _SEARCH_WORDS):
        found = words[at : at + _SEARCH_WORDS] == SYNC
        first = int(found.argmax())
        if found[first]:
            return at + first
    return None


def _no_sync(origin_bytes: int) -> ArtifactError:
    return ArtifactError(
        f"no sync word 0x{SYNC:08X} in the first {SYNC_WITHIN_WORDS} words from byte "
        f"{origin_bytes} on, in either byte order; is this a bitstream? build or fetch it again"
    )


class _Reader:
    """Reads the stream of a file and those nested in it.

    `left` is how many segments may follow in the file, `packets_left` how many packets;
    `most_crcs` how many CRCs a segment may have, None for any number.
    """

    def __init__(self, most_crcs: int | None) -> None:
        self.most_crcs = most_crcs
        self.left = MAX_SEGMENTS
        self.packets_left = MAX_FILE_PACKETS

    def read(
        self, words: NDArray[np.uint32], sync: int, origin_bytes: int, depth: int = 1
    ) -> ConfigurationStream:
        """Return the stream in `words`, whose file has it at `origin_bytes`."""
        segments = tuple(self._segments(words, sync, origin_bytes))
        nested = tuple(self._nested(words, segments, origin_bytes, depth))
        return ConfigurationStream(words, {}, origin_bytes, False, segments, nested)

    def _segments(
        self, words: NDArray[np.uint32], sync: int, origin_bytes: int
    ) -> Iterator[Segment]:
        """Yield the segments; the first starts after the sync word at `sync`."""
        while True:
            if not self.left:
                raise ArtifactError(
                    f"more than {MAX_SEGMENTS} segments before byte {origin_bytes + 4 * sync}, "
                    "expected 1 to 4 for each die; the stream is corrupt: build or fetch it again"
                )
            self.left -= 1
            segment = read_segment(words, sync + 1, origin_bytes, self.most_crcs)
            self.packets_left -= len(segment.packets)
            if self.packets_left < 0:
                raise ArtifactError(
                    f"more than {MAX_FILE_PACKETS:,} packets before byte "
                    f"{origin_bytes + 4 * segment.stop}, expected fewer in all segments and dies "
                    "of a file; the stream is corrupt: build or fetch it again"
                )
            yield segment
            following = _sync_from(words, segment.stop)
            if following is None or len(segment.packets.to(Register.CIPHERTEXT)):
                return
            sync = following

    def _nested(
        self,
        words: NDArray[np.uint32],
        segments: tuple[Segment, ...],
        origin_bytes: int,
        depth: int,
    ) -> Iterator[ConfigurationStream]:
        """Yield the streams that the segments hand on to further dies."""
        for segment in segments:
            packets = segment.packets
            for index in packets.to(Register.NESTED).tolist():
                start, stop = int(packets.start[index]), int(packets.stop[index])
                origin = origin_bytes + 4 * start
                if depth == MAX_DIES:
                    raise ArtifactError(
                        f"the stream at byte {origin} is nested {depth} deep, expected at most "
                        f"{MAX_DIES - 1} further dies; the stream is corrupt: build or fetch it "
                        "again"
                    )
                inner = words[start:stop]
                sync = np.flatnonzero(inner[:SYNC_WITHIN_WORDS] == SYNC)
                if not len(sync):
                    raise _no_sync(origin)
                yield self.read(inner, int(sync[0]), origin, depth + 1)


def parse(data: bytes, most_crcs: int | None = None) -> ConfigurationStream:
    """Parse a .bit file, or a .bin file of either byte order.

    Args:
        data: The file.
        most_crcs: How many CRCs a segment may have before one is computed; any number by default.

    Raises:
        ArtifactError: The file is too large, its header is corrupt or its length wrong, there is
            no sync word, the words are no packets, there are too many of them or of CRCs, or
            streams are nested too deep.
    """
    if len(data) > MAX_FILE_BYTES:
        raise ArtifactError(
            f"the file has {len(data):,} bytes, expected at most {MAX_FILE_BYTES:,} of a "
            "configuration stream; is this a bitstream? build or fetch it again"
        )
    header, origin_bytes = _split_header(data)
    words, sync, swapped = _stream_words(data, origin_bytes)
    return replace(
        _Reader(most_crcs).read(words, sync, origin_bytes), header=header, swapped=swapped
    )
