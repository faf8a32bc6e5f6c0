"""Which frame a stream writes where: expands every form of frame data to addresses and contents.

The configuration logic holds one frame back: a frame is written when the next one arrives. So the
last frame of a run is not written to the address after the run; it stays in the buffer.

- *Plain*: FAR names the first frame, the device counts on by itself. The buffered frame of a run is
  a flush frame of zeros.
- *Compressed*: CMD MFW, then each MFWR writes the buffered frame to what FAR holds. UltraScale
  writes the first FAR again before the first MFWR, the 7-series relies on the one held.
- *With a CRC per frame*: every frame is followed by its own FAR and a CRC; one whose FAR is that of
  the frame before it is the pad frame of a row.
- *Debug*: every frame is followed by its address in LOUT; pad frames are bare zero words.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import Device
from fpga_rt.arch.packets import Register
from fpga_rt.bitstream.segments import Segment
from fpga_rt.bitstream.sequence import PAD, FrameOrder
from fpga_rt.bitstream.stream import ConfigurationStream
from fpga_rt.bitstream.walk import Indices
from fpga_rt.errors import ArtifactError

RESET_MASK = 2
"""Block type in whose frames a 7-series partial says which columns are reset."""


class FrameWrites(NamedTuple):
    """Frames in the order in which they are written.

    (n,) int64 each: FARs, `PAD` for pad frames, the words at which the contents begin, and the
    word of the stream that writes them (for compressed frames the multi-frame write).
    """

    addresses: Indices
    contents: Indices
    at: Indices


class Frames(NamedTuple):
    """Frames by address, ascending: (n,) int64 FARs and (n, frame words) uint32 contents."""

    addresses: Indices
    words: NDArray[np.uint32]


@lru_cache(maxsize=16)
def frame_order(device: Device) -> FrameOrder:
    """Return the frames of a device in counting order."""
    return FrameOrder(device)


def frame_writes(stream: ConfigurationStream, order: FrameOrder) -> FrameWrites:
    """Return every frame that a stream writes, flush frames and the reset mask left out.

    Raises:
        ArtifactError: The frames are encrypted, a run is not a whole number of frames or has no
            address, or an address is not in the device.
    """
    if stream.encrypted:
        raise ArtifactError(
            "the frames of this stream are encrypted, expected plain frame data; they cannot be "
            "read or verified: build the bitstream without encryption"
        )
    parts = [segment_writes(stream, segment, order) for segment in stream.segments]
    empty = np.zeros(0, np.int64)
    return FrameWrites(*(np.concatenate([empty, *column]) for column in zip(*parts, strict=True)))


def last_written(stream: ConfigurationStream, writes: FrameWrites, frame_words: int) -> Frames:
    """Return what the frames hold in the end; of a frame written twice, the last contents."""
    unique, from_end = np.unique(writes.addresses[::-1], return_index=True)
    kept = unique != PAD
    last = writes.contents[len(writes.contents) - 1 - from_end[kept]]
    return Frames(unique[kept], frames_at(stream.words, last, frame_words))


def frames_at(words: NDArray[np.uint32], at: Indices, frame_words: int) -> NDArray[np.uint32]:
    """Return (n, frame words) uint32: the frames that begin at the words `at` (n,)."""
    if not len(at):
        return np.zeros((0, frame_words), np.uint32)
    windows = np.lib.stride_tricks.sliding_window_view(words, frame_words)
    found: NDArray[np.uint32] = windows[at]
    return found


def segment_writes(stream: ConfigurationStream, segment: Segment, order: FrameOrder) -> FrameWrites:
    """Return the frames that one segment writes; see `frame_writes`.

    Raises:
        ArtifactError: As there.
    """
    data, packets = segment.data, segment.packets
    size = order.device.family.frame_words
    lengths = packets.stop[data] - packets.start[data]
    odd = np.flatnonzero(lengths % size)
    if len(odd):
        at = int(odd[0])
        raise ArtifactError(
            f"frame data at byte {stream.byte(int(packets.start[data[at]]))}: got "
            f"{int(lengths[at]):,} words, expected a multiple of {size}, a {order.device.family} "
            f"frame; build the stream for {order.device.name}"
        )
    if stream.is_debug:
        return _each_named(stream, segment, size, Register.LOUT)
    if stream.has_frame_crcs:
        return _each_named(stream, segment, size, Register.FAR)
    plain, repeated = _plain(stream, segment, order), _repeated(stream, segment, order)
    both = [np.concatenate(pair) for pair in zip(plain, repeated, strict=True)]
    in_file_order = np.argsort(both[2], kind="stable")
    return FrameWrites(*(column[in_file_order] for column in both))


def _plain(stream: ConfigurationStream, segment: Segment, order: FrameOrder) -> FrameWrites:
    """Return the frames of the runs, each without its last."""
    packets, size = segment.packets, order.device.family.frame_words
    high, low = order.device.family.address.block_type
    data = segment.data
    block_types = segment.frame_addresses[data] >> low & ((1 << (high - low + 1)) - 1)
    data = data[block_types != RESET_MASK]
    fars, starts = segment.frame_addresses[data], packets.start[data]
    _check_named(stream, segment, data)
    counts = ((packets.stop[data] - starts) // size - 1).astype(np.intp, copy=False)
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    contents = np.repeat(starts, counts) + size * within
    written = counts > 0
    addresses = order.runs(fars[written], counts[written])
    return FrameWrites(addresses, contents, contents)


def _check_named(stream: ConfigurationStream, segment: Segment, data: Indices) -> None:
    """Check that each run has a frame address of its own.

    Raises:
        ArtifactError: One has none.
    """
    fars = segment.packets.to(Register.FAR)
    named = np.searchsorted(fars, data)
    missing = np.flatnonzero(np.diff(named, prepend=0) == 0)
    if len(missing):
        at = int(segment.packets.at[data[missing[0]]])
        raise ArtifactError(
            f"frame data at byte {stream.byte(at)}: got no frame address of its own, expected a "
            "write to FAR before it; the stream is corrupt: build or fetch it again"
        )


def _repeated(stream: ConfigurationStream, segment: Segment, order: FrameOrder) -> FrameWrites:
    """Return the frames written by multi-frame writes."""
    packets, size = segment.packets, order.device.family.frame_words
    repeats = packets.to(Register.MFWR)
    source = np.searchsorted(segment.data, repeats) - 1
    if len(repeats) and source[0] < 0:
        raise ArtifactError(
            f"multi-frame write at byte {stream.byte(int(packets.at[repeats[0]]))}: got no frame "
            "to repeat, expected frame data before it; the stream is corrupt: build or fetch it "
            "again"
        )
    contents = packets.stop[segment.data[source]] - size
    addresses = order.runs(segment.frame_addresses[repeats], np.ones(len(repeats), np.int64))
    _advance(segment, size, order, source, addresses)
    return FrameWrites(addresses, contents, packets.at[repeats])


def _advance(
    segment: Segment, size: int, order: FrameOrder, source: Indices, addresses: Indices
) -> None:
    """Correct the addresses of repeats that follow their run without a frame address of their own.

    A run of n frames leaves the frame address at its last frame, and the first repeat goes there.
    """
    packets, fars = segment.packets, segment.packets.to(Register.FAR)
    repeats, runs = packets.to(Register.MFWR), segment.data[source]
    unnamed = np.searchsorted(fars, repeats) == np.searchsorted(fars, runs)
    counts = (packets.stop[runs] - packets.start[runs]) // size
    moved = np.flatnonzero(unnamed & (counts > 1))
    within = order.runs(segment.frame_addresses[runs[moved]], counts[moved])
    addresses[moved] = within[np.cumsum(counts[moved]) - 1]


def _each_named(
    stream: ConfigurationStream, segment: Segment, size: int, register: Register
) -> FrameWrites:
    """Return frames of which each is followed by a write of its address to `register`."""
    packets, data = segment.packets, segment.data
    names = packets.to(register)
    following = np.searchsorted(names, data)
    lengths = packets.stop[data] - packets.start[data]
    wrong = np.flatnonzero((lengths != size) | (following >= len(names)))
    if len(wrong):
        at = int(packets.at[data[wrong[0]]])
        raise ArtifactError(
            f"frame data at byte {stream.byte(at)}: got {int(lengths[wrong[0]]):,} words, expected "
            f"one frame of {size} and then its address in {register.name}; the stream is corrupt: "
            "build or fetch it again"
        )
    addresses = packets.value[names[following]]
    kept = np.append(True, addresses[1:] != addresses[:-1])[: len(addresses)]
    contents = packets.start[data][kept]
    return FrameWrites(addresses[kept], contents, contents)
