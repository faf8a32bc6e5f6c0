"""Training of what a plan lets move, by cross entropy on labelled samples."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from fpga_rt.errors import ExecutionError
from fpga_rt.update.adapt.graph import Graph, WeightedLayer, to_images
from fpga_rt.update.adapt.policies import Plan
from fpga_rt.update.adapt.recipe import Recipe
from fpga_rt.update.adapt.samples import Samples

MOMENT_IMAGES = 1024
"""Samples that normalisation is measured on, all at once."""

Masks = Mapping[str, torch.Tensor]
"""By node 1 where a weight is trained, else 0, in the shape of its weights."""


def fit(
    graph: Graph,
    samples: Samples,
    plan: Plan,
    recipe: Recipe,
    masks: Masks | None = None,
) -> None:
    """Let what a plan names move, and leave the graph normalised by the samples if it says so.

    Args:
        graph: to train.
        samples: to fit.
        plan: what moves.
        recipe: how to train.
        masks: of these nodes' weights only those move where a mask is 1, at the sparse rate.

    Raises:
        ExecutionError: the plan trains and there are no labels, or there is only one sample.
    """
    if len(samples) < 2:
        raise ExecutionError(
            "there is one sample to fit, whose channels have no deviation; expected at least two,"
            " better hundreds"
        )
    images = to_images(graph.network, samples.codes)
    graph.normalise_by(plan.normalise)
    if plan.trains:
        affine, weights = _free(graph, plan)
        holds = _hold(graph, masks or {})
        rate = recipe.sparse_rate if masks else recipe.weight_rate
        groups = [
            (each, of) for each, of in ((affine, recipe.affine_rate), (weights, rate)) if each
        ]
        _train(graph, images, torch.from_numpy(samples.known_labels), groups, recipe)
        for hold in holds:
            hold.remove()
    if plan.normalise:
        settle(graph, images)


def settle(graph: Graph, images: torch.Tensor) -> None:
    """Keep the moments of samples in a graph that normalises by the batch; it uses them then."""
    with torch.no_grad():
        graph(images[:MOMENT_IMAGES])
    graph.normalise_by(False)


def _train(
    graph: Graph,
    images: torch.Tensor,
    labels: torch.Tensor,
    groups: list[tuple[list[nn.Parameter], float]],
    recipe: Recipe,
) -> None:
    optimizer = torch.optim.Adam(
        [{"params": parameters, "lr": rate} for parameters, rate in groups], betas=(0.9, 0.98)
    )
    order = torch.Generator().manual_seed(recipe.seed)
    steps_an_epoch = len(batches(torch.arange(len(images)), recipe.batch))
    epochs = max(recipe.epochs, -(-recipe.least_steps // steps_an_epoch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [rate for _, rate in groups], total_steps=epochs * steps_an_epoch, pct_start=0.2,
        cycle_momentum=False,
    )  # fmt: skip
    for _ in range(epochs):
        for which in batches(torch.randperm(len(images), generator=order), recipe.batch):
            optimizer.zero_grad()
            shown = _mirrored(images[which], order) if recipe.mirrored else images[which]
            functional.cross_entropy(graph(shown), labels[which]).backward()
            optimizer.step()
            schedule.step()


def batches(order: torch.Tensor, size: int) -> list[torch.Tensor]:
    """Return samples in batches; one that is left over joins the last, for it has no deviation."""
    parts = list(order.split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def _mirrored(images: torch.Tensor, order: torch.Generator) -> torch.Tensor:
    """Return images (N, C, H, W), each left to right or not, as it is drawn."""
    drawn = torch.rand(len(images), 1, 1, 1, generator=order) < 0.5
    return torch.where(drawn, images.flip(3), images)


def _hold(graph: Graph, masks: Masks) -> list[RemovableHandle]:
    """Hold the weights outside their masks where they are."""

    def held(layer: WeightedLayer, mask: torch.Tensor) -> RemovableHandle:
        hold: RemovableHandle = layer.weights.register_hook(lambda gradient: gradient * mask)
        return hold

    return [
        held(layer, masks[layer.node.name]) for layer in graph.weighted if layer.node.name in masks
    ]


def _free(graph: Graph, plan: Plan) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return gains and offsets that a plan lets move, and weights; the others are held."""
    affine, weights = [], []
    for layer in graph.weighted:
        moves = layer.node.name in plan.weights
        if plan.affine and (moves or not plan.alone):
            affine += [layer.gain, layer.offset]
        weights += [layer.weights] if moves else []
    graph.requires_grad_(False)
    for parameter in affine + weights:
        parameter.requires_grad_(True)
    return affine, weights
