"""Back to integers: what did not move stays, what moved does so in coarse steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fpga_rt.arithmetic.operations import Dense, DepthwiseConvolution
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.update.adapt.fold import GAIN_LIMITS, fold, fold_and_count
from fpga_rt.update.adapt.graph import Graph, moments, to_images
from fpga_rt.update.adapt.weighted import Weighted, factors
from tests.random_networks import Builder
from tests.update.adapt.conftest import SCALE, weighted


def _arrays(network: Network) -> list[tuple[np.ndarray, ...]]:
    return [
        (o.weights, o.bias, o.requantisation.multiplier, o.requantisation.shift)
        for o in weighted(network).values()
    ]


@pytest.mark.parametrize("opened", [False, True])
def test_what_did_not_move_stays_to_the_bit(
    network: Network, codes: np.ndarray, opened: bool
) -> None:
    reference = moments(Graph(network), to_images(network, codes)) if opened else None
    folded = fold(Graph(network, reference))
    for before, after in zip(_arrays(network), _arrays(folded), strict=True):
        for a, b in zip(before, after, strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


@pytest.mark.parametrize("gain", [0.3, 1.0, 1.02, 3.0])
def test_gains_and_offsets_become_multipliers_and_biases(
    network: Network, codes: np.ndarray, gain: float
) -> None:
    """The last layer's outputs are an affine function of what they were, in real numbers."""
    graph = Graph(network)
    *_, last = graph.weighted
    with torch.no_grad():
        last.gain.fill_(gain)
        last.offset.fill_(0.4)
    folded = fold(graph)
    assert isinstance(last.operation, Dense)
    scale, bias = 0.05, last.bias.numpy()
    before = golden.run_all(network, codes)["logits"].reshape(-1, 4) * scale
    after = golden.run_all(folded, codes)["logits"].reshape(-1, 4) * scale
    wanted = np.clip((before - bias) * gain + bias + 0.4, -128 * scale, 127 * scale)
    known = np.abs(before) < 127 * scale  # beyond, the integer network has forgotten how far
    assert known.mean() > 0.9
    # Half a step of either rounding, half a step of a gain, half a step of an offset.
    error = np.abs(after - wanted)[known] / scale
    farthest = np.abs(before - bias).max() / scale
    assert error.max() <= 0.5 * gain + 0.5 + farthest * gain / 512 + 0.1
    unmoved = zip(_arrays(network)[:-1], _arrays(folded)[:-1], strict=True)
    assert all(np.array_equal(a, b) for old, new in unmoved for a, b in zip(old, new, strict=True))


def test_changes_have_few_digits(network: Network) -> None:
    graph = Graph(network)
    first = next(iter(graph.weighted))
    with torch.no_grad():
        first.gain.add_(torch.linspace(-0.3, 0.05, 8))
        first.offset.add_(torch.linspace(-1, 1, 8))
    old, new = _arrays(network)[0], _arrays(fold(graph))[0]
    same_shift = old[3] == new[3]
    change = (new[2] - old[2])[same_shift]
    assert same_shift.sum() >= 6
    step = [1 << (int(value).bit_length() - 9) for value in new[2][same_shift]]
    assert (change % step == 0).all()
    assert min(step) == 1 << 14  # a factor that fell below the leading bit has finer steps
    assert change.any()
    steps = (new[1] - old[1])[same_shift]
    assert (steps % 4 == 0).all()  # an eighth of an output code is more than four units here
    assert steps.any()


def test_weights_are_rounded_and_kept_within_int8(network: Network) -> None:
    graph = Graph(network)
    depthwise = next(x for x in graph.weighted if isinstance(x.operation, DepthwiseConvolution))
    with torch.no_grad():
        depthwise.weights.add_(0.4 / 127)
        depthwise.weights[3] += 2.0
    old, new = _arrays(network)[2], _arrays(fold(graph))[2]
    np.testing.assert_array_equal(new[0][..., 3], np.full((3, 3), 127))
    others = [c for c in range(8) if c != 3]
    np.testing.assert_array_equal(new[0][..., others], old[0][..., others])


def test_int4_stays_int4() -> None:
    builder = Builder(np.random.default_rng(8), (4, 4, 5))
    builder.convolution(6, 1, bits=4)
    network = builder.build()
    graph = Graph(network)
    with torch.no_grad():
        for layer in graph.weighted:
            layer.weights.add_(3 / 127)
    (old,), (new,) = weighted(network).values(), weighted(fold(graph)).values()
    wanted = np.minimum(old.weights.astype(int) + 3, 7)
    np.testing.assert_array_equal(new.weights, wanted)
    assert new.weight_bits == 4


