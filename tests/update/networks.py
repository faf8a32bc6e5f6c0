"""Networks and what becomes of them under an update."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fpga_rt.arithmetic.operations import Convolution, Dense, DepthwiseConvolution, Operation
from fpga_rt.network.graph import Network
from tests.random_networks import Builder

_WEIGHTED = (Convolution, DepthwiseConvolution, Dense)


def small(seed: int = 0) -> Network:
    """Return two layers that two modules compute."""
    builder = Builder(np.random.default_rng(seed), (4, 4, 8))
    builder.convolution(8, 1)
    builder.dense(5)
    return builder.build("small")


def swapping() -> Network:
    """Return layers whose modules change within an inference where there is one partition."""
    builder = Builder(np.random.default_rng(9), (4, 4, 8))
    builder.convolution(24, 3)
    builder.maximum(2, 2)
    builder.dense(5)
    return builder.build("small")


def drifted(network: Network, seed: int, weights: bool = False) -> Network:
    """Return a network with other biases and multipliers, and some other weights if asked for."""
    rng = np.random.default_rng(seed)
    nodes = tuple(
        replace(node, operation=_drifted(node.operation, rng, weights)) for node in network.nodes
    )
    return replace(network, nodes=nodes)


def _drifted(operation: Operation, rng: np.random.Generator, weights: bool) -> Operation:
    if not isinstance(operation, _WEIGHTED):
        return operation
    rule = operation.requantisation
    factor = rng.uniform(0.8, 1.0, len(rule.multiplier))
    multiplier = (rule.multiplier * factor).astype(np.int32)
    bias = (operation.bias + rng.integers(-900, 900, len(operation.bias))).astype(np.int32)
    changed = operation.weights.copy()
    if weights:
        most = 127 if operation.weight_bits == 8 else 7
        rows = rng.random(len(changed)) < 0.5
        changed[rows] = rng.integers(-most, most + 1, changed[rows].shape)
    return replace(
        operation,
        weights=changed,
        bias=bias,
        requantisation=replace(rule, multiplier=multiplier),
    )
