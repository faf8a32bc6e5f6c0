"""An integer network as a float one in PyTorch: layers, shapes and values from the graph.

A code stands for a real value, so a layer of codes is a layer of real values: weights times their
scale, accumulators times theirs, limits as clamps where they are tighter than int8 (a ReLU). What
the float network leaves out is rounding, and saturation at the ends of int8.

All parameters lie in one flat tensor in the order of the layers, each aligned as an allocation of
its own would be, and the layers' tensors are views of it: the parameters of neighbouring layers are
replaced by a single copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
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
from fpga_rt.arithmetic.requantise import INT8_HIGH, INT8_LOW
from fpga_rt.contract.table import CHANNEL_BYTES, HEADER_BYTES
from fpga_rt.errors import ModelError
from fpga_rt.network.graph import Network, Node, Tensor
from fpga_rt.update.adapt.layers import Layer, reshape
from fpga_rt.update.adapt.weighted import WEIGHTED, channels_first, factors

_ALIGNMENT = 128
"""Elements: at least the 256 bytes of an allocation on CUDA, for which kernels are chosen."""


@dataclass(frozen=True)
class Part:
    """A layer's parameters: where they lie in the flat tensor, and their bytes on a device."""

    node: str
    first: int
    last: int
    int8_bytes: int


@dataclass(frozen=True)
class Step:
    """A layer and the tensors it reads and writes."""

    node: str
    layer: Layer
    inputs: tuple[str, ...]
    output: str


