"""The rows of an array that changed, as differences to the base.

A row is what belongs to one output channel: the weights of a kernel, or an entry of a table. Axis 0
counts them, or the last one (weights of a depthwise convolution); whichever leaves fewer bytes.

    axis       1 byte: 0 the first, 1 the last
    changed    a bit for each row, lowest first, in whole bytes
    planes     for each byte of an element, lowest first, that byte of every element of the changed
               rows: the difference, wrapped to the element's width, its sign in the lowest bit

Small differences are small numbers then whatever their sign, and the high planes are zero, which
the compression of the package takes to nothing.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fpga_rt.errors import UpdateError

Array = NDArray[np.int8] | NDArray[np.int32]
Words = NDArray[np.unsignedinteger]
_WORDS: dict[int, np.dtype[np.unsignedinteger[Any]]] = {1: np.dtype("<u1"), 4: np.dtype("<u4")}
_SIGNED: dict[int, np.dtype[np.signedinteger[Any]]] = {1: np.dtype("<i1"), 4: np.dtype("<i4")}


def encode_rows(base: Array, target: Array) -> bytes:
    """Return what turns `base` into `target`, of the same shape and element type.

    Raises:
        ValueError: they have another shape or type, or do not differ.
    """
    if (base.shape, base.dtype) != (target.shape, target.dtype) or not base.ndim:
        raise ValueError(
            f"rows of {target.dtype} {target.shape} against {base.dtype} {base.shape}:"
            " expected the same, and at least one axis"
        )
    if np.array_equal(base, target):
        raise ValueError("no row differs")
    parts = [_encode_along(axis, base, target) for axis in range(min(base.ndim, 2))]
    return min(parts, key=len)


def decode_rows(base: Array, data: memoryview) -> tuple[Array, int]:
    """Return the target, and how many bytes of `data` it took.

    Raises:
        UpdateError: the data end too early, or name an axis that is not there.
    """
    if not data or data[0] >= min(base.ndim, 2):
        raise _damaged("the axis of a row", len(data), "0 or 1, and an array that has it")
    axis = -data[0]
    rows = _rows(base, axis)
    bitmap_bytes = -(-len(rows) // 8)
    changed = np.unpackbits(
        np.frombuffer(data[1 : 1 + bitmap_bytes], np.uint8), bitorder="little"
    ).astype(bool)
    if len(changed) < len(rows) or changed[len(rows) :].any():
        raise _damaged("a bitmap of rows", len(data), f"{len(rows)} rows")
    selected = rows[changed[: len(rows)]]
    start = 1 + bitmap_bytes
    end = start + selected.nbytes
    if len(data) < end:
        raise _damaged("rows", len(data), f"{end} bytes")
    rows[changed[: len(rows)]] = selected + _joined(data[start:end], selected)
    moved = np.moveaxis(base, axis, 0).shape
    restored = np.moveaxis(rows.view(base.dtype).reshape(moved), 0, axis)
    return cast("Array", np.ascontiguousarray(restored)), end


def _encode_along(axis: int, base: Array, target: Array) -> bytes:
    before, after = _rows(base, -axis), _rows(target, -axis)
    changed = (before != after).any(axis=1)
    bitmap: bytes = np.packbits(changed, bitorder="little").tobytes()
    difference = (after[changed] - before[changed]).reshape(-1)
    negative = difference.view(_SIGNED[difference.itemsize]) < 0
    one = difference.dtype.type(1)
    folded = np.where(negative, ~(difference << one), difference << one)
    planes = folded.view(np.uint8).reshape(-1, difference.itemsize).T
    return b"".join([bytes([axis]), bitmap, planes.tobytes()])


def _rows(array: Array, axis: int) -> Words:
    """Return a copy as unsigned numbers, little-endian, [rows, elements]."""
    moved = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
    itemsize = array.dtype.itemsize
    return moved.astype(_SIGNED[itemsize], order="C").view(_WORDS[itemsize])


def _joined(data: memoryview, like: Words) -> Words:
    """Return the differences that planes hold, in the shape and type of `like`."""
    planes = np.frombuffer(data, np.uint8).reshape(like.itemsize, -1)
    folded = np.ascontiguousarray(planes.T).reshape(-1).view(like.dtype)
    one = like.dtype.type(1)
    unfolded: Words = np.where(folded & one, ~(folded >> one), folded >> one)
    return unfolded.reshape(like.shape)


def _damaged(what: str, got_bytes: int, expected: str) -> UpdateError:
    return UpdateError(
        f"the package's changes are damaged: {what} in the last {got_bytes} bytes, expected"
        f" {expected}; send it again, or make it again",
        "damaged",
    )
