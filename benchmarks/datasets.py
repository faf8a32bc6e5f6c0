"""Real inputs for the MLPerf Tiny models, from a folder of data that is not part of this project.

`FPGA_RT_DATA` names the folder; otherwise it is `../shared/data` beside the repository. Every
function returns int8 input codes (N, H, W, C) of the reference model, and labels where there are.
"""

from __future__ import annotations

import io
import os
import tarfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpga_rt.errors import ModelError

Codes = NDArray[np.int8]
Labels = NDArray[np.int64]

MODELS = {
    "resnet8": "pretrainedResnet_quant.tflite",
    "ds-cnn": "kws_ref_model.tflite",
    "vww": "vww_96_int8.tflite",
    "ad": "ad01_int8.tflite",
}


def folder() -> Path:
    """Return the folder of real data.

    Raises:
        ModelError: it does not exist.
    """
    path = _folder()
    if not path.is_dir():
        raise ModelError(_absent(path))
    return path


def obstacle(*packages: str) -> str | None:
    """Return what is missing here, the data or a package that reads them; None when nothing is."""
    path = _folder()
    if not path.is_dir():
        return _absent(path)
    missing = [package for package in packages if find_spec(package) is None]
    return f"no package {' or '.join(missing)}: pip install 'fpga-rt[dev]'" if missing else None


def _folder() -> Path:
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("FPGA_RT_DATA", beside))


def _absent(path: Path) -> str:
    return f"no folder of real data at {path}; set FPGA_RT_DATA to it"


def model_path(name: str) -> Path:
    """Return the reference model's file."""
    return folder() / "mlperf-tiny" / MODELS[name]


def cifar10(count: int | None = None) -> tuple[Codes, Labels]:
    """Return CIFAR-10 test images (JPEG quality 75), evenly drawn from the classes."""
    from PIL import Image

    with tarfile.open(folder() / "cifar10-jpeg" / "test.tar.xz") as archive:
        members = {m.name: m for m in archive.getmembers() if m.name.endswith(".jpg")}
        classes = sorted({name.split("/")[1] for name in members})
        # Names end in the image's number, so sorting by it mixes the classes.
        order = sorted(members, key=lambda name: (name.split("/")[2], name))[:count]
        contents = {m.name: _content(archive, m) for m in archive if m.name in set(order)}
    images = [np.asarray(Image.open(io.BytesIO(contents[name]))) for name in order]
    labels = [classes.index(name.split("/")[1]) for name in order]
    return _shifted(np.stack(images)), np.array(labels)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file else b""


def keywords(count: int | None = None) -> tuple[Codes, Labels]:
    """Return the 1,000 keyword samples of the accuracy set."""
    with np.load(folder() / "mlperf-tiny" / "kws_1000_mfcc_int8.npz") as data:
        codes: Codes = data["X"][:count].astype(np.int8)
        labels: Labels = data["Y"][:count].astype(np.int64).reshape(-1)
        return codes, labels


def random_images(count: int, seed: int = 0) -> Codes:
    """Return random 96x96 images: wake-word data have no images here, so only agreement counts."""
    rng = np.random.default_rng(seed)
    return _shifted(rng.integers(0, 256, (count, 96, 96, 3), np.uint8))


def machine_sounds(scale: float, zero_point: int) -> Codes:
    """Return the 196 windows of one normal sound clip, quantised for the anomaly detector."""
    path = folder() / "mlperf-tiny" / "ad_normal_id_01_00000000_hist_librosa.bin"
    frames = np.fromfile(path, "<f4").reshape(-1, 128)
    windows = np.stack([frames[i : i + 5].reshape(-1) for i in range(len(frames) - 4)])
    codes: Codes = np.clip(np.rint(windows / scale) + zero_point, -128, 127).astype(np.int8)
    return codes.reshape(-1, 1, 1, 640)


def _shifted(images: NDArray[np.uint8]) -> Codes:
    return (images.astype(np.int16) - 128).astype(np.int8)
