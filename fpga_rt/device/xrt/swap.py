"""A swap of the User partition while the host goes on: a thread calls XRT and waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fpga_rt.device.xrt.card import Card
from fpga_rt.device.xrt.files import XclbinFile
from fpga_rt.errors import DeviceError, FpgaRtError


class UserSwap:
    """One load of an xclbin; nothing can stop it.

    Attributes:
        ended_ps: when XRT returned.
        failure: why the load failed, None once it has ended well.
    """

    def __init__(self, card: Card, file: XclbinFile, now_ps: Callable[[], int]) -> None:
        """Begin the load of a staged file."""
        self.ended_ps = now_ps()
        self.failure: FpgaRtError | None = DeviceError(f"the load of {file.path} has not ended")
        self._card = card
        self._file = file
        self._now_ps = now_ps
        self._done = threading.Event()
        # A daemon: a driver that never returns must not keep the process from ending.
        threading.Thread(target=self._run, name="fpga_rt xclbin load", daemon=True).start()

    @property
    def done(self) -> bool:
        """Tell whether XRT has returned."""
        return self._done.is_set()

    def join(self, timeout_s: float) -> bool:
        """Wait until XRT has returned, and tell whether it has."""
        return self._done.wait(timeout_s)

    def _run(self) -> None:
        try:
            self._card.load(self._file)
            self.failure = None
        except FpgaRtError as error:
            self.failure = error.with_traceback(None)  # it would keep this frame alive, and itself
        except Exception as error:  # noqa: BLE001 - a driver's surprise is no load that went well
            self.failure = DeviceError(
                f"the load of {self._file.path} met {type(error).__name__}: {error}; look at"
                " `dmesg`, then load again or open the device again"
            )
        finally:
            self.ended_ps = self._now_ps()
            self._done.set()
