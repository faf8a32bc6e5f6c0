"""The emulator: byte memory, exact cycle formulas and calibrated ports on a virtual clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fpga_rt.arch import boards
from fpga_rt.arch.boards import Board
from fpga_rt.contract.memory_map import BLOCK_ALIGNMENT
from fpga_rt.contract.sequencer import REGISTER_CYCLES
from fpga_rt.contract.static_region import ConfigurationError
from fpga_rt.device.emulated_region import EmulatedRegion
from fpga_rt.device.faults import Fault, Faults
from fpga_rt.device.hazards import find_race
from fpga_rt.device.interface import Buffer, Capabilities, Pending, Staged
from fpga_rt.device.loads import LoadPending
from fpga_rt.device.memory import Allocator, ByteMemory
from fpga_rt.device.register_device import Ended, ProgramReport, RegisterDevice
from fpga_rt.errors import ExecutionError

DRAM_BYTES = 256 << 20
"""Default size; half of what the smallest supported board has. Pages are committed when written."""


class Emulator(RegisterDevice):
    """Emulator of any board: exact cycles, calibrated ports, a virtual clock; needs nothing.

    Time passes only while the host waits or accesses a register, and is the same in every run.
    `wait` refuses programs whose partitions race, which no hardware notices (see `hazards`).
    """

    def __init__(
        self,
        board: Board | str,
        *,
        memory_bytes: int = DRAM_BYTES,
        faults: Sequence[Fault] = (),
        contention_percent: int | None = None,
    ) -> None:
        """Describe the emulated board.

        Args:
            board: a board or its name.
            memory_bytes: size of the DRAM that buffers come from.
            faults: what goes wrong, see `faults`.
            contention_percent: how much longer every port takes while a program has its feature
                maps in DRAM; the board's own assumption when None.

        Raises:
            DeviceError: no board has this name.
            ValueError: the contention is negative.
        """
        board = boards.board(board) if isinstance(board, str) else board
        if contention_percent is not None:
            board = _with_contention(board, contention_percent)
        super().__init__(
            Capabilities(
                device="emulator",
                board=board,
                clock="virtual",
                origin=board.origin,
                alignment_bytes=BLOCK_ALIGNMENT,
                memory_bytes=memory_bytes,
                assumptions=_assumptions(board),
            )
        )
        self._faults = Faults(tuple(faults))
        self._now_ps = 0
        self._access_ps = REGISTER_CYCLES * board.clock_ps

    def __enter__(self) -> Emulator:
        """Open the device."""
        self.open()
        return self

    def now_ps(self) -> int:
        """Return the virtual clock in picoseconds; it starts at 0 with the object."""
        return self._now_ps

    def read32(self, offset: int) -> int:
        """Read a register; `REGISTER_CYCLES` pass."""
        self._require_open()
        self._pass_access()
        return self._region.read(offset, self._now_ps)

    def write32(self, offset: int, value: int) -> None:
        """Write a register; `REGISTER_CYCLES` pass."""
        self._require_open()
        self._pass_access()
        self._region.write(offset, value, self._now_ps)

    def allocate(self, size_bytes: int) -> Buffer:
        """Allocate zeroed DRAM.

        Raises:
            DeviceError: it is full, or the device is closed.
        """
        self._require_open()
        return self._allocator.allocate(size_bytes)

    def begin_load(self, partition: int, staged: Staged, port: str) -> Pending:
        """Begin a load after the time of the host's software, see `LoadingDevice.begin_load`."""
        self._require_open()
        self._now_ps += self.board.swap_software_ps
        return super().begin_load(partition, staged, port)

    def _pass_access(self) -> None:
        self._now_ps += self._access_ps

    def _connect(self) -> None:
        memory = ByteMemory(self.capabilities.memory_bytes, self.board.feature_memory_bytes)
        self._allocator = Allocator(memory.dram)
        self._region = EmulatedRegion(self.board, memory, self._faults)

    def _load_base(self, full: bytes) -> None:
        """Bring registers and block RAM to their power-up state; boot is not modelled."""
        self._region.memory.clear_features()
        self._region = EmulatedRegion(self.board, self._region.memory, self._faults)

    def _disconnect(self) -> None:
        del self._allocator, self._region

    def _await(self, pending: tuple[Pending, ...], deadline_ps: int) -> Ended | None:
        ends = {"load": self._region.load_ended_ps(), "program": self._region.sequencer.ended_ps}
        found = [(end, one.kind, one) for one in pending if (end := ends[one.kind]) is not None]
        end, _, first = min(found, key=lambda item: item[:2], default=(deadline_ps + 1, "", None))
        late = end > deadline_ps
        self._now_ps = max(self._now_ps, deadline_ps if late else end)
        self._region.advance(self._now_ps)
        return None if late or first is None else Ended(first, end)

    def _start_processor_port(self, buffer: Buffer, port: str) -> None:
        self._region.stream(buffer.address, len(buffer.view), port, self._now_ps)

    def _abort_processor_port(self) -> None:
        self._region.port.abort(self._now_ps)

    def _processor_port_error(self) -> ConfigurationError:
        failure = self._region.port.failure
        return failure.code if failure else ConfigurationError.NONE

    def _port_phases(self, pending: LoadPending, ended_ps: int) -> dict[str, int]:
        setup_ps, transfer_ps = self._region.port.last_phases_ps
        contention_ps = ended_ps - pending.port_started_ps - setup_ps - transfer_ps
        return {"setup": setup_ps, "transfer": transfer_ps, "contention": contention_ps}

    def _program_report(self) -> ProgramReport:
        sequencer, program = self._region.sequencer, self._region.sequencer.last
        if program is None:
            return ProgramReport({}, None)
        race = find_race(program.schedule, program.submission)
        if race is not None:
            raise ExecutionError(f"program on {self._where}: {race}")
        return ProgramReport(sequencer.busy_ps(), program.timeline)

    def _load_detail(self) -> str:
        return str(self._region.port.failure)

    def _program_detail(self) -> str:
        return str(self._region.sequencer.failure)


def _with_contention(board: Board, percent: int) -> Board:
    if percent < 0:
        raise ValueError(f"a contention of {percent} %, expected 0 or more")
    change = {"contention_percent": percent, "contention_source": ""}
    ports = {name: replace(p, **change) for name, p in board.ports.items()}  # type: ignore[arg-type]
    return replace(board, ports=ports)


def _assumptions(board: Board) -> tuple[str, ...]:
    ports = (
        f"Port {name}: {port.origin_text}; {port.terms_text}." for name, port in board.ports.items()
    )
    return (*board.notes, *ports)
