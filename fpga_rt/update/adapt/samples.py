"""Samples of what a device sees, and their division into those to fit and those to judge by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpga_rt.errors import ExecutionError
from fpga_rt.update.vectors import Codes

Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Samples:
    """Input codes (N, H, W, C), and a class number for each where they are known."""

    codes: Codes
    labels: Labels | None = None

    def __post_init__(self) -> None:
        """Check that there is a label for each sample.

        Raises:
            ExecutionError: there are no samples, or another number of labels.
        """
        if not len(self.codes):
            raise ExecutionError("there are no samples, expected some of what the device sees")
        if self.labels is not None and self.labels.shape != (len(self.codes),):
            raise ExecutionError(
                f"labels have shape {self.labels.shape}, expected ({len(self.codes)},), one for"
                " each sample"
            )

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.codes)

    @property
    def known_labels(self) -> Labels:
        """Return the labels.

        Raises:
            ExecutionError: there are none.
        """
        if self.labels is None:
            raise ExecutionError(
                "samples have no labels, expected a class for each: only the policy statistics"
                " does without; give labels"
            )
        return self.labels

    def take(self, which: NDArray[np.integer]) -> Samples:
        """Return the samples at some positions."""
        labels = None if self.labels is None else self.labels[which]
        return Samples(self.codes[which], labels)

    def split(self, held_back: float, seed: int) -> tuple[Samples, Samples]:
        """Return the samples to fit and those held back, at least one each, drawn at random.

        Raises:
            ExecutionError: there is only one sample.
        """
        if len(self) < 2:
            raise ExecutionError(
                "there is one sample, expected at least two: some to fit, some to judge by"
            )
        count = min(max(1, round(held_back * len(self))), len(self) - 1)
        order = np.random.default_rng(seed).permutation(len(self))
        return self.take(order[count:]), self.take(order[:count])
