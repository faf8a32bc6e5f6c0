"""Summaries: figures from a stream's recipe, dies counted apart, no crash on damaged streams."""

from __future__ import annotations

import contextlib
import random
import struct

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.arch.families import FrameAddress
from fpga_rt.bitstream.build import Form, build, simulation_bitstream
from fpga_rt.bitstream.expand import Frames
from fpga_rt.bitstream.locate import device_of, locate
from fpga_rt.bitstream.read import frames, parse
from fpga_rt.bitstream.sequence import FrameOrder
from fpga_rt.bitstream.summary import RunSummary, summarise
from fpga_rt.errors import ArtifactError

PYNQ = board("pynq-z2")
PARTIAL = simulation_bitstream(PYNQ.device, PYNQ.partitions[0], 5)


def test_a_plain_partial() -> None:
    summary = summarise(PARTIAL)
    stream = summary.stream
    assert (summary.header, summary.stream_at_byte, summary.word_order) == ({}, 0, "big")
    assert (stream.family, stream.device, stream.kind) == ("7-series", "xc7z020", "partial")
    assert (stream.frames, stream.frame_words) == (5, 505)
    assert (stream.crcs, stream.crcs_matched) == (1, 1)
    assert (stream.compressed, stream.encrypted, stream.debug, stream.resets) == (False,) * 4
    # Row Y2 is row 0 of the top half, rp0 starts at column 54; the data follows 28 words.
    address = FrameAddress(0, 0, 54)
    assert stream.runs == (RunSummary(4 * 28, 54 << 7, address, 505, 5),)
    (segment,) = stream.segments
    assert (segment.at_byte, segment.desynced) == (48, True)


def test_a_blank_device_is_a_few_frames_written_everywhere() -> None:
    order = FrameOrder(PYNQ.device).run(0, PYNQ.device.full_stream_frames)
    addresses = np.sort(order[order >= 0])
    words = np.zeros((len(addresses), 101), np.uint32)
    stream = summarise(build(PYNQ.device, Frames(addresses, words), Form.FULL_COMPRESSED)).stream
    assert (stream.kind, stream.compressed) == ("full", True)
    assert stream.multi_frame_writes == PYNQ.device.total_frames
    assert stream.frames is not None
    assert stream.frames < 20
    assert stream.crcs_matched == stream.crcs > 0


def test_dies_are_counted_apart() -> None:
    inner = struct.unpack(f">{len(PARTIAL) // 4}I", PARTIAL)
    words = (0xFFFFFFFF, 0xAA995566, 0x3003C000, 0x50000000 + len(inner), *inner, 0x30008001, 13)
    stream = summarise(struct.pack(f">{len(words)}I", *words)).stream
    assert (stream.frames, stream.device) == (None, None)
    (die,) = stream.dies
    assert (die.frames, die.device, die.runs[0].at_byte) == (5, "xc7z020", 4 * (4 + 28))


@pytest.mark.parametrize("seed", range(200))
def test_damaged_streams_are_summarised_or_refused(seed: int) -> None:
    generator = random.Random(seed)
    damaged = bytearray(PARTIAL)
    for _ in range(generator.choice((1, 3, 9))):
        at = generator.randrange(48, 160)
        damaged[at] ^= 1 << generator.randrange(8)
    with contextlib.suppress(ArtifactError):
        summarise(bytes(damaged))
        stream = parse(bytes(damaged))
        chip = device_of(stream)
        found = locate(chip, frames(stream, chip).addresses, PYNQ.partitions)
        assert found.frames >= found.outside_frames
