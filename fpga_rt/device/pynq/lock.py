"""One process at a time has the FPGA.

Two would share registers and memory; and the vendor kernel's FPGA manager takes two loads at once
and mixes them, so its users keep apart.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from fpga_rt.device.pynq.kernel import reported
from fpga_rt.errors import DeviceError


class FpgaLock:
    """An advisory lock on a file; the kernel releases it when its process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is made when it is first locked."""
        self._path = path
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock, without waiting; harmless when it is held.

        Raises:
            DeviceError: somebody else has it, or the file cannot be opened.
        """
        if self._file is not None:
            return
        with reported("open the lock", self._path):
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(file, 32, 0).decode().strip() or "unknown"
            os.close(file)
            raise DeviceError(
                f"the FPGA is busy: process {owner} has it (lock {self._path}); try again when"
                " that has closed it"
            ) from None
        os.truncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
