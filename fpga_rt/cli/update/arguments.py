"""Arguments that several commands take, and what they name."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpga_rt.cli import arrays
from fpga_rt.errors import ArtifactError, ExecutionError, UpdateError
from fpga_rt.network.graph import Network


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add the folder of a store."""
    parser.add_argument("store", type=Path, metavar="STORE", help="folder of the device's versions")


def add_package(parser: argparse.ArgumentParser) -> None:
    """Add the file of a package."""
    parser.add_argument("package", type=Path, metavar="UPDATE.fru", help="update package")


def add_vectors(parser: argparse.ArgumentParser) -> None:
    """Add the file that test vectors come from."""
    parser.add_argument(
        "--vectors", type=Path, metavar="X.npz",
        help="images that an update is tried with on the device, in the model's layout: .npy, or"
        " .npz with `x`; the same for `install` and `make`; noise by default",
    )  # fmt: skip


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option that makes the result JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def vectors_of(network: Network, path: Path | None) -> NDArray[np.int8] | None:
    """Return the codes of test vectors; None where no file is named.

    Raises:
        ArtifactError: the file cannot be read.
        ExecutionError: it holds no images of the network's.
    """
    if path is None:
        return None
    codes = network.encode_input(arrays.read_array(path, ("x", "X")))
    if not len(codes):
        raise ExecutionError(f"{path} holds no images, expected at least one test vector")
    return codes


def read_package(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        ArtifactError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read ({error.strerror}), expected an update package; make one:"
            " fpga-rt update make"
        ) from error


@contextmanager
def judging(path: Path) -> Iterator[None]:
    """Name the file of a package that is refused within.

    Raises:
        UpdateError: it is; or, as it was, what is wrong with the store.
    """
    try:
        yield
    except UpdateError as error:
        if error.reason in {"store", "busy"}:
            raise
        raise UpdateError(f"{path}: {error}", error.reason) from error
