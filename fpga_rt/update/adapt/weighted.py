"""Layers with weights: convolutions and dense ones, their factors, and how weights are ordered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic.operations import Convolution, Dense, DepthwiseConvolution
from fpga_rt.arithmetic.requantise import Requantisation

WEIGHTED = (Convolution, DepthwiseConvolution, Dense)
Weighted = Convolution | DepthwiseConvolution | Dense


def factors(rule: Requantisation) -> NDArray[np.float64]:
    """Return what an accumulator is multiplied by to become a code, float64[C]."""
    return np.ldexp(rule.multiplier.astype(np.float64), -rule.shift - rule.pre_shift)


def channels_first(operation: Weighted) -> NDArray[np.int8]:
    """Return weights as PyTorch orders them: (OC, IC, KH, KW), (C, 1, KH, KW) or (OC, IC)."""
    weights = operation.weights
    if isinstance(operation, Convolution):
        weights = np.moveaxis(weights, 3, 1)
    if isinstance(operation, DepthwiseConvolution):
        weights = np.moveaxis(weights, 2, 0)[:, None]
    return weights


def channels_last(operation: Weighted, weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return weights in the order of the operation, the inverse of `channels_first`."""
    if isinstance(operation, Convolution):
        weights = np.moveaxis(weights, 1, 3)
    if isinstance(operation, DepthwiseConvolution):
        weights = np.moveaxis(weights[:, 0], 0, 2)
    return np.ascontiguousarray(weights)
