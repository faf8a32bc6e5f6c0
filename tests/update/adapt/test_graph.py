"""The trainable network is the integer one, and its normalisation undoes what it can undo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import datasets
from fpga_rt.arithmetic.operations import Convolution
from fpga_rt.errors import ModelError
from fpga_rt.frontend import load
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.update.adapt.fold import fold
from fpga_rt.update.adapt.graph import Graph, moments, to_images
from fpga_rt.update.adapt.samples import Samples
from fpga_rt.update.adapt.weighted import Weighted
from tests.random_networks import Builder
from tests.update.adapt.conftest import SCALE, weighted


def _logits(network: Network, codes: np.ndarray) -> np.ndarray:
    """Return what golden execution gives before the softmax, in real values."""
    return golden.run_all(network, codes)["logits"].reshape(len(codes), -1) * SCALE


@pytest.mark.parametrize("opened", [False, True])
def test_it_computes_what_golden_does(network: Network, codes: np.ndarray, opened: bool) -> None:
    images = to_images(network, codes)
    graph = Graph(network, moments(Graph(network), images) if opened else None)
    with torch.no_grad():
        got = graph(images).numpy()
    wanted = _logits(network, codes)
    # Six roundings to int8 lie between the image and the logits, which magnify them.
    assert np.abs(got - wanted).mean() < 0.1 * wanted.std()
    assert np.mean(got.argmax(axis=1) == wanted.argmax(axis=1)) > 0.9


def test_moments_are_those_of_the_sums(network: Network, codes: np.ndarray) -> None:
    found = moments(Graph(network), to_images(network, codes))
    assert list(found) == ["stem", "branch", "depth"]
    # The stem by hand, in float64: windows of real values times real weights, without the bias.
    operation = network.nodes[0].operation
    assert isinstance(operation, Convolution)
    rule = operation.requantisation
    real = operation.weights * (rule.multiplier / 2.0**rule.shift)[:, None, None, None]
    padded = np.pad(codes.astype(np.float64) * SCALE, ((0, 0), (1, 1), (1, 1), (0, 0)))
    sums = sum(
        np.einsum("nyxc,oc->nyxo", padded[:, i : i + 12, j : j + 12], real[:, i, j])
        for i in range(3)
        for j in range(3)
    )
    np.testing.assert_allclose(found["stem"].mean, np.mean(sums, (0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(found["stem"].variance, np.var(sums, (0, 1, 2)), rtol=1e-3)


def test_batch_moments_undo_a_loss_of_contrast(
    network: Network, codes: np.ndarray, dim: Samples
) -> None:
    """Without padding's border the network would be the same to a rounding; with it, nearly so."""
    reference = moments(Graph(network), to_images(network, codes))
    graph = Graph(network, reference)
    graph.normalise_by(True)
    with torch.no_grad():
        graph(to_images(network, dim.codes))
    adapted = fold(graph)
    wanted, before = _logits(network, codes), _logits(network, dim.codes)
    after = _logits(adapted, dim.codes)
    assert np.abs(after - wanted).mean() < 0.3 * np.abs(before - wanted).mean()


@pytest.mark.parametrize("name", ["resnet8", "ds-cnn"])
def test_published_networks_are_kept(name: str, data_dir: Path) -> None:
    """MLPerf Tiny's int8 networks in real numbers: the same answers, and back to the bit."""
    pytest.importorskip("tflite")
    pytest.importorskip("PIL")
    network = load(datasets.model_path(name))
    codes, _ = datasets.cifar10(64) if name == "resnet8" else datasets.keywords(64)
    images = to_images(network, codes)
    graph = Graph(network, moments(Graph(network), images))
    with torch.no_grad():
        got = graph(images).argmax(dim=1).numpy()
    wanted = golden.run(network, codes).reshape(len(codes), -1).argmax(axis=1)
    assert np.mean(got == wanted) > 0.9
    for before, after in zip(weighted(network).items(), weighted(fold(graph)).items(), strict=True):
        assert before[0] == after[0]
        for a, b in zip(_integers(before[1]), _integers(after[1]), strict=True):
            np.testing.assert_array_equal(a, b)


def _integers(operation: Weighted) -> list[np.ndarray]:
    rule = operation.requantisation
    return [operation.weights, operation.bias, rule.multiplier, rule.shift]


def test_images_are_flattened_in_the_order_of_codes() -> None:
    builder = Builder(np.random.default_rng(8), (3, 4, 5))
    builder.dense(6)
    network = builder.build()
    rule = weighted(network)["n1"].requantisation
    zero_points = {network.output: rule.zero_point}
    tensors = {
        name: replace(tensor, scale=0.1, zero_point=zero_points.get(name, 0))
        for name, tensor in network.tensors.items()
    }
    network = replace(network, tensors=tensors)
    codes = np.random.default_rng(9).integers(-60, 60, (50, 3, 4, 5)).astype(np.int8)
    target = network.tensors[network.output]
    with torch.no_grad():
        got = Graph(network)(to_images(network, codes)).numpy() / target.scale + target.zero_point
    wanted = golden.run(network, codes).reshape(50, 6)
    assert wanted.std() > 10
    np.testing.assert_allclose(got, wanted, atol=0.51)


def test_other_padding_is_refused(network: Network) -> None:
    first, *rest = network.nodes
    assert isinstance(first.operation, Convolution)
    padded = replace(first, operation=replace(first.operation, pad_value=7))
    with pytest.raises(ModelError, match=r"node stem pads with code 7, expected that of 0\.0, 0"):
        Graph(replace(network, nodes=(padded, *rest)))


def test_a_softmax_inside_is_refused(network: Network) -> None:
    *most, last = network.nodes
    again = replace(most[-1], name="again", inputs=("answer",), output="more")
    tensors = {**network.tensors, "more": replace(network.tensors["logits"], name="more")}
    dense = replace(weighted(network)["dense"], weights=np.ones((4, 4), np.int8))
    nodes = (*most, last, replace(again, operation=dense))
    with pytest.raises(ModelError, match="node softmax is a softmax inside the network"):
        Graph(replace(network, tensors=tensors, nodes=nodes, output="more"))
