"""`fpga-rt update key`: the pair of keys that updates are signed and checked with."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from fpga_rt.errors import ArtifactError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "name", type=Path, metavar="NAME",
        help="NAME.key is written for the owner alone, NAME.pub for devices; both are PEM",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Write both files; none is overwritten."""
    from fpga_rt.update.ed25519 import PrivateKey

    key = PrivateKey.generate()
    paths = [Path(f"{arguments.name}{suffix}") for suffix in (".key", ".pub")]
    there = next((path for path in paths if path.exists()), None)
    if there is not None:
        raise ArtifactError(
            f"{there} is there already; choose another name: devices that trust the old key take"
            " nothing that the new one signs"
        )
    for path, data, mode in zip(paths, key.pem(), (0o600, 0o644), strict=True):
        _write_new(path, data, mode)
    print(f"written: {paths[0]} (keep it secret), {paths[1]} (for devices)")
    print(f"  {key.public_key.scheme} key {key.public_key.identity.hex()}")


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except OSError as error:
        raise ArtifactError(
            f"cannot write {path} ({error.strerror}); choose another name"
        ) from error
