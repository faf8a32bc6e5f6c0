"""Random layers of every operation, small enough for property tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from fpga_rt.arithmetic.accumulate import Padding
from fpga_rt.arithmetic.operations import (
    Addition,
    AveragePool,
    Convolution,
    Dense,
    DepthwiseConvolution,
    MaximumPool,
)
from fpga_rt.arithmetic.requantise import AdditionRule, Requantisation
from fpga_rt.modules.layer import Computed, Layer


def requantisation(random: np.random.Generator, channels: int, bound: int) -> Requantisation:
    """Return a rule that spreads accumulators up to `bound` over int8."""
    scales = random.uniform(100, 400, channels) / max(bound, 1)
    return Requantisation.from_scales(scales, bound, int(random.integers(-20, 20)), low=-100)


def addition(random: np.random.Generator) -> AdditionRule:
    """Return a rule for two random scales."""
    a, b = (float(scale) for scale in random.uniform(0.2, 1.5, 2))
    zero_a, zero_b, zero = (int(code) for code in random.integers(-20, 20, 3))
    return AdditionRule.from_scales((a, b), (zero_a, zero_b), zero, -120, 110)


def weights(random: np.random.Generator, shape: tuple[int, ...], bits: int = 8) -> NDArray[np.int8]:
    high = 127 if bits == 8 else 7
    return random.integers(-high, high + 1, shape, np.int8)


@st.composite
def windows(draw: st.DrawFn, largest: int = 3) -> tuple[tuple[int, int], tuple[int, int], Padding]:
    """Return kernel, stride and padding smaller than the kernel."""
    kernel = (draw(st.integers(1, largest)), draw(st.integers(1, largest)))
    stride = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    sides = [draw(st.integers(0, kernel[i // 2] - 1)) for i in range(4)]
    return kernel, stride, (sides[0], sides[1], sides[2], sides[3])


@st.composite
def layers(draw: st.DrawFn, kind: type[Computed]) -> Layer:
    """Return a layer of a kind, with a fused addition where that is possible."""
    random = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    channels = draw(st.integers(1, 40))
    size = (draw(st.integers(4, 9)), draw(st.integers(4, 9)))
    bits = draw(st.sampled_from((8, 8, 4)))
    outputs = draw(st.integers(1, 40))
    shape = (1, 1, channels) if kind is Dense else (*size, channels)
    operation = _operation(draw, kind, random, channels, outputs, bits)
    fused = kind is Convolution and draw(st.booleans())
    rule = addition(random) if fused else None
    return Layer("layer", operation, shape, operation.output_shape(shape), rule)


def _operation(
    draw: st.DrawFn,
    kind: type[Computed],
    random: np.random.Generator,
    channels: int,
    outputs: int,
    bits: int,
) -> Computed:
    kernel, stride, padding = draw(windows())
    if kind is Addition:
        return Addition(addition(random))
    if kind is MaximumPool:
        return MaximumPool(kernel, stride, padding, -90, 100)
    pad_value = int(random.integers(-20, 20))
    if kind is AveragePool:
        bias = random.integers(-50, 50, channels).astype(np.int32)
        bound = 128 * kernel[0] * kernel[1] + 50
        rule = requantisation(random, channels, bound)
        return AveragePool(kernel, bias, rule, stride, padding, pad_value)
    if kind is DepthwiseConvolution:
        values = weights(random, (*kernel, channels), bits)
        bias = random.integers(-500, 500, channels).astype(np.int32)
        rule = requantisation(random, channels, 128 * 127 * kernel[0] * kernel[1])
        return DepthwiseConvolution(values, bias, rule, stride, padding, pad_value, bits)
    bias = random.integers(-500, 500, outputs).astype(np.int32)
    if kind is Dense:
        rule = requantisation(random, outputs, 128 * 127 * channels)
        return Dense(weights(random, (outputs, channels), bits), bias, rule, bits)
    values = weights(random, (outputs, *kernel, channels), bits)
    rule = requantisation(random, outputs, 128 * 127 * channels * kernel[0] * kernel[1])
    return Convolution(values, bias, rule, stride, padding, pad_value, bits)


def expected(
    layer: Layer, codes: NDArray[np.int8], residual: NDArray[np.int8] | None
) -> NDArray[np.int8]:
    """Return what the arithmetic says."""
    if isinstance(layer.operation, Addition):
        assert residual is not None
        return layer.operation.apply(codes, residual)
    result = layer.operation.apply(codes)
    if layer.addition is not None:
        assert residual is not None
        return layer.addition.apply(result, residual)
    return result
