"""Codes, scales and zero points as files state them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fpga_rt.errors import ModelError
from fpga_rt.frontend.encoding import (
    Encoding,
    Place,
    activation_encoding,
    symmetric_weights,
)

PLACE = Place("conv1", "Conv", (3, 8, 8))
HERE = r"node conv1 \(Conv, input shape \(3, 8, 8\)\): "


def test_place_without_a_shape() -> None:
    error = Place("x", "Relu").refuse("got", "expected")
    assert str(error) == "node x (Relu): got; expected"


@pytest.mark.parametrize(
    ("low", "high", "limits"),
    [
        (-math.inf, math.inf, (-128, 127)),
        (0.0, math.inf, (-20, 127)),
        (0.0, 6.0, (-20, 100)),
        (-100.0, 100.0, (-128, 127)),
        (-1.0, 1.0, (-40, 0)),
    ],
)
def test_limits(low: float, high: float, limits: tuple[int, int]) -> None:
    assert Encoding(0.05, -20).limits(low, high) == limits


def test_unsigned_activations_are_shifted() -> None:
    got = activation_encoding(np.array([0.5]), np.array([130]), True, PLACE)
    assert got == Encoding(0.5, 2)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_refuses_an_activation_scale(scale: float) -> None:
    message = HERE + f"the activation's scale is {scale}; expected a finite number above 0"
    with pytest.raises(ModelError, match=message):
        activation_encoding(np.array(scale), np.array(0), False, PLACE)


@given(st.lists(st.integers(-128, 127), min_size=3, max_size=3), st.floats(1e-4, 1.0))
def test_weights_keep_their_values(row: list[int], scale: float) -> None:
    codes = np.array([row], np.int8)
    weights = symmetric_weights(codes, np.array([scale]), np.array([0]), 8, PLACE)
    assert weights.codes.min() >= -127
    real = weights.codes * weights.scales
    tolerance = 0.0 if min(row) > -128 else 0.51
    assert np.abs(real - codes * scale).max() <= tolerance * scale


def test_only_the_channel_with_128_is_requantised() -> None:
    codes = np.array([[-128, 64, 1], [-127, 64, 1]], np.int8)
    weights = symmetric_weights(codes, np.array([0.5, 0.25]), np.zeros(2, int), 8, PLACE)
    assert weights.codes.tolist() == [[-127, 64, 1], [-127, 64, 1]]
    assert np.allclose(weights.scales, [0.5 * 128 / 127, 0.25])


def test_unsigned_weights_are_shifted() -> None:
    codes = np.array([[1, 128, 255]], np.uint8)
    weights = symmetric_weights(codes, np.array(0.1), np.array(128, np.uint8), 8, PLACE)
    assert weights.codes.tolist() == [[-127, 0, 127]]


def test_int4_stays_exact() -> None:
    codes = np.array([[-8, 7]], np.int8)
    eight = symmetric_weights(codes, np.array([1.0]), np.array([0]), 4, PLACE)
    assert (eight.bits, eight.codes.tolist()) == (8, [[-8, 7]])
    four = symmetric_weights(codes[:, 1:], np.array([1.0]), np.array([0]), 4, PLACE)
    assert (four.bits, four.codes.tolist()) == (4, [[7]])


@pytest.mark.parametrize(
    ("zero", "dtype", "message"),
    [
        (3, np.int8, r"the weights have zero point 3; expected 0 \(symmetric int8 weights\)"),
        (0, np.uint8, r"the weights have zero point 0; expected 128 \(symmetric uint8 weights\)"),
    ],
)
def test_refuses_asymmetric_weights(zero: int, dtype: type, message: str) -> None:
    codes: NDArray[np.integer] = np.ones((2, 3), dtype)
    with pytest.raises(ModelError, match=HERE + message):
        symmetric_weights(codes, np.ones(2), np.array([zero, zero]), 8, PLACE)


def test_refuses_scales() -> None:
    codes = np.ones((2, 3), np.int8)
    with pytest.raises(ModelError, match="the weights have 3 scales; expected 1 or 2"):
        symmetric_weights(codes, np.ones(3), np.zeros(3, int), 8, PLACE)
    with pytest.raises(ModelError, match="a weight scale is negative or not finite"):
        symmetric_weights(codes, np.array([1.0, -1.0]), np.zeros(2, int), 8, PLACE)
