"""What devices on the host's own clock share: they find the end of things by looking."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence

from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.contract.submission import Submission
from fpga_rt.device.interface import Pending
from fpga_rt.device.loads import LoadPending
from fpga_rt.device.register_access import PS_PER_S
from fpga_rt.device.register_device import Ended, ProgramReport, RegisterDevice


class WallClockDevice(RegisterDevice):
    """A device whose time goes on by itself.

    When a partition began and ended within a program is not known: each has the whole of it.
    """

    _rings: tuple[int, ...] = ()
    _rang_ps = _looked_ps = 0

    def now_ps(self) -> int:
        """Return the monotonic clock of the host."""
        return time.monotonic_ns() * 1000

    def submit(self, submission: Submission) -> Pending:
        """Write the header to device memory and ring the doorbell.

        Raises:
            DeviceError: a submission is in flight.
        """
        pending = super().submit(submission)
        self._rings = pending.partitions
        self._rang_ps = self._looked_ps = self.now_ps()
        return pending

    def _await(self, pending: tuple[Pending, ...], deadline_ps: int) -> Ended | None:
        ordered = sorted(pending, key=lambda one: one.kind)  # a load before a program
        while True:
            for one in ordered:
                if isinstance(one, LoadPending):
                    ended_ps = self._load_ended_ps(one)
                else:
                    ended_ps = self._program_ended_ps()
                if ended_ps is not None:
                    return Ended(one, ended_ps)
            left_s = (deadline_ps - self.now_ps()) / PS_PER_S
            if left_s <= 0:
                return None
            self._look_away(ordered, left_s)

    def _program_ended_ps(self) -> int | None:
        done = STATIC_REGION["sequencer_status"].unpack(self._read("sequencer_status"))["done"]
        self._looked_ps = self.now_ps()
        return self.now_ps() if done else None

    def _program_report(self) -> ProgramReport:
        return ProgramReport(dict.fromkeys(self._rings, (self._rang_ps, self._looked_ps)), None)

    @abstractmethod
    def _load_ended_ps(self, pending: LoadPending) -> int | None:
        """Return when a load ended as far as the host can tell, None while it has not."""

    @abstractmethod
    def _look_away(self, pending: Sequence[Pending], left_s: float) -> None:
        """Let the processor do something else until one of these may have ended."""
