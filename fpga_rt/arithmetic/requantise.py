"""From accumulators back to int8: the one rounding rule of the project.

    a = acc >> pre_shift                                          floor; 25 bits, signed
    y = clamp((a * multiplier + constant) >> shift, low, high)    floor
    constant = (zero_point << shift) + (1 << (shift - 1))

`multiplier` has 24 bits, unsigned; `shift` is 18..44; rounding is to nearest, halves towards plus
infinity. `pre_shift` is 0 unless the accumulator bound of a layer exceeds 24 bits; then it costs
at most 2**-8 of an output step. It is 15 at most, which brings any accumulator of 39 bits to 24.

Two cascaded DSP48 compute this each clock. One multiplies 25 by 18 bits (signed), adds a 48-bit
constant, and may take its neighbour's sum shifted right by 17 (AMD UG479, chapter 2), so with
`multiplier = high << 17 | low` the pair holds

    (a * high + ((a * low) >> 17) + (constant >> 17)) >> (shift - 17)

which is the same number, because a floor within a floor changes nothing. Rounding costs nothing:
it is in the constant. Seventeen bits in one DSP48 were measured and rejected: on ResNet8 they cost
a point of top-1 agreement with float requantisation, 24 bits cost nothing against 31.

An addition of two int8 tensors uses two multipliers of 24 bits and one shift, one DSP48 each:

    y = clamp((qa * multiplier_a + qb * multiplier_b + constant) >> shift, low, high)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpga_rt.errors import ModelError

MULTIPLIER_BITS = 24
ACCUMULATOR_BITS = 24
"""Magnitude bits of the multiplier's accumulator port (25 bits signed)."""
PRE_SHIFT_BITS = 4
SHIFTS = (18, 44)
"""Below, the constant loses its half in the cascade; above, float64 would not be exact."""
ADDITION_SHIFTS = (1, 39)
INT8_LOW, INT8_HIGH = -128, 127


def _normalise(scale: float, shifts: tuple[int, int], what: str) -> tuple[int, int]:
    """Return multiplier and shift with `multiplier / 2**shift` nearest to `scale`."""
    least, most = shifts
    limit = 2.0 ** (MULTIPLIER_BITS - least)
    if not 0 <= scale < limit:
        raise ModelError(f"{what}: scale {scale}, expected 0 <= scale < {limit:g}; requantise it")
    _, exponent = np.frexp(scale)
    shift = min(MULTIPLIER_BITS - int(exponent), most)
    multiplier = round(scale * 2.0**shift)
    if multiplier == 1 << MULTIPLIER_BITS:
        multiplier, shift = multiplier >> 1, shift - 1
    return (multiplier, shift) if multiplier else (0, least)


@dataclass(frozen=True, eq=False)
class Requantisation:
    """The rule for one layer: per-channel multiplier and shift (int32[C]), shared limits."""

    multiplier: NDArray[np.int32]
    shift: NDArray[np.int32]
    zero_point: int
    low: int = INT8_LOW
    high: int = INT8_HIGH
    pre_shift: int = 0

    def __post_init__(self) -> None:
        """Refuse a `pre_shift` that the gateware has no bits for.

        Raises:
            ModelError: it is not 0..15.
        """
        most = (1 << PRE_SHIFT_BITS) - 1
        if not 0 <= self.pre_shift <= most:
            raise ModelError(
                f"pre_shift {self.pre_shift}, expected 0..{most}; requantise with"
                " `Requantisation.from_scales`, which chooses it"
            )

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
            ModelError: a scale is negative, not finite or too large.
        """
        pre_shift = max(0, int(bound).bit_length() - ACCUMULATOR_BITS)
        pairs = [
            _normalise(float(scale) * 2.0**pre_shift, SHIFTS, f"channel {channel}")
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
    def _factors(self) -> NDArray[np.float64]:
        """Multiplier divided by 2**shift (exact: a power of two)."""
        return np.ldexp(self.multiplier.astype(np.float64), -self.shift)

    def apply(
        self, accumulator: NDArray[np.floating], bias: NDArray[np.int32] | None = None
    ) -> NDArray[np.int8]:
        """Requantise integers held in floats, [..., C], plus a bias int32[C], to int8.

        Every product and sum is below 2**53, so float64 computes the integer rule exactly, the
        bias multiplied apart too. Short rows of channels are taken several at once, for NumPy's
        inner loop to be long.
        """
        added = np.zeros(self._factors.size) if bias is None else bias.astype(np.float64)
        if self.pre_shift:
            accumulator = np.floor(np.ldexp(accumulator + added, -self.pre_shift))
            added = np.zeros(added.size)
        columns = accumulator.shape[-2] if accumulator.ndim > 1 else 1
        factors = np.tile(self._factors, columns)
        value = accumulator.reshape(-1, factors.size) * factors
        value += np.tile(added * self._factors + (self.zero_point + 0.5), columns)
        np.floor(value, out=value)
        np.clip(value, self.low, self.high, out=value)
        return value.astype(np.int8).reshape(accumulator.shape)


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
            ModelError: a scale is negative, not finite or too large.
        """
        _, shift = _normalise(max(scales), ADDITION_SHIFTS, "addition")
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
        np.clip(value, self.low, self.high, out=value)
        return value.astype(np.int8)
