"""The alarm: as rare as was asked for without drift, prompt with it, and it says what changed."""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.errors import ExecutionError
from fpga_rt.update.drift import DriftWatch, calibrate, features

Codes = np.ndarray


def _images(rng: np.random.Generator, count: int, light: float = 0.0) -> tuple[Codes, Codes]:
    """Return noise whose brightness scatters from image to image, and scores."""
    level = rng.normal(light, 12, (count, 1))
    codes = np.clip(np.rint(level + rng.normal(0, 20, (count, 48))), -128, 127).astype(np.int8)
    scores = np.clip(rng.normal(0, 30, (count, 10)), -128, 127).astype(np.int8)
    return codes, scores


def test_features_of_known_images() -> None:
    codes = np.array([[0, 0, 0, 0], [-10, 10, -10, 10]], np.int8)
    scores = np.array([[1, 9, 4], [-128, 127, 100]], np.int8)
    np.testing.assert_array_equal(features(codes, scores), [[0, 0, 5], [0, 10, 27]])
    np.testing.assert_array_equal(features(codes, scores[:, :1])[:, 2], [1, -128])


@pytest.mark.parametrize("chance", [0.02, 0.1])
def test_false_alarms_are_as_rare_as_asked_for(chance: float) -> None:
    """Over many references and windows: the binomial's four deviations around the chance."""
    rng = np.random.default_rng(5)
    windows, alarms = 0, 0
    for seed in range(40):
        watch = DriftWatch(calibrate(*_images(rng, 200), window=16, chance=chance, seed=seed))
        for _ in range(100):
            alarms += watch.see(*_images(rng, 16)) is not None
            windows += 1
    assert abs(alarms - windows * chance) < 4 * np.sqrt(windows * chance * (1 - chance))


def test_drift_is_noticed_and_named() -> None:
    rng = np.random.default_rng(1)
    codes, scores = _images(rng, 300)
    watch = DriftWatch(calibrate(codes, scores, window=32))
    dark, _ = _images(rng, 32, light=-12)
    found = watch.see(dark, scores[:32])
    assert found is not None
    assert found.feature == "brightness"
    assert found.mean < -6 < found.expected < 6
    assert found.distance > found.threshold > 3
    unsure = np.sort(scores[:32], axis=1)
    unsure[:, -1] = unsure[:, -2]
    found = watch.see(codes[:32], unsure)
    assert found is not None
    assert (found.feature, found.mean) == ("confidence", 0.0)


def test_a_window_may_come_in_pieces() -> None:
    rng = np.random.default_rng(2)
    reference = calibrate(*_images(rng, 100), window=20)
    assert reference == calibrate(*_images(np.random.default_rng(2), 100), window=20)
    codes, scores = _images(rng, 20, light=-30)
    watch = DriftWatch(reference)
    seen = [watch.see(codes[i : i + 1], scores[i : i + 1]) for i in range(20)]
    assert [drift is not None for drift in seen] == [False] * 19 + [True]
    assert seen[-1] == DriftWatch(reference).see(codes, scores)


def test_images_that_never_change_set_off_no_alarm() -> None:
    codes, scores = np.zeros((40, 9), np.int8), np.zeros((40, 3), np.int8)
    watch = DriftWatch(calibrate(codes, scores, window=10, chance=0.01))
    assert watch.see(codes, scores) is None
    assert watch.see(codes + np.int8(1), scores) is not None


def test_too_few_images_and_numbers_out_of_range() -> None:
    codes, scores = _images(np.random.default_rng(0), 63)
    with pytest.raises(ExecutionError, match="63 reference images for windows of 32, expected at"):
        calibrate(codes, scores, window=32)
    for window, chance in ((0, 0.1), (4, 0.0), (4, 1.0)):
        with pytest.raises(ValueError, match="expected >= 1 and"):
            calibrate(codes, scores, window, chance)
