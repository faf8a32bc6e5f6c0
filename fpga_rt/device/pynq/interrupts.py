"""The end of a program: an interrupt through UIO, or nothing but time.

Ref: Linux, Documentation/driver-api/uio-howto.rst
Document: uio_pdrv_genirq masks its interrupt when it comes; a write of 1 unmasks it, a read of four
bytes returns how many came. The static region's line is one for a clock: a rising edge, which the
kernel keeps while it is masked
"""

from __future__ import annotations

import os
import select
import struct
import time
from pathlib import Path
from typing import Protocol

from fpga_rt.device.pynq.kernel import reported

POLL_S = 50e-6
"""Between two looks at a register: a twentieth of the shortest load."""


class Waiter(Protocol):
    """How a device waits for the end of a program."""

    def arm(self) -> None:
        """Get ready for the end of a program that begins after this."""

    def wait(self, timeout_s: float) -> None:
        """Return when a program may have ended, after the timeout at the latest."""

    def close(self) -> None:
        """Give back what was opened."""


class Polling:
    """A short sleep: whoever waits looks again."""

    def arm(self) -> None:
        """Do nothing: there is nothing to get ready."""

    def wait(self, timeout_s: float) -> None:
        """Sleep for `POLL_S`, or for the timeout if that is less."""
        time.sleep(max(0.0, min(POLL_S, timeout_s)))

    def close(self) -> None:
        """Do nothing: nothing is open."""


class UioInterrupt:
    """The interrupt of a UIO device."""

    def __init__(self, node: Path) -> None:
        """Open the device file.

        Raises:
            DeviceError: the kernel refuses.
        """
        self._node = node
        with reported("open the interrupt", node):
            self._file = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def arm(self) -> None:
        """Forget what came before, and unmask."""
        self._take()
        with reported("unmask the interrupt", self._node):
            os.write(self._file, struct.pack("=I", 1))

    def wait(self, timeout_s: float) -> None:
        """Wait for the interrupt, and unmask it again: it may be that of an earlier program."""
        ready, _, _ = select.select([self._file], [], [], max(0.0, timeout_s))
        if ready:
            self.arm()

    def close(self) -> None:
        """Close the device file."""
        os.close(self._file)

    def _take(self) -> None:
        try:
            os.read(self._file, 4)
        except BlockingIOError:
            return
