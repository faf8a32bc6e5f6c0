"""What the store does to a disk, in steps so small that power may fail before, in and after each.

`Files` is all that the store knows of a disk. Nothing is promised to last until it was synced: the
bytes of a file by `sync`, its name by `sync_folder` of its folder. `rename` replaces a file that is
there, at once or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from fpga_rt.errors import UpdateError


class Files(Protocol):
    """Files under one folder, by paths relative to it, `/` between names; OSError as from `os`."""

    def read(self, path: str) -> bytes:
        """Return the bytes of a file."""

    def size(self, path: str) -> int | None:
        """Return the length of a file, None if it is not there."""

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted; none if the folder is not there."""

    def make_folder(self, folder: str) -> None:
        """Make a folder, unless it is there."""

    def write(self, path: str, data: bytes) -> None:
        """Write a file from its start; what was there is gone."""

    def append(self, path: str, data: bytes) -> None:
        """Write at the end of a file, which is made if it is not there."""

    def sync(self, path: str) -> None:
        """Make the bytes of a file last."""

    def sync_folder(self, folder: str) -> None:
        """Make the names in a folder last, those that went too."""

    def rename(self, old: str, new: str) -> None:
        """Give a file another name in the place of what has it."""

    def remove(self, path: str) -> None:
        """Remove a file, unless it is gone."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep others from changing anything meanwhile."""


class DiskFiles:
    """Files in a folder of the operating system's."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made by `make_folder("")`."""
        self.folder = folder

    def __str__(self) -> str:
        """Return the folder's path."""
        return str(self.folder)

    def read(self, path: str) -> bytes:
        """Return the bytes of a file."""
        return (self.folder / path).read_bytes()

    def size(self, path: str) -> int | None:
        """Return the length of a file, None if it is not there."""
        try:
            return (self.folder / path).stat().st_size
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted; none if the folder is not there."""
        try:
            return sorted(entry.name for entry in (self.folder / folder).iterdir())
        except FileNotFoundError:
            return []

    def make_folder(self, folder: str) -> None:
        """Make a folder, unless it is there; the store's own lasts when this returns."""
        (self.folder / folder).mkdir(exist_ok=True)
        if not folder:
            self.sync_folder("..")

    def write(self, path: str, data: bytes) -> None:
        """Write a file from its start; what was there is gone."""
        (self.folder / path).write_bytes(data)

    def append(self, path: str, data: bytes) -> None:
        """Write at the end of a file, which is made if it is not there."""
        with (self.folder / path).open("ab") as file:
            file.write(data)

    def sync(self, path: str) -> None:
        """Make the bytes of a file last."""
        self._sync(self.folder / path, os.O_RDWR)

    def sync_folder(self, folder: str) -> None:
        """Make the names in a folder last, where the file system can sync a folder at all."""
        try:
            self._sync(self.folder / folder, os.O_RDONLY)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise

    def rename(self, old: str, new: str) -> None:
        """Give a file another name in the place of what has it."""
        (self.folder / old).replace(self.folder / new)

    def remove(self, path: str) -> None:
        """Remove a file, unless it is gone."""
        (self.folder / path).unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from changing anything meanwhile.

        Raises:
            UpdateError: one of them is at it.
        """
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UpdateError(
                    f"the store {self} is being changed by another process; try again when that"
                    " has ended",
                    "busy",
                ) from error
            yield
        finally:
            os.close(descriptor)

    def _sync(self, path: Path, flags: int) -> None:
        descriptor = os.open(path, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def writing(files: Files, size_bytes: int) -> Iterator[None]:
    """Write a number of bytes within.

    Raises:
        UpdateError: the disk is full, or fails; in the place of any OSError.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = "free some space there" if full else "see that its disk can be written"
        raise UpdateError(
            f"the store {files} cannot take {size_bytes} bytes ({error.strerror or error});"
            f" {advice}",
            "quota" if full else "store",
        ) from error
