"""A device's registers: open and close, and the control of its partitions.

What a host writes into which register is here, whatever carries the accesses. `loads` builds the
loads on it, `register_device` the programs; a device subclasses the last of them.
"""

from __future__ import annotations

from abc import abstractmethod
from enum import IntEnum
from typing import TypeVar

from fpga_rt.arch.boards import Board
from fpga_rt.contract.static_region import STATIC_REGION, PartitionState, partition_register
from fpga_rt.device.interface import DEFAULT_TIMEOUT_S, PS_PER_S, Capabilities, Device, Pending
from fpga_rt.errors import DeviceError, ReconfigurationError

_DECOUPLE_POLLS = 1000

Code = TypeVar("Code", bound=IntEnum)


class RegisterAccess(Device):
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
        try:
            self._check_map()
            self._prepare()
        except DeviceError:
            self.close()
            raise

    def close(self) -> None:
        """Give everything back; what was staged or is in flight is forgotten."""
        if self._is_open:
            self._is_open = False
            self._forget()
            self._disconnect()

    def _check_map(self) -> None:
        got, expected = self._read("map_id"), STATIC_REGION.map_id
        partitions = self._read("capabilities")
        if got != expected or partitions != len(self.board.partitions):
            raise DeviceError(
                f"{self._where}: got register map {got:#010x} with {partitions} partitions,"
                f" expected {expected:#010x} with {len(self.board.partitions)}; load the static"
                " region that belongs to this version"
            )

    def quiesce(self, partition: int) -> None:
        """Let the program that uses a partition end; no register is read when none does.

        Raises:
            DeviceError: it does not end in `DEFAULT_TIMEOUT_S` of device time.
        """
        self._require_open()
        program = self._in_flight.get("program")
        if program is None or self._checked(partition) not in program.partitions:
            return
        deadline_ps = self.now_ps() + round(DEFAULT_TIMEOUT_S * PS_PER_S)
        while not self._status(partition)["quiescent"]:
            if self.now_ps() > deadline_ps:
                raise DeviceError(
                    f"{self._named(partition)} is not quiescent after {DEFAULT_TIMEOUT_S:g} s of"
                    " device time; wait for its program, or decouple it, which stops the program"
                )

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
            state = self._state(partition, status)
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

    def _read(self, name: str) -> int:
        register = STATIC_REGION[name]
        if register.words == 1:  # most: every access of a swap but for the identity
            return self.read32(register.offset)
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

    def _state(self, partition: int, status: dict[str, int]) -> str:
        """Return the name of the state that a partition's status shows."""
        name = partition_register(partition, "status")
        return self._decoded(PartitionState, status["state"], name).name.lower()

    def _decoded(self, codes: type[Code], value: int, register: str) -> Code:
        """Return which of the codes that this version knows a register's field holds.

        Raises:
            DeviceError: none.
        """
        try:
            return codes(value)
        except ValueError:
            known = ", ".join(f"{code.value} {code.name}" for code in codes)
            raise DeviceError(
                f"{self._where}: register {register} holds {codes.__name__} {value}, expected one"
                f" of {known}; load the static region that belongs to this version"
            ) from None

    def _forget(self) -> None:
        """Forget what is in flight; a subclass also forgets what it keeps."""
        self._in_flight: dict[str, Pending] = {}

    def _prepare(self) -> None:
        """Set up what a subclass needs once the registers can be used."""

    @property
    def _where(self) -> str:
        return f"{self.capabilities.device} ({self.board.name})"

    def _named(self, partition: int) -> str:
        return f"partition {partition} ({self.board.partitions[partition].name}) of {self._where}"

    def _described(self, pending: Pending) -> str:
        """Return what is in flight, for messages."""
        return f"the {pending.kind} on partitions {', '.join(map(str, pending.partitions))}"

    def _require_open(self) -> None:
        if not self._is_open:
            raise DeviceError(f"{self._where} is closed; call open() first")

    def _require_idle(self, kind: str) -> None:
        if kind in self._in_flight:
            raise DeviceError(
                f"{self._where} is busy: {self._described(self._in_flight[kind])} is in flight,"
                " expected none; wait for it first"
            )

    def _checked(self, partition: int) -> int:
        if not 0 <= partition < len(self.board.partitions):
            raise DeviceError(
                f"{self._where} has no partition {partition}:"
                f" expected 0..{len(self.board.partitions) - 1}"
            )
        return partition

    @abstractmethod
    def _connect(self) -> None:
        """Reach the device; registers and memory can be used afterwards."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Give the device back."""
