"""Exact integer accumulators at the speed of BLAS.

Integers held in floats are exact while every partial sum stays below 2**24 (float32) or 2**53
(float64); `exact_dtype` chooses from the bound of the layer. The order in which BLAS adds does
not matter then.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Float: TypeAlias = "np.dtype[Any]"
Padding = tuple[int, int, int, int]
"""Rows above, rows below, columns left, columns right."""

_WINDOW_BYTES = 1 << 20
"""Images are taken in groups whose unfolded windows stay in the second-level cache."""


def exact_dtype(bound: int) -> Float:
    """Return the narrowest float that holds every integer up to `bound` exactly."""
    return np.dtype(np.float32 if bound < 1 << 24 else np.float64)


def pad(
    images: NDArray[np.int8], padding: Padding, value: int, dtype: Float
) -> NDArray[np.floating]:
    """Convert (N, H, W, C) to `dtype` with a border of `value`."""
    top, bottom, left, right = padding
    n, height, width, channels = images.shape
    if not any(padding):
        return images.astype(dtype)
    shape = (n, height + top + bottom, width + left + right, channels)
    padded = np.full(shape, value, dtype)
    padded[:, top : top + height, left : left + width] = images
    return padded


def windows(
    padded: NDArray[np.floating], kernel: tuple[int, int], stride: tuple[int, int]
) -> NDArray[np.floating]:
    """View (N, H, W, C) as (N, OH, OW, KH, KW, C) without copying."""
    n, height, width, channels = padded.shape
    rows, columns = output_size((height, width), kernel, stride)
    sn, sy, sx, sc = padded.strides
    return as_strided(
        padded,
        (n, rows, columns, *kernel, channels),
        (sn, sy * stride[0], sx * stride[1], sy, sx, sc),
        writeable=False,
    )


def output_size(
    padded: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int]
) -> tuple[int, int]:
    """Return rows and columns of the output for a padded input size."""
    rows, columns = ((p - k) // s + 1 for p, k, s in zip(padded, kernel, stride, strict=True))
    return rows, columns


def convolve(
    padded: NDArray[np.floating],
    matrix: NDArray[np.floating],
    kernel: tuple[int, int],
    stride: tuple[int, int],
) -> NDArray[np.floating]:
    """Convolve padded (N, H, W, C) with `matrix` (KH*KW*C, OC) to (N, OH, OW, OC)."""
    view = windows(padded, kernel, stride)
    n, rows, columns = view.shape[:3]
    depth, outputs = matrix.shape
    if kernel == (1, 1) and stride == (1, 1):
        return (padded.reshape(-1, depth) @ matrix).reshape(n, rows, columns, outputs)
    result = np.empty((n, rows * columns, outputs), padded.dtype)
    group = max(1, _WINDOW_BYTES // (rows * columns * depth * padded.itemsize))
    for first in range(0, n, group):
        part = view[first : first + group].reshape(-1, depth)
        np.matmul(part, matrix, out=result[first : first + group].reshape(-1, outputs))
    return result.reshape(n, rows, columns, outputs)


def convolve_depthwise(
    padded: NDArray[np.floating], weights: NDArray[np.floating], stride: tuple[int, int]
) -> NDArray[np.floating]:
    """Convolve every channel of padded (N, H, W, C) with its own (KH, KW, C) weights."""
    view = windows(padded, (weights.shape[0], weights.shape[1]), stride)
    result = np.zeros((*view.shape[:3], view.shape[5]), padded.dtype)
    for y in range(weights.shape[0]):
        for x in range(weights.shape[1]):
            result += view[:, :, :, y, x] * weights[y, x]
    return result


def pool_sum(
    padded: NDArray[np.floating], kernel: tuple[int, int], stride: tuple[int, int]
) -> NDArray[np.floating]:
    """Return the sum of every window, (N, OH, OW, C): its rows first, then its columns."""
    n, height, width, channels = padded.shape
    rows, columns = output_size((height, width), kernel, stride)
    down, along = (rows - 1) * stride[0] + 1, (columns - 1) * stride[1] + 1
    lines = np.zeros((n, rows, width, channels), padded.dtype)
    for y in range(kernel[0]):
        lines += padded[:, y : y + down : stride[0]]
    result = np.zeros((n, rows, columns, channels), padded.dtype)
    for x in range(kernel[1]):
        result += lines[:, :, x : x + along : stride[1]]
    return result


def pool_maximum(
    padded: NDArray[np.floating], kernel: tuple[int, int], stride: tuple[int, int]
) -> NDArray[np.floating]:
    """Return the largest value of every window, (N, OH, OW, C)."""
    view = windows(padded, kernel, stride)
    result: NDArray[np.floating] = view[:, :, :, 0, 0].copy()
    for y in range(kernel[0]):
        for x in range(kernel[1]):
            np.maximum(result, view[:, :, :, y, x], out=result)
    return result
