"""32-bit registers behind a mapping: of physical memory, or of a UIO device.

Ref: Linux, Documentation/driver-api/uio-howto.rst
Document: map N of /dev/uioX is mapped at N times the page size
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np

from fpga_rt.device.pynq.kernel import Kernel, reported


class RegisterWindow:
    """A range of registers. An access is one aligned 32-bit load or store, as AXI4-Lite needs."""

    def __init__(self, path: Path, offset: int, size_bytes: int) -> None:
        """Map a range of a device file.

        Args:
            path: the device file.
            offset: of the first register in it, a multiple of 4.
            size_bytes: of the range.

        Raises:
            DeviceError: the kernel refuses.
        """
        start = offset % mmap.PAGESIZE
        with reported("map the registers in", path):
            file = os.open(path, os.O_RDWR | os.O_SYNC)  # O_SYNC: not through the cache
            try:
                self._mapping = mmap.mmap(file, start + size_bytes, offset=offset - start)
            finally:
                os.close(file)
        self._words = np.frombuffer(self._mapping, np.uint32)[start // 4 :]

    def read(self, offset: int) -> int:
        """Return the word at a byte offset."""
        return int(self._words[offset // 4])

    def write(self, offset: int, value: int) -> None:
        """Set the word at a byte offset."""
        self._words[offset // 4] = value

    def close(self) -> None:
        """Give the mapping back."""
        del self._words
        self._mapping.close()


def static_region_window(kernel: Kernel, address: int, size_bytes: int) -> RegisterWindow:
    """Map the registers of the static region: of the UIO device `fpga_rt`, else by address.

    Raises:
        DeviceError: the kernel refuses, or the UIO device has too small a map.
    """
    uio = kernel.named("uio", "fpga_rt")
    if uio is None:
        return RegisterWindow(kernel.memory, address, size_bytes)
    return RegisterWindow(kernel.node(uio), 0, size_bytes)
