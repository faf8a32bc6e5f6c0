"""The requantisation rule against Python's exact integers and against real arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpga_rt.arithmetic.requantise import (
    ACCUMULATOR_BITS,
    MULTIPLIER_BITS,
    SHIFTS,
    AdditionRule,
    Requantisation,
)
from fpga_rt.errors import ModelError

SCALES = st.floats(2.0**-36, 2.0**4)
CODES = st.integers(-128, 127)


def _rule_in_integers(rule: Requantisation, accumulator: int, channel: int) -> int:
    """Return what two DSP48 make of an accumulator (UG479: 25 x 18 bits, 48-bit sums, >> 17)."""
    multiplier, shift = int(rule.multiplier[channel]), int(rule.shift[channel])
    constant = (rule.zero_point << shift) + (1 << (shift - 1))
    value = accumulator >> rule.pre_shift
    high, low = multiplier >> 17, multiplier & 0x1FFFF
    first = value * low
    second = value * high + (first >> 17) + (constant >> 17)
    assert -(1 << 24) <= value < 1 << 24
    assert constant % (1 << 17) == 0
    assert max(abs(first), abs(second)) < 1 << 47
    total = value * multiplier + constant
    assert second >> (shift - 17) == total >> shift
    return max(rule.low, min(rule.high, total >> shift))


@given(
    scales=st.lists(st.floats(2.0**-36, 0.25), min_size=1, max_size=4),
    accumulators=st.lists(st.integers(-(2**31), 2**31), min_size=1, max_size=8),
    zero_point=CODES,
    bound_bits=st.integers(8, 31),
)
def test_equals_the_integer_rule(
    scales: list[float], accumulators: list[int], zero_point: int, bound_bits: int
) -> None:
    bound = (1 << bound_bits) - 1
    values = [max(-bound, min(bound, value)) for value in accumulators]
    rule = Requantisation.from_scales(np.array(scales), bound, zero_point, -100, 90)
    table = np.array([values] * len(scales), np.float64).T.reshape(1, len(values), 1, -1)
    got = rule.apply(table)
    assert got.dtype == np.int8
    assert got.shape == table.shape
    expected = [[_rule_in_integers(rule, v, c) for c in range(len(scales))] for v in values]
    bias = np.arange(len(scales), dtype=np.int32) * (bound // 8) - 3
    assert np.array_equal(rule.apply(table - bias, bias), got)
    assert got.reshape(len(values), -1).tolist() == expected


@given(scale=SCALES, accumulator=st.integers(-(2**24) + 1, 2**24 - 1), zero_point=CODES)
def test_is_real_rounding_up_to_the_multiplier(
    scale: float, accumulator: int, zero_point: int
) -> None:
    rule = Requantisation.from_scales(np.array([scale]), 2**24 - 1, zero_point)
    real = Fraction(scale) * accumulator + zero_point
    got = int(rule.apply(np.array([[float(accumulator)]]))[0, 0])
    error = abs(Fraction(scale) * accumulator) * Fraction(1, 1 << MULTIPLIER_BITS)
    error += Fraction(abs(accumulator), 1 << (SHIFTS[1] + 1))
    low, high = real - Fraction(1, 2) - error, real + Fraction(1, 2) + error
    assert low <= got <= high or (got == 127 and high >= 127) or (got == -128 and low <= -128)


@given(scale=SCALES)
def test_operands_fit_the_multiplier(scale: float) -> None:
    rule = Requantisation.from_scales(np.array([scale]), 1000, 0)
    assert 0 <= rule.multiplier[0] < 1 << MULTIPLIER_BITS
    assert SHIFTS[0] <= rule.shift[0] <= SHIFTS[1]


def test_halves_round_towards_plus_infinity() -> None:
    rule = Requantisation.from_scales(np.array([0.5]), 100, 0)
    codes = rule.apply(np.array([[-3.0], [-1.0], [1.0], [3.0]], np.float32))
    assert codes.ravel().tolist() == [-1, 0, 1, 2]


def test_pre_shift_only_above_24_bits() -> None:
    scales, limit = np.array([1e-5]), 1 << ACCUMULATOR_BITS
    assert Requantisation.from_scales(scales, limit - 1, 0).pre_shift == 0
    assert Requantisation.from_scales(scales, limit, 0).pre_shift == 1


def test_zero_scale_gives_the_zero_point() -> None:
    rule = Requantisation.from_scales(np.array([0.0]), 100, 7)
    assert rule.apply(np.array([[-99.0], [99.0]])).ravel().tolist() == [7, 7]


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (-1.0, r"channel 1: scale -1.0, expected 0 <= scale < 64; requantise it"),
        (np.nan, r"channel 1: scale nan, expected 0 <= scale < 64; requantise it"),
        (70000.0, r"channel 1: scale 70000.0, expected 0 <= scale < 64; requantise it"),
    ],
)
def test_refuses_scales(scale: float, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Requantisation.from_scales(np.array([1.0, scale]), 100, 0)


@given(
    scales=st.tuples(st.floats(2.0**-16, 2.0**4), st.floats(2.0**-16, 2.0**4)),
    zero_points=st.tuples(CODES, CODES),
    zero_point=CODES,
    codes=st.tuples(CODES, CODES),
)
def test_addition_is_real_rounding_up_to_the_multiplier(
    scales: tuple[float, float],
    zero_points: tuple[int, int],
    zero_point: int,
    codes: tuple[int, int],
) -> None:
    rule = AdditionRule.from_scales(scales, zero_points, zero_point)
    assert 0 <= min(rule.multiplier_a, rule.multiplier_b)
    assert max(rule.multiplier_a, rule.multiplier_b) < 1 << MULTIPLIER_BITS
    a, b = (np.full((1, 1, 1, 1), code, np.int8) for code in codes)
    got = int(rule.apply(a, b).item())
    real = Fraction(zero_point)
    for scale, zero, code in zip(scales, zero_points, codes, strict=True):
        real += Fraction(scale) * (code - zero)
    error = Fraction(1, 2) + 510 * Fraction(max(scales)) / (1 << MULTIPLIER_BITS)
    low, high = real - error, real + error
    assert low <= got <= high or (got == 127 and high >= 127) or (got == -128 and low <= -128)


def test_addition_refuses_a_scale_that_is_not_finite() -> None:
    with pytest.raises(
        ModelError, match=r"addition: scale inf, expected 0 <= scale < 8\.38861e\+06"
    ):
        AdditionRule.from_scales((np.inf, 1.0), (0, 0), 0)


@pytest.mark.parametrize("pre_shift", [-1, 16, 255])
def test_refuses_a_pre_shift_that_the_gateware_has_no_bits_for(pre_shift: int) -> None:
    one = np.ones(1, np.int32)
    message = rf"pre_shift {pre_shift}, expected 0\.\.15; requantise with"
    with pytest.raises(ModelError, match=message):
        Requantisation(one, one * 20, 0, pre_shift=pre_shift)
