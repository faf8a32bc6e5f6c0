"""A trained graph back to an integer network: the same tensors, scales and, mostly, shifts.

Only weights, multipliers and biases change. Multipliers and biases move in steps far below what an
output code can show, so that the package is not filled with digits that mean nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic.operations import accumulator_bound
from fpga_rt.arithmetic.requantise import MULTIPLIER_BITS, SHIFTS, Requantisation
from fpga_rt.network.graph import Network, Node
from fpga_rt.update.adapt.graph import WEIGHT_UNIT, Graph, WeightedLayer
from fpga_rt.update.adapt.weighted import Weighted, channels_first, channels_last, factors

GAIN_STEP_BITS = 8
"""A multiplier moves in steps of 2**-8 of its leading bit."""
OFFSET_STEPS = 8
"""A bias moves in steps of an eighth of an output code, or finer."""
GAIN_LIMITS = (1 / 256, 256)
"""A channel's scale changes by no more than this, and by no more than its shift has room for.

An int8 tensor has 256 codes: a channel that varies by less than a 256th of what it did is below
one code of its input, and a larger gain would magnify rounding alone. A smaller one needs a bias
so large that the accumulators of the whole layer lose digits (`pre_shift`).
"""


def fold(graph: Graph) -> Network:
    """Return the integer network that a graph has become; what did not move stays to the bit."""
    return fold_and_count(graph)[0]


def fold_and_count(graph: Graph) -> tuple[Network, int]:
    """Return what `fold` does, and how many channels have a gain or bias that was cut off."""
    layers = {layer.node.name: layer for layer in graph.weighted}
    nodes, clipped = [], 0
    for node in graph.network.nodes:
        layer = layers.get(node.name)
        folded, cut = _folded(graph.network, node, layer) if layer else (node, 0)
        nodes.append(folded)
        clipped += cut
    return replace(graph.network, nodes=tuple(nodes)), clipped


def _folded(network: Network, node: Node, layer: WeightedLayer) -> tuple[Node, int]:
    operation, rule = layer.operation, layer.operation.requantisation
    source, target = network.tensors[node.inputs[0]], network.tensors[node.output]
    gain, offset = (values.detach().double().numpy() for values in layer.map())
    # A multiplier of 0 gives the zero point whatever the sums are; no gain brings it back.
    dead = rule.multiplier == 0
    most = WEIGHT_UNIT if operation.weight_bits == 8 else 7
    codes = np.clip(np.rint(layer.weights.detach().numpy() * WEIGHT_UNIT), -most, most)
    codes[dead] = channels_first(operation)[dead]
    multiplier, shift, cut = _multiplied(rule, np.where(dead, 1.0, gain))
    new = replace(rule, multiplier=multiplier, shift=shift)
    old_factors, new_factors = (np.where(dead, 1.0, factors(each)) for each in (rule, new))
    # The gain turns about the mean of the sums, so the gain that is kept moves no mean.
    offset = offset + (gain - new_factors / old_factors) * layer.mean.double().numpy()
    zero_sums = source.zero_point * codes.reshape(len(codes), -1).sum(axis=1)
    exact = np.where(dead, operation.bias, offset / (new_factors * target.scale) - zero_sums)
    bias, far = _stepped(operation.bias, exact, 1 / (new_factors * OFFSET_STEPS))
    weights = channels_last(operation, codes.astype(np.int8))
    clipped = int(np.count_nonzero((cut | far) & ~dead))
    return replace(node, operation=_with(operation, weights, bias, new)), clipped


def _with(
    operation: Weighted, weights: NDArray[np.int8], bias: NDArray[np.int32], rule: Requantisation
) -> Weighted:
    bound = accumulator_bound(np.moveaxis(weights, -1, 0) if weights.ndim == 3 else weights, bias)
    wanted = Requantisation.from_scales(factors(rule), bound, rule.zero_point, rule.low, rule.high)
    rule = rule if wanted.pre_shift <= rule.pre_shift else wanted
    return replace(operation, weights=weights, bias=bias, requantisation=rule)


def _multiplied(
    rule: Requantisation, gain: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
    """Return multipliers and shifts for factors `gain` times as large, and which are cut off."""
    limited = np.clip(gain, *GAIN_LIMITS)
    multiplier = rule.multiplier.astype(np.float64)
    exact = multiplier * limited
    excess = np.frexp(exact)[1] - MULTIPLIER_BITS
    less = np.clip(excess, 0, np.maximum(rule.shift - SHIFTS[0], 0))
    cut = (limited != gain) | (excess > less)
    exact = np.minimum(np.ldexp(exact, -less), (1 << MULTIPLIER_BITS) - 1)
    step = np.exp2(np.maximum(np.frexp(exact)[1] - 1 - GAIN_STEP_BITS, 0))
    new = multiplier + np.rint((exact - multiplier) / step) * step
    new = np.where(new >= 1 << MULTIPLIER_BITS, new - step, new)
    # What lives stays alive: a multiplier of 0 could never be told apart from a dead channel.
    new = np.maximum(new, np.minimum(multiplier, 1))
    return new.astype(np.int32), (rule.shift - less).astype(np.int32), cut


def _stepped(
    base: NDArray[np.int32], exact: NDArray[np.float64], largest_step: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return integers moved towards `exact` in steps that are powers of two; which do not fit."""
    step = np.exp2(np.maximum(np.floor(np.log2(largest_step)), 0))
    moved: NDArray[np.float64] = base + np.rint((exact - base) / step) * step
    ends = np.iinfo(np.int32)
    inside = np.clip(moved, ends.min, ends.max)
    return inside.astype(np.int32), inside != moved
