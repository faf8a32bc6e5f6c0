"""Arrays in files: images, labels and outputs."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.errors import ArtifactError, ExecutionError

_NPY, _NPZ = b"\x93NUMPY", b"PK\x03\x04"
_DAMAGED = (OSError, ValueError, EOFError, SyntaxError, MemoryError, zipfile.BadZipFile, zlib.error)
"""What NumPy raises on files that are absent, damaged, or hold objects."""


def read_array(path: Path, names: Sequence[str]) -> NDArray[Any]:
    """Read a .npy file, or from a .npz file the first array of `names` or its only array.

    Raises:
        ArtifactError: the file cannot be read, or does not say which array is meant.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(_NPY))
            _check_kind(head)
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            name = _chosen(path, loaded.files, names) if head.startswith(_NPZ) else ...
            return np.asarray(loaded[name])
    except _DAMAGED as error:
        reason = getattr(error, "strerror", None) or str(error) or "it ends too early"
        raise ArtifactError(
            f"{path} cannot be read ({reason.splitlines()[0]}), expected a complete .npy or .npz"
            " file of numbers; check the path, or write it again with numpy.save"
        ) from error


def _check_kind(head: bytes) -> None:
    """Refuse other files before NumPy takes them for pickled objects.

    Raises:
        ValueError: the file is neither .npy nor .npz.
    """
    if not head.startswith((_NPY, _NPZ)):
        raise ValueError(f"starts with {head!r}" if head else "it is empty")


def _chosen(path: Path, found: Sequence[str], names: Sequence[str]) -> str:
    name = next((name for name in names if name in found), None)
    if name is None and len(found) == 1:
        name = found[0]
    if name is None:
        raise ArtifactError(
            f"{path} holds the arrays {', '.join(found) or '(none)'}, expected one called"
            f" {' or '.join(names)}, or a single one; save it again with that name"
        )
    return name


def read_labels(path: Path, images: int, classes: int) -> NDArray[np.int64]:
    """Read a class number for each image; rows of one-hot codes are turned into numbers.

    Raises:
        ArtifactError: the file cannot be read.
        ExecutionError: another count, shape or type, or a class that the network does not have.
    """
    labels = read_array(path, ("y", "Y", "labels"))
    if labels.dtype.kind not in "biuf":
        raise ExecutionError(f"labels in {path} are of type {labels.dtype}, expected whole numbers")
    if labels.ndim > 1 and labels.shape[1:] == (classes,) and classes > 1:
        labels = labels.argmax(axis=1)
    if labels.size != images or labels.shape[:1] != (images,):
        raise ExecutionError(
            f"labels in {path} have shape {labels.shape}, expected {images}, one for each image;"
            " give labels and images of the same data"
        )
    numbers = labels.reshape(-1)
    if not (numbers == np.floor(numbers)).all():
        raise ExecutionError(
            f"labels in {path} hold fractions or NaN, expected whole numbers; give class numbers"
        )
    if numbers.min() < 0 or numbers.max() >= classes:
        raise ExecutionError(
            f"labels in {path} reach from {numbers.min()} to {numbers.max()}, expected classes"
            f" 0..{classes - 1}; give labels of the network's own classes"
        )
    return numbers.astype(np.int64)


def accuracy(codes: NDArray[np.int8], labels: NDArray[np.int64]) -> float:
    """Return the share of images whose largest output code, all axes flattened, is the label's."""
    return float((codes.reshape(len(codes), -1).argmax(axis=1) == labels).mean())


def write_array(array: NDArray[Any], path: Path) -> None:
    """Write a .npy file, whole or not at all.

    Raises:
        ArtifactError: the file cannot be written.
    """
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    write_atomically(path, [content.getvalue()])
