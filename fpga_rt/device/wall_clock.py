"""What devices on the host's own clock share: they find the end of things by looking.

The ports that they load through besides the static region's controller belong to a driver, which is
given a file.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Generic, TypeVar

from fpga_rt.contract.static_region import STATIC_REGION, ConfigurationError, PartitionState
from fpga_rt.contract.submission import Submission
from fpga_rt.device.interface import PS_PER_S, Buffer, Completion, Pending, Staged
from fpga_rt.device.loads import LoadPending
from fpga_rt.device.register_device import Ended, ProgramReport, RegisterDevice
from fpga_rt.errors import DeviceError, FpgaRtError, ReconfigurationError

File = TypeVar("File")
"""What a driver loads."""


class WallClockDevice(RegisterDevice, Generic[File]):
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

    def stage(
        self,
        partial: bytes,
        partition: int,
        static_id: int | None = None,
        module_id: int | None = None,
    ) -> Staged:
        """Verify a partial bitstream, and make the file that a driver loads for it.

        Raises:
            ArtifactError: it must not be loaded into the partition, holds an unknown or another
                module, or was implemented against another static region; or the file is refused.
            DeviceError: the device is closed, its memory is full, or there can be no such file.
        """
        staged = super().stage(partial, partition, static_id, module_id)
        key = (staged.digest, partition)
        with ExitStack() as undo:
            undo.callback(self.unstage, staged)
            self._files[key] = self._file_of(staged, self._files.get(key))
            undo.pop_all()
        return staged

    def _staged_file(self, staged: Staged) -> File | None:
        """Return the file of a staged bitstream, None where none is."""
        return self._files.get((staged.digest, staged.partition))

    def _forget(self) -> None:
        super()._forget()
        self._files: dict[tuple[str, int], File] = {}
        self._file: File | None = None

    def _start_processor_port(self, buffer: Buffer, port: str) -> None:
        if self._file is None:  # LoadingDevice has checked that it is staged
            raise DeviceError(f"{self._where}: no file is staged for port {port}; stage it again")
        self._begin_driver(self._file)

    def _end_load(self, pending: LoadPending, ended_ps: int) -> Completion:
        failure = self._driver_failure()
        try:
            self._check_map()
            if failure is None:
                self._took_over()
        except DeviceError as error:
            raise ReconfigurationError(
                f"load of {pending.staged.digest[:12]} into partition {pending.partitions[0]}"
                f" through {pending.port}: the static region is gone: {failure or error}",
                PartitionState.FAILED.name.lower(),
            ) from error
        return super()._end_load(pending, ended_ps)

    def _processor_port_error(self) -> ConfigurationError:
        failed = self._driver_failure() is not None
        return ConfigurationError.PORT if failed else ConfigurationError.NONE

    def _took_over(self) -> None:
        """Do what is to be done after a load that went well, before its module is reset."""

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

    @abstractmethod
    def _file_of(self, staged: Staged, known: File | None) -> File:
        """Return the file for a bitstream that was just staged: the known one if it will do.

        Raises:
            ArtifactError: it is refused.
            DeviceError: it cannot be made.
        """

    @abstractmethod
    def _begin_driver(self, file: File) -> None:
        """Let the driver begin to load a file."""

    @abstractmethod
    def _driver_failure(self) -> FpgaRtError | None:
        """Return why the driver's load failed, None where it has not or was not used."""
