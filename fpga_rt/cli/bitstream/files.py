"""Reads configuration files and says in one line what is wrong with a path."""

from __future__ import annotations

import argparse
import stat
from pathlib import Path

from fpga_rt.errors import ArtifactError

LARGEST_BYTES = 1 << 29
"""Twice the largest full bitstream of any device: a longer file is something else."""


def add_file(parser: argparse.ArgumentParser, name: str = "file") -> None:
    """Add a configuration file as an argument."""
    parser.add_argument(
        name, type=Path, metavar=name.upper(), help=".bit file, or .bin of either word order"
    )


def add_output(parser: argparse.ArgumentParser, metavar: str) -> None:
    """Add the file to write."""
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar=metavar, help="the file to write"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the choice of JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def read_file(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        ArtifactError: It cannot be read, is empty, a folder or a device, or too long.
    """
    try:
        status = path.stat()
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or socket"
            raise ArtifactError(f"{path} is {what}, expected a .bit or .bin file")
        _check_length(path, status.st_size)
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise ArtifactError(
            f"cannot read {path}: {error.strerror or error}; check the path and its permissions"
        ) from error
    _check_length(path, len(data))
    if not data:
        raise ArtifactError(f"{path} is empty, expected a bitstream; build or fetch it again")
    return data


def _check_length(path: Path, size_bytes: int) -> None:
    if size_bytes > LARGEST_BYTES:
        raise ArtifactError(
            f"{path} is longer than {LARGEST_BYTES:,} bytes, more than any device takes; expected "
            "a .bit or .bin file"
        )
