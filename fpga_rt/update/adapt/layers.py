"""Layers of an integer network as functions of real tensors (N, C, H, W).

A code stands for a real value, so a layer of codes is one of real values: weights times their
scale, accumulators times theirs. What is left out is rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from fpga_rt.arithmetic.operations import (
    Addition,
    AveragePool,
    Convolution,
    Dense,
    DepthwiseConvolution,
    MaximumPool,
    Reshape,
    Softmax,
)
from fpga_rt.errors import ModelError
from fpga_rt.network.graph import Network, Node, Tensor
from fpga_rt.update.adapt.weighted import Weighted, factors

Layer = Callable[..., torch.Tensor]
Unweighted = Addition | AveragePool | MaximumPool | Reshape | Softmax


def sums(network: Network, node: Node, operation: Weighted) -> Layer:
    """Return a node's weighted sums, without bias and limits, as a function of input and weights.

    Raises:
        ModelError: the node pads with something else than zero.
    """
    if isinstance(operation, Dense):
        return lambda x, weights: functional.linear(x.flatten(1), weights)[:, :, None, None]
    pad = _padding(node, operation, network.tensors[node.inputs[0]])
    even = pad[0] == pad[1] and pad[2] == pad[3]
    inside = (pad[2], pad[0]) if even else (0, 0)
    depthwise, stride = isinstance(operation, DepthwiseConvolution), operation.stride

    def run(x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        if not even:
            x = functional.pad(x, pad)
        groups = len(weights) if depthwise else 1
        return functional.conv2d(x, weights, None, stride, inside, 1, groups)

    return run


def limits(node: Node, target: Tensor) -> Layer:
    """Return the clamp of a node's output: ReLU and the ends of int8."""
    rule: object = node.operation
    for name in ("requantisation", "rule"):
        rule = getattr(rule, name, rule)
    ends = (getattr(rule, name) - target.zero_point for name in ("low", "high"))
    low, high = (end * target.scale for end in ends)
    # Its gradient takes one pass over the data, that of `torch.clamp` three.
    return lambda x: functional.hardtanh(x, low, high)


def unweighted(network: Network, node: Node, operation: Unweighted) -> Layer:
    """Return a node without weights as a function of its inputs.

    Raises:
        ModelError: it has no counterpart in real numbers.
    """
    source = network.tensors[node.inputs[0]]
    if isinstance(operation, Reshape):
        return reshape(operation)
    if isinstance(operation, Softmax):
        raise ModelError(
            f"node {node.name} is a softmax inside the network, expected one at its end alone; cut"
            " the network before it"
        )
    clamp = limits(node, network.tensors[node.output])
    if isinstance(operation, Addition):
        return lambda a, b: clamp(a + b)
    if isinstance(operation, AveragePool):
        average = _average(network, node, operation)
        return lambda x: clamp(average(x))
    pad, kernel, stride = _padding(node, None, source), operation.kernel, operation.stride
    return lambda x: clamp(
        functional.max_pool2d(functional.pad(x, pad, value=-torch.inf), kernel, stride)
    )


def _average(network: Network, node: Node, operation: AveragePool) -> Layer:
    source, target = network.tensors[node.inputs[0]], network.tensors[node.output]
    pad, kernel, stride = _padding(node, operation, source), operation.kernel, operation.stride
    # The sum of a window becomes a code by one factor for all channels; mostly that is the mean.
    gain = float(factors(operation.requantisation)[0]) * target.scale / source.scale
    area = kernel[0] * kernel[1]

    def run(x: torch.Tensor) -> torch.Tensor:
        padded = functional.pad(x, pad) if any(pad) else x
        return functional.avg_pool2d(padded, kernel, stride) * (gain * area)

    return run


def _padding(
    node: Node, operation: Convolution | DepthwiseConvolution | AveragePool | None, source: Tensor
) -> list[int]:
    """Return columns left and right, rows above and below, as `functional.pad` takes them."""
    padding = node.operation.padding  # type: ignore[union-attr] # callers have windows
    if operation is not None and any(padding) and operation.pad_value != source.zero_point:
        raise ModelError(
            f"node {node.name} pads with code {operation.pad_value}, expected that of 0.0,"
            f" {source.zero_point}; in real numbers there is no such layer"
        )
    top, bottom, left, right = padding
    return [left, right, top, bottom]


def reshape(operation: Reshape) -> Layer:
    """Return a change of shape, of codes that are ordered height, width, channel."""
    height, width, channels = operation.shape

    def run(x: torch.Tensor) -> torch.Tensor:
        if x.shape[2:] != (1, 1):  # else both orders are the same, and nothing need move
            x = x.permute(0, 2, 3, 1)
        if (height, width) == (1, 1):
            return x.reshape(len(x), channels, 1, 1)
        return x.reshape(len(x), height, width, channels).permute(0, 3, 1, 2)

    return run
