"""What the runtime needs of a device: memory, registers, loads, submissions and a clock.

What takes time is begun and waited for, because a load must overlap a program. Host code never
asks whether a device is simulated; it reads `Capabilities`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.boards import Board
from fpga_rt.contract.sequencer import Timeline
from fpga_rt.contract.submission import Submission

Clock = Literal["virtual", "wall"]
Origin = Literal["modelled", "calibrated", "rtl", "measured", "replayed"]
"""`calibrated` is modelled with parameters that were measured."""
PS_PER_S = 10**12
DEFAULT_TIMEOUT_S = 10.0
_LOAD_MARGIN = 4
"""How many times longer than modelled a load may take: a model knows no other load of the host."""


@dataclass(frozen=True)
class Capabilities:
    """What a device is and offers.

    Attributes:
        device: name of the device, as in `--device`.
        board: floorplan, clocks, ports and memories behind it.
        clock: what `now_ps` counts.
        origin: where its times come from.
        alignment_bytes: of allocated buffers.
        memory_bytes: of device memory that buffers can be allocated from.
        assumptions: what its times rest on, one sentence each, for reports.
        ports: of the board's configuration ports those that it can load through; all when None.
    """

    device: str
    board: Board
    clock: Clock
    origin: Origin
    alignment_bytes: int
    memory_bytes: int
    assumptions: tuple[str, ...] = ()
    ports: tuple[str, ...] | None = None

    def loads_through(self, port: str) -> bool:
        """Tell whether the device can load through a port of the board."""
        return port in self.board.ports and (self.ports is None or port in self.ports)

    @property
    def timeout_s(self) -> float:
        """How much device time a load or a program may take unless told otherwise."""
        slowest_ps = max(
            port.load_ps(partition.bitstream_bytes)
            for port in self.board.ports.values()
            for partition in self.board.partitions
        )
        return max(DEFAULT_TIMEOUT_S, _LOAD_MARGIN * slowest_ps / PS_PER_S)


class Buffer(Protocol):
    """Contiguous device memory that the host can see."""

    address: int
    view: NDArray[np.uint8]

    def flush(self) -> None:
        """Make the host's writes visible to the device."""

    def invalidate(self) -> None:
        """Make the device's writes visible to the host."""

    def free(self) -> None:
        """Give the memory back; the view must not be used afterwards."""


@dataclass(frozen=True)
class Staged:
    """A partial bitstream that was verified and lies ready for a partition's load."""

    digest: str
    partition: int
    module_id: int
    bitstream_bytes: int
    """Bytes the configuration port moves on the board (the real size, also in simulation)."""


@dataclass(eq=False)
class Pending:
    """Something begun on a device that `Device.wait` ends; the device adds what it needs."""

    kind: Literal["load", "program"]
    started_ps: int
    partitions: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Completion:
    """How something begun has ended.

    Attributes:
        pending: what was begun.
        started_ps: device time at which it began.
        ended_ps: device time at which it ended.
        size_bytes: bitstream bytes of a load, 0 for a program.
        busy_ps: for each partition of a program, when its first command started and its last ended.
        timeline: every command of a program in cycles since its start, where the device knows.
        phases_ps: named parts of a load's time (`queue`, `setup`, `transfer`, `contention`).
        bank: parameter bank that a program read.
    """

    pending: Pending
    started_ps: int
    ended_ps: int
    size_bytes: int = 0
    busy_ps: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    timeline: Timeline | None = None
    phases_ps: Mapping[str, int] = field(default_factory=dict)
    bank: int = 0


class Device(ABC):
    """A static region with reconfigurable partitions, wherever it runs.

    Errors of every device: `DeviceError` for absent, busy, closed or timed out,
    `ReconfigurationError` for a load that failed, `ExecutionError` for a program that failed,
    `ArtifactError` for a bitstream that `stage` refuses.
    """

    capabilities: Capabilities

    def __enter__(self) -> Device:
        """Open the device."""
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the device."""
        self.close()

    @abstractmethod
    def open(self) -> None:
        """Take the device for this process; check `map_id`."""

    @abstractmethod
    def close(self) -> None:
        """Give everything back; closing twice is harmless."""

    @abstractmethod
    def load_base(self, full: bytes) -> None:
        """Load the full bitstream of a static region.

        Afterwards every partition is empty and decoupled; device memory, and what is staged there,
        stays. Nothing may be in flight.
        """

    @abstractmethod
    def stage(
        self,
        partial: bytes,
        partition: int,
        static_id: int | None = None,
        module_id: int | None = None,
    ) -> Staged:
        """Verify a partial bitstream for a partition and put it near the port.

        Idempotent by digest. Verification happens here, never between decouple and recouple.
        `static_id` is that of the static region it was implemented against, as its manifest states;
        a device that has another refuses to stage and to load it. `module_id` is what the module
        will answer, as the manifest states: the frames of a vendor's partial carry none.
        """

    @abstractmethod
    def unstage(self, staged: Staged) -> None:
        """Give the memory of a staged bitstream back, once as many have called this as `stage`.

        Harmless for what is not staged. What is staged no more cannot be loaded.
        """

    @abstractmethod
    def begin_load(self, partition: int, staged: Staged, port: str) -> Pending:
        """Stream a staged bitstream through a configuration port, one load at a time.

        The partition is decoupled beforehand; afterwards its registers are unknown until `reset`.

        Raises:
            PortUnavailableError: the device does not offer this port of its board, or not here; any
                other error is a fault.
        """

    @abstractmethod
    def quiesce(self, partition: int) -> None:
        """Return once the program in flight, if it uses the partition, has ended; then wait for it.

        Costs nothing when no program uses the partition.
        """

    @abstractmethod
    def decouple(self, partition: int) -> None:
        """Terminate transactions at the partition's boundary and isolate it."""

    @abstractmethod
    def recouple(self, partition: int) -> None:
        """Connect the partition again."""

    @abstractmethod
    def reset(self, partition: int) -> None:
        """Reset the module in the partition."""

    @abstractmethod
    def identify(self, partition: int) -> int:
        """Return the 64-bit `module_id` that the module in the partition answers, 0 for none."""

    @abstractmethod
    def read32(self, offset: int) -> int:
        """Read a register of the static region."""

    @abstractmethod
    def write32(self, offset: int, value: int) -> None:
        """Write a register of the static region."""

    @abstractmethod
    def allocate(self, size_bytes: int) -> Buffer:
        """Allocate zeroed device memory, aligned to `alignment_bytes`."""

    @abstractmethod
    def submit(self, submission: Submission) -> Pending:
        """Ring the doorbell for a submission whose rings lie in device memory; one at a time."""

    @abstractmethod
    def wait(self, *pending: Pending, timeout_s: float | None = None) -> Completion:
        """Wait until the first of several pendings has ended, and return how.

        `timeout_s` is device time, that of `Capabilities` when None; a device on the wall clock
        adds a watchdog of its own.
        """

    @abstractmethod
    def now_ps(self) -> int:
        """Return the device's clock in picoseconds."""
