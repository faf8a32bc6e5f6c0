"""What happens to a camera's images: corruptions at two severities, by the textbooks' formulas.

Images are float32 (N, H, W, C) in [0, 1]; so is what comes back. Severities are 0, that one sees at
a glance, and 1, that a person still reads. The kinds follow Hendrycks and Dietterich, "Benchmarking
neural network robustness to common corruptions and perturbations" (2019); amounts and code are this
project's own, so accuracies are not to be compared with those on other corrupted sets.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.floating]
Corruption = Callable[[Images, int, np.random.Generator], Images]


def gaussian_noise(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Add normal noise: a sensor's read-out."""
    return images + rng.normal(0, (0.06, 0.14)[severity], images.shape)


def shot_noise(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Count photons, Poisson distributed: little light."""
    photons = (60, 14)[severity]
    return rng.poisson(images * photons) / photons


def impulse_noise(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Set single values to black or white: dead pixels and lost bits."""
    draw = rng.random(images.shape)
    share = (0.03, 0.10)[severity]
    return np.where(draw < share, draw < share / 2, images)


def gaussian_blur(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Blur by a normal kernel: haze on the lens."""
    offsets = np.arange(-4, 5)
    line = np.exp(-0.5 * (offsets / (0.7, 1.2)[severity]) ** 2)
    return _filtered(images, np.outer(line, line))


def defocus(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Blur by a disc: out of focus."""
    radius = (1.2, 2.2)[severity]
    y, x = np.mgrid[-3:4, -3:4]
    return _filtered(images, np.clip(radius + 0.5 - np.hypot(y, x), 0, 1))


def motion_blur(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Blur along a line of one direction for all images: a camera that moves."""
    length, angle = (3, 6)[severity], rng.uniform(0, np.pi)
    kernel = np.zeros((9, 9))
    for t in np.linspace(-length / 2, length / 2, 65):
        kernel[round(4 + t * np.sin(angle)), round(4 + t * np.cos(angle))] += 1
    return _filtered(images, kernel)


def brightness(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Add light: overexposed."""
    return images + (0.2, 0.4)[severity]


def darkness(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Take light away: dusk."""
    return images * (0.45, 0.2)[severity]


def contrast(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Shrink the distance to each image's mean."""
    mean: Images = images.mean((1, 2, 3), keepdims=True)
    return (images - mean) * (0.4, 0.15)[severity] + mean


def gamma(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Raise to a power: another tone curve."""
    return images ** (2.0, 3.5)[severity]


def saturation(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Take colour away, towards the luma of ITU-R BT.601."""
    grey: Images = images @ np.array([[0.299], [0.587], [0.114]], np.float32)
    return grey + (images - grey) * (0.35, 0.0)[severity]


def colour_cast(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Scale the channels apart: another white balance."""
    return images * np.array([(1.0, 0.85, 0.6), (1.0, 0.65, 0.3)][severity], np.float32)


def fog(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Mix with bright clouds that change slowly over the image."""
    octaves = [_clouds(images.shape, cells, rng) / cells for cells in (2, 4, 8)]
    clouds = octaves[0] + octaves[1] + octaves[2]
    brightest: Images = clouds.max((1, 2, 3), keepdims=True)
    clouds = clouds / brightest
    amount = (0.45, 0.70)[severity]
    return images * (1 - amount) + amount * (0.6 + 0.4 * clouds)


def vignette(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Darken towards the corners, by the fourth power of the cosine."""
    return images * _cosine(images.shape, (1.2, 2.4)[severity]) ** 4


def pixelate(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Average boxes: a coarser sensor."""
    box = (2, 4)[severity]
    n, height, width, channels = images.shape
    boxes = images.reshape(n, height // box, box, width // box, box, channels)
    small: Images = boxes.mean((2, 4))
    return small.repeat(box, axis=1).repeat(box, axis=2)


def dirt(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Cover the same soft dark spots of every image: a dirty lens."""
    _, height, width, _ = images.shape
    y, x = np.mgrid[:height, :width]
    clear: Images = np.ones((height, width))
    for _ in range((4, 9)[severity]):
        row, column, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(2, 4)
        spot = np.exp(-((((y - row) ** 2 + (x - column) ** 2) / (2 * radius**2)) ** 2))
        clear = clear * (1 - 0.85 * spot)
    return images * clear[None, :, :, None]


def jpeg(images: Images, severity: int, rng: np.random.Generator) -> Images:
    """Compress and expand by Pillow at a low quality: another encoder."""
    from PIL import Image

    codes = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
    found = np.empty(images.shape, np.float32)
    for number, image in enumerate(codes):
        content = io.BytesIO()
        picture = image if image.shape[2] == 3 else image[:, :, 0]
        Image.fromarray(picture).save(content, "JPEG", quality=(25, 10)[severity])
        found[number] = np.asarray(Image.open(content)).reshape(image.shape)
    found /= 255
    return found


CORRUPTIONS: dict[str, Corruption] = {
    function.__name__: function
    for function in (
        gaussian_noise, shot_noise, impulse_noise,
        gaussian_blur, defocus, motion_blur, pixelate,
        brightness, darkness, contrast, gamma, fog, vignette,
        saturation, colour_cast, jpeg, dirt,
    )
}  # fmt: skip
OF_COLOUR = ("saturation", "colour_cast")
"""Those that change nothing in images of one channel."""
SEVERITIES = (0, 1)


def corrupt(codes: NDArray[np.int8], name: str, severity: int, seed: int) -> NDArray[np.int8]:
    """Return corrupted images as codes; both are 8-bit values less 128, (N, H, W, C).

    What belongs to a device (the direction it moves in, spots on its lens) is drawn once a call, so
    corrupt all images of a device in one call.
    """
    images = (codes.astype(np.float32) + 128) / 255
    changed = CORRUPTIONS[name](images, severity, np.random.default_rng(seed))
    levels: Images = np.rint(np.clip(changed, 0, 1) * 255) - 128
    return levels.astype(np.int8)


def _filtered(images: Images, kernel: NDArray[np.floating]) -> Images:
    """Convolve every channel with a kernel of odd size whose sum is made 1, edges repeated."""
    kernel = kernel / kernel.sum()
    rows, columns = kernel.shape
    height, width = images.shape[1:3]
    above, left = rows // 2, columns // 2
    padded = np.pad(images, ((0, 0), (above, above), (left, left), (0, 0)), mode="edge")
    result = np.zeros_like(images)
    for y, x in zip(*np.nonzero(kernel), strict=True):
        result += np.float32(kernel[y, x]) * padded[:, y : y + height, x : x + width]
    return result


def _clouds(shape: tuple[int, ...], cells: int, rng: np.random.Generator) -> Images:
    """Return noise of `cells` times `cells` values an image, spread linearly over its pixels."""
    n, height, width, _ = shape
    values = rng.random((n, cells + 1, cells + 1))
    spread: Images = np.einsum(
        "yi,nij,xj->nyx", _linear(height, cells), values, _linear(width, cells)
    )
    return spread.astype(np.float32)[..., None]


def _linear(pixels: int, cells: int) -> NDArray[np.floating]:
    """Return weights (pixels, cells + 1) that interpolate between the ends of cells."""
    at = (np.arange(pixels) + 0.5) / pixels * cells
    weights: Images = np.clip(1 - np.abs(at[:, None] - np.arange(cells + 1)), 0, None)
    return weights


def _cosine(shape: tuple[int, ...], spread: float) -> Images:
    """Return the cosine of the angle to the axis, for corners at `spread` focal lengths."""
    height, width = shape[1:3]
    y, x = np.mgrid[:height, :width]
    distance = np.hypot((2 * y + 1) / height - 1, (2 * x + 1) / width - 1) / np.sqrt(2)
    cosine: Images = 1 / np.sqrt(1 + (distance * spread) ** 2)
    return cosine.astype(np.float32)[None, ..., None]
