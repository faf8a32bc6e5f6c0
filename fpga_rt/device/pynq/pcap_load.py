"""A load through the PCAP while the host goes on: a thread calls the kernel and waits for it.

The thread waits for loads as long as the device is open: to start one for each would take longer
than everything else that the host does for a load.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from fpga_rt.device.pynq.firmware import FirmwareFile
from fpga_rt.device.pynq.fpga_manager import FpgaManager
from fpga_rt.errors import ArtifactError, DeviceError


class PcapLoad:
    """One load; nothing can stop it but the kernel's own time-out.

    Attributes:
        file: what is loaded.
        began_ps: when the kernel was called.
        ended_ps: when it returned.
        failure: why the load failed, None once it has ended well.
    """

    def __init__(self, file: FirmwareFile, now_ps: int) -> None:
        """Describe the load of a staged file that begins soon."""
        self.file = file
        self.began_ps = self.ended_ps = now_ps
        self.failure: DeviceError | ArtifactError | None = DeviceError(
            f"the load of {file.name} has not ended"
        )
        self._running = threading.Lock()  # an Event would be a lock behind much Python
        self._running.acquire()

    @property
    def done(self) -> bool:
        """Tell whether the kernel has returned."""
        return not self._running.locked()

    def join(self, timeout_s: float) -> None:
        """Wait until the kernel has returned, or the time is over."""
        if self._running.acquire(timeout=timeout_s):
            self._running.release()

    def carry_out(self, manager: FpgaManager, now_ps: Callable[[], int]) -> None:
        """Call the kernel, and return when it does; called once, by the thread of the loader."""
        self.began_ps = now_ps()
        try:
            manager.load(self.file.name, partial=True)
            self.file.check()  # what was replaced under the kernel's hands was not loaded well
            self.failure = None
        except (DeviceError, ArtifactError) as error:
            self.failure = error
        except Exception as error:  # noqa: BLE001 - the thread goes on for the loads to come
            self.failure = DeviceError(
                f"the load of {self.file.name} met {type(error).__name__}: {error}; look at"
                " `dmesg`, then load again"
            )
        finally:
            self.ended_ps = now_ps()
            self._running.release()


class PcapLoader:
    """The thread that loads."""

    def __init__(self, manager: FpgaManager, now_ps: Callable[[], int]) -> None:
        """Start it."""
        self._manager = manager
        self._now_ps = now_ps
        self._loads: SimpleQueue[PcapLoad | None] = SimpleQueue()
        # A daemon: a kernel that never returns must not keep the process from ending.
        threading.Thread(target=self._run, name="fpga_rt PCAP loads", daemon=True).start()

    def begin(self, file: FirmwareFile) -> PcapLoad:
        """Begin the load of a staged file."""
        load = PcapLoad(file, self._now_ps())
        self._loads.put(load)
        return load

    def close(self) -> None:
        """Have the thread end when the kernel has returned."""
        self._loads.put(None)

    def _run(self) -> None:
        while (load := self._loads.get()) is not None:
            load.carry_out(self._manager, self._now_ps)
