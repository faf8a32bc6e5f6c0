"""Training moves what a plan names and nothing else, downhill."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from fpga_rt.errors import ExecutionError
from fpga_rt.network.graph import Network
from fpga_rt.update.adapt.fit import fit
from fpga_rt.update.adapt.graph import Graph, to_images
from fpga_rt.update.adapt.policies import Plan
from fpga_rt.update.adapt.recipe import Recipe
from fpga_rt.update.adapt.samples import Samples
from fpga_rt.update.adapt.sensitivity import sensitivities, steepest

RECIPE = Recipe(epochs=1, least_steps=12, batch=16)


def _loss(graph: Graph, samples: Samples) -> float:
    with torch.no_grad():
        logits = graph(to_images(graph.network, samples.codes))
    return float(functional.cross_entropy(logits, torch.from_numpy(samples.known_labels)))


def _moved(graph: Graph) -> dict[str, tuple[bool, bool]]:
    """Return by node whether its gain and offset moved, and whether its weights did."""
    found = {}
    untouched = Graph(graph.network)
    for old, new in zip(untouched.weighted, graph.weighted, strict=True):
        affine = torch.cat([old.gain - new.gain, old.offset - new.offset])
        found[new.node.name] = (bool(affine.any()), bool((old.weights - new.weights).any()))
    return found


@pytest.mark.parametrize(
    ("plan", "affine", "weights"),
    [
        (Plan(), set(), set()),
        (Plan(affine=True), {"stem", "branch", "depth", "dense"}, set()),
        (Plan(affine=True, weights=frozenset(["branch"]), alone=True), {"branch"}, {"branch"}),
        (
            Plan(affine=True, weights=frozenset(["stem", "dense"])),
            {"stem", "branch", "depth", "dense"},
            {"stem", "dense"},
        ),
    ],
)
def test_a_plan_moves_what_it_names(
    network: Network, dim: Samples, plan: Plan, affine: set[str], weights: set[str]
) -> None:
    graph = Graph(network)
    before = _loss(graph, dim)
    fit(graph, dim, plan, RECIPE)
    moved = _moved(graph)
    assert {name for name, (found, _) in moved.items() if found} == affine
    assert {name for name, (_, found) in moved.items() if found} == weights
    if plan.trains:
        assert _loss(graph, dim) < before
    assert not any(layer.batch_moments for layer in graph.weighted)


@pytest.mark.parametrize(("count", "steps"), [(17, 12), (160, 20), (320, 20)])
def test_few_samples_are_passed_more_often(
    network: Network, dim: Samples, count: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seventeen samples are one batch of 16 and one that is left over: it joins them."""
    seen: list[int] = []
    inner = Graph.forward

    def counting(graph: Graph, images: torch.Tensor) -> torch.Tensor:
        seen.append(len(images))
        return inner(graph, images)

    monkeypatch.setattr(Graph, "forward", counting)
    graph, many = Graph(network), dim.take(np.arange(count) % len(dim))
    fit(graph, many, Plan(normalise=False, affine=True), RECIPE)
    assert len(seen) == steps
    assert min(seen) > 1
    assert sum(seen) % count == 0


def test_weights_outside_a_mask_are_held(network: Network, dim: Samples) -> None:
    graph = Graph(network)
    every = frozenset(layer.node.name for layer in graph.weighted)
    masks = {"branch": torch.zeros_like(graph.weighted[1].weights)}
    masks["branch"][3, 5] = 1
    fit(graph, dim, Plan(affine=True, weights=every), RECIPE, masks)
    change = graph.weighted[1].weights - Graph(network).weighted[1].weights
    assert change[3, 5].all()
    change[3, 5] = 0
    assert not change.any()
    assert _moved(graph)["depth"] == (True, True)


