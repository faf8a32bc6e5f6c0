"""From layers as a model file states them to nodes of the integer network.

A file gives integer weights with scales, a bias in real values, the encodings of input and
output, and a fused clamp. `Builder` folds the input's zero point into the bias, chooses the
requantisation, and expresses what the network has no operation for by one that it has: grouped
and dilated convolutions as dense ones with zero weights, a change of scale as a depthwise 1x1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic.accumulate import Padding
from fpga_rt.arithmetic.operations import (
    NO_PADDING,
    Addition,
    AveragePool,
    Convolution,
    Dense,
    DepthwiseConvolution,
    MaximumPool,
    Operation,
    Pair,
    Reshape,
    Shape,
    Softmax,
    accumulator_bound,
)
from fpga_rt.arithmetic.requantise import AdditionRule, Requantisation
from fpga_rt.errors import ModelError
from fpga_rt.frontend.encoding import Encoding, Place, Result, Weights
from fpga_rt.network.graph import Network, Node, Tensor

_BIAS_LIMIT = 1 << 23
"""Largest bias in accumulator units. Only channels whose weights are almost nothing exceed it; a
larger scale for them keeps the accumulators of the whole layer within 24 bits."""
_SMALLEST_SCALE = 1e-30
_FINE_WEIGHT = 64
"""Weight of a rescaling with a bias, so that the bias has steps of 1/64 of an input step."""


@dataclass(frozen=True)
class Window:
    """Stride, dilation and padding of a sliding window, and the groups of a convolution."""

    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: Padding = NO_PADDING
    groups: int = 1


def same_padding(size: Pair, kernel: Pair, stride: Pair, lower: bool = False) -> Padding:
    """Return the padding for ceil(size / stride) outputs; an odd row goes below, or `lower` above.

    `kernel` is the dilated size. Source: TensorFlow Lite `ComputePadding`, ONNX `auto_pad`.
    """
    sides = []
    for pixels, taps, step in zip(size, kernel, stride, strict=True):
        total = max(0, (-(-pixels // step) - 1) * step + taps - pixels)
        less, more = total // 2, total - total // 2
        sides += [more, less] if lower else [less, more]
    top, bottom, left, right = sides
    return top, bottom, left, right


def add_padding(a: Padding, b: Padding) -> Padding:
    """Return the padding of two borders, one around the other."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]


