"""Loads through the configuration ports of a device: base, stage, begin, end.

The configuration controller of the static region feeds the ICAP by registers; every other port is
the processor's, and a device's own business.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from dataclasses import dataclass, field

import numpy as np

from fpga_rt.arch.rules import IDCODE_MASK
from fpga_rt.bitstream.read import parse
from fpga_rt.bitstream.verify import Verified, verify_partial
from fpga_rt.contract.static_region import (
    CONTROLLER_PORT,
    STATIC_REGION,
    ConfigurationError,
    PartitionState,
)
from fpga_rt.device.interface import Buffer, Completion, Pending, Staged
from fpga_rt.device.register_access import RegisterAccess
from fpga_rt.errors import ArtifactError, DeviceError, ReconfigurationError


@dataclass(eq=False)
class LoadPending(Pending):
    """A load in flight: what goes through which port, and when the port began."""

    staged: Staged = field(kw_only=True)
    port: str = field(kw_only=True)
    port_started_ps: int = field(default=0, kw_only=True)


def _check_module(digest: str, found: int, expected: int | None) -> None:
    """Compare the module that a bitstream holds with the one that it is said to."""
    if expected not in (None, found):
        raise ArtifactError(
            f"bitstream {digest[:12]} holds module {found:#018x}, expected {expected:#018x} as its"
            " manifest or deployment states; import the file again, or compile the network again"
        )


@dataclass
class _Place:
    """Where a staged bitstream lies, and how often it was staged."""

    staged: Staged
    buffer: Buffer
    users: int = 0
    static_id: int | None = None


class LoadingDevice(RegisterAccess):
    """A device with loads; a subclass offers the processor's ports."""

    _static_id: int | None

    def load_base(self, full: bytes) -> None:
        """Load the static region, after checking that the bitstream is for this FPGA.

        Raises:
            ArtifactError: it is no bitstream, or for another FPGA.
            DeviceError: a load or program is in flight, or the static region has another map.
        """
        self._require_open()
        for kind in ("load", "program"):
            self._require_idle(kind)
        self._check_full(full)
        self._load_base(full)
        self._static_id = None
        self._check_map()

    def _check_full(self, full: bytes) -> None:
        """Refuse a full bitstream that is not for the board's FPGA."""
        found, chip = parse(full).idcodes, self.board.device
        if not found or any((idcode ^ chip.idcode) & IDCODE_MASK for idcode in found):
            got = ", ".join(f"{idcode:#010x}" for idcode in found) or "none"
            raise ArtifactError(
                f"full bitstream for {self._where}: got IDCODE {got}, expected"
                f" {chip.idcode:#010x} of {chip.name}; build it for {self.board.name}"
            )

    def stage(
        self,
        partial: bytes,
        partition: int,
        static_id: int | None = None,
        module_id: int | None = None,
    ) -> Staged:
        """Verify a partial bitstream and put it into device memory, once for each digest.

        What was staged several times stays until it was given back as often.

        Raises:
            ArtifactError: it must not be loaded into the partition, holds an unknown or another
                module, or was implemented against another static region.
            DeviceError: the device is closed or its memory is full.
        """
        self._require_open()
        key = (hashlib.sha256(partial).hexdigest(), self._checked(partition))
        self._check_static(key[0], static_id)
        if key not in self._staged:
            self._staged[key] = self._put(partial, key, module_id)
        place = self._staged[key]
        _check_module(key[0], place.staged.module_id, module_id)
        place.users += 1
        place.static_id = place.static_id if static_id is None else static_id
        return place.staged

    def unstage(self, staged: Staged) -> None:
        """Give a staged bitstream back; harmless for one that is not staged, or after closing.

        Raises:
            DeviceError: the bitstream is being loaded.
        """
        key = (staged.digest, staged.partition)
        found = self._staged.get(key)
        if found is None or found.staged is not staged:
            return
        load = self._in_flight.get("load")
        if found.users == 1 and isinstance(load, LoadPending) and load.staged is staged:
            self._require_idle("load")
        found.users -= 1
        if not found.users:
            del self._staged[key]
            found.buffer.free()

    def begin_load(self, partition: int, staged: Staged, port: str) -> Pending:
        """Stream a staged bitstream through a port of the board.

        Raises:
            DeviceError: a load is in flight, the port is unknown, or `staged` is not of this
                device and partition.
            ReconfigurationError: the partition is not decoupled.
            ArtifactError: it was implemented against a static region that is there no more.
        """
        self._require_open()
        self._require_idle("load")
        place = self._place_of(self._checked(partition), staged)
        self._check_static(staged.digest, place.static_id)
        if port not in self.board.ports:
            raise DeviceError(
                f"{self._where} has no configuration port {port!r}: use one of"
                f" {', '.join(self.board.ports)}"
            )
        pending = LoadPending("load", self.now_ps(), (partition,), staged=staged, port=port)
        status = self._status(partition)
        state = self._state(partition, status)
        if not (status["decoupled"] and status["quiescent"]):
            raise ReconfigurationError(
                f"{self._named(partition)} is {state} and not decoupled; decouple it before a load",
                state,
            )
        self._write_partition(partition, "load", begin=1)
        self._start_port(place.buffer, port)
        pending.port_started_ps = self.now_ps()
        self._in_flight["load"] = pending
        return pending

    def _check_static(self, digest: str, static_id: int | None) -> None:
        """Compare static regions, where that of a bitstream is known; the device's is read once."""
        if static_id is None:
            return
        if self._static_id is None:
            self._static_id = self._read("static_id")
        if static_id != self._static_id:
            raise ArtifactError(
                f"bitstream {digest[:12]} was implemented against static region {static_id:#018x},"
                f" got {self._static_id:#018x} from {self._where}; load that static region, or"
                " implement the module against this one"
            )

    def _put(self, partial: bytes, key: tuple[str, int], module_id: int | None) -> _Place:
        """Verify a partial and copy it to device memory."""
        place = self.board.partitions[key[1]]
        verified = verify_partial(partial, self.board.device, place)
        self._check_kind(verified)
        found = module_id if verified.module_id is None else verified.module_id
        if found is None:
            raise ArtifactError(
                f"the bitstream {key[0][:12]} for partition {place.name} carries no module"
                " identity; stage it with the `module_id` of its manifest, which `fpga-rt bitstream"
                " import` writes"
            )
        _check_module(key[0], found, module_id)
        words = verified.words.astype(">u4")
        buffer = self.allocate(words.nbytes)
        buffer.view[:] = words.view(np.uint8)
        buffer.flush()
        return _Place(Staged(*key, found, place.bitstream_bytes), buffer)

    def _end_load(self, pending: LoadPending, ended_ps: int) -> Completion:
        (partition,) = pending.partitions
        try:
            error, refused = self._load_error(pending)
        except DeviceError:
            self._write_partition(partition, "load", fail=1)
            raise
        if error is not ConfigurationError.NONE:
            detail = self._load_detail()
            if pending.port == CONTROLLER_PORT and error is ConfigurationError.PORT:
                detail = f"{self._port_answers()}, {detail}"
            raise self._failed(pending, f"{error.name} error, {detail}")
        if refused:
            detail = "a start was refused while a load ran: is another host using the controller?"
            raise self._failed(pending, detail)
        self._write_partition(partition, "load", finish=1)
        size = pending.staged.bitstream_bytes
        phases = {"queue": pending.port_started_ps - pending.started_ps}
        phases |= self._port_phases(pending, ended_ps)
        return Completion(pending, pending.started_ps, ended_ps, size_bytes=size, phases_ps=phases)

    def _failed(self, pending: LoadPending, detail: str) -> ReconfigurationError:
        """Give the load of a partition up, and return the error that says why."""
        (partition,) = pending.partitions
        self._write_partition(partition, "load", fail=1)
        return ReconfigurationError(
            f"load of {pending.staged.digest[:12]} into {self._named(partition)} through"
            f" {pending.port}: {detail}; the partition is failed and decoupled",
            PartitionState.FAILED.name.lower(),
        )

    def _load_error(self, pending: LoadPending) -> tuple[ConfigurationError, bool]:
        """Return the error of a load, and whether the controller refused a start besides."""
        if pending.port != CONTROLLER_PORT:
            return self._processor_port_error(), False
        name = "configuration_status"
        status = STATIC_REGION[name].unpack(self._read(name))
        error = self._decoded(ConfigurationError, status["error"], name)
        return error, bool(status["refused"])

    def _port_answers(self) -> str:
        """Return what the port said of itself when it could not be used."""
        idcode, status = (self._read(f"configuration_{name}") for name in ("idcode", "port_status"))
        return (
            f"got IDCODE {idcode:#010x} from the port and STAT {status:#010x}, expected IDCODE"
            f" {self.board.device.idcode:#010x}: is another master using it?"
        )

    def _abort_load(self, pending: LoadPending) -> None:
        if pending.port == CONTROLLER_PORT:
            self._write("configuration_control", abort=1)
        else:
            self._abort_processor_port()
        self._write_partition(pending.partitions[0], "load", fail=1)

    def _start_port(self, buffer: Buffer, port: str) -> None:
        if port != CONTROLLER_PORT:
            self._start_processor_port(buffer, port)
            return
        self._write_value("configuration_source", buffer.address)
        self._write_value("configuration_words", len(buffer.view) // 4)
        self._write("configuration_control", start=1)

    def _forget(self) -> None:
        super()._forget()
        self._staged: dict[tuple[str, int], _Place] = {}
        self._static_id = None

    def _described(self, pending: Pending) -> str:
        if isinstance(pending, LoadPending):
            return f"the load of partition {pending.partitions[0]} through {pending.port}"
        return super()._described(pending)

    def _place_of(self, partition: int, staged: Staged) -> _Place:
        found = self._staged.get((staged.digest, partition))
        if found is None or staged.partition != partition:
            raise DeviceError(
                f"bitstream {staged.digest[:12]} for partition {staged.partition} is not staged for"
                f" {self._named(partition)}; stage it since the device was opened"
            )
        return found

    def _check_kind(self, verified: Verified) -> None:
        """Refuse a verified partial of a kind that is not for the device; none by default.

        Raises:
            ArtifactError: it is of such a kind.
        """

    @abstractmethod
    def _load_base(self, full: bytes) -> None:
        """Bring the static region of a full bitstream whose IDCODE is right to its power-up."""

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
    def _load_detail(self) -> str:
        """Return what more is known of why the last load failed."""
