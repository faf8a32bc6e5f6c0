"""Descriptors, byte by byte."""

from __future__ import annotations

import struct

import pytest

from fpga_rt.contract.command import (
    COMMAND,
    COMMAND_BYTES,
    Operation,
    Segment,
    address,
    split_address,
)


def test_descriptor_bytes_are_where_the_table_says() -> None:
    data = COMMAND.encode(
        {
            "operation": Operation.DEPTHWISE,
            "flags": 2,
            "sequence": 0x1234,
            "wait0": 1,
            "wait3": 4,
            "input": address(Segment.FEATURES, 0x40),
            "output_height": 5,
            "output_width": 6,
            "stride_x": 2,
            "input_row_pitch": 0xABCDEF,
            "pad_top": 1,
        }
    )
    words = struct.unpack("<16I", data)
    assert len(data) == COMMAND_BYTES == COMMAND.size_bytes
    assert words[0] == 0x1234_02_03
    assert words[1:3] == (1, 4 << 16)
    assert words[4] == 0x2000_0040
    assert words[11] == 6 << 16 | 5
    assert words[13] == 2 << 24
    assert words[14] == 1 << 24 | 0xABCDEF


@pytest.mark.parametrize("segment", list(Segment))
def test_split_address_undoes_address(segment: Segment) -> None:
    assert split_address(address(segment, (1 << 28) - 1)) == (segment, (1 << 28) - 1)


def test_offset_that_does_not_fit_is_misuse() -> None:
    with pytest.raises(ValueError, match=r"offset 268435456 in segment WEIGHTS: expected 0\.\."):
        address(Segment.WEIGHTS, 1 << 28)