class Builder:
    """Collects tensors and nodes of a network, layer by layer."""

    def __init__(self, name: str) -> None:
        """Start an empty network."""
        self.name = name
        self.tensors: dict[str, Tensor] = {}
        self._nodes: list[Node] = []

    def add_input(self, name: str, shape: Shape, encoding: Encoding) -> str:
        """Declare the network's input tensor."""
        self.tensors[name] = Tensor(name, shape, encoding.scale, encoding.zero_point)
        return name

    def encoding(self, tensor: str) -> Encoding:
        """Return a tensor's encoding."""
        return Encoding(self.tensors[tensor].scale, self.tensors[tensor].zero_point)

    def finish(
        self, source: str, output: str, layout: str, rank: int, unsigned: bool = False
    ) -> Network:
        """Return the network from input `source` to `output`, without nodes nothing reads.

        Raises:
            ModelError: the output is the input itself, or shapes disagree.
        """
        if source == output:
            raise ModelError(f"network {self.name} has no operation between input and output")
        needed, kept = {output}, []
        for node in reversed(self._nodes):
            if node.output in needed:
                needed.update(node.inputs)
                kept.append(node)
        tensors = {name: t for name, t in self.tensors.items() if name in needed | {source}}
        return Network(
            self.name, tensors, tuple(reversed(kept)), source, output, layout, rank, unsigned
        )

    def convolution(
        self,
        place: Place,
        source: str,
        result: Result,
        weights: Weights,
        window: Window,
    ) -> str:
        """Convolve with weights (OC, KH, KW, IC / groups)."""
        groups, channels = window.groups, self.tensors[source].shape[2]
        outputs, _, _, depth = weights.codes.shape
        if depth * groups != channels or outputs % groups:
            raise place.refuse(
                f"weights of shape {weights.codes.shape} with {groups} groups",
                f"expected {channels} input channels = groups * weight depth; check the model",
            )
        self._check_window(place, source, (weights.codes.shape[1], weights.codes.shape[2]), window)
        codes = _dilate(weights.codes, window.dilation)
        depthwise = depth == 1 and groups == outputs > 1
        if groups > 1 and not depthwise:
            codes = _ungroup(codes, groups)
        weights, folded = self._fold(source, replace(weights, codes=codes), place)
        rule = self._requantise(place, source, result, weights, folded)
        pad_value = self.tensors[source].zero_point
        if depthwise:
            planes = np.ascontiguousarray(np.moveaxis(weights.codes[..., 0], 0, 2))
            return self._add(
                place,
                DepthwiseConvolution(
                    planes, folded, rule, window.stride, window.padding, pad_value, weights.bits
                ),
                (source,),
                result,
            )
        operation = Convolution(
            weights.codes, folded, rule, window.stride, window.padding, pad_value, weights.bits
        )
        return self._add(place, operation, (source,), result)

    def dense(self, place: Place, source: str, result: Result, weights: Weights) -> str:
        """Multiply a vector by weights (OC, IC)."""
        shape = self.tensors[source].shape
        if weights.codes.shape[1] != int(np.prod(shape)):
            raise place.refuse(
                f"weights of shape {weights.codes.shape} on {int(np.prod(shape))} inputs",
                "expected (outputs, inputs); check the model",
            )
        if shape[:2] != (1, 1):
            source = self.reshape(place, source, (1, 1, int(np.prod(shape))))
        weights, folded = self._fold(source, weights, place)
        rule = self._requantise(place, source, result, weights, folded)
        return self._add(place, Dense(weights.codes, folded, rule, weights.bits), (source,), result)

    def average_pool(
        self, place: Place, source: str, result: Result, kernel: Pair, window: Window
    ) -> str:
        """Average every window, padding counted as zeros."""
        self._check_window(place, source, kernel, window, pooling=True)
        tensor = self.tensors[source]
        size, channels = kernel[0] * kernel[1], tensor.shape[2]
        bias = np.full(channels, -tensor.zero_point * size, np.int32)
        scales = np.full(channels, tensor.scale / (size * result.encoding.scale))
        bound = size * 128 + int(np.abs(bias[:1]).max(initial=0))
        rule = _rule(place, scales, bound, result)
        operation = AveragePool(
            kernel, bias, rule, window.stride, window.padding, tensor.zero_point
        )
        return self._add(place, operation, (source,), result)

    def maximum_pool(
        self, place: Place, source: str, result: Result, kernel: Pair, window: Window
    ) -> str:
        """Take the largest of every window; rescale where the output has another encoding."""
        self._check_window(place, source, kernel, window, pooling=True)
        pooled = result
        if result.encoding != self.encoding(source):
            pooled = Result(f"{result.name}/pool", self.encoding(source))
        operation = MaximumPool(kernel, window.stride, window.padding, *pooled.limits)
        tensor = self._add(place, operation, (source,), pooled)
        return tensor if pooled is result else self.rescale(place, tensor, result)

    def addition(self, place: Place, a: str, b: str, result: Result) -> str:
        """Add two tensors of one shape."""
        shapes = self.tensors[a].shape, self.tensors[b].shape
        if shapes[0] != shapes[1]:
            raise place.refuse(
                f"adds shapes {shapes[0]} and {shapes[1]} (height, width, channels)",
                "expected equal shapes, or a constant for each channel",
            )
        first, second, out = self.encoding(a), self.encoding(b), result.encoding
        rule = AdditionRule.from_scales(
            (first.scale / out.scale, second.scale / out.scale),
            (first.zero_point, second.zero_point),
            out.zero_point,
            *result.limits,
        )
        return self._add(place, Addition(rule), (a, b), result)

    def rescale(
        self, place: Place, source: str, result: Result, bias: NDArray[np.float64] | None = None
    ) -> str:
        """Change encoding or clamp, and add a constant (C) in real values."""
        channels = self.tensors[source].shape[2]
        weight = 1 if bias is None else _FINE_WEIGHT
        codes = np.full((channels, 1, 1, 1), weight, np.int8)
        ones = Weights(codes, np.full(channels, 1 / weight), bias=bias)
        return self.convolution(place, source, result, ones, Window(groups=channels))

    def reshape(self, place: Place, source: str, shape: Shape, name: str | None = None) -> str:
        """Give a tensor another shape with the same order of codes; none where it has it."""
        if self.tensors[source].shape == shape:
            return source
        result = Result(name or f"{source}/{'x'.join(map(str, shape))}", self.encoding(source))
        if result.name in self.tensors:
            return result.name
        return self._add(place, Reshape(shape), (source,), result)

    def softmax(self, place: Place, source: str, result: Result) -> str:
        """Turn logits into probabilities on the host."""
        if self.tensors[source].shape[:2] != (1, 1):
            raise place.refuse(
                f"works on shape {self.tensors[source].shape} (height, width, channels)",
                "expected a vector; flatten it first",
            )
        operation = Softmax(
            self.tensors[source].scale, result.encoding.scale, result.encoding.zero_point
        )
        return self._add(place, operation, (source,), result)

    def _fold(
        self, source: str, weights: Weights, place: Place
    ) -> tuple[Weights, NDArray[np.int32]]:
        """Return weights and the int32 bias that holds the input's zero point as well."""
        channels = len(weights.codes)
        real = np.zeros(channels) if weights.bias is None else weights.bias.reshape(-1)
        if real.size != channels or not np.isfinite(real).all():
            raise place.refuse(
                f"the bias has {real.size} values, or one that is not finite",
                f"expected {channels} finite numbers, one for each output channel",
            )
        tensor = self.tensors[source]
        weights = _limit_bias(weights, real / tensor.scale)
        steps = np.rint(real / (tensor.scale * weights.scales))
        sums = weights.codes.reshape(channels, -1).astype(np.int64).sum(axis=1)
        return weights, (steps.astype(np.int64) - tensor.zero_point * sums).astype(np.int32)

    def _requantise(
        self, place: Place, source: str, result: Result, weights: Weights, bias: NDArray[np.int32]
    ) -> Requantisation:
        scales = self.tensors[source].scale * weights.scales / result.encoding.scale
        bound = accumulator_bound(weights.codes, bias)
        return _rule(place, scales, bound, result)

    def _check_window(
        self, place: Place, source: str, kernel: Pair, window: Window, pooling: bool = False
    ) -> None:
        """Refuse windows that are no windows, or larger than the padded input."""
        if min(*kernel, *window.stride, *window.dilation) < 1 or min(window.padding) < 0:
            raise place.refuse(
                f"kernel {kernel}, stride {window.stride}, dilation {window.dilation}, padding"
                f" {window.padding}",
                "expected kernel, stride and dilation above 0 and no negative padding",
            )
        if pooling and window.dilation != (1, 1):
            raise place.refuse(f"pools with dilation {window.dilation}", "expected dilation 1")
        top, bottom, left, right = window.padding
        height, width, _ = self.tensors[source].shape
        taps = ((k - 1) * d + 1 for k, d in zip(kernel, window.dilation, strict=True))
        padded = (height + top + bottom, width + left + right)
        if any(tap > size for tap, size in zip(taps, padded, strict=True)):
            raise place.refuse(
                f"kernel {kernel} with dilation {window.dilation} on {padded} padded pixels",
                "expected an input not smaller than the kernel",
            )

    def _add(
        self, place: Place, operation: Operation, sources: Sequence[str], result: Result
    ) -> str:
        shape = operation.output_shape(self.tensors[sources[0]].shape)
        if min(shape) < 1:
            raise place.refuse(
                f"its output would have shape {shape} (height, width, channels)",
                "expected every size above 0; check kernel, stride and padding",
            )
        if result.name in self.tensors:
            raise place.refuse(
                f"writes {result.name} a second time", "expected a name for each tensor"
            )
        encoding = result.encoding
        self.tensors[result.name] = Tensor(result.name, shape, encoding.scale, encoding.zero_point)
        self._nodes.append(Node(self._unique(place.node), operation, tuple(sources), result.name))
        return result.name

    def _unique(self, name: str) -> str:
        taken = {node.name for node in self._nodes}
        if name not in taken:
            return name
        return next(f"{name}/{i}" for i in range(1, len(taken) + 1) if f"{name}/{i}" not in taken)


