"""A small network for updates to be tried on, and others of its structure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic.operations import Convolution, Dense, Reshape
from fpga_rt.arithmetic.requantise import Requantisation
from fpga_rt.network.graph import Network, Node, Tensor

BOARD = "pynq-z2"


def small_network(seed: int = 0) -> Network:
    """Return two layers for two modules: 16 channels of 3x3 on 8x8 pixels, then 10 classes."""
    rng = np.random.default_rng(seed)
    shape, hidden = (8, 8, 8), (4, 4, 16)
    tensors = {
        "image": Tensor("image", shape, 0.1, 0),
        "features": Tensor("features", hidden, 0.1, 0),
        "row": Tensor("row", (1, 1, 256), 0.1, 0),
        "classes": Tensor("classes", (1, 1, 10), 0.1, 0),
    }
    kernels = rng.integers(-127, 128, (16, 3, 3, 8)).astype(np.int8)
    matrix = rng.integers(-127, 128, (10, 256)).astype(np.int8)
    convolution = Convolution(kernels, *_rule(rng, 16, 72), (2, 2), (0, 1, 0, 1))
    nodes = (
        Node("first", convolution, ("image",), "features"),
        Node("flatten", Reshape((1, 1, 256)), ("features",), "row"),
        Node("second", Dense(matrix, *_rule(rng, 10, 256)), ("row",), "classes"),
    )
    return Network("small", tensors, nodes, "image", "classes")


def changed_network(network: Network, seed: int) -> Network:
    """Return a network with other weights, biases and multipliers throughout."""
    rng = np.random.default_rng(seed)
    nodes = []
    for node in network.nodes:
        operation = node.operation
        if isinstance(operation, (Convolution, Dense)):
            weights = rng.integers(-127, 128, operation.weights.shape).astype(np.int8)
            size = int(np.prod(weights.shape[1:]))
            bias, rule = _rule(rng, len(weights), size)
            operation = replace(operation, weights=weights, bias=bias, requantisation=rule)
        nodes.append(replace(node, operation=operation))
    return replace(network, nodes=tuple(nodes))


def _rule(
    rng: np.random.Generator, channels: int, inputs: int
) -> tuple[NDArray[np.int32], Requantisation]:
    """Return a bias, and a requantisation that keeps most of the int8 range."""
    bias = rng.integers(-2000, 2000, channels).astype(np.int32)
    scales = rng.uniform(0.4, 1.0, channels) / (73 * inputs**0.5)
    return bias, Requantisation.from_scales(scales, 127 * 128 * inputs + 2000, 0)
