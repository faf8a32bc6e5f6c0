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
from fpga_rt.update.adapt.sensitivity import sensitivities

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
