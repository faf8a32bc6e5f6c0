"""What moving weights promises: the slope of the loss, by layer and by weight."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from fpga_rt.update.adapt.fit import Masks, batches
from fpga_rt.update.adapt.graph import WEIGHT_UNIT, Graph, to_images
from fpga_rt.update.adapt.samples import Samples

IMAGES = 256
BATCH = 32


def sensitivities(graph: Graph, samples: Samples) -> dict[str, float]:
    """Return by node how fast the loss falls when every weight moves by a code, per byte of it.

    To first order a step of Adam moves each weight by as much, so what it gains is the sum of the
    magnitudes of the gradient.

    Raises:
        ExecutionError: the samples have no labels.
    """
    some = samples.take(np.arange(min(IMAGES, len(samples))))
    graph.normalise_by(True)
    graph.requires_grad_(True)
    logits = graph(to_images(graph.network, some.codes))
    functional.cross_entropy(logits, torch.from_numpy(some.known_labels)).backward()
    return {
        layer.node.name: float(layer.weights.grad.abs().sum())
        * 8
        / (WEIGHT_UNIT * layer.weights.numel() * layer.operation.weight_bits)
        for layer in graph.weighted
        if layer.weights.grad is not None
    }


def steepest(graph: Graph, samples: Samples, count: int) -> Masks:
    """Return which so many weights of all would lower the loss fastest; a few more where some tie.

    Slopes are means over all samples, so a weight counts that samples agree on.

    Raises:
        ExecutionError: the samples have no labels.
    """
    graph.normalise_by(True)
    graph.requires_grad_(False)
    for layer in graph.weighted:
        layer.weights.requires_grad_(True)
    images, labels = to_images(graph.network, samples.codes), torch.from_numpy(samples.known_labels)
    for which in batches(torch.arange(len(samples)), BATCH):
        loss = functional.cross_entropy(graph(images[which]), labels[which], reduction="sum")
        loss.backward()
    slopes = {
        layer.node.name: layer.weights.grad.abs()
        for layer in graph.weighted
        if layer.weights.grad is not None
    }
    least = torch.cat([slope.flatten() for slope in slopes.values()]).topk(count).values[-1]
    return {name: (slope >= least).float() for name, slope in slopes.items()}
