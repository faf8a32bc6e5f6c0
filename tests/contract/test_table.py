"""Requantisation tables, byte by byte."""

from __future__ import annotations

import struct

import numpy as np

from fpga_rt.contract.table import HEADER_BYTES, Table

TABLE = Table(
    {
        "zero_point": -3,
        "low": -128,
        "high": 127,
        "pre_shift": 2,
        "pad_value": -7,
        "add_shift": 20,
        "add_low": -5,
        "add_high": 6,
        "add_multiplier_a": 70000,
        "add_multiplier_b": 65536,
        "add_constant": -(1 << 40),
        "reserved": 0,
    },
    np.array([-1, 2, 1 << 30], np.int32),
    np.array([1, 65536, (1 << 24) - 1], np.int32),
    np.array([1, 20, 39], np.int32),
)


def test_bytes_are_where_the_table_says() -> None:
    data = TABLE.encode()
    header = struct.unpack("<bbbBbBbbIIqq", data[:HEADER_BYTES])
    assert header == (-3, -128, 127, 2, -7, 20, -5, 6, 70000, 65536, -(1 << 40), 0)
    assert struct.unpack("<iI", data[40:48]) == (2, 20 << 24 | 65536)


def test_decode_undoes_encode() -> None:
    again = Table.decode(TABLE.encode())
    assert again.header == TABLE.header
    for name in ("bias", "multiplier", "shift"):
        assert (getattr(again, name) == getattr(TABLE, name)).all()


def test_channels_keep_the_header() -> None:
    part = TABLE.channels(1, 3)
    assert part.encode() == TABLE.encode()[:HEADER_BYTES] + TABLE.encode()[HEADER_BYTES + 8 :]


def test_bits_outside_of_fields_are_ignored() -> None:
    data = bytearray(TABLE.encode())
    data[HEADER_BYTES + 7] |= 0xC0  # two bits above the shift
    again = Table.decode(bytes(data))
    assert again.shift[0] == 1
    assert again.multiplier[0] == 1
