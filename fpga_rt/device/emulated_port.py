"""Emulated configuration ports: how long a load takes, and what arrives in the partition.

A load is charged with the partition's real bitstream size, computed from geometry, whatever the
length of the simulation bitstream that stands for it. Programs whose feature maps lie in DRAM slow
the part of a transfer that they overlap (`arch.ports.stretched_end`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fpga_rt.arch.boards import Board
from fpga_rt.arch.ports import ConfigurationPort, Interval
from fpga_rt.arch.rules import IDCODE_MASK
from fpga_rt.bitstream.read import parse
from fpga_rt.bitstream.verify import verify, verify_partial
from fpga_rt.contract.static_region import (
    ConfigurationError,
    ConfigurationState,
    PartitionState,
)
from fpga_rt.device.emulated_partition import EmulatedPartition
from fpga_rt.device.faults import CorruptLoad, Faults, StalledPort, WrongModule
from fpga_rt.errors import ArtifactError


class LoadError(ArtifactError):
    """What the port found wrong with a stream, for the status register and the message."""

    def __init__(self, message: str, code: ConfigurationError) -> None:
        """Keep the code."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Transfer:
    """One load while it goes through a port.

    Attributes:
        port: with its rate, set-up time and contention.
        partition: which one is loaded.
        stream: the bytes that pass the port.
        size_bytes: what the port is charged with.
        started_ps: when the port began.
        factor: how many times slower the port is, None when it never ends.
    """

    port: ConfigurationPort
    partition: int
    stream: bytes
    size_bytes: int
    started_ps: int
    factor: int | None = 1

    @property
    def transfer_ps(self) -> int:
        """Time for the bytes alone, without set-up and contention; 0 when it never ends."""
        return self.port.transfer_ps(self.size_bytes) * (self.factor or 0)

    def ended_ps(self, programs: Iterable[Interval]) -> int | None:
        """Return when it ends, given when programs use the DRAM; None for never."""
        if self.factor is None:
            return None
        return self.port.ended_ps(self.started_ps, self.size_bytes, programs, self.factor)


@lru_cache(maxsize=256)
def module_in(stream: bytes, board: Board, partition: int) -> int:
    """Return the identity of the module that a stream brings, as the port finds it.

    Raises:
        LoadError: the port refuses the stream.
    """
    try:
        verified = verify_partial(stream, board.device, board.partitions[partition])
    except ArtifactError as error:
        raise LoadError(str(error), _code(stream, board)) from error
    return verified.module_id or 0


def _code(stream: bytes, board: Board) -> ConfigurationError:
    """Return what the controller answers to a stream that `verify_partial` refuses."""
    try:
        parsed = parse(stream)
    except ArtifactError:
        return ConfigurationError.INCOMPLETE
    if any((idcode ^ board.device.idcode) & IDCODE_MASK for idcode in parsed.idcodes):
        return ConfigurationError.IDCODE
    if not all(segment.desynced for segment in parsed.segments):
        return ConfigurationError.INCOMPLETE
    try:
        verify(stream, board.device)
    except ArtifactError:
        return ConfigurationError.CRC
    return ConfigurationError.PARTITION  # sound, but for another place


def flip_bit(stream: bytes) -> bytes:
    """Return the stream with the lowest bit of its middle word flipped: frame data."""
    words = np.frombuffer(stream, ">u4").copy()
    words[len(words) // 2] ^= 1
    return bytes(words.tobytes())


class EmulatedPort:
    """The configuration ports: one load at a time, whichever port it takes."""

    def __init__(
        self, board: Board, partitions: Sequence[EmulatedPartition], faults: Faults
    ) -> None:
        """Make idle ports."""
        self.state = ConfigurationState.IDLE
        self.failure: LoadError | None = None
        self.last_ended_ps = 0
        self._board = board
        self._partitions = partitions
        self._faults = faults
        self.last_phases_ps = (0, 0)
        self._transfer: Transfer | None = None
        self._started = 0

    @property
    def busy(self) -> bool:
        """Tell whether a load is in flight."""
        return self._transfer is not None

    def start(self, port: ConfigurationPort, stream: bytes, now_ps: int) -> None:
        """Stream bytes into the partition that is LOADING; ignored while busy."""
        if self.busy:
            return
        self._started += 1
        self.failure = None
        target = next((p for p in self._partitions if p.state == PartitionState.LOADING), None)
        if target is None:
            self.fail(
                "no partition was set to LOADING before the load", ConfigurationError.PARTITION
            )
            self.last_ended_ps = now_ps
            return
        target.content = None
        stalled = self._faults.of_load(StalledPort, self._started)
        if self._faults.of_load(CorruptLoad, self._started):
            stream = flip_bit(stream)
        self.state = ConfigurationState.RUNNING
        self._transfer = Transfer(
            port,
            target.index,
            stream,
            self._board.partitions[target.index].bitstream_bytes,
            now_ps,
            stalled.factor if stalled else 1,
        )

    def fail(self, message: str, code: ConfigurationError) -> None:
        """End the load with an error."""
        self.state, self.failure = ConfigurationState.FAILED, LoadError(message, code)
        self._transfer = None

    def ended_ps(self, programs: Iterable[Interval]) -> int | None:
        """Return when the load ends, or the last one did; None when it never does."""
        if self._transfer is None:
            return self.last_ended_ps
        if self._faults.loses("load", self._started):
            return None
        return self._transfer.ended_ps(programs)

    @property
    def transfer(self) -> Transfer | None:
        """The load in flight."""
        return self._transfer

    def advance(self, now_ps: int, programs: Iterable[Interval]) -> None:
        """End the load if its end has come."""
        transfer = self._transfer
        if transfer is None:
            return
        end = self.ended_ps(programs)
        if end is None or end > now_ps:
            return
        self.last_ended_ps = end
        self.last_phases_ps = (transfer.port.setup_ps, transfer.transfer_ps)
        try:
            found = module_in(transfer.stream, self._board, transfer.partition)
        except LoadError as error:
            self.fail(str(error), error.code)
            return
        wrong = self._faults.of_load(WrongModule, self._started)
        self._partitions[transfer.partition].content = wrong.module_id if wrong else found
        self.state, self._transfer = ConfigurationState.DONE, None

    def abort(self, now_ps: int) -> None:
        """Stop the load in flight."""
        if self.busy:
            self.last_ended_ps = now_ps
            self.fail("the host aborted the load", ConfigurationError.ABORTED)
