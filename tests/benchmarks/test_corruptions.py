"""Corruptions do what their formulas say, and more of it at the higher severity."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.corruptions import CORRUPTIONS, OF_COLOUR, SEVERITIES, corrupt

_RNG = np.random.default_rng(2)
SMOOTH = _RNG.uniform(0.2, 0.8, (40, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)
IMAGES = np.clip(SMOOTH + _RNG.normal(0, 0.05, SMOOTH.shape), 0, 1).astype(np.float32)
CODES = (np.rint(IMAGES * 255) - 128).astype(np.int8)


def _apply(name: str, severity: int, images: np.ndarray = IMAGES) -> np.ndarray:
    return np.asarray(CORRUPTIONS[name](images, severity, np.random.default_rng(5)))


@pytest.fixture(params=CORRUPTIONS)
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "jpeg":
        pytest.importorskip("PIL")
    return str(request.param)


def test_there_are_as_many_as_the_study_asks_for() -> None:
    assert len(CORRUPTIONS) - len(OF_COLOUR) >= 15


def test_codes_come_back_as_codes_and_repeat(name: str) -> None:
    found = [corrupt(CODES, name, severity, 7) for severity in SEVERITIES]
    assert all(codes.shape == CODES.shape and codes.dtype == np.int8 for codes in found)
    np.testing.assert_array_equal(found[1], corrupt(CODES, name, 1, 7))


def test_the_higher_severity_is_farther_from_the_image(name: str) -> None:
    near, far = (
        np.abs(corrupt(CODES, name, severity, 7).astype(int) - CODES).mean()
        for severity in SEVERITIES
    )
    assert 0.5 < near < far


def test_grey_images_stay_grey(name: str) -> None:
    if name not in OF_COLOUR:
        assert corrupt(CODES[:3, :28, :28, :1], name, 1, 7).shape == (3, 28, 28, 1)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_noises_have_their_moments(severity: int) -> None:
    flat = np.full((40, 32, 32, 3), 0.5, np.float32)
    added = _apply("gaussian_noise", severity, flat) - 0.5
    assert abs(added.mean()) < 0.002
    assert added.std() == pytest.approx((0.06, 0.14)[severity], rel=0.02)
    shot = _apply("shot_noise", severity, flat)
    assert shot.var() == pytest.approx(0.5 / (60, 14)[severity], rel=0.03)  # Poisson
    impulses = _apply("impulse_noise", severity, flat)
    for value in (0.0, 1.0):
        assert (impulses == value).mean() == pytest.approx((0.015, 0.05)[severity], rel=0.1)


@pytest.mark.parametrize("name", ["gaussian_blur", "defocus", "motion_blur"])
def test_blurs_keep_the_light_and_spread_a_point(name: str) -> None:
    point = np.zeros((1, 33, 33, 1), np.float32)
    point[0, 16, 16, 0] = 1
    spread = _apply(name, 1, point)
    assert spread.sum() == pytest.approx(1, rel=1e-5)
    assert 0.02 < spread.max() < 0.5
    y, x = np.mgrid[:33, :33]
    assert (spread[0, ..., 0] * (y - 16)).sum() == pytest.approx(0, abs=0.1)
    assert (spread[0, ..., 0] * (x - 16)).sum() == pytest.approx(0, abs=0.1)


def test_a_gaussian_blur_has_its_width() -> None:
    step = np.zeros((1, 33, 33, 1), np.float32)
    step[:, :, 16:] = 1
    edge = _apply("gaussian_blur", 1, step)[0, 16, :, 0]
    density = np.diff(edge)
    width = np.sqrt((density * (np.arange(32) - 15) ** 2).sum())
    assert width == pytest.approx(1.2, rel=0.05)


def test_photometric_formulas() -> None:
    np.testing.assert_allclose(_apply("darkness", 1), IMAGES * 0.2, rtol=1e-6)
    np.testing.assert_allclose(_apply("brightness", 0), IMAGES + 0.2, rtol=1e-6)
    np.testing.assert_allclose(_apply("gamma", 0), IMAGES**2, rtol=1e-5)
    shrunk = _apply("contrast", 1)
    np.testing.assert_allclose(shrunk.std((1, 2, 3)), 0.15 * IMAGES.std((1, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(shrunk.mean((1, 2, 3)), IMAGES.mean((1, 2, 3)), rtol=1e-5)
    grey = _apply("saturation", 1)
    luma = 0.299 * IMAGES[..., 0] + 0.587 * IMAGES[..., 1] + 0.114 * IMAGES[..., 2]
    np.testing.assert_allclose(grey, luma[..., None].repeat(3, axis=3), rtol=1e-5)


def test_pixels_are_means_of_boxes() -> None:
    coarse = _apply("pixelate", 1)
    np.testing.assert_allclose(coarse[3, 5, 9], IMAGES[3, 4:8, 8:12].mean((0, 1)), rtol=1e-5)


def test_vignettes_leave_the_middle() -> None:
    white = np.ones((1, 32, 32, 3), np.float32)
    seen = _apply("vignette", 1, white)[0, :, :, 0]
    assert seen[16, 16] > 0.95
    corner = 1 / (1 + (2.4 * 31 / 32) ** 2) ** 2  # the fourth power of the cosine
    assert seen[0, 0] == pytest.approx(corner, rel=1e-4)


def test_what_belongs_to_a_device_is_the_same_in_all_its_images() -> None:
    seen = _apply("dirt", 1, np.ones((3, 32, 32, 1), np.float32))
    np.testing.assert_array_equal(seen[0], seen[2])
    assert seen.min() < 0.4
