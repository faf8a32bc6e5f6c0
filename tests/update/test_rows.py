"""Rows: what is sent of an array leads back to it, whatever changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fpga_rt.errors import UpdateError
from fpga_rt.update.rows import decode_rows, encode_rows

TYPES = st.sampled_from([np.int8, np.int32])


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    dtype = draw(TYPES)
    shape = draw(array_shapes(min_dims=1, max_dims=4, max_side=7))
    base = draw(arrays(dtype, shape))
    target = draw(arrays(dtype, shape)) if draw(st.booleans()) else base.copy()
    target[tuple(draw(st.integers(0, n - 1)) for n in shape)] ^= 1
    return base, target


@given(_pairs(), st.binary(max_size=5))
def test_any_change_comes_back(pair: tuple[np.ndarray, np.ndarray], behind: bytes) -> None:
    base, target = pair
    if np.array_equal(base, target):
        return
    data = encode_rows(base, target)
    found, used = decode_rows(base, memoryview(data + behind))
    assert used == len(data)
    assert found.dtype == target.dtype
    np.testing.assert_array_equal(found, target)


def test_one_row_costs_a_row() -> None:
    base = np.zeros((64, 3, 3, 16), np.int8)
    target = base.copy()
    target[5] = 1
    assert len(encode_rows(base, target)) == 1 + 64 // 8 + 3 * 3 * 16


def test_channels_of_a_depthwise_convolution_are_rows() -> None:
    base = np.zeros((3, 3, 64), np.int8)
    target = base.copy()
    target[:, :, 7] = -1
    data = encode_rows(base, target)
    assert data == bytes([1]) + (1 << 7).to_bytes(8, "little") + bytes([1] * 9)


def test_small_differences_leave_high_planes_zero() -> None:
    base = np.array([1 << 20, 5, -7, 9], np.int32)
    data = encode_rows(base, base + np.array([1, -1, 2, -100], np.int32))
    assert data == b"\0" + b"\x0f" + bytes([2, 1, 4, 199]) + bytes(12)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "the axis of a row in the last 0 bytes, expected 0 or 1"),
        (b"\2", "the axis of a row in the last 1 bytes"),
        (b"\0", "a bitmap of rows in the last 1 bytes, expected 3 rows"),
        (b"\0\x08", "a bitmap of rows in the last 2 bytes, expected 3 rows"),
        (b"\0\x07", "rows in the last 2 bytes, expected 8 bytes; send it again"),
    ],
)
def test_damage_is_named(data: bytes, text: str) -> None:
    with pytest.raises(UpdateError) as error:
        decode_rows(np.zeros((3, 2), np.int8), memoryview(data))
    assert text in str(error.value)
    assert error.value.reason == "damaged"


def test_misuse_is_refused() -> None:
    zeros = np.zeros(3, np.int8)
    with pytest.raises(ValueError, match="no row differs"):
        encode_rows(zeros, zeros)
    with pytest.raises(ValueError, match=r"rows of int8 \(4,\) against int8 \(3,\)"):
        encode_rows(zeros, np.ones(4, np.int8))
