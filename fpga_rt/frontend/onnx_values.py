"""What the names of an ONNX graph stand for while it is lowered, and how shapes change.

A file orders axes (C, H, W) or, behind a Transpose, (H, W, C); the network's tensors are
(H, W, C). A tensor that was flattened from (C, H, W) keeps the network's order and remembers the
file's, so that the dense layer that reads it can permute its weights instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic.accumulate import Padding
from fpga_rt.arithmetic.operations import NO_PADDING, Shape
from fpga_rt.frontend.encoding import Place, Result

NCHW = "NCHW"
NHWC = "NHWC"
_SWAPS: dict[tuple[str, tuple[int, ...]], str] = {
    (NCHW, (0, 2, 3, 1)): NHWC,
    (NHWC, (0, 3, 1, 2)): NCHW,
}
_RANK = 3
"""Most axes of one image."""
Write = Callable[[Result], str]
"""Adds the pending layer with a name, an encoding and a clamp; returns the tensor's name."""


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant array; a dequantised one also has its codes, scales and zero points."""

    array: NDArray[Any]
    bits: int = 32
    codes: NDArray[Any] | None = None
    scales: NDArray[Any] | None = None
    zero_points: NDArray[Any] | None = None
    axis: int = 0

    def transpose(self, order: Sequence[int]) -> Constant:
        """Reorder the axes, those of the codes and of the scales with them."""
        codes = None if self.codes is None else self.codes.transpose(order)
        axis = list(order).index(self.axis) if self.array.ndim else 0
        return replace(self, array=self.array.transpose(order), codes=codes, axis=axis)


@dataclass(frozen=True, eq=False)
class Activation:
    """A value that depends on the input: a network tensor, or a layer still without encoding.

    `shape` is the file's, without batch. `low` and `high` clamp it in real values. `padding`
    waits for the next convolution.
    """

    shape: tuple[int, ...]
    order: str
    place: Place
    tensor: str | None = None
    write: Write | None = None
    add_bias: Callable[[NDArray[np.float64]], Write] | None = None
    low: float = -math.inf
    high: float = math.inf
    flattened: tuple[int, int, int] | None = None
    """(C, H, W) that a flattened tensor had in the file."""
    padding: Padding = NO_PADDING

    @property
    def clamped(self) -> bool:
        """Whether a clamp waits for an encoding."""
        return self.low > -math.inf or self.high < math.inf

    @property
    def network_shape(self) -> Shape:
        """(height, width, channels)."""
        a, b, c = _three(self.shape, self.order)
        return (b, c, a) if self.order == NCHW else (a, b, c)

    def clamp(self, low: float, high: float) -> Activation:
        """Apply another clamp after the present one."""
        limits = (min(max(value, low), high) for value in (self.low, self.high))
        new_low, new_high = limits
        return replace(self, low=new_low, high=new_high, add_bias=None)

    def reshape(self, shape: tuple[int, ...], place: Place) -> Activation:
        """Give it another file shape, where that moves no data.

        Raises:
            ModelError: another number of values, or an order that only a copy could give.
        """
        if math.prod(shape) != math.prod(self.shape) or not 1 <= len(shape) <= _RANK:
            raise place.refuse(
                f"reshapes one image from {self.shape} to {shape}",
                "expected as many values in one to three axes, the batch axis kept",
            )
        result = replace(self, shape=shape, place=place, add_bias=None)
        if self.order == NHWC or len(self.shape) == len(shape) == 1:
            return result
        old = self.flattened or _three(self.shape, NCHW)
        new = _three(shape, NCHW)
        if new == old or (new[0] == old[0] and _flat(old) == _flat(new)):
            return replace(result, flattened=None)
        if _natural(old) and _natural(new):
            return replace(result, flattened=None)
        if new[1:] == (1, 1):
            return replace(result, flattened=old)
        raise place.refuse(
            f"reshapes channel-first {self.shape} to {shape}, which would move data",
            "expected a flattening, or added and removed axes of size 1",
        )

    def transpose(self, order: Sequence[int], place: Place) -> Activation:
        """Reorder the file's axes (batch included), where that moves no data.

        Raises:
            ModelError: data would move.
        """
        if order[0] == 0 and len(order) == len(self.shape) + 1:
            shape = tuple(self.shape[axis - 1] for axis in order[1:])
            swaps: dict[tuple[str, tuple[int, ...]], str] = {
                (NCHW, (0, 2, 3, 1)): NHWC,
                (NHWC, (0, 3, 1, 2)): NCHW,
            }
            swapped = swaps.get((self.order, tuple(order)))
            if swapped is not None:
                return replace(self, shape=shape, order=swapped, place=place, add_bias=None)
            kept = [axis for axis in order[1:] if self.shape[axis - 1] > 1]
            if kept == sorted(kept):
                return self.reshape(shape, place)
        raise place.refuse(
            f"transposes {self.order} data by {tuple(order)}, which would move data",
            "expected a change between NCHW and NHWC, or a move of axes of size 1",
        )


def _three(shape: tuple[int, ...], order: str) -> tuple[int, int, int]:
    """Extend a file shape to (C, H, W) or (H, W, C)."""
    ones = (1,) * (_RANK - len(shape))
    a, b, c = (*ones, *shape) if order == NHWC else (shape[0], *ones, *shape[1:])
    return a, b, c


def _flat(shape: tuple[int, int, int]) -> int:
    return shape[1] * shape[2]


def _natural(shape: tuple[int, int, int]) -> bool:
    """Tell whether (C, H, W) and (H, W, C) order the values alike."""
    return shape[0] == 1 or _flat(shape) == 1


def fold(operator: str, attributes: dict[str, Any], arrays: list[NDArray[Any]]) -> NDArray[Any]:
    """Compute an operator on constants, as exporters leave them for shapes and limits.

    Raises:
        KeyError: the operator is not among those folded.
    """
    axis = int(attributes.get("axis", 0))
    if operator == "Concat":
        return np.concatenate(arrays, axis)
    first = arrays[0]
    if operator in {"Cast", "CastLike", "Identity"}:
        return first
    if operator == "Gather":
        return np.take(first, arrays[1], axis)
    if operator == "Unsqueeze":
        axes = arrays[1] if len(arrays) > 1 else np.asarray(attributes["axes"])
        return np.expand_dims(first, tuple(int(a) for a in axes.ravel()))
    if operator in {"Squeeze", "Reshape"}:
        return first.reshape(-1) if first.size > 1 else first.reshape(())
    raise KeyError(operator)
