"""Every exception of fpga_rt: one root, one family per layer, one exit code per family.

A message says what failed, where, what was got against what was expected, and the next step.
"""

from __future__ import annotations

from typing import Literal


class FpgaRtError(Exception):
    """Root of everything this package raises on purpose."""

    exit_code = 1


class ArtifactError(FpgaRtError):
    """A file is corrupt, of the wrong device or version, or outside its partition."""

    exit_code = 3


class ModelError(FpgaRtError):
    """A model file or a network cannot be read, or holds something that is not supported."""

    exit_code = 4


class PlanningError(FpgaRtError):
    """A network does not fit the floorplan, or a request to the planner cannot be met."""

    exit_code = 5


class DeviceError(FpgaRtError):
    """A device is unknown, absent, busy, of another identity, or did not answer in time."""

    exit_code = 6


class PortUnavailableError(DeviceError):
    """A configuration port of the board cannot be had through this device; it is not a fault."""


class ReconfigurationError(FpgaRtError):
    """A swap failed; the partition is left decoupled in `partition_state`."""

    exit_code = 7

    def __init__(self, message: str, partition_state: str) -> None:
        """Keep the message and the state that the partition was left in."""
        super().__init__(message)
        self.partition_state = partition_state


class ExecutionError(FpgaRtError):
    """A program or its data failed: bad input values, a bus error, a stale handle, a deadlock."""

    exit_code = 8


class AdmissionError(ExecutionError):
    """A request was refused before it ran: the queue is `full`, or a deadline would be `late`."""

    def __init__(self, message: str, reason: Literal["full", "late"]) -> None:
        """Keep the message and the reason."""
        super().__init__(message)
        self.reason = reason


class DeadlineError(ExecutionError):
    """An accepted request ended after its deadline, so its result is of no use."""


class ToolchainError(FpgaRtError):
    """A tool or an optional package is missing or failed; the message names the command to run."""

    exit_code = 9


class DifferenceError(FpgaRtError):
    """A device computed other values than the golden execution of the same network."""

    exit_code = 10


class UpdateError(FpgaRtError):
    """An update was refused, or failed its self-test; what the device runs has not changed.

    Where it has changed all the same, because the disk or a rollback failed, the message says so.

    `reason` is a word for machines: `damaged`, `unsigned`, `signature`, `network`, `contract`,
    `version`, `base`, `target`, `vectors`, `quota`, `budget`, `text`, `self-test`, `store` or
    `busy`.
    """

    exit_code = 11

    def __init__(self, message: str, reason: str) -> None:
        """Keep the message and the word for its reason."""
        super().__init__(message)
        self.reason = reason
