"""Parameter banks: versions of a network's parameters side by side in device memory.

A bank is two addresses, of the weights and of the requantisation tables, that a submission names.
New parameters are written to memory that nothing reads, while programs run, and are used from the
next inference on; weights that did not change stay where they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fpga_rt.deployment.model import Deployment
from fpga_rt.device.interface import Buffer, Device
from fpga_rt.errors import DeviceError, ExecutionError, FpgaRtError

Kind = Literal["weights", "tables"]
KINDS: tuple[Kind, ...] = ("weights", "tables")


@dataclass(frozen=True, eq=False)
class Bank:
    """One version of the parameters in device memory, and the deployment that they are of."""

    deployment: Deployment
    weights: Buffer
    tables: Buffer


class Banks:
    """The banks of one loaded model.

    Attributes:
        active: number of the bank that inferences read; numbers are never used twice.
        in_flight: bank of the request that has begun and not ended, None while there is none.
    """

    def __init__(self, device: Device, deployment: Deployment) -> None:
        """Put the parameters of a deployment into device memory, as bank 0.

        Raises:
            DeviceError: device memory is full.
        """
        self.active = 0
        self.in_flight: int | None = None
        self._device = device
        self._last = 0
        self._memory: dict[Kind, list[Buffer]] = {kind: [] for kind in KINDS}
        try:
            buffers = [self._allocate(kind, deployment) for kind in KINDS]
            for kind, buffer in zip(KINDS, buffers, strict=True):
                _fill(buffer, deployment.image(kind))
        except FpgaRtError:
            self.free()
            raise
        self._banks = {0: Bank(deployment, *buffers)}

    def __getitem__(self, number: int) -> Bank:
        """Return a bank.

        Raises:
            ExecutionError: there is none of this number, or no longer.
        """
        bank = self._banks.get(number)
        if bank is None:
            name = self.deployment.network.name
            raise ExecutionError(
                f"network {name} has no parameter bank {number}, expected one of"
                f" {', '.join(map(str, self._banks))}; write it first"
            )
        return bank

    @property
    def deployment(self) -> Deployment:
        """What inferences that begin now run."""
        return self._banks[self.active].deployment

    def reserve(self) -> None:
        """Allocate what `write` needs, so that no update fails for want of memory.

        Raises:
            DeviceError: device memory is full.
        """
        for kind in KINDS:
            if len(self._memory[kind]) == 1:
                self._allocate(kind, self.deployment)

    def write(self, deployment: Deployment) -> int:
        """Put other parameters for the same program beside those in use; return their bank.

        Nothing that runs reads what is written here, so a program may run meanwhile. A segment that
        equals the one in use is shared with it. Other banks than the active one, and the one that a
        request in flight reads, are gone afterwards.

        Raises:
            ExecutionError: the deployment has another program.
            DeviceError: device memory is full, or a request in flight still reads the memory that
                is to be written; try again when it has ended.
        """
        current = self._banks[self.active]
        _check_program(current.deployment, deployment)
        images = {kind: deployment.image(kind) for kind in KINDS}
        changed = [k for k in KINDS if images[k] != current.deployment.image(k)]
        targets = {kind: self._other(kind, current) for kind in changed}
        kept = (self.active, self.in_flight)
        self._banks = {n: bank for n, bank in self._banks.items() if n in kept}
        for kind, buffer in targets.items():
            _fill(buffer, images[kind])
        self._last += 1
        weights, tables = (targets.get(kind, getattr(current, kind)) for kind in KINDS)
        self._banks[self._last] = Bank(deployment, weights, tables)
        return self._last

    def switch(self, number: int) -> None:
        """Let every inference that begins from here on read a bank; one in flight keeps its own.

        Raises:
            ExecutionError: there is no such bank.
        """
        _ = self[number]
        self.active = number

    def begin(self, number: int | None) -> int:
        """Note that a request begins to read a bank, the active one if None; return its number.

        Raises:
            ExecutionError: there is no such bank.
        """
        number = self.active if number is None else number
        _ = self[number]
        self.in_flight = number
        return number

    def end(self) -> None:
        """Note that no request is in flight."""
        self.in_flight = None

    def free(self) -> None:
        """Give all device memory back; freeing twice is harmless."""
        buffers = [buffer for kind in KINDS for buffer in self._memory[kind]]
        self._memory = {kind: [] for kind in KINDS}
        for buffer in buffers:
            buffer.free()

    def _other(self, kind: Kind, current: Bank) -> Buffer:
        """Return memory for a segment that nothing reads; the first call allocates it."""
        self.reserve()
        other = next(b for b in self._memory[kind] if b is not getattr(current, kind))
        if self.in_flight is not None and other is getattr(self._banks[self.in_flight], kind):
            raise DeviceError(
                f"a request in flight reads bank {self.in_flight} of"
                f" {current.deployment.network.name}, whose {kind} are to be written; try again"
                " when it has ended"
            )
        return other

    def _allocate(self, kind: Kind, deployment: Deployment) -> Buffer:
        buffer = self._device.allocate(max(len(deployment.image(kind)), 1))
        self._memory[kind].append(buffer)
        return buffer


def _check_program(mine: Deployment, other: Deployment) -> None:
    if not mine.same_program(other):
        raise ExecutionError(
            f"the deployment of {other.network.name} has another program than the one of"
            f" {mine.network.name} on the device, expected other parameters only; load it as a"
            " network of its own"
        )


def _fill(buffer: Buffer, data: bytes) -> None:
    buffer.view[: len(data)] = np.frombuffer(data, np.uint8)
    buffer.flush()
