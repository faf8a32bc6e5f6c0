"""Simulation bitstreams, read with nothing but the words of the format."""

from __future__ import annotations

import struct

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.bitstream.read import identity_words

MODULE = 0x0123_4567_89AB_CDEF


def test_the_stream_is_the_plain_form_word_by_word() -> None:
    pynq = board("pynq-z2")
    partition = pynq.partitions[1]
    data = simulation_bitstream(pynq.device, partition, MODULE)
    words = struct.unpack(f">{len(data) // 4}I", data)
    assert words[:13] == (*[0xFFFFFFFF] * 8, 0xBB, 0x11220044, 0xFFFFFFFF, 0xFFFFFFFF, 0xAA995566)
    nop = 0x20000000
    assert words[13:20] == (nop, 0x30008001, 7, nop, nop, 0x30018001, 0x03727093)
    # rp1 begins with column 20 of Y1: bottom half (bit 22), row 0, column at bit 7.
    assert words[20:25] == (0x30008001, 1, nop, 0x30002001, 0x00400A00)
    assert words[25:28] == (nop, 0x30004000, 0x50000000 + 5 * 101)
    frame_data = words[28 : 28 + 5 * 101]
    assert frame_data[:4] == (0x46524D31, 0x01234567, 0x89ABCDEF, 1)
    assert frame_data[4 * 101 :] == (0,) * 101
    tail = words[28 + 5 * 101 :]
    assert (tail[0], *tail[2:]) == (0x30000001, 0x30008001, 13, *[nop] * 16)


@pytest.mark.parametrize("name", ["pynq-z2", "kv260", "zcu104", "alveo-u200"])
def test_same_arguments_same_bytes_and_another_module_other_frames(name: str) -> None:
    target = board(name)
    first, second = target.partitions[:2]
    assert simulation_bitstream(target.device, first, MODULE) == simulation_bitstream(
        target.device, first, MODULE
    )
    streams = {
        simulation_bitstream(target.device, partition, module)
        for partition in (first, second)
        for module in (MODULE, MODULE + 1, 0, (1 << 64) - 1)
    }
    assert len(streams) == 8
    assert max(map(len, streams)) < 2_500


def test_an_identity_that_does_not_fit_is_misuse() -> None:
    with pytest.raises(ValueError, match="module identity 0x10000000000000000 or partition 0 out"):
        identity_words(1 << 64, 0)
