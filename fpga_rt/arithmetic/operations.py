"""The operations of an integer network: frozen data with one method, `apply`.

Weights are int8 in [-127, 127] (int4: [-7, 7]). The zero point of the input is folded into the
bias, so an accumulator is `bias + sum(weight * code)` and padding holds the zero point's code.
Every tensor has the shape (N, H, W, C); a vector is (N, 1, 1, C).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic import accumulate
from fpga_rt.arithmetic.accumulate import Padding
from fpga_rt.arithmetic.requantise import (
    INT8_HIGH,
    INT8_LOW,
    AdditionRule,
    Requantisation,
)

Codes = NDArray[np.int8]
Pair = tuple[int, int]
Shape = tuple[int, int, int]
"""Height, width, channels."""
NO_PADDING: Padding = (0, 0, 0, 0)
_CODE_MAGNITUDE = 128


class _Windowed(Protocol):
    """What an operation with a sliding window offers."""

    @property
    def kernel(self) -> Pair: ...
    @property
    def stride(self) -> Pair: ...
    @property
    def padding(self) -> Padding: ...


def _window_shape(operation: _Windowed, shape: Shape) -> Pair:
    top, bottom, left, right = operation.padding
    padded = (shape[0] + top + bottom, shape[1] + left + right)
    return accumulate.output_size(padded, operation.kernel, operation.stride)


@dataclass(frozen=True, eq=False)
class Convolution:
    """Two-dimensional convolution, weights int8 (OC, KH, KW, IC), bias int32 (OC)."""

    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    requantisation: Requantisation
    stride: Pair = (1, 1)
    padding: Padding = NO_PADDING
    pad_value: int = 0
    weight_bits: int = 8

    @property
    def kernel(self) -> Pair:
        """Kernel rows and columns."""
        return self.weights.shape[1], self.weights.shape[2]

    @cached_property
    def bound(self) -> int:
        """Largest magnitude that an accumulator can reach."""
        return accumulator_bound(self.weights, self.bias)

    @cached_property
    def _matrix(self) -> NDArray[np.floating]:
        outputs = self.weights.shape[0]
        matrix = self.weights.reshape(outputs, -1).T
        return np.ascontiguousarray(matrix, accumulate.exact_dtype(self.bound))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the output's shape for an input's."""
        return (*_window_shape(self, shape), self.weights.shape[0])

    def apply(self, codes: Codes) -> Codes:
        """Convolve (N, H, W, IC) to (N, OH, OW, OC)."""
        padded = accumulate.pad(codes, self.padding, self.pad_value, self._matrix.dtype)
        sums = accumulate.convolve(padded, self._matrix, self.kernel, self.stride)
        return self.requantisation.apply(sums, self.bias)


@dataclass(frozen=True, eq=False)
class DepthwiseConvolution:
    """A convolution of each channel by itself, weights int8 (KH, KW, C), bias int32 (C)."""

    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    requantisation: Requantisation
    stride: Pair = (1, 1)
    padding: Padding = NO_PADDING
    pad_value: int = 0
    weight_bits: int = 8

    @property
    def kernel(self) -> Pair:
        """Kernel rows and columns."""
        return self.weights.shape[0], self.weights.shape[1]

    @cached_property
    def bound(self) -> int:
        """Largest magnitude that an accumulator can reach."""
        return accumulator_bound(np.moveaxis(self.weights, 2, 0), self.bias)

    @cached_property
    def _planes(self) -> NDArray[np.floating]:
        return self.weights.astype(accumulate.exact_dtype(self.bound))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the output's shape for an input's."""
        return (*_window_shape(self, shape), shape[2])

    def apply(self, codes: Codes) -> Codes:
        """Convolve (N, H, W, C) to (N, OH, OW, C)."""
        padded = accumulate.pad(codes, self.padding, self.pad_value, self._planes.dtype)
        sums = accumulate.convolve_depthwise(padded, self._planes, self.stride)
        return self.requantisation.apply(sums, self.bias)


@dataclass(frozen=True, eq=False)
class Dense:
    """A fully connected layer on (N, 1, 1, IC), weights int8 (OC, IC), bias int32 (OC)."""

    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    requantisation: Requantisation
    weight_bits: int = 8

    @cached_property
    def bound(self) -> int:
        """Largest magnitude that an accumulator can reach."""
        return accumulator_bound(self.weights, self.bias)

    @cached_property
    def _matrix(self) -> NDArray[np.floating]:
        return np.ascontiguousarray(self.weights.T, accumulate.exact_dtype(self.bound))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the output's shape for an input's."""
        return (1, 1, self.weights.shape[0])

    def apply(self, codes: Codes) -> Codes:
        """Multiply (N, 1, 1, IC) to (N, 1, 1, OC)."""
        sums = codes.reshape(len(codes), -1).astype(self._matrix.dtype) @ self._matrix
        return self.requantisation.apply(sums, self.bias).reshape(len(codes), 1, 1, -1)


