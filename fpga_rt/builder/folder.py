"""Projects on disk: a folder with all files, and `project.json`, which tells of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from fpga_rt.builder.project import Project, decode
from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.errors import ArtifactError

FILE_NAME = "project.json"


def write(project: Project, folder: Path) -> None:
    """Write a project's files into a folder; what the tool has left there stays.

    `project.json` comes last: where it is, everything it tells of is.

    Raises:
        ArtifactError: a file cannot be written.
    """
    for name, text in {**project.files, FILE_NAME: project.encode()}.items():
        write_file(folder / name, text.encode(), "--output")


def write_file(path: Path, data: bytes, option: str) -> None:
    """Write a file, and its folder before it; `option` is what chose the place, for messages.

    Raises:
        ArtifactError: one of them cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactError(
            f"cannot make the folder {path.parent}: {error.strerror}; choose another {option}"
        ) from error
    write_atomically(path, [data])


def replace_folder(folder: Path, files: Mapping[Path, bytes]) -> None:
    """Give a folder these files, by path within it, and no others; `--output` chose its place.

    Where something fails it stays as it was.

    Raises:
        ArtifactError: a file cannot be written, or the folder cannot be replaced.
    """
    fresh = folder.with_name(f"{folder.name}.new")
    try:
        _remove(fresh)  # of a run that was killed
        for path, data in files.items():
            write_file(fresh / path, data, "--output")
        _rename(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _rename(fresh: Path, folder: Path) -> None:
    """Give a folder the name of another one, which is removed."""
    old = folder.with_name(f"{folder.name}.old")
    _remove(old)
    try:
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
    except OSError as error:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise ArtifactError(
            f"cannot replace the folder {folder}: {error.strerror}; remove it, or choose another"
            " --output"
        ) from error
    _remove(old)


def _remove(folder: Path) -> None:
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise ArtifactError(
            f"cannot remove {folder}: {error.strerror}; remove it, or choose another --output"
        ) from error


def read(folder: Path) -> Project:
    """Read the project that lies in a folder.

    Raises:
        ArtifactError: there is none, or it is not one of this version.
    """
    path = folder / FILE_NAME
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read: {error.strerror}; expected the folder that `fpga-rt build`"
            " wrote"
        ) from error
    return decode(data, str(path))