def _rule(place: Place, scales: NDArray[np.float64], bound: int, result: Result) -> Requantisation:
    """Choose the requantisation to a result; name the layer where a scale cannot be met."""
    try:
        return Requantisation.from_scales(scales, bound, result.encoding.zero_point, *result.limits)
    except ModelError as error:
        raise place.refuse(str(error), "check the scales of input, weights and output") from error


def _limit_bias(weights: Weights, bias: NDArray[np.float64]) -> Weights:
    """Enlarge the scales of channels whose bias, in input steps (OC), has too many weight steps."""
    least = np.maximum(np.abs(bias) / _BIAS_LIMIT, _SMALLEST_SCALE)
    if (weights.scales >= least).all():
        return weights
    scales = np.maximum(weights.scales, least)
    factors = (weights.scales / scales).reshape(-1, *[1] * (weights.codes.ndim - 1))
    codes = np.rint(weights.codes * factors).astype(np.int8)
    return replace(weights, codes=codes, scales=scales)


def _dilate(codes: NDArray[np.int8], dilation: Pair) -> NDArray[np.int8]:
    """Insert zeros between the taps of (OC, KH, KW, IC)."""
    if dilation == (1, 1):
        return codes
    outputs, rows, columns, depth = codes.shape
    shape = ((rows - 1) * dilation[0] + 1, (columns - 1) * dilation[1] + 1)
    dilated = np.zeros((outputs, *shape, depth), np.int8)
    dilated[:, :: dilation[0], :: dilation[1]] = codes
    return dilated


def _ungroup(codes: NDArray[np.int8], groups: int) -> NDArray[np.int8]:
    """Turn grouped weights (OC, KH, KW, IC / groups) into dense ones (OC, KH, KW, IC)."""
    outputs, rows, columns, depth = codes.shape
    dense = np.zeros((outputs, rows, columns, depth * groups), np.int8)
    each = outputs // groups
    for group in range(groups):
        part = slice(group * each, (group + 1) * each)
        dense[part, ..., group * depth : (group + 1) * depth] = codes[part]
    return dense
