"""The part of a device that is the same wherever the static region runs.

Emulator, simulated gateware and boards differ in how they reach registers and memory and in how
they wait; what they write into which register is here. A subclass offers the register accesses,
`allocate`, `now_ps` and the hooks at the end of `RegisterDevice`.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fpga_rt.arch.boards import Board
from fpga_rt.bitstream.verify import verify_partial
from fpga_rt.contract.sequencer import Timeline
from fpga_rt.contract.static_region import (
    CONTROLLER_PORT,
    STATIC_REGION,
    ConfigurationError,
    PartitionState,
    SequencerError,
    partition_register,
)
from fpga_rt.contract.submission import HEADER, Submission
from fpga_rt.device.interface import Buffer, Capabilities, Completion, Device, Pending, Staged
from fpga_rt.errors import ArtifactError, DeviceError, ExecutionError, ReconfigurationError

DEFAULT_TIMEOUT_S = 10.0
_PS_PER_S = 10**12
_DECOUPLE_POLLS = 1000


@dataclass(eq=False)
class LoadPending(Pending):
    """A load in flight: what goes through which port, and when the port began."""

    staged: Staged = field(kw_only=True)
    port: str = field(kw_only=True)
    port_started_ps: int = field(default=0, kw_only=True)


class Ended(NamedTuple):
    """What has ended, and when."""

    pending: Pending
    ended_ps: int


class ProgramReport(NamedTuple):
    """What a device knows of a program beyond its end."""

    busy_ps: Mapping[int, tuple[int, int]]
    timeline: Timeline | None


class RegisterDevice(Device):
    """A device whose static region obeys the register map of `contract.static_region`."""

    capabilities: Capabilities

    def __init__(self, capabilities: Capabilities) -> None:
        """Describe the device; `open` takes it."""
        self.capabilities = capabilities
        self._is_open = False
        self._forget()

    @property
    def board(self) -> Board:
        """The board behind the device."""
        return self.capabilities.board

    def open(self) -> None:
        """Take the device and check that host and gateware obey the same map; again: harmless.

        Raises:
            DeviceError: the gateware has another register map or other partitions.
        """
        if self._is_open:
            return
        self._connect()
        self._is_open = True
        self._forget()
        got, expected = self._read("map_id"), STATIC_REGION.map_id
        partitions = self._read("capabilities")
        if got != expected or partitions != len(self.board.partitions):
            self.close()
            raise DeviceError(
                f"{self._where}: got register map {got:#010x} with {partitions} partitions,"
                f" expected {expected:#010x} with {len(self.board.partitions)}; load the static"
                " region that belongs to this version"
            )
        self._header = self.allocate(HEADER.size_bytes)

    def close(self) -> None:
        """Give everything back; what was staged or is in flight is forgotten."""
        if self._is_open:
            self._is_open = False
            self._forget()
            self._disconnect()

    def stage(self, partial: bytes, partition: int) -> Staged:
        """Verify a partial bitstream and put it into device memory, once for each digest.

        Raises:
            ArtifactError: it must not be loaded into the partition, or names no module.
            DeviceError: the device is closed or its memory is full.
        """
        self._require_open()
        place = self.board.partitions[self._checked(partition)]
        key = (hashlib.sha256(partial).hexdigest(), partition)
        if key in self._staged:
            return self._staged[key][0]
        verified = verify_partial(partial, self.board.device, place)
        if verified.module_id is None:
            raise ArtifactError(
                f"the bitstream {key[0][:12]} for partition {place.name} carries no module"
                " identity; build it with `fpga_rt.bitstream.build`"
            )
        words = verified.words.astype(">u4")
        buffer = self.allocate(words.nbytes)
        buffer.view[:] = words.view(np.uint8)
        buffer.flush()
        staged = Staged(key[0], partition, verified.module_id, place.bitstream_bytes)
        self._staged[key] = (staged, buffer)
        return staged

    def begin_load(self, partition: int, staged: Staged, port: str) -> Pending:
        """Stream a staged bitstream through a port of the board.

        Raises:
            DeviceError: a load is in flight, the port is unknown, or `staged` is not of this
                device and partition.
            ReconfigurationError: the partition is not decoupled.
        """
        self._require_open()
        self._require_idle("load")
        buffer = self._staged_buffer(self._checked(partition), staged)
        if port not in self.board.ports:
            raise DeviceError(
                f"{self._where} has no configuration port {port!r}: use one of"
                f" {', '.join(self.board.ports)}"
            )
        pending = LoadPending("load", self.now_ps(), (partition,), staged=staged, port=port)
        status = self._status(partition)
        state = PartitionState(status["state"]).name.lower()
        if not (status["decoupled"] and status["quiescent"]):
            raise ReconfigurationError(
                f"{self._named(partition)} is {state} and not decoupled; decouple it before a load",
                state,
            )
        self._write_partition(partition, "load", begin=1)
        self._start_port(buffer, port)
        pending.port_started_ps = self.now_ps()
        self._in_flight["load"] = pending
        return pending

    def decouple(self, partition: int) -> None:
        """Isolate the partition.

        Raises:
            DeviceError: its transactions do not end.
        """
        self._require_open()
        self._write_partition(self._checked(partition), "control", decouple=1)
        for _ in range(_DECOUPLE_POLLS):
            status = self._status(partition)
            if status["decoupled"] and status["quiescent"]:
                return
        raise DeviceError(
            f"{self._named(partition)} did not become quiescent in {_DECOUPLE_POLLS} reads of its"
            " status; load the static region again"
        )

    def recouple(self, partition: int) -> None:
        """Connect the partition; the module must have been loaded well.

        Raises:
            ReconfigurationError: the static region keeps it isolated.
        """
        self._require_open()
        self._write_partition(self._checked(partition), "control", decouple=0)
        status = self._status(partition)
        if status["decoupled"]:
            state = PartitionState(status["state"]).name.lower()
            raise ReconfigurationError(
                f"{self._named(partition)} is {state} and stays decoupled, expected loaded; load"
                " a module into it first",
                state,
            )

    def reset(self, partition: int) -> None:
        """Reset the module in the partition."""
        self._require_open()
        name = partition_register(self._checked(partition), "control")
        decouple = STATIC_REGION[name].unpack(self._read(name))["decouple"]
        self._write(name, decouple=decouple, reset=1)
        self._write(name, decouple=decouple, reset=0)

    def identify(self, partition: int) -> int:
        """Return the 64-bit identity that the partition answers."""
        self._require_open()
        return self._read(partition_register(self._checked(partition), "module_id"))

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
            timeout_s: seconds of device time, `DEFAULT_TIMEOUT_S` when None.

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
        limit_s = DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s
        ended = self._await(pending, self.now_ps() + round(limit_s * _PS_PER_S))
        if ended is None:
            for one in pending:
                self._abandon(one)
            what = " and ".join(self._described(one) for one in pending)
            raise DeviceError(
                f"{self._where}: timeout, {what} did not end in {limit_s:g} s of device time and"
                " was aborted; load the partition again, or raise the timeout"
            )
        del self._in_flight[ended.pending.kind]
        if isinstance(ended.pending, LoadPending):
            return self._end_load(ended.pending, ended.ended_ps)
        return self._end_program(ended.pending, ended.ended_ps)

    def _end_load(self, pending: LoadPending, ended_ps: int) -> Completion:
        (partition,) = pending.partitions
        if pending.port == CONTROLLER_PORT:
            status = STATIC_REGION["configuration_status"].unpack(
                self._read("configuration_status")
            )
            error = ConfigurationError(status["error"])
        else:
            error = self._processor_port_error()
        if error is not ConfigurationError.NONE:
            self._write_partition(partition, "load", fail=1)
            raise ReconfigurationError(
                f"load of {pending.staged.digest[:12]} into {self._named(partition)} through"
                f" {pending.port}: {error.name} error, {self._load_detail()};"
                " the partition stays decoupled, load it again",
                PartitionState.FAILED.name.lower(),
            )
        self._write_partition(partition, "load", finish=1)
        size = pending.staged.bitstream_bytes
        phases = {"queue": pending.port_started_ps - pending.started_ps}
        phases |= self._port_phases(pending, ended_ps)
        return Completion(pending, pending.started_ps, ended_ps, size_bytes=size, phases_ps=phases)

    def _end_program(self, pending: Pending, ended_ps: int) -> Completion:
        status = STATIC_REGION["sequencer_status"].unpack(self._read("sequencer_status"))
        error = SequencerError(status["error"])
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

    def _start_port(self, buffer: Buffer, port: str) -> None:
        if port != CONTROLLER_PORT:
            self._start_processor_port(buffer, port)
            return
        self._write_value("configuration_source", buffer.address)
        self._write_value("configuration_words", len(buffer.view) // 4)
        self._write("configuration_control", start=1)

    def _abandon(self, pending: Pending) -> None:
        del self._in_flight[pending.kind]
        if not isinstance(pending, LoadPending):
            self._write("doorbell", abort=1)
            return
        if pending.port == CONTROLLER_PORT:
            self._write("configuration_control", abort=1)
        else:
            self._abort_processor_port()
        self._write_partition(pending.partitions[0], "load", fail=1)

    def _read(self, name: str) -> int:
        register = STATIC_REGION[name]
        words = [self.read32(register.offset + 4 * word) for word in range(register.words)]
        return sum(value << (32 * word) for word, value in enumerate(words))

    def _write(self, name: str, **fields: int) -> None:
        self._write_value(name, STATIC_REGION[name].pack(**fields))

    def _write_value(self, name: str, value: int) -> None:
        register = STATIC_REGION[name]
        for word, part in enumerate(register.word_values(value)):
            self.write32(register.offset + 4 * word, part)

    def _write_partition(self, partition: int, name: str, **fields: int) -> None:
        self._write(partition_register(partition, name), **fields)

    def _status(self, partition: int) -> dict[str, int]:
        name = partition_register(partition, "status")
        return STATIC_REGION[name].unpack(self._read(name))

    def _forget(self) -> None:
        self._staged: dict[tuple[str, int], tuple[Staged, Buffer]] = {}
        self._in_flight: dict[str, Pending] = {}

    @property
    def _where(self) -> str:
        return f"{self.capabilities.device} ({self.board.name})"

    def _named(self, partition: int) -> str:
        return f"partition {partition} ({self.board.partitions[partition].name}) of {self._where}"

    def _described(self, pending: Pending) -> str:
        (first, *_) = pending.partitions or (0,)
        if isinstance(pending, LoadPending):
            return f"the load of partition {first} through {pending.port}"
        return f"the program on partitions {', '.join(map(str, pending.partitions))}"

    def _require_open(self) -> None:
        if not self._is_open:
            raise DeviceError(f"{self._where} is closed; call open() first")

    def _require_idle(self, kind: str) -> None:
        if kind in self._in_flight:
            raise DeviceError(
                f"{self._where} is busy: {self._described(self._in_flight[kind])} is in flight,"
                " expected none; wait for it first"
            )

    def _require_in_flight(self, pending: Pending) -> None:
        if self._in_flight.get(pending.kind) is not pending:
            raise DeviceError(
                f"{self._described(pending)} is not in flight on {self._where}: it was waited for"
                " or timed out before, or the device was closed since"
            )

    def _checked(self, partition: int) -> int:
        if not 0 <= partition < len(self.board.partitions):
            raise DeviceError(
                f"{self._where} has no partition {partition}:"
                f" expected 0..{len(self.board.partitions) - 1}"
            )
        return partition

    def _staged_buffer(self, partition: int, staged: Staged) -> Buffer:
        found = self._staged.get((staged.digest, partition))
        if found is None or staged.partition != partition:
            raise DeviceError(
                f"bitstream {staged.digest[:12]} for partition {staged.partition} is not staged for"
                f" {self._named(partition)}; stage it since the device was opened"
            )
        return found[1]

    @abstractmethod
    def _connect(self) -> None:
        """Reach the device; registers and memory can be used afterwards."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Give the device back."""

    @abstractmethod
    def _await(self, pending: tuple[Pending, ...], deadline_ps: int) -> Ended | None:
        """Let time pass until the first pending ends (a load before a program), None: too late."""

    @abstractmethod
    def _start_processor_port(self, buffer: Buffer, port: str) -> None:
        """Start a load through a port that is not the configuration controller's."""

    @abstractmethod
    def _abort_processor_port(self) -> None:
        """Stop such a load."""

    @abstractmethod
    def _processor_port_error(self) -> ConfigurationError:
        """Return how such a load ended."""

    @abstractmethod
    def _port_phases(self, pending: LoadPending, ended_ps: int) -> dict[str, int]:
        """Return the phases of a load from the start of the port on, in picoseconds."""

    @abstractmethod
    def _program_report(self) -> ProgramReport:
        """Return what is known of the program that ended last."""

    @abstractmethod
    def _load_detail(self) -> str:
        """Return what more is known of why the last load failed."""

    @abstractmethod
    def _program_detail(self) -> str:
        """Return what more is known of why the last program stopped."""
