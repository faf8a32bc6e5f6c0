"""Random integer networks with every operation, whose outputs use most of the int8 range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fpga_rt.arithmetic.operations import (
    Addition,
    AveragePool,
    Convolution,
    Dense,
    DepthwiseConvolution,
    MaximumPool,
    Operation,
    Reshape,
    Shape,
    accumulator_bound,
)
from fpga_rt.arithmetic.requantise import AdditionRule, Requantisation
from fpga_rt.network.graph import Network, Node, Tensor


@dataclass
class Builder:
    """Grows a network node by node from a random generator."""

    rng: np.random.Generator
    shape: Shape
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    current: str = "input"

    def __post_init__(self) -> None:
        self.tensors[self.current] = self._tensor(self.current, self.shape)

    def add(self, operation: Operation, *inputs: str) -> str:
        """Append a node that reads `inputs` (the current tensor unless given)."""
        reads = inputs or (self.current,)
        shape = operation.output_shape(self.tensors[reads[0]].shape)
        name = f"t{len(self.nodes)}"
        self.tensors[name] = self._tensor(name, shape)
        self.nodes.append(Node(f"n{len(self.nodes)}", operation, reads, name))
        self.current, self.shape = name, shape
        return name

    def convolution(self, outputs: int, kernel: int, stride: int = 1, bits: int = 8) -> str:
        """Append a convolution with padding that keeps the size (divided by the stride)."""
        most = 127 if bits == 8 else 7
        size = (outputs, kernel, kernel, self.shape[2])
        weights = self.rng.integers(-most, most + 1, size).astype(np.int8)
        bias = self.rng.integers(-2000, 2000, outputs).astype(np.int32)
        rule = self._rule(weights, bias)
        above = (kernel - 1) // 2
        padding = (above, kernel - 1 - above, above, kernel - 1 - above)
        pad_value = int(self.rng.integers(-128, 128))
        return self.add(
            Convolution(weights, bias, rule, (stride, stride), padding, pad_value, bits)
        )

    def depthwise(self, kernel: int, stride: int = 1) -> str:
        """Append a depthwise convolution."""
        channels = self.shape[2]
        weights = self.rng.integers(-127, 128, (kernel, kernel, channels)).astype(np.int8)
        bias = self.rng.integers(-2000, 2000, channels).astype(np.int32)
        rule = self._rule(np.moveaxis(weights, 2, 0), bias)
        above = (kernel - 1) // 2
        padding = (above, kernel - 1 - above, above, kernel - 1 - above)
        return self.add(DepthwiseConvolution(weights, bias, rule, (stride, stride), padding, 5))

    def average(self, kernel: tuple[int, int], stride: tuple[int, int]) -> str:
        """Append an average pool."""
        channels = self.shape[2]
        scale = np.full(channels, 1.3 / (kernel[0] * kernel[1]))
        rule = Requantisation.from_scales(scale, 128 * kernel[0] * kernel[1], -4)
        return self.add(AveragePool(kernel, np.zeros(channels, np.int32), rule, stride))

    def maximum(self, kernel: int, stride: int) -> str:
        """Append a maximum pool."""
        return self.add(MaximumPool((kernel, kernel), (stride, stride)))

    def addition(self, a: str, b: str) -> str:
        """Append the sum of two tensors."""
        scales = (float(self.rng.uniform(0.2, 1.5)), float(self.rng.uniform(0.2, 1.5)))
        rule = AdditionRule.from_scales(scales, (3, -9), 2)
        return self.add(Addition(rule), a, b)

    def dense(self, outputs: int, bits: int = 8) -> str:
        """Append a flattening and a dense layer."""
        length = int(np.prod(self.shape))
        if self.shape[:2] != (1, 1):
            self.add(Reshape((1, 1, length)))
        most = 127 if bits == 8 else 7
        weights = self.rng.integers(-most, most + 1, (outputs, length)).astype(np.int8)
        bias = self.rng.integers(-2000, 2000, outputs).astype(np.int32)
        return self.add(Dense(weights, bias, self._rule(weights, bias), bits))

    def build(self, name: str = "random") -> Network:
        """Return the network."""
        return Network(name, self.tensors, tuple(self.nodes), "input", self.current)

    def _rule(self, weights: np.ndarray, bias: np.ndarray) -> Requantisation:
        deviation = np.sqrt((weights.astype(np.float64) ** 2).reshape(len(weights), -1).sum(1))
        scales = self.rng.uniform(0.4, 1.0, len(weights)) / np.maximum(deviation, 1.0)
        low = int(self.rng.choice([-128, -20]))
        bound = accumulator_bound(weights, bias)
        return Requantisation.from_scales(scales, bound, int(self.rng.integers(-20, 20)), low)

    def _tensor(self, name: str, shape: Shape) -> Tensor:
        return Tensor(
            name, shape, float(self.rng.uniform(0.01, 0.2)), int(self.rng.integers(-9, 9))
        )


def random_network(seed: int, layers: int = 6) -> Network:
    """Return a network of about `layers` layers, then a dense one."""
    rng = np.random.default_rng(seed)
    height, width = int(rng.integers(5, 14)), int(rng.integers(5, 14))
    builder = Builder(rng, (height, width, int(rng.integers(1, 20))))
    for _ in range(layers):
        _grow(builder, rng)
    builder.dense(int(rng.integers(2, 20)))
    return builder.build(f"random{seed}")


def _grow(builder: Builder, rng: np.random.Generator) -> None:
    height, width, _ = builder.shape
    kind = int(rng.integers(0, 6))
    if kind == 0:
        builder.convolution(int(rng.integers(1, 40)), int(rng.choice([1, 2, 3, 5])))
    elif kind == 1:
        builder.convolution(int(rng.integers(1, 40)), int(rng.choice([1, 3])), 2, 4)
    elif kind == 2:
        builder.depthwise(int(rng.choice([1, 3])), int(rng.integers(1, 3)))
    elif kind == 3 and min(height, width) >= 4:
        builder.maximum(2, 2)
    elif kind == 4 and min(height, width) >= 3:
        builder.average((2, 3), (2, 1))
    else:
        shortcut = builder.current
        channels = builder.shape[2]
        builder.convolution(channels, 3)
        if rng.random() < 0.5:
            builder.depthwise(3)
        builder.addition(builder.current, shortcut)


KINDS = (
    "convolution",
    "pointwise",
    "int4",
    "strided",
    "fused addition",
    "addition",
    "depthwise",
    "strided depthwise",
    "average pool",
    "maximum pool",
)
"""Layers of a varied network, besides the global pool and the dense layers at its end."""


def varied_network(seed: int, layers: int = 5, kinds: Sequence[str] = KINDS) -> Network:
    """Return a network of `layers` layers of these kinds, then perhaps a global pool, and dense.

    Sizes and channel counts are mostly odd; the first kind goes round with the seed, so that
    consecutive seeds have every kind.
    """
    rng = np.random.default_rng((1, seed))
    height, width = int(rng.integers(5, 12)), int(rng.integers(5, 12))
    builder = Builder(rng, (height, width, int(rng.integers(1, 20))))
    for number in range(layers):
        _append(builder, kinds[seed % len(kinds)] if number == 0 else str(rng.choice(kinds)))
    if rng.random() < 0.5:
        builder.average(builder.shape[:2], (1, 1))
    if rng.random() < 0.3:
        builder.dense(int(rng.integers(2, 40)), 4)
    builder.dense(int(rng.integers(2, 20)))
    return builder.build(f"varied{seed}")


def _append(builder: Builder, kind: str) -> None:
    rng, shortcut = builder.rng, builder.current
    height, width, channels = builder.shape
    smallest = min(height, width)
    outputs = int(rng.integers(1, 28))
    if kind == "convolution":
        builder.convolution(outputs, int(rng.choice([2, 3, 5])))
    elif kind == "pointwise":
        builder.convolution(outputs, 1)
    elif kind == "int4":
        builder.convolution(outputs, int(rng.choice([1, 3])), bits=4)
    elif kind == "strided":
        builder.convolution(outputs, 3, 2, int(rng.choice([4, 8])))
    elif kind == "depthwise":
        builder.depthwise(int(rng.choice([3, 5])))
    elif kind == "strided depthwise":
        builder.depthwise(3, 2)
    elif kind == "average pool" and smallest >= 3:
        builder.average((2, 3), (int(rng.integers(1, 3)), int(rng.integers(1, 3))))
    elif kind == "maximum pool" and smallest >= 3:
        builder.maximum(int(rng.integers(2, 4)), int(rng.integers(1, 3)))
    else:
        if kind == "addition":
            builder.depthwise(3)
        else:
            builder.convolution(channels, 3)
        builder.addition(builder.current, shortcut)
