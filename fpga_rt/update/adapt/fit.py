"""Training of what a plan lets move, by cross entropy on labelled samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional

from fpga_rt.errors import ExecutionError
from fpga_rt.update.adapt.graph import Graph, to_images
from fpga_rt.update.adapt.policies import Plan
from fpga_rt.update.adapt.samples import Samples

MOMENT_IMAGES = 1024
"""Samples that normalisation is measured on, all at once."""


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        epochs: passes over the samples.
        batch: samples of a step.
        affine_rate: learning rate of gains and offsets, in units of a channel's deviation.
        weight_rate: learning rate of weights, in units of 127 codes.
        seed: of the order of samples.
    """

    epochs: int = 3
    batch: int = 32
    affine_rate: float = 2e-2
    weight_rate: float = 2e-3
    seed: int = 0


def fit(graph: Graph, samples: Samples, plan: Plan, recipe: Recipe) -> None:
    """Let what a plan names move, and leave the graph normalised by the samples if it says so.

    Raises:
        ExecutionError: the plan trains and there are no labels.
    """
    images = to_images(graph.network, samples.codes)
    graph.normalise_by(plan.normalise)
    if plan.trains:
        if samples.labels is None:
            raise ExecutionError(
                "samples have no labels, expected a class for each: only the policy statistics"
                " does without; give labels"
            )
        _train(graph, images, torch.from_numpy(samples.labels), plan, recipe)
    settle(graph, images)


def settle(graph: Graph, images: torch.Tensor) -> None:
    """Where a graph normalises by the batch, keep the moments of samples; it uses them then."""
    with torch.no_grad():
        graph(images[:MOMENT_IMAGES])
    graph.normalise_by(False)


def _train(
    graph: Graph, images: torch.Tensor, labels: torch.Tensor, plan: Plan, recipe: Recipe
) -> None:
    parameters = list(_groups(graph, plan, recipe))
    optimizer = torch.optim.Adam(parameters, betas=(0.9, 0.98))
    order = torch.Generator().manual_seed(recipe.seed)
    steps = recipe.epochs * -(-len(images) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [group["lr"] for group in parameters], total_steps=steps, pct_start=0.2,
        cycle_momentum=False,
    )  # fmt: skip
    for _ in range(recipe.epochs):
        for which in torch.randperm(len(images), generator=order).split(recipe.batch):
            optimizer.zero_grad()
            functional.cross_entropy(graph(images[which]), labels[which]).backward()
            optimizer.step()
            schedule.step()


def _groups(graph: Graph, plan: Plan, recipe: Recipe) -> Iterator[dict[str, object]]:
    affine, weights = [], []
    for layer in graph.weighted():
        moves = layer.node.name in plan.weights
        layer.weights.requires_grad_(moves)
        adapts = plan.affine and (moves or not plan.alone)
        for parameter in (layer.gain, layer.offset):
            parameter.requires_grad_(adapts)
        affine += [layer.gain, layer.offset] if adapts else []
        weights += [layer.weights] if moves else []
    yield {"params": affine, "lr": recipe.affine_rate}
    if weights:
        yield {"params": weights, "lr": recipe.weight_rate}
