"""Every operation against scipy, or against loops over exact integers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal, special  # type: ignore[import-untyped] # no stubs

from fpga_rt.arithmetic.operations import (
    Addition,
    AveragePool,
    Convolution,
    Dense,
    DepthwiseConvolution,
    MaximumPool,
    Reshape,
    Softmax,
    accumulator_bound,
)
from fpga_rt.arithmetic.requantise import AdditionRule, Requantisation

PADDINGS = [(0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 2, 0)]
STRIDES = [(1, 1), (2, 2), (2, 1)]


def _codes(*shape: int, seed: int = 0) -> NDArray[np.int8]:
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def _weights(*shape: int) -> NDArray[np.int8]:
    return np.random.default_rng(1).integers(-127, 128, shape).astype(np.int8)


def _correlate(
    image: NDArray[np.int8],
    kernel: NDArray[np.int8],
    padding: tuple[int, int, int, int],
    stride: tuple[int, int],
    value: int,
) -> NDArray[np.int64]:
    """Return exact sums of one channel (H, W) by scipy, strided afterwards."""
    top, bottom, left, right = padding
    padded = np.pad(image.astype(np.int64), ((top, bottom), (left, right)), constant_values=value)
    full: NDArray[np.int64] = signal.correlate2d(padded, kernel.astype(np.int64), "valid")
    return full[:: stride[0], :: stride[1]]


def _requantised(rule: Requantisation, sums: NDArray[np.int64]) -> NDArray[np.int64]:
    shift = rule.shift.astype(np.int64)
    constant = (rule.zero_point << shift) + (np.int64(1) << (shift - 1))
    total = (sums >> rule.pre_shift) * rule.multiplier.astype(np.int64) + constant
    clamped: NDArray[np.int64] = np.clip(total >> shift, rule.low, rule.high)
    return clamped


def _rule(channels: int, bound: int) -> Requantisation:
    scales = np.linspace(0.5, 2.0, channels) * 60 / bound
    return Requantisation.from_scales(scales, bound, -5, -128, 120)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 5)])
def test_convolution(
    padding: tuple[int, int, int, int], stride: tuple[int, int], kernel: tuple[int, int]
) -> None:
    codes, weights = _codes(2, 7, 6, 3), _weights(4, *kernel, 3)
    bias = np.array([5, -7, 100000, 0], np.int32)
    rule = _rule(4, accumulator_bound(weights, bias))
    layer = Convolution(weights, bias, rule, stride, padding, pad_value=11)
    got = layer.apply(codes)
    assert got.shape == (2, *layer.output_shape((7, 6, 3)))
    for image in range(2):
        sums = [
            sum(
                _correlate(codes[image, ..., i], weights[o, ..., i], padding, stride, 11)
                for i in range(3)
            )
            + int(bias[o])
            for o in range(4)
        ]
        expected = _requantised(rule, np.stack(sums, axis=-1).astype(np.int64))
        assert np.array_equal(got[image], expected)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("stride", STRIDES)
def test_depthwise_convolution(padding: tuple[int, int, int, int], stride: tuple[int, int]) -> None:
    codes, weights = _codes(1, 8, 7, 3), _weights(3, 3, 3)
    bias = np.array([5, -7, 1000], np.int32)
    rule = _rule(3, 9 * 127 * 128 + 1000)
    layer = DepthwiseConvolution(weights, bias, rule, stride, padding, pad_value=-3)
    got = layer.apply(codes)
    assert got.shape == (1, *layer.output_shape((8, 7, 3)))
    sums = [
        _correlate(codes[0, ..., c], weights[..., c], padding, stride, -3) + int(bias[c])
        for c in range(3)
    ]
    assert np.array_equal(got[0], _requantised(rule, np.stack(sums, axis=-1)))


def test_sums_beyond_24_bits_stay_exact() -> None:
    codes = np.full((1, 1, 1, 2048), 127, np.int8)
    codes[0, 0, 0, 0] = 126
    weights = np.full((1, 2048), 127, np.int8)
    layer = Dense(weights, np.zeros(1, np.int32), _rule(1, 2048 * 127 * 128))
    assert layer.bound == 2048 * 127 * 128 >= 1 << 24
    exact = np.array([[2047 * 127 * 127 + 126 * 127]])
    rule = Requantisation.from_scales(np.array([1.0]), layer.bound, -100)
    assert rule.pre_shift > 0
    assert np.array_equal(layer.apply(codes).ravel(), _requantised(layer.requantisation, exact)[0])


def test_dense() -> None:
    codes, weights = _codes(5, 1, 1, 40), _weights(6, 40)
    bias = np.arange(6, dtype=np.int32) * 1000
    rule = _rule(6, accumulator_bound(weights, bias))
    sums = codes.reshape(5, 40).astype(np.int64) @ weights.T.astype(np.int64) + bias
    got = Dense(weights, bias, rule).apply(codes)
    assert np.array_equal(got.reshape(5, 6), _requantised(rule, sums))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel", [(2, 2), (3, 2), (6, 6)])
def test_average_pool(padding: tuple[int, int, int, int], kernel: tuple[int, int]) -> None:
    codes = _codes(2, 6, 6, 3)
    size = kernel[0] * kernel[1]
    bias = np.full(3, -9 * size, np.int32)
    rule = Requantisation.from_scales(np.full(3, 1 / size), size * 137, 9)
    got = AveragePool(kernel, bias, rule, (2, 1), padding, pad_value=9).apply(codes)
    ones = np.ones(kernel, np.int8)
    for image in range(2):
        sums = [_correlate(codes[image, ..., c], ones, padding, (2, 1), 9) for c in range(3)]
        total = np.stack(sums, axis=-1) + bias
        assert np.array_equal(got[image], _requantised(rule, total))
        real = np.stack(sums, axis=-1) / size
        assert np.abs(got[image] - real).max() <= 0.51


def test_maximum_pool_padding_never_wins() -> None:
    codes = np.full((1, 3, 3, 1), -120, np.int8)
    codes[0, 2, 2, 0] = 50
    got = MaximumPool((2, 2), (2, 2), (0, 1, 0, 1), low=-110, high=40).apply(codes)
    assert got[0, ..., 0].tolist() == [[-110, -110], [-110, 40]]


def test_maximum_pool() -> None:
    codes = _codes(1, 6, 8, 2)
    got = MaximumPool((2, 2), (2, 2)).apply(codes)
    assert np.array_equal(got[0], codes[0].reshape(3, 2, 4, 2, 2).max(axis=(1, 3)))


def test_addition() -> None:
    a, b = _codes(1, 4, 4, 3), _codes(1, 4, 4, 3, seed=5)
    rule = AdditionRule.from_scales((0.5, 1.25), (3, -7), 2)
    real = np.clip(0.5 * (a.astype(float) - 3) + 1.25 * (b.astype(float) + 7) + 2, -128, 127)
    assert np.abs(Addition(rule).apply(a, b) - real).max() <= 0.51


def test_reshape_keeps_the_order() -> None:
    codes = _codes(2, 2, 3, 4)
    assert np.array_equal(Reshape((1, 1, 24)).apply(codes).ravel(), codes.ravel())


def test_softmax_equals_scipy() -> None:
    codes = _codes(3, 1, 1, 10)
    got = Softmax(0.1).apply(codes)
    expected = special.softmax(codes.astype(np.float64) * 0.1, axis=-1) * 256 - 128
    assert np.abs(got - np.clip(expected, -128, 127)).max() <= 0.5


def test_accumulator_bound_is_reached() -> None:
    weights = np.array([[127, -127], [1, 2]], np.int8)
    bias = np.array([-5, 7], np.int32)
    assert accumulator_bound(weights, bias) == 127 * 128 * 2 + 5
