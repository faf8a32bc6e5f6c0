"""Projects on disk: a folder with all files, and `project.json`, which tells of them."""

from __future__ import annotations

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
