"""The vendor kernel's FPGA manager, as its source says.

Ref: Linux (Xilinx), drivers/fpga/fpga-mgr.c
Document: state_str, flags_store (kstrtol, base 16), firmware_store
Ref: Linux, drivers/base/firmware_loader/main.c
Document: fw_path: updates/RELEASE, updates, RELEASE, then the folder itself
"""

from __future__ import annotations

import errno
import threading
import time
from pathlib import Path
from typing import NoReturn

from tests.standin.board import StandInBoard

RELEASE = "5.15.19-xilinx-v2022.1"
_SEARCH = (f"updates/{RELEASE}", "updates", RELEASE, "")


class ModelledManager:
    """One manager; like the kernel's, it does not keep loads apart.

    Attributes:
        state: what `state` shows.
        flags: what the last accepted write to `flags` set.
        loads: flags and file name of every load, in order.
        most_at_once: loads that were in the kernel at the same time.
        fault: error state and errno of the next load, None for a good one.
        may_go_on: cleared to hold loads in the kernel.
        load_s: what a load takes at least.
    """

    def __init__(self, board: StandInBoard, firmware: Path) -> None:
        """Manage a board's port; look for files below a folder."""
        self._board = board
        self._firmware = firmware
        self.may_go_on = threading.Event()
        self.reset()

    def reset(self) -> None:
        """Be as at the start."""
        self.state = "operating"
        self.flags = 0
        self.loads: list[tuple[int, str]] = []
        self.most_at_once = 0
        self.fault: tuple[str, int] | None = None
        self._at_once = 0
        self.load_s = 0.0
        self.may_go_on.set()

    def store_flags(self, text: bytes) -> None:
        """Take a write to `flags`.

        Raises:
            OSError: it is no hexadecimal number; the flags stay.
        """
        try:
            self.flags = int(text.decode().strip(), 16)
        except ValueError:
            raise OSError(errno.EINVAL, "flags") from None

    def store_firmware(self, text: bytes) -> None:
        """Take a write to `firmware`: load, then return.

        Raises:
            OSError: the load failed; `state` says where.
        """
        name = text.decode().removesuffix("\n")
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self._load(name)
        finally:
            self._at_once -= 1

    def _load(self, name: str) -> None:
        self.loads.append((self.flags, name))
        self.state = "firmware request"
        found = (self._firmware / folder / name for folder in _SEARCH)
        file = next((path for path in found if path.is_file()), None)
        if file is None:
            self._fail("firmware request error", errno.ENOENT)
        data = file.read_bytes()
        self.state = "write"
        self.may_go_on.wait()
        time.sleep(self.load_s)
        fault, self.fault = self.fault, None
        failed, code = fault or self._board.program(data, partial=bool(self.flags & 1))
        if failed:
            self._fail(failed, code)
        self.state = "operating"

    def _fail(self, state: str, code: int) -> NoReturn:
        self.state = state
        raise OSError(code, state)
