"""A load through the PCAP while the host goes on: a thread calls the kernel and waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fpga_rt.device.pynq.firmware import FirmwareFile
from fpga_rt.device.pynq.fpga_manager import FpgaManager
from fpga_rt.errors import ArtifactError, DeviceError


class PcapLoad:
    """One load; nothing can stop it but the kernel's own time-out.

    Attributes:
        began_ps: when the kernel was called.
        ended_ps: when it returned.
        failure: why the load failed, None while it has not.
    """

    def __init__(self, manager: FpgaManager, file: FirmwareFile, now_ps: Callable[[], int]) -> None:
        """Begin the load of a staged file."""
        self.began_ps = self.ended_ps = now_ps()
        self.failure: DeviceError | ArtifactError | None = None
        self.file = file
        self._manager = manager
        self._now_ps = now_ps
        self._done = threading.Event()
        # A daemon: a kernel that never returns must not keep the process from ending.
        threading.Thread(target=self._run, name="fpga_rt PCAP load", daemon=True).start()

    @property
    def done(self) -> bool:
        """Tell whether the kernel has returned."""
        return self._done.is_set()

    def join(self, timeout_s: float) -> None:
        """Wait until the kernel has returned, or the time is over."""
        self._done.wait(timeout_s)

    def _run(self) -> None:
        try:
            self._manager.load(self.file.name, partial=True)
            self.file.check()  # what was replaced under the kernel's hands was not loaded well
        except (DeviceError, ArtifactError) as error:
            self.failure = error
        finally:
            self.ended_ps = self._now_ps()
            self._done.set()
