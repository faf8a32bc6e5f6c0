"""How parameters are trained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        epochs: passes over the samples.
        batch: samples of a step.
        least_steps: steps at least; where samples are few there are more epochs.
        affine_rate: learning rate of gains and offsets, in units of a channel's deviation.
        weight_rate: learning rate of weights, in units of 127 codes.
        held_back: the share of samples that is judged by, not trained on.
        seed: of the order of samples, and of which are held back.
    """

    epochs: int = 3
    batch: int = 32
    least_steps: int = 50
    affine_rate: float = 2e-2
    weight_rate: float = 2e-3
    held_back: float = 0.25
    seed: int = 0
