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
        sparse_rate: the same where weights are chosen one by one; few of them have to do the work
            of many.
        mirrored: show each image mirrored half of the time, for what knows no left and right.
        held_back: the share of samples that is judged by, not trained on.
        refit: train what was chosen again, on the samples held back as well.
        seed: of the order of samples, and of which are held back.
    """

    epochs: int = 3
    batch: int = 32
    least_steps: int = 50
    affine_rate: float = 2e-2
    weight_rate: float = 2e-3
    sparse_rate: float = 5e-3
    mirrored: bool = False
    held_back: float = 0.25
    refit: bool = True
    seed: int = 0