class TorchNetwork:
    """A network on a device: call it with (N, C, H, W), get (N, C, H, W)."""

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype) -> None:
        """Translate a network; a softmax at its end is left to the host, as on a board.

        Raises:
            ModelError: a layer has no counterpart in real numbers.
        """
        self._network = network
        nodes = list(network.nodes)
        while isinstance(nodes[-1].operation, Softmax):
            nodes.pop()
        self._output = nodes[-1].output
        arrays = {node.name: _parameters(network, node) for node in nodes}
        self.parts = list(_parts(nodes, arrays))
        flat = [_aligned(array) for node in nodes for array in arrays[node.name]]
        values = torch.from_numpy(np.concatenate(flat))
        self.parameters = values.to(device=device, dtype=dtype)
        self.steps = [
            Step(node.name, layer, node.inputs, node.output)
            for node, layer in self._layers(nodes, arrays)
        ]

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Run it; build no graph of gradients around this."""
        values = {self._network.input: images}
        for step in self.steps:
            values[step.output] = step.layer(*(values[name] for name in step.inputs))
        return values[self._output]

    def leading(self, share: float) -> list[Part]:
        """Return the first layers with parameters, as many as hold at most a share of the bytes."""
        most = share * sum(part.int8_bytes for part in self.parts)
        total = 0
        picked: list[Part] = []
        for part in self.parts:
            total += part.int8_bytes
            if picked and total > most:
                break
            picked.append(part)
        return picked

    def _layers(
        self, nodes: Sequence[Node], arrays: dict[str, list[NDArray[np.float32]]]
    ) -> list[tuple[Node, Layer]]:
        first, layers = 0, []
        for node in nodes:
            views = []
            for array in arrays[node.name]:
                views.append(self.parameters[first : first + array.size].view(array.shape))
                first += _aligned_size(array)
            layers.append((node, _layer(self._network, node, views)))
        return layers


def to_images(network: Network, codes: NDArray[np.int8]) -> torch.Tensor:
    """Return codes (N, H, W, C) as real values (N, C, H, W)."""
    values = network.tensors[network.input].dequantise(codes)
    return torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))


def _parts(nodes: Sequence[Node], arrays: dict[str, list[NDArray[np.float32]]]) -> list[Part]:
    first, parts = 0, []
    for node in nodes:
        size = sum(map(_aligned_size, arrays[node.name]))
        if isinstance(node.operation, WEIGHTED):
            bits = node.operation.weights.size * node.operation.weight_bits
            int8_bytes = bits // 8 + HEADER_BYTES + CHANNEL_BYTES * len(node.operation.bias)
            parts.append(Part(node.name, first, first + size, int8_bytes))
        first += size
    return parts


def _aligned_size(array: NDArray[np.float32]) -> int:
    return -(-array.size // _ALIGNMENT) * _ALIGNMENT


def _aligned(array: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.pad(array.reshape(-1), (0, _aligned_size(array) - array.size))


def _parameters(network: Network, node: Node) -> list[NDArray[np.float32]]:
    """Return weights (as PyTorch orders them) and bias of a node in real values."""
    operation = node.operation
    if not isinstance(operation, WEIGHTED):
        return []
    source, target = network.tensors[node.inputs[0]], network.tensors[node.output]
    weights = channels_first(operation).astype(np.float64)
    scales = factors(operation.requantisation) * target.scale
    by_channel = scales.reshape(-1, *[1] * (weights.ndim - 1))
    sums = weights.reshape(len(weights), -1).sum(axis=1)
    bias = (operation.bias + source.zero_point * sums) * scales
    real = weights * by_channel / source.scale
    return [real.astype(np.float32), bias.astype(np.float32)]


def _layer(network: Network, node: Node, views: Sequence[torch.Tensor]) -> Layer:
    """Return a node as a function of real tensors (N, C, H, W)."""
    operation, target = node.operation, network.tensors[node.output]
    source = network.tensors[node.inputs[0]]
    if isinstance(operation, (Convolution, DepthwiseConvolution)):
        limits = _limits(operation.requantisation, target)
        return _convolution(node, operation, source, views, limits)
    if isinstance(operation, Dense):
        return _dense(views, _limits(operation.requantisation, target))
    if isinstance(operation, AveragePool):
        return _average(node, operation, source, target)
    if isinstance(operation, MaximumPool):
        return _maximum(operation, _limits(operation, target))
    if isinstance(operation, Addition):
        limits = _limits(operation.rule, target)
        return lambda a, b: limits(a + b)
    if isinstance(operation, Reshape):
        return reshape(operation)
    raise ModelError(
        f"node {node.name}: {type(operation).__name__} inside a network, expected it at the end;"
        " cut the network before it"
    )


def _convolution(
    node: Node,
    operation: Convolution | DepthwiseConvolution,
    source: Tensor,
    views: Sequence[torch.Tensor],
    limits: Layer,
) -> Layer:
    pad, symmetric = _padding(node, operation, source)
    weights, bias = views
    groups = len(weights) if isinstance(operation, DepthwiseConvolution) else 1
    stride = operation.stride

    def run(x: torch.Tensor) -> torch.Tensor:
        if symmetric is None:
            x = functional.pad(x, pad)
        sums = functional.conv2d(x, weights, bias, stride, symmetric or (0, 0), 1, groups)
        return limits(sums)

    return run


def _padding(
    node: Node, operation: Convolution | DepthwiseConvolution | AveragePool, source: Tensor
) -> tuple[list[int], tuple[int, int] | None]:
    """Return padding as `functional.pad` takes it, and as a pair where both sides are equal."""
    top, bottom, left, right = operation.padding
    if any(operation.padding) and operation.pad_value != source.zero_point:
        raise ModelError(
            f"node {node.name} pads with code {operation.pad_value}, expected that of 0.0,"
            f" {source.zero_point}; in real numbers there is no such layer"
        )
    pair = (top, left) if (top, left) == (bottom, right) else None
    return [left, right, top, bottom], pair


def _dense(views: Sequence[torch.Tensor], limits: Layer) -> Layer:
    weights, bias = views

    def run(x: torch.Tensor) -> torch.Tensor:
        return limits(functional.linear(x.flatten(1), weights, bias))[:, :, None, None]

    return run


def _average(node: Node, operation: AveragePool, source: Tensor, target: Tensor) -> Layer:
    pad, _ = _padding(node, operation, source)
    size = operation.kernel[0] * operation.kernel[1]
    gains = factors(operation.requantisation) * size * target.scale / source.scale
    if not np.allclose(gains, 1, rtol=1e-3):
        raise ModelError(
            f"node {node.name} averages and multiplies by {gains.min():.3g} to {gains.max():.3g},"
            " expected 1; in PyTorch that is another layer"
        )
    limits = _limits(operation.requantisation, target)
    kernel, stride, padded = operation.kernel, operation.stride, any(operation.padding)

    def run(x: torch.Tensor) -> torch.Tensor:
        return limits(
            functional.avg_pool2d(functional.pad(x, pad) if padded else x, kernel, stride)
        )

    return run


def _maximum(operation: MaximumPool, limits: Layer) -> Layer:
    top, bottom, left, right = operation.padding
    kernel, stride, padded = operation.kernel, operation.stride, any(operation.padding)

    def run(x: torch.Tensor) -> torch.Tensor:
        if padded:
            x = functional.pad(x, [left, right, top, bottom], value=-torch.inf)
        return limits(functional.max_pool2d(x, kernel, stride))

    return run


def _limits(rule: object, target: Tensor) -> Layer:
    """Return the clamp that limits tighter than int8 are, nothing where there are none.

    The lowest code may stand for 0.0: then what looks like int8's own limit is a ReLU.
    """
    low, high = (getattr(rule, name) for name in ("low", "high"))
    rectified = low == target.zero_point
    lowest = (low - target.zero_point) * target.scale if low > INT8_LOW else None
    highest = (high - target.zero_point) * target.scale if high < INT8_HIGH else None
    if highest is None and rectified:
        return functional.relu
    if lowest is None and highest is None:
        return lambda x: x
    return lambda x: torch.clamp(x, 0.0 if rectified else lowest, highest)
