"""Back to integers: what did not move stays, what moved does so in coarse steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fpga_rt.arithmetic.operations import Dense, DepthwiseConvolution
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.update.adapt.fold import fold
from fpga_rt.update.adapt.graph import Graph, moments, to_images
from tests.random_networks import Builder
from tests.update.adapt.conftest import weighted


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
    assert (change % (1 << 15) == 0).all()
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
