"""How a model file's codes become int8 codes: scales, zero points, symmetric weights, refusals."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic.requantise import INT8_HIGH, INT8_LOW
from fpga_rt.errors import ModelError

_WEIGHT_LIMIT = 127
_INT4_LIMIT = 7
UNSIGNED_SHIFT = 128
"""uint8 codes and zero points become int8 ones when this is subtracted."""


MALFORMED = (
    struct.error,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
)
"""What reading raises where a file breaks its own format's rules: offsets that lead nowhere, absent
attributes, lists of another length, numbers out of range."""


@dataclass(frozen=True)
class Place:
    """Where in a model file something is: a node's name, its operator and its input's shape."""

    node: str
    operator: str
    shape: tuple[int, ...] = ()

    def refuse(self, got: str, expected: str) -> ModelError:
        """Return the error for something that is not supported here."""
        shape = f", input shape {self.shape}" if self.shape else ""
        return ModelError(f"node {self.node} ({self.operator}{shape}): {got}; {expected}")


@dataclass(frozen=True)
class Encoding:
    """Real value = scale * (code - zero_point), codes int8."""

    scale: float
    zero_point: int

    def limits(self, low: float, high: float) -> tuple[int, int]:
        """Return the smallest and largest code for a clamp to real values."""
        return self._code(low), self._code(high)

    def _code(self, value: float) -> int:
        if math.isinf(value):
            return INT8_LOW if value < 0 else INT8_HIGH
        code = round(value / self.scale) + self.zero_point
        return max(INT8_LOW, min(INT8_HIGH, code))


@dataclass(frozen=True)
class Result:
    """What a layer writes: a tensor's name, its encoding and a clamp in real values."""

    name: str
    encoding: Encoding
    low: float = -math.inf
    high: float = math.inf

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest code."""
        return self.encoding.limits(self.low, self.high)


@dataclass(frozen=True, eq=False)
class Weights:
    """Symmetric weights of a layer, output channels first, and its bias.

    int8 codes, float64 scales (OC), 4 or 8 bits, and the bias (OC) in real values.
    """

    codes: NDArray[np.int8]
    scales: NDArray[np.float64]
    bits: int = 8
    bias: NDArray[np.float64] | None = None


def activation_encoding(
    scale: NDArray[np.generic], zero_point: NDArray[np.generic], unsigned: bool, place: Place
) -> Encoding:
    """Check an activation's per-tensor scale and zero point; shift those of uint8.

    Raises:
        ModelError: per-channel, not finite or not positive.
    """
    if np.size(scale) != 1 or np.size(zero_point) > 1:
        raise place.refuse(
            f"the activation has {np.size(scale)} scales",
            "expected one scale and zero point for a whole activation; quantise it per tensor",
        )
    value = float(np.asarray(scale).reshape(()))
    if not (math.isfinite(value) and value > 0):
        raise place.refuse(
            f"the activation's scale is {value}",
            "expected a finite number above 0; calibrate the model again",
        )
    zero = int(np.asarray(zero_point).reshape(())) if np.size(zero_point) else 0
    return Encoding(value, zero - UNSIGNED_SHIFT if unsigned else zero)


def symmetric_weights(
    codes: NDArray[np.integer],
    scales: NDArray[np.floating],
    zero_points: NDArray[np.integer],
    bits: int,
    place: Place,
) -> Weights:
    """Bring weights (OC, ...) to symmetric int8 in [-127, 127], or int4 in [-7, 7].

    uint8 codes are shifted. A channel that holds -128 is requantised to 127/128 of its codes and
    128/127 of its scale. A layer of int4 weights that holds -8 is kept exactly, in 8 bits.

    Raises:
        ModelError: a zero point is not 0 (uint8: 128), or the scales do not match the channels.
    """
    shift = UNSIGNED_SHIFT if codes.dtype == np.uint8 else 0
    zeros = np.asarray(zero_points).astype(np.int64) - shift
    if np.any(zeros):
        raise place.refuse(
            f"the weights have zero point {int(zeros.flat[np.flatnonzero(zeros)[0]]) + shift}",
            f"expected {shift} (symmetric {codes.dtype} weights);"
            " quantise the weights symmetrically",
        )
    scale = _channel_scales(scales, len(codes), place)
    wide = codes.astype(np.int32) - shift
    if bits == 4 and wide.min(initial=0) < -_INT4_LIMIT:
        bits = 8
    per_channel = wide.reshape(len(wide), -1)
    lowest = per_channel.min(axis=1, initial=0) < -_WEIGHT_LIMIT
    if lowest.any():
        per_channel[lowest] = np.rint(per_channel[lowest] * (_WEIGHT_LIMIT / 128))
        scale = np.where(lowest, scale * (128 / _WEIGHT_LIMIT), scale)
    return Weights(wide.astype(np.int8), scale, bits)


def _channel_scales(
    scales: NDArray[np.floating], channels: int, place: Place
) -> NDArray[np.float64]:
    scale: NDArray[np.float64] = np.asarray(scales, np.float64).reshape(-1)
    if scale.size not in (1, channels):
        raise place.refuse(
            f"the weights have {scale.size} scales",
            f"expected 1 or {channels}, one for each output channel",
        )
    if not np.isfinite(scale).all() or (scale < 0).any():
        raise place.refuse(
            "a weight scale is negative or not finite", "expected scales >= 0; quantise again"
        )
    return np.ones(channels) * scale
