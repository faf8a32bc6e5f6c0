"""Bitstreams as files that the kernel finds by name: written once, checked before every load.

The name is the digest of the content, so a file of the same name cannot be another bitstream. A
file that was replaced all the same is noticed: by its inode, size and times if those tell, else by
its digest.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from pathlib import Path

from fpga_rt.device.pynq.kernel import refusal, reported
from fpga_rt.errors import ArtifactError

_TICK_NS = 50_000_000
"""A file that changed less than this before it was looked at may change again unnoticed: its time
of change has the resolution of the kernel's tick, 10 ms at most."""

_Identity = tuple[int, int, int, int, int]


class FirmwareFile:
    """A bitstream in the kernel's firmware folder.

    Attributes:
        path: of the file.
        digest: SHA-256 of its bytes, in hexadecimal.
    """

    def __init__(self, folder: Path, data: bytes) -> None:
        """Put a bitstream into the folder, unless it is there already.

        Raises:
            DeviceError: the file cannot be written; nothing of it is left behind.
        """
        self.digest = hashlib.sha256(data).hexdigest()
        self.path = folder / f"fpgart_{self.digest}.bin"
        self._seen: _Identity | None = None
        with reported("stage a bitstream as", self.path):
            if not self.is_intact():
                _write_whole(self.path, data)

    @property
    def name(self) -> str:
        """What the kernel is asked for."""
        return self.path.name

    def check(self) -> None:
        """Check that the file still holds what was staged.

        Raises:
            ArtifactError: it does not, or it is gone.
            DeviceError: it cannot be read.
        """
        try:
            intact = self.is_intact()
        except OSError as error:
            raise refusal("check the staged bitstream", self.path, error) from error
        if not intact:
            raise ArtifactError(
                f"the staged bitstream {self.path} was replaced or removed since it was"
                " staged: its digest is not that of its name; stage it again"
            )

    def is_intact(self) -> bool:
        """Tell whether the file holds what was staged: by its identity where that tells, else read.

        Raises:
            OSError: it is there and cannot be read.
        """
        try:
            found = _identity(self.path)
            if self._seen is not None and found == self._seen:
                return True
            looked_ns = time.time_ns()
            intact = hashlib.sha256(self.path.read_bytes()).hexdigest() == self.digest
        except FileNotFoundError:
            return False
        settled = looked_ns - found[-1] > _TICK_NS
        self._seen = found if intact and settled else None
        return intact


def _identity(path: Path) -> _Identity:
    found = path.stat()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    file, name = tempfile.mkstemp(dir=path.parent, prefix=".fpgart_")
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink()
        raise
