"""Shrinks a stream: fewer configuration words, the same frames in the end.

Frames with equal contents are sent once (multi-frame writes), and frames that the device holds
already are not sent at all: those of the first of two passes, or of what was loaded before. Only
frame data is written anew; every other packet is kept in its place: a partial that resets its
region keeps its reset mask, an UltraScale+ partial its four segments. The reset mask and the frames
that hold and release clocks are kept as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import Device
from fpga_rt.arch.packets import Command, Register, write
from fpga_rt.arch.rules import CLOCK_BIT, IDCODE_MASK, MULTI_FRAME_BIT
from fpga_rt.bitstream.convert import check_intact
from fpga_rt.bitstream.expand import RESET_MASK, Frames, frame_order
from fpga_rt.bitstream.multi_frame import plan, write_compressed
from fpga_rt.bitstream.placement import Placed, contents, place
from fpga_rt.bitstream.read import parse
from fpga_rt.bitstream.segments import Segment
from fpga_rt.bitstream.sequence import PAD
from fpga_rt.bitstream.stream import ConfigurationStream
from fpga_rt.bitstream.writer import StreamWriter
from fpga_rt.errors import ArtifactError


@dataclass(frozen=True)
class Shrunk:
    """A shrunk file in the format of the original, and the configuration words of both."""

    data: bytes = field(repr=False)
    words_before: int
    words_after: int

    @property
    def ratio(self) -> float:
        """How many words of the original one word stands for."""
        return self.words_before / self.words_after


def shrink(
    data: bytes, device: Device, against: Frames | None = None, single_pass: bool = False
) -> Shrunk:
    """Shrink a plain stream (.bit, or .bin of either word order); a compressed one is kept.

    Args:
        data: The file.
        device: What it is for; its geometry must be known.
        against: Frames that the device will hold when the stream is loaded; those that hold the
            same after it are left out, in every pass. The result must be loaded over nothing else.
        single_pass: Leave out all but the last contents of frames that the stream writes twice in
            a row, as 7-series partials that reset their region do. Older partials have one pass;
            whether the reset needs the first is not documented.

    Raises:
        ArtifactError: The stream is corrupt, encrypted, of several dies, for another device, has a
            CRC per frame, or is compressed and to be shrunk against frames.
    """
    stream = parse(data)
    check_intact(stream)
    _check_device(stream, device)
    count = len(stream.words)
    if stream.compressed and against is None:
        return Shrunk(data, count, count)
    _check_plain(stream)
    rules = _Rules(device, against, single_pass)
    edits = [edit for segment in stream.segments for edit in _edits(stream, segment, rules)]
    words = _edited(stream.words, edits)
    if len(words) >= count:
        return Shrunk(data, count, count)
    return Shrunk(_like(data, stream, words), count, len(words))


class _Rules(NamedTuple):
    device: Device
    against: Frames | None
    single_pass: bool


class _Edit(NamedTuple):
    """Words `start` to `stop` of the stream become `words`."""

    start: int
    stop: int
    words: NDArray[np.uint32]


def _check_device(stream: ConfigurationStream, device: Device) -> None:
    for idcode in stream.idcodes:
        if (idcode ^ device.idcode) & IDCODE_MASK:
            raise ArtifactError(
                f"the stream is for IDCODE 0x{idcode:08X}, expected 0x{device.idcode:08X} of "
                f"{device.name}; name the device that it is for"
            )


def _check_plain(stream: ConfigurationStream) -> None:
    forms = {
        "compressed": stream.compressed,
        "with a CRC per frame": stream.has_frame_crcs,
        "a debug stream": stream.is_debug,
        "encrypted": stream.encrypted,
        "for several dies": bool(stream.nested),
    }
    for form, found in forms.items():
        if found:
            raise ArtifactError(
                f"the stream is {form}, expected plain frame data to shrink; build the bitstream "
                "without that option"
            )


def _like(data: bytes, stream: ConfigurationStream, words: NDArray[np.uint32]) -> bytes:
    """Return words as a file in the format of `data`: its header, its word order."""
    payload = words.astype("<u4" if stream.swapped else ">u4").tobytes()
    if not stream.origin_bytes:
        return payload
    return data[: stream.origin_bytes - 4] + len(payload).to_bytes(4, "big") + payload


def _edited(words: NDArray[np.uint32], edits: list[_Edit]) -> NDArray[np.uint32]:
    """Return the words after all edits, which are in order, with every CRC right again."""
    parts, at = [], 0
    for edit in edits:
        parts += [words[at : edit.start], edit.words]
        at = edit.stop
    result = np.concatenate([*parts, words[at:]])
    for crc in parse(result.astype(">u4").tobytes()).crcs:
        result[crc.at] = crc.computed
    return result


def _edits(stream: ConfigurationStream, segment: Segment, rules: _Rules) -> Iterator[_Edit]:
    """Yield what changes in a segment, in order."""
    closing = -1
    for first, stop in _phases(segment, rules.device):
        packets = segment.packets
        if 0 <= closing < first:
            yield _control(int(packets.at[closing]), 0)
            closing = -1
        start, end = int(packets.at[first]), int(packets.stop[stop - 1])
        writer = StreamWriter(rules.device.family)
        data = segment.data[(segment.data >= first) & (segment.data < stop)]
        grouped = _write_anew(writer, stream, segment, data, rules)
        words = writer.words()
        if len(words) + 2 * len(_control(0, 0).words) >= end - start:
            continue
        if grouped and closing < 0:
            yield _control(start, MULTI_FRAME_BIT)
            closing = _closing(segment, stop)
        yield _Edit(start, end, words)
    if closing >= 0:
        yield _control(int(segment.packets.at[closing]), 0)


def _control(at: int, value: int) -> _Edit:
    """Return the edit that sets or clears the bit for multi-frame writes before the word `at`."""
    words = (*write(Register.MASK, MULTI_FRAME_BIT), *write(Register.CTL1, value))
    return _Edit(at, at, np.array(words, np.uint32))


def _closing(segment: Segment, after: int) -> int:
    """Return the packet before which that bit is cleared: START, or else the next CRC."""
    packets = segment.packets
    starts, crcs = packets.commands(Command.START), packets.to(Register.CRC)
    return int(next(found for found in (*starts, *crcs) if found >= after))


def _phases(segment: Segment, device: Device) -> Iterator[tuple[int, int]]:
    """Yield the packets, first to stop, that write frames and may be replaced by others."""
    packets = segment.packets
    member = np.isin(packets.register, (Register.FAR, Register.FDRI))
    member[packets.commands(Command.WCFG)] = True
    edges = np.flatnonzero(np.diff(member.astype(np.int8), prepend=0, append=0))
    clocks = packets.to(Register.CTL1)
    for first, stop in edges.reshape(-1, 2).tolist():
        data = segment.data[(segment.data >= first) & (segment.data < stop)]
        before = clocks[clocks < first]
        holds_clocks = len(before) and int(packets.value[before[-1]]) & CLOCK_BIT
        if len(data) and not holds_clocks and not _is_mask(segment, int(data[0]), device):
            yield first, int(data[-1]) + 1


def _is_mask(segment: Segment, packet: int, device: Device) -> bool:
    far = int(segment.frame_addresses[packet])
    return device.family.address.decode(far).block_type == RESET_MASK


def _write_anew(
    writer: StreamWriter,
    stream: ConfigurationStream,
    segment: Segment,
    data: NDArray[np.int64],
    rules: _Rules,
) -> bool:
    """Write what the packets `data` write; tell whether it is announced as for multi-frame writes.

    So it is where a second pass leaves out frames that the first has written.
    """
    passes = list(_passes(stream, segment, data, rules.device))
    unchanged = _unchanged(rules, passes)
    known = [] if rules.against is None else [rules.against]
    grouped = False
    for number, frames in enumerate(passes[-1:] if rules.single_pass else passes):
        placed = place(rules.device, frames)
        placed = placed.take(~np.isin(placed.addresses, unchanged))
        chosen = plan(placed, _held(placed, known))
        write_compressed(writer, placed, chosen)
        shorter = number > 0 and not chosen.in_runs.all()
        grouped = grouped or bool(chosen.groups) or shorter
        known.append(frames)
    return grouped


def _unchanged(rules: _Rules, passes: list[Frames]) -> NDArray[np.int64]:
    """Return (n,) FARs of the frames that hold in the end what they held before."""
    if rules.against is None:
        return np.zeros(0, np.int64)
    last: list[NDArray[np.int64]] = []
    for index, frames in enumerate(passes):
        later = [np.zeros(0, np.int64), *(other.addresses for other in passes[index + 1 :])]
        placed = place(rules.device, frames)
        same = _held(placed, [rules.against]) & ~np.isin(placed.addresses, np.concatenate(later))
        last.append(placed.addresses[same])
    return np.concatenate(last)


def _held(placed: Placed, known: list[Frames]) -> NDArray[np.bool_]:
    """Return (n,) bool: which frames the device holds already, after writing those `known`."""
    before, found = placed, np.zeros(len(placed.words), np.bool_)
    for frames in known:
        before = before._replace(words=contents(before, frames))
        found |= np.isin(placed.addresses, frames.addresses)
    same: NDArray[np.bool_] = (before.words == placed.words).all(axis=1)
    return found & same


def _passes(
    stream: ConfigurationStream, segment: Segment, data: NDArray[np.int64], device: Device
) -> Iterator[Frames]:
    """Yield the frames that some runs write; a frame written again begins another pass."""
    size, order = device.family.frame_words, frame_order(device)
    addresses: list[NDArray[np.int64]] = []
    words: list[NDArray[np.uint32]] = []
    for index in data.tolist():
        start, stop = int(segment.packets.start[index]), int(segment.packets.stop[index])
        written = stream.words[start:stop].reshape(-1, size)[:-1]
        fars = order.run(int(segment.frame_addresses[index]), len(written))
        kept = fars != PAD
        if any(np.isin(fars[kept], before).any() for before in addresses):
            yield Frames(np.concatenate(addresses), np.concatenate(words))
            addresses, words = [], []
        addresses.append(fars[kept])
        words.append(written[kept])
    yield Frames(np.concatenate(addresses), np.concatenate(words))
