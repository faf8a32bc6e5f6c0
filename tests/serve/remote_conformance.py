"""What every device must get right, of a board behind PYNQ's own client; run in its environment.

`PYNQ_OVERLAY` names the .bit of the overlay. The tests' hand-made programs write to memory that the
host and the device share; here it is copied, before a program and after it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from remote_board import RemoteBoard, RemoteBuffer

from fpga_rt.contract.submission import Submission
from fpga_rt.device.interface import Buffer, Completion, Device, Pending
from tests.conformance.test_controller import *  # noqa: F403 - its tests are run here
from tests.conformance.test_device import *  # noqa: F403 - its tests are run here


class Kept(RemoteBuffer):
    """A buffer that its board copies."""

    def __init__(self, size_bytes: int, kept: list[Kept]) -> None:
        super().__init__(size_bytes)
        self._kept = kept
        kept.append(self)

    def free(self) -> None:
        self._kept.remove(self)
        super().free()


class CopyingBoard(RemoteBoard):
    """A board that copies every buffer before a program and after it."""

    def __init__(self, board: str, overlay: Path) -> None:
        super().__init__(board, overlay)
        self._kept: list[Kept] = []

    def allocate(self, size_bytes: int) -> Buffer:
        self._require_open()
        return Kept(size_bytes, self._kept)

    def submit(self, submission: Submission) -> Pending:
        for buffer in self._kept:
            buffer.flush()
        return super().submit(submission)

    def wait(self, *pending: Pending, timeout_s: float | None = None) -> Completion:
        try:
            return super().wait(*pending, timeout_s=timeout_s)
        finally:
            for buffer in self._kept:
                buffer.invalidate()


@pytest.fixture
def device() -> Iterator[Device]:
    with CopyingBoard("pynq-z2", Path(os.environ["PYNQ_OVERLAY"])) as opened:
        yield opened
