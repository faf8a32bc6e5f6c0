"""What a byte of each layer's weights promises: the slope of the loss, in codes."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from fpga_rt.update.adapt.graph import WEIGHT_UNIT, Graph, to_images
from fpga_rt.update.adapt.samples import Samples

IMAGES = 256


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
