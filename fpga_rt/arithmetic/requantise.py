"""From accumulators back to int8: the one rounding rule of the project.

A DSP48 multiplies 25 by 18 bits (signed), adds a 48-bit constant and holds the sum (AMD UG479,
chapter 2). One of them therefore requantises a channel in one pass:

    a = acc >> pre_shift                          floor; |a| < 2**24
    y = clamp((a * multiplier + constant) >> shift, low, high)
    constant = (zero_point << shift) + (1 << (shift - 1))

`multiplier` has 17 bits and is unsigned, so it fits the signed 18-bit port; `shift` is 1..39, so
the sum stays below 2**47. Rounding is to nearest with halves towards plus infinity: exactly what
the constant gives for nothing. `pre_shift` is 0 unless the accumulator bound of the layer exceeds
24 bits; then it costs at most 2**-8 of an output step.

An addition of two int8 tensors uses two multipliers and one shift:

    y = clamp((qa * multiplier_a + qb * multiplier_b + constant) >> shift, low, high)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpga_rt.errors import ModelError

MULTIPLIER_BITS = 17
ACCUMULATOR_BITS = 24
"""Magnitude bits of the multiplier's accumulator port (25 bits signed)."""
MAXIMUM_SHIFT = 39
INT8_LOW, INT8_HIGH = -128, 127


def _normalise(scale: float, what: str) -> tuple[int, int]:
    """Return multiplier and shift with `multiplier / 2**shift` nearest to `scale`."""
    if not np.isfinite(scale) or scale < 0:
        raise ModelError(f"{what}: scale {scale}, expected a finite number >= 0; requantise it")
    fraction, exponent = np.frexp(scale)
    multiplier = round(float(fraction) * (1 << MULTIPLIER_BITS))
    shift = MULTIPLIER_BITS - int(exponent)
    if multiplier == 1 << MULTIPLIER_BITS:
        multiplier, shift = multiplier >> 1, shift - 1
    if multiplier == 0:
        return 0, 1
    if shift < 1:
        raise ModelError(f"{what}: scale {scale}, expected below {1 << 16}; requantise the model")
    if shift > MAXIMUM_SHIFT:
        multiplier, shift = round(scale * 2.0**MAXIMUM_SHIFT), MAXIMUM_SHIFT
    return multiplier, shift


@dataclass(frozen=True, eq=False)
class Requantisation:
    """The rule for one layer: per-channel multiplier and shift (int32[C]), shared limits."""

    multiplier: NDArray[np.int32]
    shift: NDArray[np.int32]
    zero_point: int
    low: int = INT8_LOW
    high: int = INT8_HIGH
    pre_shift: int = 0

    @staticmethod
    def from_scales(
        scales: NDArray[np.float64],
        bound: int,
        zero_point: int,
        low: int = INT8_LOW,
        high: int = INT8_HIGH,
    ) -> Requantisation:
        """Choose multipliers for `y = zero_point + acc * scales`.

        Args:
            scales: input scale times weight scale over output scale, float64[C].
            bound: largest magnitude that an accumulator of the layer can reach.
            zero_point: of the output.
            low: smallest output (the zero point after ReLU).
            high: largest output (the code of 6.0 after ReLU6).

        Raises:
            ModelError: a scale is negative, not finite or 2**16 and more.
        """
        pre_shift = max(0, int(bound).bit_length() - ACCUMULATOR_BITS)
        pairs = [
            _normalise(float(scale) * 2.0**pre_shift, f"channel {channel}")
            for channel, scale in enumerate(scales)
        ]
        multiplier, shift = np.array(pairs, np.int32).reshape(-1, 2).T
        return Requantisation(
            np.ascontiguousarray(multiplier),
            np.ascontiguousarray(shift),
            zero_point,
            low,
            high,
            pre_shift,
        )

    @cached_property
    def _scaled(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Multiplier and constant, both divided by 2**shift (exact: a power of two)."""
        unit = np.ldexp(1.0, -self.shift.astype(np.int64))
        return self.multiplier * unit, self.zero_point + 0.5 + 0.0 * unit

    def apply(self, accumulator: NDArray[np.floating]) -> NDArray[np.int8]:
        """Requantise integers held in floats, [..., C], to int8.

        Every product and sum is below 2**53, so float64 computes the integer rule exactly.
        """
        multiplier, constant = self._scaled
        if self.pre_shift:
            accumulator = np.floor(np.ldexp(accumulator, -self.pre_shift))
        value = np.multiply(accumulator, multiplier, dtype=np.float64)
        value += constant
        np.floor(value, out=value)
        return np.clip(value, self.low, self.high, out=value).astype(np.int8)


@dataclass(frozen=True)
class AdditionRule:
    """Integers of `y = clamp((qa * multiplier_a + qb * multiplier_b + constant) >> shift)`."""

    multiplier_a: int
    multiplier_b: int
    shift: int
    constant: int
    low: int = INT8_LOW
    high: int = INT8_HIGH

    @staticmethod
    def from_scales(
        scales: tuple[float, float],
        zero_points: tuple[int, int],
        zero_point: int,
        low: int = INT8_LOW,
        high: int = INT8_HIGH,
    ) -> AdditionRule:
        """Choose the integers for an addition.

        Args:
            scales: of both inputs, over the output's scale.
            zero_points: of both inputs.
            zero_point: of the output.
            low: smallest output.
            high: largest output.

        Raises:
            ModelError: a scale is negative, not finite or 2**16 and more.
        """
        _, shift = _normalise(max(scales), "addition")
        a, b = (round(scale * 2.0**shift) for scale in scales)
        if max(a, b) >= 1 << MULTIPLIER_BITS:
            shift -= 1
            a, b = (round(scale * 2.0**shift) for scale in scales)
        constant = (
            (zero_point << shift) + (1 << (shift - 1)) - zero_points[0] * a - zero_points[1] * b
        )
        return AdditionRule(a, b, shift, constant, low, high)

    def apply(self, a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.int8]:
        """Add two int8 tensors of one shape."""
        value = a.astype(np.int64) * self.multiplier_a
        value += b.astype(np.int64) * self.multiplier_b
        value += self.constant
        value >>= self.shift
        return np.clip(value, self.low, self.high, out=value).astype(np.int8)
