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
from fpga_rt.arch.rules import IDCODE_MASK, rules_of
from fpga_rt.bitstream.checks import Refusal, refusal
from fpga_rt.bitstream.read import parse
from fpga_rt.bitstream.stream import ConfigurationStream
from fpga_rt.bitstream.verify import verify, verify_partial
from fpga_rt.contract.static_region import (
    CONTROLLER_PORT,
    ConfigurationError,
    ConfigurationState,
    PartitionState,
)
from fpga_rt.device.emulated_partition import EmulatedPartition
from fpga_rt.device.faults import CorruptLoad, Faults, StalledPort, WrongModule
from fpga_rt.errors import ArtifactError

STAT_CRC_ERROR = 1 << 0
"""Bit of STAT: the only one that the emulated port has."""
_FRAME_DATA = {"no IDCODE": ConfigurationError.IDCODE, "no FAR": ConfigurationError.PARTITION}
"""What the controller calls frame data that something has to come before."""


class LoadError(ArtifactError):
    """What the port found wrong with a stream, for the status register and the message."""

    def __init__(self, message: str, code: ConfigurationError, port_status: int = 0) -> None:
        """Keep the code, and STAT where the port itself found the error."""
        super().__init__(message)
        self.code = code
        self.port_status = port_status


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
        raise LoadError(str(error), *_cause(stream, board.device)) from error
    return verified.module_id or 0


def _cause(stream: bytes, device: Device) -> tuple[ConfigurationError, int]:
    """Return what the controller answers to a stream that `verify_partial` refuses, and STAT."""
    try:
        parsed = parse(stream)
    except ArtifactError:
        return ConfigurationError.INCOMPLETE, 0
    if any((idcode ^ device.idcode) & IDCODE_MASK for idcode in parsed.idcodes):
        return ConfigurationError.IDCODE, 0
    fault = _first_fault(parsed, device)
    if fault is not None:
        return _fault_code(fault), STAT_CRC_ERROR if fault.what == "CRC" else 0
    if not all(segment.desynced for segment in parsed.segments):
        return ConfigurationError.INCOMPLETE, 0
    try:
        verify(stream, device)
    except ArtifactError:  # geometry that is not known cannot be what it breaks
        return ConfigurationError.FORBIDDEN if device.columns else ConfigurationError.PARTITION, 0
    return ConfigurationError.PARTITION, 0  # sound, but for another place


def _first_fault(parsed: ConfigurationStream, device: Device) -> Refusal | None:
    rules = rules_of(device.family, full=False)
    found = (refusal(parsed, segment, device, rules) for segment in parsed.segments)
    return next((fault for fault in found if fault is not None), None)


def _fault_code(fault: Refusal) -> ConfigurationError:
    """Return what the controller calls a fault in a stream's packets."""
    if fault.what == "CRC" or fault.expected == "a CRC first":
        return ConfigurationError.CRC
    if fault.what == "frame data":
        return _FRAME_DATA.get(fault.got, ConfigurationError.FORBIDDEN)
    return ConfigurationError.FORBIDDEN


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

    def start(self, port: ConfigurationPort, stream: bytes, now_ps: int) -> None:
        """Stream bytes into the partition that is LOADING, while no other load is in flight."""
        self._started += 1
        self.failure = None
        loading = self._loading
        is_controller = port.name == CONTROLLER_PORT
        if not loading or (is_controller and len(loading) > 1):
            self.refuse(
                port.name,
                f"{len(loading)} partitions are LOADING, expected one",
                ConfigurationError.PARTITION,
                now_ps,
            )
            return
        target = loading[0]
        if is_controller:
            self.idcode = self._board.device.idcode
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
            found = module_in(transfer.stream, self._board, transfer.partition)
        except LoadError as error:
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