def test_mirrored_images_are_as_many_as_those_that_are_not(
    network: Network, dim: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a network is shown is each sample as it is or from right to left, half and half."""
    seen: list[torch.Tensor] = []
    inner = Graph.forward

    def watching(graph: Graph, images: torch.Tensor) -> torch.Tensor:
        seen.append(images)
        return inner(graph, images)

    monkeypatch.setattr(Graph, "forward", watching)
    recipe = Recipe(epochs=4, least_steps=1, batch=16, mirrored=True)
    fit(Graph(network), dim, Plan(normalise=False, affine=True), recipe)
    images = to_images(network, dim.codes)
    known = {image.numpy().tobytes() for image in images}
    mirrored = {image.numpy().tobytes() for image in images.flip(3)}
    assert not known & mirrored
    shown = [image.numpy().tobytes() for batch in seen for image in batch]
    assert len(shown) == 4 * len(dim)
    assert {*shown} <= known | mirrored
    assert sum(image in mirrored for image in shown) == pytest.approx(2 * len(dim), rel=0.2)


def test_the_steepest_weights_are_those_with_the_largest_slope(
    network: Network, dim: Samples
) -> None:
    """Differences of the loss itself say which of two layers' weights matter more."""
    graph = Graph(network)
    masks = steepest(graph, dim, 40)
    assert 40 <= sum(int(mask.sum()) for mask in masks.values()) <= 42
    images, labels = to_images(network, dim.codes), torch.from_numpy(dim.known_labels)
    slopes: dict[bool, list[float]] = {True: [], False: []}
    with torch.no_grad():
        for layer in graph.weighted[:2]:
            flat, mask = layer.weights.view(-1), masks[layer.node.name].flatten()
            for index in (*torch.nonzero(mask)[:3, 0], *torch.nonzero(1 - mask)[:40, 0]):
                losses = []
                for step in (0.02, -0.04):
                    flat[index] += step
                    # Slopes are means over batches of 32, each with its own moments.
                    parts = [
                        functional.cross_entropy(graph(images[w]), labels[w], reduction="sum")
                        for w in torch.arange(len(dim)).split(32)
                    ]
                    losses.append(float(sum(parts)))
                flat[index] += 0.02
                slopes[bool(mask[index])].append(abs(losses[0] - losses[1]) / 0.04)
    assert min(slopes[True]) > 0.9 * max(slopes[False])


def test_a_sample_that_is_left_over_joins_the_last_batch(
    network: Network, dim: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone it has no deviation; neither training nor the slopes show it to a network so."""
    sizes: list[int] = []
    inner = Graph.forward

    def watching(graph: Graph, images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        return inner(graph, images)

    monkeypatch.setattr(Graph, "forward", watching)
    odd = dim.take(np.arange(65))
    steepest(Graph(network), odd, 40)
    assert sizes == [32, 33]
    sizes.clear()
    recipe = Recipe(epochs=1, least_steps=1, batch=32)
    fit(Graph(network), odd, Plan(normalise=False, affine=True), recipe)
    assert sizes == [32, 33]


def test_one_sample_has_no_deviation(network: Network, dim: Samples) -> None:
    with pytest.raises(ExecutionError, match="there is one sample to fit, whose channels have no"):
        fit(Graph(network), dim.take(np.arange(1)), Plan(), RECIPE)


def test_sensitivities_are_slopes(network: Network, dim: Samples) -> None:
    """A step of every weight of a layer against its gradient lowers the loss by so much."""
    graph = Graph(network)
    found = sensitivities(graph, dim)
    layer = next(iter(graph.weighted))
    graph.normalise_by(True)
    images = to_images(network, dim.codes)
    labels = torch.from_numpy(dim.known_labels)
    assert layer.weights.grad is not None
    step = 0.02  # of a code
    losses = []
    with torch.no_grad():
        for sign in (0, 1):
            layer.weights.sub_(sign * step / 127 * layer.weights.grad.sign())
            losses.append(float(functional.cross_entropy(graph(images), labels)))
    slope = (losses[0] - losses[1]) / (step * 216)  # bytes of its weights
    assert found["stem"] == pytest.approx(slope, rel=0.1)
