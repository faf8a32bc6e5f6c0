"""A trained graph back to an integer network: the same tensors, scales and, mostly, shifts.

Only weights, multipliers and biases change. Multipliers and biases move in steps far below what an
output code can show, so that the package is not filled with digits that mean nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic.operations import accumulator_bound
from fpga_rt.arithmetic.requantise import MULTIPLIER_BITS, Requantisation
from fpga_rt.network.graph import Network, Node
from fpga_rt.update.adapt.graph import WEIGHT_UNIT, Graph, WeightedLayer
from fpga_rt.update.adapt.weighted import Weighted, channels_last, factors

GAIN_STEP_BITS = 8
"""A multiplier, 2**23 and more, moves in steps of 2**-8 of 2**23."""
OFFSET_STEPS = 8
"""A bias moves in steps of an eighth of an output code, or finer."""
GAIN_LIMITS = (1 / 16, 16)
"""A channel's scale changes by no more than this."""


def fold(graph: Graph) -> Network:
    """Return the integer network that a graph has become; what did not move stays to the bit."""
    layers = {layer.node.name: layer for layer in graph.weighted}
    nodes = tuple(
        _folded(graph.network, node, layers[node.name]) if node.name in layers else node
        for node in graph.network.nodes
    )
    return replace(graph.network, nodes=nodes)


def _folded(network: Network, node: Node, layer: WeightedLayer) -> Node:
    operation = layer.operation
    source, target = network.tensors[node.inputs[0]], network.tensors[node.output]
    gain, offset = (values.detach().double().numpy() for values in layer.map())
    most = WEIGHT_UNIT if operation.weight_bits == 8 else 7
    codes = np.clip(np.rint(layer.weights.detach().numpy() * WEIGHT_UNIT), -most, most)
    rule = operation.requantisation
    multiplier, shift = _multiplied(rule, np.clip(gain, *GAIN_LIMITS))
    new = replace(rule, multiplier=multiplier, shift=shift)
    zero_sums = source.zero_point * codes.reshape(len(codes), -1).sum(axis=1)
    exact = offset / (factors(new) * target.scale) - zero_sums
    bias = _stepped(operation.bias, exact, 1 / (factors(new) * OFFSET_STEPS))
    weights = channels_last(operation, codes.astype(np.int8))
    return replace(node, operation=_with(operation, weights, bias, new))


def _with(
    operation: Weighted, weights: NDArray[np.int8], bias: NDArray[np.int32], rule: Requantisation
) -> Weighted:
    bound = accumulator_bound(np.moveaxis(weights, -1, 0) if weights.ndim == 3 else weights, bias)
    wanted = Requantisation.from_scales(factors(rule), bound, rule.zero_point, rule.low, rule.high)
    rule = rule if wanted.pre_shift <= rule.pre_shift else wanted
    return replace(operation, weights=weights, bias=bias, requantisation=rule)


def _multiplied(
    rule: Requantisation, gain: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return multipliers and shifts for factors that are `gain` times as large."""
    step = 1 << (MULTIPLIER_BITS - 1 - GAIN_STEP_BITS)
    multiplier, shift = rule.multiplier.astype(np.float64), rule.shift.copy()
    change = np.rint(multiplier * (gain - 1) / step) * step
    new = multiplier + change
    over = new >= 1 << MULTIPLIER_BITS
    while over.any():
        shift[over] -= 1
        exact = multiplier * gain * np.exp2(shift - rule.shift)
        new = np.where(over, multiplier + np.rint((exact - multiplier) / step) * step, new)
        over = new >= 1 << MULTIPLIER_BITS
    return np.maximum(new, 0).astype(np.int32), shift


def _stepped(
    base: NDArray[np.int32], exact: NDArray[np.float64], largest_step: NDArray[np.float64]
) -> NDArray[np.int32]:
    """Return the base's integers moved towards `exact` in steps that are powers of two."""
    step = np.exp2(np.maximum(np.floor(np.log2(largest_step)), 0))
    moved: NDArray[np.float64] = base + np.rint((exact - base) / step) * step
    return moved.astype(np.int32)
