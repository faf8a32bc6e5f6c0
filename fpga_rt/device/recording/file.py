"""A recording in a file.

    header    60 bytes: magic (8), format version (4), length of the payload (8), length of what it
              holds (8), SHA-256 of the payload (32); little-endian
    payload   compressed by zlib: length of the text (8), the text, and the contents of buffers one
              after another; the text is JSON: `session` says what was recorded, `calls` every call,
              `sizes` the length of each content

A reader reads the one version that it writes: a recording is made again in the time of a run.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from fpga_rt.device.recording.calls import Blobs, Call
from fpga_rt.device.recording.shape import a, fields, listed, one_of
from fpga_rt.device.recording.validation import check_call, check_references
from fpga_rt.errors import ArtifactError

MAGIC = b"\x89FRR\r\n\x1a\n"
VERSION = 1
LIMIT_BYTES = 1 << 28
"""A session that holds more is neither written nor read."""
_HEADER = struct.Struct("<8sIQQ32s")
_LENGTH = struct.Struct("<Q")
_AGAIN = "copy it again, or record again"


_DOCUMENT = fields(
    session=fields(
        device=a(str), board=a(str), clock=one_of("virtual", "wall"), origin=a(str),
        alignment_bytes=a(int), recorded=a(str), command=a(str),
    ),
    calls=a(list),
    sizes=listed(a(int)),
)  # fmt: skip
"""What the text is."""


@dataclass(frozen=True)
class Session:
    """What was recorded.

    Attributes:
        device: name of the device.
        board: name of its board.
        clock: what its times were taken by.
        origin: where they came from.
        alignment_bytes: of its buffers.
        recorded: when, ISO 8601.
        command: that was run, or what else made the calls.
    """

    device: str
    board: str
    clock: str
    origin: str
    alignment_bytes: int
    recorded: str
    command: str


def encode(session: Session, calls: Sequence[Call], limit_bytes: int) -> bytes:
    """Return the content of a file.

    Raises:
        ArtifactError: it is longer than the limit.
    """
    blobs: Blobs = []
    plain = [call.plain(blobs) for call in calls]
    document = {"session": asdict(session), "calls": plain, "sizes": [len(b) for b in blobs]}
    text = json.dumps(document, separators=(",", ":")).encode()
    size = _LENGTH.size + len(text) + sum(map(len, blobs))
    if size > limit_bytes:
        raise ArtifactError(
            f"the recording holds {size:,} bytes, expected at most {limit_bytes:,};"
            " record fewer images"
        )
    payload = zlib.compress(b"".join((_LENGTH.pack(len(text)), text, *blobs)))
    head = _HEADER.pack(MAGIC, VERSION, len(payload), size, hashlib.sha256(payload).digest())
    return head + payload


def read(path: Path) -> tuple[Session, list[Call]]:
    """Read a recording and check it whole.

    Raises:
        ArtifactError: it cannot be read, is no recording, of another version, damaged, or longer
            than a recording may be.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read ({error.strerror}); check the path") from error
    content = _payload(path, data)
    (length,) = _LENGTH.unpack_from(content)
    try:
        document = json.loads(content[_LENGTH.size : _LENGTH.size + length])
        _DOCUMENT(document, "document")
        blobs = _contents(content, _LENGTH.size + length, document["sizes"])
        for index, data in enumerate(document["calls"]):
            check_call(data, len(blobs), f"calls[{index}]")
        calls = [Call.of(data, blobs) for data in document["calls"]]
        check_references(calls)
        return Session(**document["session"]), calls
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(
            f"{path}: its content is not that of version {VERSION} ({error}); record again"
        ) from error


def _contents(content: bytes, start: int, sizes: Sequence[int]) -> Blobs:
    """Return the contents of buffers, which fill a file from its text to its end."""
    ends = list(accumulate(sizes, initial=start))
    if min(sizes, default=0) < 0 or ends[-1] != len(content):
        raise ValueError(f"contents of buffers end at byte {ends[-1]:,}, expected {len(content):,}")
    return [content[first:end] for first, end in pairwise(ends)]


def _payload(path: Path, data: bytes) -> bytes:
    """Return the content of a file whose header, length and digest are right."""
    if len(data) < _HEADER.size or data[: len(MAGIC)] != MAGIC:
        raise ArtifactError(
            f"{path} is no recording; give a file that `fpga-rt run --record` wrote"
        )
    _, version, length, size, expected = _HEADER.unpack_from(data)
    if version != VERSION:
        raise ArtifactError(f"{path}: version {version}, expected {VERSION}; record again")
    payload = data[_HEADER.size :]
    if len(payload) != length or hashlib.sha256(payload).digest() != expected:
        raise ArtifactError(
            f"{path} is damaged: got {len(payload):,} bytes of SHA-256"
            f" {hashlib.sha256(payload).hexdigest()[:12]}, expected {length:,} of"
            f" {expected.hex()[:12]}; {_AGAIN}"
        )
    if not _LENGTH.size <= size <= LIMIT_BYTES:
        raise ArtifactError(
            f"{path} says that it holds {size:,} bytes, expected at most {LIMIT_BYTES:,}; {_AGAIN}"
        )
    try:
        content = zlib.decompressobj().decompress(payload, size + 1)
    except zlib.error as error:
        raise ArtifactError(f"{path} is damaged: {error}; {_AGAIN}") from error
    if len(content) != size:
        raise ArtifactError(
            f"{path} is damaged: it holds {len(content):,} bytes or more, expected {size:,};"
            f" {_AGAIN}"
        )
    return content