def _first(network: Network, operation: Weighted) -> Network:
    """Return the network with another operation as its first."""
    node, *rest = network.nodes
    return replace(network, nodes=(replace(node, operation=operation), *rest))


@pytest.mark.parametrize("gain", [1 / 256, 1 / 100, 1 / 16, 0.3, 0.7, 5, 16, 100, 256])
def test_gains_are_kept_to_a_step(network: Network, gain: float) -> None:
    graph = Graph(network)
    for layer in graph.weighted:
        layer.gain.data.fill_(gain)
    folded, clipped = fold_and_count(graph)
    assert clipped == 0
    for old, new in zip(weighted(network).values(), weighted(folded).values(), strict=True):
        kept = factors(new.requantisation) / factors(old.requantisation)
        np.testing.assert_allclose(kept, gain, rtol=2**-8)
        assert new.requantisation.pre_shift == 0


@pytest.mark.parametrize("gain", [1 / 3000, 1 / 3, 1.003, 3000])
def test_the_gain_that_is_kept_moves_no_mean(
    network: Network, codes: np.ndarray, gain: float
) -> None:
    """At the mean of the sums the output is what it was, however the gain was rounded or cut."""
    bright = np.clip(codes.astype(np.int16) + 60, -128, 127).astype(np.int8)
    graph = Graph(network, moments(Graph(network), to_images(network, bright)))
    layer = graph.weighted[0]
    layer.gain.data.fill_(gain)
    layer.gain.data[1] = 1
    folded, clipped = fold_and_count(graph)
    assert clipped == (0 if GAIN_LIMITS[0] < gain < GAIN_LIMITS[1] else 7)
    old, new = weighted(network)["stem"], weighted(folded)["stem"]
    before, after = factors(old.requantisation), factors(new.requantisation)
    mean = layer.mean.double().numpy() / (before * SCALE)  # in units of the accumulator
    assert np.abs(mean * before).max() > 1  # means are codes apart, so this can fail
    drift = (mean + new.bias) * after - (mean + old.bias) * before
    # Half a step of a bias: an eighth of a code, or one unit of the accumulator.
    assert (np.abs(drift) <= np.maximum(1 / 8, after) / 2 + 1e-2).all()


def test_dead_channels_stay_to_the_bit(network: Network, codes: np.ndarray) -> None:
    stem = weighted(network)["stem"]
    rule = stem.requantisation
    multiplier, shift = rule.multiplier.copy(), rule.shift.copy()
    multiplier[3], shift[3] = 0, 18
    dead = replace(rule, multiplier=multiplier, shift=shift)
    network = _first(network, replace(stem, requantisation=dead))
    graph = Graph(network, moments(Graph(network), to_images(network, codes)))
    graph.weighted[0].offset.data[3] = 5.0
    graph.weighted[0].gain.data.fill_(0.5)
    folded, clipped = fold_and_count(graph)
    new = weighted(folded)["stem"]
    assert (clipped, new.requantisation.pre_shift) == (0, 0)
    assert new.bias[3] == stem.bias[3]
    np.testing.assert_array_equal(new.weights[3], stem.weights[3])
    assert (new.requantisation.multiplier[3], new.requantisation.shift[3]) == (0, 18)
    assert (factors(new.requantisation)[:3] < factors(rule)[:3]).all()


def test_a_shift_ends_at_its_least(network: Network) -> None:
    stem = weighted(network)["stem"]
    rule = replace(stem.requantisation, shift=np.full(8, 19, np.int32))
    graph = Graph(_first(network, replace(stem, requantisation=rule)))
    graph.weighted[0].gain.data.fill_(100)
    folded, clipped = fold_and_count(graph)
    new = weighted(folded)["stem"].requantisation
    assert (clipped, new.shift.min()) == (8, 18)
    assert (factors(new) > 63).all()  # all that 24 bits and a shift of 18 give


def test_a_bias_ends_at_32_bits(network: Network) -> None:
    graph = Graph(network)
    graph.weighted[0].offset.data[:2] = torch.tensor([1e9, -1e9])
    folded, clipped = fold_and_count(graph)
    ends = np.iinfo(np.int32)
    assert clipped == 2
    assert weighted(folded)["stem"].bias[:2].tolist() == [ends.max, ends.min]
