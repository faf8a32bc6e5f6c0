"""Submission headers, word by word."""

from __future__ import annotations

import struct

import pytest

from fpga_rt.contract.command import Segment
from fpga_rt.contract.submission import HEADER, MAGIC, Placement, Ring, Submission

SUBMISSION = Submission(
    {0: Ring(0x1000_0000, 3), 2: Ring(0x1_0000_0040, 1)},
    {
        segment: Placement(0x2000_0000 + 64 * segment, 64 * segment, segment + 1)
        for segment in Segment
    },
    repeat=7,
    bank=5,
)


def test_decode_undoes_encode() -> None:
    assert Submission.decode(SUBMISSION.encode()) == SUBMISSION


def test_header_words_are_where_the_table_says() -> None:
    words = struct.unpack("<40I", SUBMISSION.encode())
    assert words[:4] == (MAGIC, 7, 5, 0)
    assert struct.pack("<I", MAGIC) == b"FGRT"
    features = 4 + 4 * Segment.FEATURES
    assert words[features : features + 4] == (0x2000_0080, 0, 128, 3)
    assert words[24:27] == (0x1000_0000, 0, 3)
    assert words[30:33] == (0x40, 1, 1)


def test_missing_segments_have_depth_one() -> None:
    again = Submission.decode(Submission({}, {}).encode())
    assert again.segments[Segment.OUTPUT] == Placement(0, 0, 1)


def test_wrong_magic_and_length_are_named() -> None:
    with pytest.raises(ValueError, match=r"submission magic: got 0x0, expected 0x54524746"):
        Submission.decode(bytes(HEADER.size_bytes))
    with pytest.raises(ValueError, match="submission: got 4 bytes, expected 160"):
        Submission.decode(bytes(4))


def test_a_segment_moves_by_its_stride_and_wraps_at_its_depth() -> None:
    place = Placement(1000, 64, 3)
    assert [place.at(i) for i in range(5)] == [1000, 1064, 1128, 1000, 1064]
