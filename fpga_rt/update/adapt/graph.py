"""An integer network as a trainable one in real numbers, its normalisation opened again.

A batch norm that was folded into a convolution is not lost: on the data of its training its output
had a mean and a deviation for each channel. Measured on `reference` samples they become the norm's
parameters again,

    y = gain * deviation * (z - mean(z)) / sqrt(variance(z) + e) + offset * deviation + mean

where z are the weighted sums. With `gain` 1, `offset` 0 and the moments of the reference this is
the network as it was; with the moments of other samples it is the network with its normalisation
adapted to them. Dense layers have gain and offset, and no norm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fpga_rt.arithmetic.operations import Dense, Softmax
from fpga_rt.network.graph import Network, Node
from fpga_rt.update.adapt.layers import Layer, limits, sums, unweighted
from fpga_rt.update.adapt.weighted import WEIGHTED, Weighted, channels_first, factors
from fpga_rt.update.vectors import Codes

WEIGHT_UNIT = 127
"""A trainable weight of 1 is this code, so one learning rate fits every layer."""
EPSILON = 1e-5


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and variance of a layer's weighted sums, each [C]."""

    mean: torch.Tensor
    variance: torch.Tensor


class WeightedLayer(nn.Module):
    """A convolution or dense layer: weights in units of 127 codes, and an affine map of its sums.

    Attributes:
        batch_moments: normalise by the batch at hand, and keep its moments; else by those kept.
        seen: moments of the sums of the last batch, where `watched`.
    """

    def __init__(self, network: Network, node: Node, operation: Weighted) -> None:
        """Take a layer over as it is."""
        super().__init__()
        self.node, self.operation = node, operation
        self.normalised = not isinstance(operation, Dense)
        self.batch_moments = self.watched = False
        self.seen: Moments | None = None
        self._sums = sums(network, node, operation)
        self._limits = limits(node, network.tensors[node.output])
        source, target = network.tensors[node.inputs[0]], network.tensors[node.output]
        codes = channels_first(operation).astype(np.float64)
        scales = factors(operation.requantisation) * target.scale
        zero_sums = source.zero_point * codes.reshape(len(codes), -1).sum(axis=1)
        # Of a weight of 1: scale of the accumulator, over that of the input's codes.
        unit = scales / source.scale * WEIGHT_UNIT
        by_channel = unit.reshape(-1, *[1] * (codes.ndim - 1))
        self.weights = nn.Parameter(_float(codes / WEIGHT_UNIT))
        self.gain = nn.Parameter(torch.ones(len(codes)))
        self.offset = nn.Parameter(torch.zeros(len(codes)))
        self.unit: torch.Tensor
        self.register_buffer("unit", _float(by_channel))
        bias = _float((operation.bias + zero_sums) * scales)
        self._take(bias, Moments(torch.zeros(len(codes)), torch.ones(len(codes))))

    def _take(self, bias: torch.Tensor, moments: Moments) -> None:
        self.bias = bias
        self.mean, self.variance = moments.mean.clone(), moments.variance.clone()
        deviation = torch.sqrt(moments.variance + EPSILON)
        self.scale, self.centre = deviation, moments.mean + bias

    def refer_to(self, moments: Moments) -> None:
        """State the same function by the moments that its sums have on reference samples."""
        self._take(self.bias, moments)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's output."""
        z = self._sums(x, self.weights * self.unit)
        if self.watched:
            variance, mean = torch.var_mean(z, (0, 2, 3), correction=0)
            self.seen = Moments(mean, variance)
        gain, offset = self.gain * self.scale, self.offset * self.scale + self.centre
        batch = self.batch_moments and self.normalised
        y = functional.batch_norm(
            z, self.mean, self.variance, gain, offset, batch, momentum=1.0, eps=EPSILON
        )
        return self._limits(y)

    def map(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the sums are multiplied by, and what is added then, each [C]."""
        gain = self.gain * self.scale / torch.sqrt(self.variance + EPSILON)
        return gain, self.offset * self.scale + self.centre - gain * self.mean


class Graph(nn.Module):
    """A network: call it with (N, C, H, W) real values, get what its last weighted layer gives."""

    def __init__(self, network: Network, reference: Mapping[str, Moments] | None = None) -> None:
        """Take a network over; a softmax at its end is left out.

        Args:
            network: to take over.
            reference: what `moments` gave on samples like those of its training, by node.

        Raises:
            ModelError: a layer has no counterpart in real numbers.
        """
        super().__init__()
        self.network = network
        nodes = list(network.nodes)
        while isinstance(nodes[-1].operation, Softmax):
            nodes.pop()
        self.output = nodes[-1].output
        self.weighted: list[WeightedLayer] = []
        """The layers with weights, in order."""
        self._steps: list[tuple[Node, Layer]] = []
        for node in nodes:
            if isinstance(node.operation, WEIGHTED):
                layer = WeightedLayer(network, node, node.operation)
                self.weighted.append(layer)
                if reference is not None and layer.normalised:
                    layer.refer_to(reference[node.name])
                self._steps.append((node, layer))
            else:
                self._steps.append((node, unweighted(network, node, node.operation)))
        self.layers = nn.ModuleList(self.weighted)

    def normalise_by(self, batch: bool) -> None:
        """Normalise by each batch's own moments, or by those that are kept."""
        for layer in self.weighted:
            layer.batch_moments = batch

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (N, C)."""
        values = {self.network.input: images}
        for node, step in self._steps:
            values[node.output] = step(*(values[name] for name in node.inputs))
        return values[self.output].flatten(1)


def moments(graph: Graph, images: torch.Tensor) -> dict[str, Moments]:
    """Return the moments of every convolution's weighted sums by node, the graph as it is."""
    layers = [layer for layer in graph.weighted if layer.normalised]
    for layer in layers:
        layer.watched = True
    with torch.no_grad():
        graph(images)
    for layer in layers:
        layer.watched = False
    return {layer.node.name: layer.seen for layer in layers if layer.seen is not None}


def to_images(network: Network, codes: Codes) -> torch.Tensor:
    """Return codes (N, H, W, C) as real values (N, C, H, W), channels last in memory."""
    return torch.from_numpy(network.tensors[network.input].dequantise(codes)).permute(0, 3, 1, 2)


def _float(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
