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
from fpga_rt.arch.devices import Device
from fpga_rt.arch.ports import ConfigurationPort, Interval
from fpga_rt.bitstream.verify import verify, verify_partial
from fpga_rt.contract.static_region import (
    CONTROLLER_PORT,
    ConfigurationError,
    ConfigurationState,
    PartitionState,
)
from fpga_rt.device.emulated_guard import Guard, GuardFault, addresses_of
from fpga_rt.device.emulated_partition import EmulatedPartition
from fpga_rt.device.faults import CorruptLoad, Faults, StalledPort, WrongModule
from fpga_rt.errors import ArtifactError

STAT_CRC_ERROR = 1 << 0
"""Bit of STAT: the only one that the emulated port has."""


class LoadError(ArtifactError):
    """What the port found wrong with a stream, for the status register and the message."""

    def __init__(
        self,
        message: str,
        code: ConfigurationError,
        port_status: int = 0,
        *,
        disturbed: bool = False,
    ) -> None:
        """Keep the code, STAT where the port itself found the error, and if frames were written."""
        super().__init__(message)
        self.code = code
        self.port_status = port_status
        self.disturbed = disturbed


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
        missing: bytes that follow and cannot be read.
        before: what the partition held.
    """

    port: ConfigurationPort
    partition: int
    stream: bytes
    size_bytes: int
    started_ps: int
    factor: int | None = 1
    missing: int = 0
    before: int | None = None

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
def module_in(stream: bytes, board: Board, partition: int, missing: int = 0) -> int:
    """Return the identity of the module that a stream brings, as the port finds it.

    The port takes big-endian words and nothing else: what a file may have besides, a header or its
    bytes in another order, is no stream here. `missing` bytes behind it cannot be read.

    Raises:
        LoadError: the port refuses the stream.
    """
    device, place = board.device, board.partitions[partition]
    verified, why = None, f"bus error: {missing} bytes of the stream lie outside of the memory"
    if not missing:
        try:
            verified = verify_partial(stream, device, place)
            why = "the stream is none of big-endian words alone, as the port takes them"
        except ArtifactError as error:
            why = str(error)
    if verified and verified.words.astype(">u4").tobytes() == stream:
        return verified.module_id or 0
    guard = Guard(device, addresses_of(device, place))
    words = np.frombuffer(stream[: len(stream) // 4 * 4], ">u4").astype(np.uint32)
    try:
        guard.read(words, whole=not missing)
    except GuardFault as fault:
        status = STAT_CRC_ERROR if fault.by_port else 0
        raise LoadError(why, fault.code, status, disturbed=guard.disturbed) from fault
    raise LoadError(why, _beyond_the_guard(stream, device), disturbed=True)


def _beyond_the_guard(stream: bytes, device: Device) -> ConfigurationError:
    """Return what a stream is called that breaks no rule which the guard looks at word by word."""
    try:
        verify(stream, device)
    except ArtifactError:  # geometry that is not known cannot be what it breaks
        return ConfigurationError.FORBIDDEN if device.columns else ConfigurationError.PARTITION
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
        self.refused = False
        """The last start of the controller came while a load was in flight."""
        self.idcode = 0
        """What the controller's last load was answered."""
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

    def refuses_target(self, port: str, now_ps: int) -> bool:
        """Tell whether not exactly one partition is LOADING, and refuse the load then."""
        count = len(self._loading)
        if count == 1 or (count and port != CONTROLLER_PORT):
            return False
        message = f"{count} partitions are LOADING, expected one"
        self.refuse(port, message, ConfigurationError.PARTITION, now_ps)
        return True

    def start(self, port: ConfigurationPort, stream: bytes, now_ps: int, missing: int = 0) -> None:
        """Stream bytes into the partition that is LOADING, while no other load is in flight.

        `missing` bytes behind them cannot be read.
        """
        self._started += 1
        self.failure = None
        if self.refuses_target(port.name, now_ps):
            return
        target = self._loading[0]
        if port.name == CONTROLLER_PORT:
            self.idcode = self._board.device.idcode
        if missing and not stream:
            message = f"bus error: all {missing} bytes of the stream lie outside of the memory"
            self.refuse(port.name, message, ConfigurationError.BUS, now_ps)
            return
        before, target.content = target.content, None
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
            missing,
            before,
        )

    def serves(self, partition: int) -> bool:
        """Tell whether the configuration controller runs for a partition."""
        transfer = self._transfer
        return (
            transfer is not None
            and transfer.port.name == CONTROLLER_PORT
            and transfer.partition == partition
        )

    def check_target(self, now_ps: int) -> None:
        """Give up a controller's load whose partition is not the only one LOADING any more."""
        transfer = self._transfer
        if transfer is None or not self.serves(transfer.partition):
            return
        if [p.index for p in self._loading] != [transfer.partition]:
            self.last_ended_ps = now_ps
            self._fail(
                f"partition {transfer.partition} is not the only one LOADING any more",
                ConfigurationError.PARTITION,
            )

    def refuse(self, port: str, message: str, code: ConfigurationError, now_ps: int) -> None:
        """Answer a start with an error; the controller fails every partition that is LOADING."""
        self.last_ended_ps = now_ps
        if port == CONTROLLER_PORT:
            for partition in self._loading:
                partition.end_load(well=False)
        self._fail(message, code)

    @property
    def _loading(self) -> list[EmulatedPartition]:
        return [p for p in self._partitions if p.state == PartitionState.LOADING]

    def _fail(self, message: str, code: ConfigurationError, port_status: int = 0) -> None:
        """End the load with an error; the controller's own fails its partition."""
        transfer = self._transfer
        if transfer and self.serves(transfer.partition):
            self._partitions[transfer.partition].end_load(well=False)
        self.state = ConfigurationState.FAILED
        self.failure = LoadError(message, code, port_status)
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
            found = module_in(transfer.stream, self._board, transfer.partition, transfer.missing)
        except LoadError as error:
            if not error.disturbed:
                self._partitions[transfer.partition].content = transfer.before
            self._fail(str(error), error.code, error.port_status)
            return
        wrong = self._faults.of_load(WrongModule, self._started)
        self._partitions[transfer.partition].content = wrong.module_id if wrong else found
        self.state, self._transfer = ConfigurationState.DONE, None

    def abort(self, now_ps: int) -> None:
        """Stop the load in flight."""
        if self.busy:
            self.last_ended_ps = now_ps
            self._fail("the host aborted the load", ConfigurationError.ABORTED)
