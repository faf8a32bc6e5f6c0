"""Loads through the PCAP: the vendor kernel's FPGA manager.

Ref: Linux (Xilinx), drivers/fpga/fpga-mgr.c, zynq-fpga.c and zynqmp-fpga.c
Document: firmware_store, flags_store and state_str; the errors of each driver's write functions

`flags` keeps its value and `firmware` starts a load that ends with the write, so each is one
`os.write`: a buffered stream would repeat a write that failed, and its time-out.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from fpga_rt.device.pynq.kernel import described, refusal
from fpga_rt.errors import DeviceError

FLAG_PARTIAL = 1
OPERATING = "operating"
_MOST_BYTES = 4096
"""Of a file of sysfs: a page."""

_STATES = {
    "firmware request error": "the kernel did not find the file in its firmware folders",
    "write init error": "the driver could not prepare the port",
    "write error": "the port did not take the bitstream",
    "write complete error": "the FPGA did not report that it is configured",
}
_CAUSES = {
    errno.EBUSY: "its DMA is still at work on an earlier load; wait, or restart the board",
    errno.ETIMEDOUT: "the FPGA did not answer in time; is the bitstream made for it?",
    errno.EINVAL: "the driver refuses the file: no sync word in its byte order, or cut short",
    errno.EIO: "the DMA of the port reported an error; load the static region again",
    errno.ENOMEM: "the kernel has no contiguous memory for the bitstream; restart the board",
}


class FpgaManagerError(DeviceError):
    """A load that the kernel did not carry out.

    Attributes:
        state: of the FPGA manager afterwards.
    """

    def __init__(self, message: str, state: str) -> None:
        """Keep the message and the state."""
        super().__init__(message)
        self.state = state


class FpgaManager:
    """The folder of an FPGA manager."""

    def __init__(self, folder: Path) -> None:
        """Name the folder."""
        self._folder = folder
        self._paths = {name: folder / name for name in ("name", "state", "flags", "firmware")}

    @property
    def name(self) -> str:
        """Which driver it is.

        Raises:
            DeviceError: there is no such manager.
        """
        return self._read("name")

    @property
    def state(self) -> str:
        """What it does, or how its last load ended.

        Raises:
            DeviceError: there is no such manager.
        """
        return self._read("state")

    @property
    def flags(self) -> int:
        """What the last load was: `FLAG_PARTIAL` or a full one.

        Raises:
            DeviceError: there are no flags, as in a kernel that is not the vendor's.
        """
        return int(self._read("flags"), 16)

    def load(self, name: str, *, partial: bool) -> None:
        """Load a file of the firmware folder; return when it is done.

        Raises:
            DeviceError: the manager's files cannot be written.
            FpgaManagerError: the load failed.
        """
        self._write("flags", f"{FLAG_PARTIAL if partial else 0:x}")
        try:
            self._write("firmware", name)
        except DeviceError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or cause.errno in (errno.EACCES, errno.EPERM):
                raise
            raise self._failure(name, cause) from error
        state = self.state
        if state != OPERATING:
            raise FpgaManagerError(
                f"{self._folder}: state {state!r} after the load of {name}, expected"
                f" {OPERATING!r}; does another program load bitstreams?",
                state,
            )

    def _failure(self, name: str, error: OSError) -> FpgaManagerError:
        try:
            state = self.state
        except DeviceError:  # the manager is gone, which the first error tells
            state = "unknown"
        parts = [f"{self._folder}: the load of {name} failed: {described(error)}"]
        parts.append(f"state {state!r}: {_STATES.get(state, 'no state of a failed load')}")
        if error.errno in _CAUSES:
            parts.append(_CAUSES[error.errno])
        return FpgaManagerError("; ".join(parts), state)

    def _read(self, name: str) -> str:
        path = self._paths[name]
        try:
            file = os.open(path, os.O_RDONLY)
            try:
                return os.read(file, _MOST_BYTES).decode().strip()
            finally:
                os.close(file)
        except OSError as error:
            raise refusal("read", path, error) from error

    def _write(self, name: str, value: str) -> None:
        path = self._paths[name]
        try:
            file = os.open(path, os.O_WRONLY)
            try:
                os.write(file, value.encode())
            finally:
                os.close(file)
        except OSError as error:
            raise refusal("write", path, error) from error
