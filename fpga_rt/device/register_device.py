"""The part of a device that is the same wherever the static region runs.

Emulator, simulated gateware and boards differ in how they reach registers and memory and in how
they wait; what they write into which register is the same. A subclass of `RegisterDevice` offers
the register accesses, `allocate`, `now_ps` and the hooks that are abstract here, in `loads` and in
`register_access`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np

from fpga_rt.contract.sequencer import Timeline
from fpga_rt.contract.static_region import STATIC_REGION, SequencerError, partition_register
from fpga_rt.contract.submission import HEADER, Submission
from fpga_rt.device.interface import PS_PER_S, Completion, Pending
from fpga_rt.device.loads import LoadingDevice, LoadPending
from fpga_rt.errors import DeviceError, ExecutionError


class Ended(NamedTuple):
    """What has ended, and when."""

    pending: Pending
    ended_ps: int


class ProgramReport(NamedTuple):
    """What a device knows of a program beyond its end."""

    busy_ps: Mapping[int, tuple[int, int]]
    timeline: Timeline | None


class RegisterDevice(LoadingDevice):
    """A device with loads and programs, complete but for how it is reached and waited for."""

    def submit(self, submission: Submission) -> Pending:
        """Write the header to device memory and ring the doorbell.

        Raises:
            DeviceError: a submission is in flight.
        """
        self._require_open()
        self._require_idle("program")
        self._header.view[:] = np.frombuffer(submission.encode(), np.uint8)
        self._header.flush()
        self._write_value("submission", self._header.address)
        self._write("doorbell", start=1)
        pending = Pending("program", self.now_ps(), tuple(sorted(submission.rings)))
        self._in_flight["program"] = pending
        return pending

    def wait(self, *pending: Pending, timeout_s: float | None = None) -> Completion:
        """Wait until the first of several pendings has ended, and return how.

        Of two that end together the load comes first. What was waited for in vain is aborted: a
        partition that was being loaded is failed afterwards, a program's outputs are undefined.

        Args:
            pending: what `begin_load` and `submit` returned.
            timeout_s: seconds of device time, as many as `Capabilities` has when None.

        Raises:
            ValueError: there is nothing to wait for.
            DeviceError: nothing ended in time, or a pending is not in flight.
            ReconfigurationError: the load failed.
            ExecutionError: the program failed.
        """
        self._require_open()
        if not pending:
            raise ValueError("wait() needs at least one pending")
        for one in pending:
            self._require_in_flight(one)
        limit_s = self.capabilities.timeout_s if timeout_s is None else timeout_s
        ended = self._await(pending, self.now_ps() + round(limit_s * PS_PER_S))
        if ended is None:
            with ExitStack() as aborts:  # all of them, also where one does not end
                for one in pending:
                    aborts.callback(self._abandon, one)
            what = " and ".join(self._described(one) for one in pending)
            raise DeviceError(
                f"{self._where}: timeout, {what} did not end in {limit_s:g} s of device time and"
                " was aborted; load the partition again, or raise the timeout"
            )
        del self._in_flight[ended.pending.kind]
        if isinstance(ended.pending, LoadPending):
            return self._end_load(ended.pending, ended.ended_ps)
        return self._end_program(ended.pending, ended.ended_ps)

    def _end_program(self, pending: Pending, ended_ps: int) -> Completion:
        status = STATIC_REGION["sequencer_status"].unpack(self._read("sequencer_status"))
        error = self._decoded(SequencerError, status["error"], "sequencer_status")
        if error is not SequencerError.NONE:
            partition = status["error_partition"]
            name = partition_register(partition, "error")
            command = STATIC_REGION[name].unpack(self._read(name))["command"]
            raise ExecutionError(
                f"program on {self._where} stopped with {error.name} error at partition"
                f" {partition} command {command}: {self._program_detail()}"
            )
        bank = self._read("completed_bank")
        report = self._program_report()
        return Completion(
            pending,
            pending.started_ps,
            ended_ps,
            busy_ps=report.busy_ps,
            timeline=report.timeline,
            bank=bank,
        )

    def _abandon(self, pending: Pending) -> None:
        del self._in_flight[pending.kind]
        if isinstance(pending, LoadPending):
            self._abort_load(pending)
        else:
            self._write("doorbell", abort=1)

    def _prepare(self) -> None:
        self._header = self.allocate(HEADER.size_bytes)

    def _require_in_flight(self, pending: Pending) -> None:
        if self._in_flight.get(pending.kind) is not pending:
            raise DeviceError(
                f"{self._described(pending)} is not in flight on {self._where}: it was waited for"
                " or timed out before, or the device was closed since"
            )

    @abstractmethod
    def _await(self, pending: tuple[Pending, ...], deadline_ps: int) -> Ended | None:
        """Let time pass until the first pending ends (a load before a program), None: too late."""

    @abstractmethod
    def _program_report(self) -> ProgramReport:
        """Return what is known of the program that ended last.

        Raises:
            ExecutionError: the device knows that its outputs are not to be relied on.
        """

    @abstractmethod
    def _program_detail(self) -> str:
        """Return what more is known of why the last program stopped."""
