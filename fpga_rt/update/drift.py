"""Whether what a device sees is still what its network was made for.

Three numbers of every image are watched, which cost next to nothing: the mean of its input codes,
their deviation, and the distance of the largest output code from the second. Their means over a
window of images are compared with those of reference images, in units of what such means scatter
by; the largest of the three counts. How large it may be is found by drawing windows from the
reference images themselves, with the uncertainty of a reference of that size in it, so that a
window without drift sets off an alarm with a chance that is chosen.

Images that follow each other closely are alike and scatter less than images drawn apart, as the
reference assumes: show the watch one image in so many that each is news.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpga_rt.errors import ExecutionError

FEATURES = ("brightness", "contrast", "confidence")
DRAWS_PER_ALARM = 20
"""Windows drawn for the threshold, in false alarms that are expected among them."""
_CHUNK = 256

Features = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """What images are like without drift, and from where on it is drift.

    Attributes:
        window: images that are judged together.
        mean: of every one of `FEATURES` over the reference images, in codes.
        deviation: of single images.
        threshold: of the largest distance of a window's mean, in deviations of such means.
        chance: that a window without drift exceeds it.
    """

    window: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    threshold: float
    chance: float


@dataclass(frozen=True)
class Drift:
    """A window of images that is not like the reference.

    Attributes:
        feature: the one of `FEATURES` that is furthest off.
        mean: of it over the window.
        expected: of it over the reference images.
        distance: in deviations of such means.
        threshold: from where on that is drift.
    """

    feature: str
    mean: float
    expected: float
    distance: float
    threshold: float


class DriftWatch:
    """Judges images, a window at a time."""

    def __init__(self, reference: Reference) -> None:
        """Begin a window."""
        self.reference = reference
        self._sums = np.zeros(len(FEATURES))
        self._seen = 0

    def see(self, codes: NDArray[np.int8], outputs: NDArray[np.int8]) -> Drift | None:
        """Take images and say whether a window that ended with one of them has drifted.

        Args:
            codes: input codes, images first.
            outputs: the network's output codes for them, images first.
        """
        found = None
        for row in features(codes, outputs):
            self._sums += row
            self._seen += 1
            if self._seen == self.reference.window:
                found = self._judged() or found
        return found

    def _judged(self) -> Drift | None:
        """Judge the window and begin another one."""
        reference, means = self.reference, self._sums / self._seen
        self._sums, self._seen = np.zeros(len(FEATURES)), 0
        distances = _distances(
            means, np.array(reference.mean), np.array(reference.deviation), reference.window
        )
        worst = int(distances.argmax())
        if distances[worst] <= reference.threshold:
            return None
        return Drift(
            FEATURES[worst],
            float(means[worst]),
            reference.mean[worst],
            float(distances[worst]),
            reference.threshold,
        )


def features(codes: NDArray[np.int8], outputs: NDArray[np.int8]) -> Features:
    """Return the numbers that are watched, [images, FEATURES], in codes."""
    inputs = codes.reshape(len(codes), -1).astype(np.float64)
    scores = outputs.reshape(len(outputs), -1).astype(np.float64)
    if scores.shape[1] > 1:
        scores = np.partition(scores, -2, axis=1)
        confidence = scores[:, -1] - scores[:, -2]
    else:
        confidence = scores[:, 0]
    return np.stack([inputs.mean(axis=1), inputs.std(axis=1), confidence], axis=1)


def calibrate(
    codes: NDArray[np.int8],
    outputs: NDArray[np.int8],
    window: int = 64,
    chance: float = 0.001,
    seed: int = 0,
) -> Reference:
    """Return what images are like without drift, and a threshold for windows of them.

    Args:
        codes: input codes of reference images, images first; at least two windows.
        outputs: the network's output codes for them, images first.
        window: images that are judged together.
        chance: that a window without drift sets off an alarm.
        seed: of the draws; equal ones give equal thresholds.

    Raises:
        ExecutionError: there are too few reference images.
        ValueError: the window or the chance is out of range.
    """
    if window < 1 or not 0 < chance < 1:
        raise ValueError(f"a window of {window} and a chance of {chance}, expected >= 1 and 0..1")
    if len(codes) < 2 * window:
        raise ExecutionError(
            f"{len(codes)} reference images for windows of {window}, expected at least"
            f" {2 * window}; give more images, or a smaller window"
        )
    pool = features(codes, outputs)
    rng = np.random.default_rng(seed)
    drawn: list[NDArray[np.float64]] = []
    draws = int(np.ceil(DRAWS_PER_ALARM / chance))
    for first in range(0, draws, _CHUNK):
        count = min(_CHUNK, draws - first)
        base = pool[rng.integers(0, len(pool), (count, len(pool)))]
        means = pool[rng.integers(0, len(pool), (count, window))].mean(axis=1)
        distances = _distances(means, base.mean(axis=1), base.std(axis=1), window)
        drawn.append(distances.max(axis=1))
    return Reference(
        window,
        tuple(map(float, pool.mean(axis=0))),
        tuple(map(float, pool.std(axis=0))),
        float(np.quantile(np.concatenate(drawn), 1 - chance)),
        chance,
    )


def _distances(means: Features, expected: Features, deviation: Features, window: int) -> Features:
    """Return how far means of windows are off, in deviations of such means; half a code at least.

    Where the reference does not scatter at all, a code's rounding does.
    """
    scatter = np.maximum(deviation, 0.5) / np.sqrt(window)
    distances: Features = np.abs(means - expected) / scatter
    return distances
