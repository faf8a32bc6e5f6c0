"""Says what a configuration file holds, without judging it: that is for `verify`.

Every figure is counted from the packets. A family that is not known leaves frames uncounted, since
nothing in a stream tells how long a frame is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from fpga_rt.arch.families import FAMILIES, Family, FrameAddress
from fpga_rt.arch.packets import Command, Register
from fpga_rt.bitstream.locate import device_named
from fpga_rt.bitstream.read import ConfigurationStream, Segment, parse


@dataclass(frozen=True)
class RunSummary:
    """Frames written in one go: where in the file, from which address on, how many.

    `frames` counts flush and pad frames; None when the family is not known.
    """

    at_byte: int
    far: int
    address: FrameAddress | None
    words: int
    frames: int | None


@dataclass(frozen=True)
class SegmentSummary:
    """What lies between a sync word and its DESYNC: packets are counted without NOPs."""

    at_byte: int
    writes: int
    runs: int
    crcs: int
    crcs_matched: int
    desynced: bool


@dataclass(frozen=True)
class StreamSummary:
    """What the stream of one die holds.

    Attributes:
        family: name of the family, None when unknown.
        device: name of the device when its data file is there.
        idcodes: as written, in order.
        kind: `full` when it starts a device up, `partial` when it changes a running one.
        compressed: whether multi-frame writes repeat frames.
        encrypted: whether frames are encrypted; nothing below is counted of those.
        per_frame_crc: whether every frame is followed by a CRC.
        debug: whether every frame is followed by its address.
        resets: whether a partial shuts its region down and restores it (GRESTORE).
        segments: from each sync word to its DESYNC.
        runs: frame data, in file order.
        far_starts: the frame addresses written, each once, in order.
        frame_words: words of frame data, flush and pad frames included.
        frames: the same in frames, None when the family is unknown.
        multi_frame_writes: how many writes repeat the last frame at another address.
        crcs: checked CRCs in it.
        crcs_matched: how many of these are right.
        dies: the streams handed on to further dies.
    """

    family: str | None
    device: str | None
    idcodes: tuple[int, ...]
    kind: str
    compressed: bool
    encrypted: bool
    per_frame_crc: bool
    debug: bool
    resets: bool
    segments: tuple[SegmentSummary, ...]
    runs: tuple[RunSummary, ...]
    far_starts: tuple[int, ...]
    frame_words: int
    frames: int | None
    multi_frame_writes: int
    crcs: int
    crcs_matched: int
    dies: tuple[StreamSummary, ...]


@dataclass(frozen=True)
class Summary:
    """What a file holds: its header and the stream of its first die.

    Attributes:
        digest: SHA-256 of the file, hexadecimal.
        size_bytes: bytes of the file.
        header: fields of a .bit header by name: design, part, date, time; empty for a .bin.
        stream_at_byte: where the words begin.
        word_order: `big`, as in a .bit file, or `little`, as fpga_manager takes them.
        stream: what the words hold.
    """

    digest: str
    size_bytes: int
    header: dict[str, str]
    stream_at_byte: int
    word_order: str
    stream: StreamSummary


_HEADER_NAMES = {"a": "design", "b": "part", "c": "date", "d": "time"}


def summarise(data: bytes) -> Summary:
    """Return what a .bit or .bin file holds.

    Raises:
        ArtifactError: It is no configuration stream.
    """
    stream = parse(data)
    return Summary(
        digest=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        header={name: stream.header[k] for k, name in _HEADER_NAMES.items() if k in stream.header},
        stream_at_byte=stream.origin_bytes,
        word_order="little" if stream.swapped else "big",
        stream=_stream(stream),
    )


def _stream(stream: ConfigurationStream) -> StreamSummary:
    family = FAMILIES.get(stream.family or "")
    found = device_named(stream.idcodes[0]) if stream.idcodes else None
    words = sum(run.stop - run.start for run in stream.runs)
    return StreamSummary(
        family=stream.family,
        device=found.name if found else None,
        idcodes=stream.idcodes,
        kind=stream.kind,
        compressed=stream.compressed,
        encrypted=stream.encrypted,
        per_frame_crc=stream.has_frame_crcs,
        debug=stream.is_debug,
        resets=_gives(stream, Command.GRESTORE) and _gives(stream, Command.SHUTDOWN),
        segments=tuple(_segment(stream, segment) for segment in stream.segments),
        runs=_runs(stream, family),
        far_starts=_far_starts(stream),
        frame_words=words,
        frames=words // family.frame_words if family else None,
        multi_frame_writes=stream.writes_to(Register.MFWR),
        crcs=len(stream.crcs),
        crcs_matched=stream.crcs_matched,
        dies=tuple(_stream(nested) for nested in stream.nested),
    )


def _segment(stream: ConfigurationStream, segment: Segment) -> SegmentSummary:
    return SegmentSummary(
        at_byte=stream.byte(segment.start - 1),
        writes=int(segment.packets.writes.sum()),
        runs=len(segment.runs),
        crcs=len(segment.crcs),
        crcs_matched=segment.crcs_matched,
        desynced=segment.desynced,
    )


def _runs(stream: ConfigurationStream, family: Family | None) -> tuple[RunSummary, ...]:
    return tuple(
        RunSummary(
            at_byte=stream.byte(run.start),
            far=run.far,
            address=family.address.decode(run.far) if family else None,
            words=run.stop - run.start,
            frames=(run.stop - run.start) // family.frame_words if family else None,
        )
        for run in stream.runs
    )


def _far_starts(stream: ConfigurationStream) -> tuple[int, ...]:
    written = (
        far
        for segment in stream.segments
        for far in segment.packets.value[segment.packets.to(Register.FAR)].tolist()
    )
    return tuple(dict.fromkeys(written))


def _gives(stream: ConfigurationStream, command: Command) -> bool:
    return any(len(segment.packets.commands(command)) > 0 for segment in stream.segments)