@dataclass(frozen=True, eq=False)
class AveragePool:
    """The mean of every window, padding counted; bias and requantisation have C channels.

    The requantisation's scale includes the division by the window's size.
    """

    kernel: Pair
    bias: NDArray[np.int32]
    requantisation: Requantisation
    stride: Pair = (1, 1)
    padding: Padding = NO_PADDING
    pad_value: int = 0

    @property
    def bound(self) -> int:
        """Largest magnitude that an accumulator can reach."""
        size = self.kernel[0] * self.kernel[1]
        return _CODE_MAGNITUDE * size + int(np.abs(self.bias.astype(np.int64)).max(initial=0))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the output's shape for an input's."""
        return (*_window_shape(self, shape), shape[2])

    def apply(self, codes: Codes) -> Codes:
        """Average (N, H, W, C) to (N, OH, OW, C)."""
        dtype = accumulate.exact_dtype(self.bound)
        padded = accumulate.pad(codes, self.padding, self.pad_value, dtype)
        sums = accumulate.pool_sum(padded, self.kernel, self.stride)
        return self.requantisation.apply(sums, self.bias)


@dataclass(frozen=True)
class MaximumPool:
    """The largest code of every window; padding never wins. Scale and zero point stay."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = NO_PADDING
    low: int = INT8_LOW
    high: int = INT8_HIGH

    def output_shape(self, shape: Shape) -> Shape:
        """Return the output's shape for an input's."""
        return (*_window_shape(self, shape), shape[2])

    def apply(self, codes: Codes) -> Codes:
        """Reduce (N, H, W, C) to (N, OH, OW, C)."""
        padded = accumulate.pad(codes, self.padding, INT8_LOW, np.dtype(np.float32))
        largest = accumulate.pool_maximum(padded, self.kernel, self.stride)
        clamped: NDArray[np.floating] = np.clip(largest, self.low, self.high)
        return clamped.astype(np.int8)


@dataclass(frozen=True)
class Addition:
    """The sum of two tensors of one shape, each with its own scale."""

    rule: AdditionRule

    def output_shape(self, shape: Shape) -> Shape:
        """Return the output's shape for an input's."""
        return shape

    def apply(self, a: Codes, b: Codes) -> Codes:
        """Add two tensors (N, H, W, C)."""
        return self.rule.apply(a, b)


@dataclass(frozen=True)
class Reshape:
    """Another shape for the same codes in the same order; it moves no byte."""

    shape: Shape

    def output_shape(self, shape: Shape) -> Shape:
        """Return the output's shape for an input's."""
        return self.shape

    def apply(self, codes: Codes) -> Codes:
        """Reinterpret (N, H, W, C) as (N, *shape)."""
        return codes.reshape(len(codes), *self.shape)


@dataclass(frozen=True)
class Softmax:
    """Probabilities over the channels, computed by the host in float64.

    `scale` and `zero_point` belong to the input; the output has its own pair in the tensor.
    """

    scale: float
    output_scale: float = 1 / 256
    output_zero_point: int = -128

    def output_shape(self, shape: Shape) -> Shape:
        """Return the output's shape for an input's."""
        return shape

    def apply(self, codes: Codes) -> Codes:
        """Turn logits (N, H, W, C) into codes of probabilities."""
        logits = codes.astype(np.float64) * self.scale
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        shares = powers / powers.sum(axis=-1, keepdims=True)
        codes_out = np.rint(shares / self.output_scale) + self.output_zero_point
        clamped: NDArray[np.float64] = np.clip(codes_out, INT8_LOW, INT8_HIGH)
        return clamped.astype(np.int8)


Operation = (
    Convolution
    | DepthwiseConvolution
    | Dense
    | AveragePool
    | MaximumPool
    | Addition
    | Reshape
    | Softmax
)


def accumulator_bound(weights: NDArray[np.int8], bias: NDArray[np.int32]) -> int:
    """Return the largest magnitude of `bias + sum(weight * code)` over all channels (axis 0)."""
    magnitudes = np.abs(weights.astype(np.int64)).reshape(len(weights), -1).sum(axis=1)
    return int((magnitudes * _CODE_MAGNITUDE + np.abs(bias.astype(np.int64))).max(initial=0))
