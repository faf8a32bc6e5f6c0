"""A file that is there whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

from fpga_rt.errors import ArtifactError


def write_atomically(path: str | os.PathLike[str], parts: Iterable[bytes]) -> None:
    """Write parts one after another to a file beside `path`, sync it and rename it to `path`.

    Until the rename, a file that was there stays as it was; after a failure, nothing is left over.
    A symbolic link is followed. What is no regular file, a pipe or a terminal for example, cannot
    be replaced: it is written to directly.

    Raises:
        ArtifactError: the file cannot be written.
    """
    path = Path(path)
    try:
        if _is_written_directly(path):
            with path.open("wb") as file:
                file.writelines(parts)
            return
        path = Path(os.path.realpath(path))
        _write_and_rename(path, parts)
    except OSError as error:
        raise ArtifactError(
            f"cannot write {path}: {error.strerror or error}; {_advice(error, path)}"
        ) from error
    _sync_folder(path.parent)


def _is_written_directly(path: Path) -> bool:
    """Tell whether something other than a regular file is at a path, links followed.

    Raises:
        IsADirectoryError: it is a folder.
    """
    try:
        mode = path.stat().st_mode
    except OSError:  # none is there; what else may be wrong, making it will show
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return not stat.S_ISREG(mode)


def _write_and_rename(path: Path, parts: Iterable[bytes]) -> None:
    temporary = path.with_name(f".part-{secrets.token_hex(8)}")
    try:
        _write_synced(temporary, parts)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _write_synced(path: Path, parts: Iterable[bytes]) -> None:
    with path.open("xb") as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename outlast a power cut, where the file system can sync a folder at all."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _advice(error: OSError, path: Path) -> str:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        folder = path.parent
        if folder.is_dir():
            return f"{folder} takes no files of that name, choose another folder"
        if folder.exists():
            return f"{folder} is no folder, choose another path"
        return f"make the folder {folder} first"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space there, or choose another path"
    return "choose another path"
