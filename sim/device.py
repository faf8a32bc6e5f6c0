"""The device `rtl`: the real static region and modules, simulated and partially reconfigured."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Literal

from fpga_rt.arch import boards
from fpga_rt.arch.boards import Board
from fpga_rt.contract.memory_map import BLOCK_ALIGNMENT
from fpga_rt.contract.registers import Access
from fpga_rt.contract.static_region import (
    CONTROLLER_PORT,
    STATIC_REGION,
    ConfigurationError,
)
from fpga_rt.contract.submission import Submission
from fpga_rt.device.diagnosis import Finding
from fpga_rt.device.interface import Buffer, Capabilities, Pending, Staged
from fpga_rt.device.loads import LoadPending
from fpga_rt.device.memory import Allocator, ByteMemory
from fpga_rt.device.register_device import Ended, ProgramReport, RegisterDevice
from fpga_rt.errors import DeviceError, PortUnavailableError, ToolchainError
from sim import toolchain
from sim.events import busy_ps, strobes, timeline
from sim.libraries import module_library, static_library
from sim.pacing import CONFIGURATION, Pacing, board_ports, partition_ports
from sim.system import ICAP_PS, Content, Setup, System

DRAM_BYTES = 256 << 20
"""Default size, as the emulator's."""

LoadTime = Literal["board", "stream"]

INTERRUPT = "interrupt"
RUNNING = "configuration_running"
_WATCHES = {"load": RUNNING, "program": INTERRUPT}
_PORT_FLAGS = ("crc_error", "id_error", "far_error", "synced")
_ABORT_PS = 10**9
"""How long an aborted load or program may take to drain."""

_GATEWARE = ("device", "partitions", "feature_memory_bytes")
"""What of a board its static region and the frames behind its port are made from."""

_log = logging.getLogger(__name__)


class RtlDevice(RegisterDevice):
    """Static region and modules as RTL, swapped while they run, for boards of the emulator.

    A module is loaded by nothing but the words that the configuration controller sends through the
    ICAP. Time passes only while the host waits or accesses a register.
    """

    def __init__(
        self,
        board: Board | str,
        *,
        memory_bytes: int = DRAM_BYTES,
        load_time: LoadTime = "board",
        seed: int = 1,
        check: bool = False,
        waves: Path | str | None = None,
    ) -> None:
        """Describe the simulated board.

        Args:
            board: a board or its name.
            memory_bytes: size of the DRAM, a multiple of 8.
            load_time: "board": a load takes as long as the partition's real bitstream at a word
                per ICAP clock; "stream": as its own short stream does.
            seed: of what registers hold after a load, and of the wires of a partition meanwhile.
            check: check in every clock that the static region registers its side of the boundary.
            waves: folder for a trace of every library, with sessions for GTKWave; slow.

        Raises:
            DeviceError: no board has this name, or the gateware of that name is not this board's.
            ValueError: the load time is none of the two.
        """
        board = boards.board(board) if isinstance(board, str) else board
        _check_gateware(board)
        if load_time not in ("board", "stream"):
            raise ValueError(f"load_time {load_time!r}: expected 'board' or 'stream'")
        super().__init__(
            Capabilities(
                device="rtl",
                board=board,
                clock="virtual",
                origin="rtl",
                alignment_bytes=BLOCK_ALIGNMENT,
                memory_bytes=memory_bytes,
                assumptions=_assumptions(board, load_time),
                ports=(CONTROLLER_PORT,),
            )
        )
        self._load_time = load_time
        self._seed = seed
        self._check = check
        self._waves = Path(waves) if waves is not None else None
        self._system: System | None = None
        self._power_ups = 0
        self._now_ps = 0
        self._libraries: dict[int, tuple[Path, str]] = {}

    def __enter__(self) -> RtlDevice:
        """Open the device."""
        self.open()
        return self

    @staticmethod
    def obstacle() -> str | None:
        """Return which tool is missing and how to install it, None when the device can be used."""
        return toolchain.obstacle()

    @staticmethod
    def diagnose(board: Board) -> Iterable[Finding]:
        """Return which tools are there, for `fpga-rt doctor`."""
        return toolchain.diagnose()

    def now_ps(self) -> int:
        """Return the simulated time; it starts at 0 with the object."""
        return self._now_ps if self._system is None else self._system.now_ps

    def read32(self, offset: int) -> int:
        """Read a register; `REGISTER_CYCLES` pass.

        Raises:
            DeviceError: there is none, or the static region answers with an error.
        """
        self._require_open()
        STATIC_REGION.at(offset)
        return self._running.read(offset)

    def write32(self, offset: int, value: int) -> None:
        """Write a register; `REGISTER_CYCLES` pass.

        Raises:
            DeviceError: there is none that can be written, or the static region refuses it.
        """
        self._require_open()
        register, _ = STATIC_REGION.at(offset)
        if register.access is Access.READ_ONLY or not 0 <= value < 1 << 32:
            raise DeviceError(
                f"write of {value:#x} to {register.name} ({register.access.value}):"
                " expected a 32-bit value and a register that can be written"
            )
        self._running.write(offset, value)

    def allocate(self, size_bytes: int) -> Buffer:
        """Allocate zeroed DRAM.

        Raises:
            DeviceError: it is full, or the device is closed.
        """
        self._require_open()
        return self._allocator.allocate(size_bytes)

    def begin_load(self, partition: int, staged: Staged, port: str) -> Pending:
        """Stream a staged bitstream through the ICAP; see `LoadingDevice.begin_load`.

        Raises:
            PortUnavailableError: the port is not the ICAP.
            DeviceError: a load is in flight, the port is unknown, or `staged` is not of this device
                and partition.
            ReconfigurationError: the partition is not decoupled.
        """
        self._require_open()
        if port != CONTROLLER_PORT and port in self.board.ports:
            raise PortUnavailableError(
                f"{self._where} cannot load through {port}: it is the processor's, and only the"
                f" gateware is simulated; use port {CONTROLLER_PORT}"
            )
        self._load_pacing = self._pacing_of(staged)
        return super().begin_load(partition, staged, port)

    def submit(self, submission: Submission) -> Pending:
        """Write the header to device memory and ring the doorbell; see `RegisterDevice.submit`.

        Raises:
            DeviceError: a submission is in flight.
        """
        self._require_open()
        self._require_idle("program")
        memory = Pacing.of(self.board.dram.shared(len(submission.rings)))
        for partition in range(len(self.board.partitions)):
            for name in partition_ports(partition):
                self._running.pace(name, memory)
        self._running.events()  # of a program that was given up
        self._running.arm(INTERRUPT)
        pending = super().submit(submission)
        self._submission, self._doorbell_ps = submission, pending.started_ps
        return pending

    @property
    def simulation(self) -> System:
        """The simulation behind the device, to look into.

        Raises:
            DeviceError: the device is closed.
        """
        self._require_open()
        return self._running

    @property
    def _running(self) -> System:
        if self._system is None:
            raise DeviceError(f"{self._where} is closed; call open() first")
        return self._system

    def _connect(self) -> None:
        memory = ByteMemory(self.capabilities.memory_bytes, self.board.feature_memory_bytes)
        self._dram = memory.dram
        self._allocator = Allocator(memory.dram)
        self._power_up()

    def _disconnect(self) -> None:
        self._power_down()
        del self._allocator, self._dram

    def _load_base(self, full: bytes) -> None:
        """Bring the static region to its power-up state; boot is not modelled."""
        self._power_down()
        self._power_up()

    def _power_up(self) -> None:
        board, waves = self.board, self._waves
        if waves is not None and self._power_ups:
            waves = waves / f"power_up{self._power_ups}"
        self._power_ups += 1
        setup = Setup(
            top=static_library(board.name, waves is not None),
            partitions=len(board.partitions),
            ports=board_ports(board),
            watches={INTERRUPT: True, RUNNING: False},
            strobes=strobes(len(board.partitions)),
            clock_ps=board.clock_ps,
            seed=self._seed,
            check=self._check,
            waves=waves,
        )
        self._system = System(setup, self._dram.data, self._dram.base, self._now_ps)
        for module_id, (path, name) in self._libraries.items():
            self._system.add_module(module_id, path, name)

    def _power_down(self) -> None:
        if self._system is not None:
            self._now_ps = self._system.now_ps
            self._system.close()
            self._system = None

    def _provide(self, module_id: int) -> None:
        """Build the library that a bitstream will bring, so that nothing is built in a swap."""
        if module_id in self._libraries:
            return
        found = module_library(module_id, self._waves is not None)
        if found is None:
            _log.warning("no installed module has the identity %#018x", module_id)
            return
        self._libraries[module_id] = found
        self._running.add_module(module_id, *found)

    def stage(
        self,
        partial: bytes,
        partition: int,
        static_id: int | None = None,
        module_id: int | None = None,
    ) -> Staged:
        """Verify a partial bitstream, build its module's library, and put it into device memory.

        Raises:
            ArtifactError: it must not be loaded into the partition, holds an unknown or another
                module, or was implemented against another static region.
            DeviceError: the device is closed or its memory is full.
            ToolchainError: the module has no RTL, or its library cannot be built.
        """
        staged = super().stage(partial, partition, static_id, module_id)
        try:
            self._provide(staged.module_id)
        except ToolchainError:
            self.unstage(staged)
            raise
        return staged

    def _pacing_of(self, staged: Staged) -> Pacing:
        """Return how fast the memory behind the configuration controller is for a load."""
        found = self._staged.get((staged.digest, staged.partition))
        memory = Pacing.of(self.board.dram)
        if self._load_time == "stream" or found is None:
            return memory
        load_ps = staged.bitstream_bytes // 4 * ICAP_PS
        beats = -(-len(found.buffer.view) // 8)
        return memory.stretched(beats, Fraction(load_ps, self.board.clock_ps))

    def _start_port(self, buffer: Buffer, port: str) -> None:
        self._running.pace(CONFIGURATION, self._load_pacing)
        self._running.arm(RUNNING)
        super()._start_port(buffer, port)

    def _await(self, pending: tuple[Pending, ...], deadline_ps: int) -> Ended | None:
        watches = [_WATCHES[one.kind] for one in pending]
        fired = self._running.run(watches, until_ps=deadline_ps)
        ends = [
            (self._running.fired_ps(_WATCHES[one.kind]), one.kind, one)
            for one in pending
            if _WATCHES[one.kind] in fired
        ]
        if not ends:
            return None
        ended_ps, _, first = min(ends, key=lambda end: end[:2])
        return Ended(first, ended_ps)

    def _abandon(self, pending: Pending) -> None:
        if isinstance(pending, LoadPending):  # what is under way comes at the memory's own pace
            self._running.pace(CONFIGURATION, Pacing.of(self.board.dram))
        super()._abandon(pending)
        watch = _WATCHES[pending.kind]
        if not self._running.run([watch], until_ps=self.now_ps() + _ABORT_PS):
            raise DeviceError(
                f"{self._where}: {self._described(pending)} was aborted and did not end in"
                f" {_ABORT_PS / 1e9:g} ms of device time; load the static region again"
            )

    def _start_processor_port(self, buffer: Buffer, port: str) -> None:
        """Nothing to do: `begin_load` refuses every such port."""

    def _abort_processor_port(self) -> None:
        """Nothing to do: `begin_load` refuses every such port."""

    def _processor_port_error(self) -> ConfigurationError:
        return ConfigurationError.NONE

    def _port_phases(self, pending: LoadPending, ended_ps: int) -> dict[str, int]:
        transfer_ps = ended_ps - pending.port_started_ps
        return {"setup": 0, "transfer": transfer_ps, "contention": 0}

    def _program_report(self) -> ProgramReport:
        events, submission = self._running.events(), self._submission
        begin_end_ps = (self._doorbell_ps, self._running.fired_ps(INTERRUPT))
        return ProgramReport(
            busy_ps(events, submission, self.board.clock_ps),
            timeline(events, submission, begin_end_ps, self.board.clock_ps),
        )

    def _load_detail(self) -> str:
        flags = [name for name in _PORT_FLAGS if self._running.peek(name)]
        contents = ", ".join(
            f"partition {p} holds {self._described_content(p)}"
            for p in range(len(self.board.partitions))
        )
        return f"the configuration port shows {' and '.join(flags) or 'no error'}; {contents}"

    def _program_detail(self) -> str:
        return ", ".join(
            f"partition {p} completed {self._read(f'partition{p}_completed')} commands and holds"
            f" {self._described_content(p)}"
            for p in self._submission.rings
            if p < len(self.board.partitions)
        )

    def _described_content(self, partition: int) -> str:
        content, module_id = self._running.partition(partition)
        if content is not Content.MODULE:
            return {Content.EMPTY: "nothing", Content.GARBAGE: "garbage"}[content]
        return self._libraries[module_id][1]


def _check_gateware(board: Board) -> None:
    """Refuse a board that the gateware built for its name does not fit; its times may differ.

    Raises:
        DeviceError: it is another in what becomes gateware.
    """
    known = boards.board(board.name)
    for name in _GATEWARE:
        if getattr(board, name) != getattr(known, name):
            raise DeviceError(
                f"rtl ({board.name}): the board that was given has another {name} than the"
                f" registered board {board.name}, whose static region is simulated: got"
                f" {_shortened(getattr(board, name))}, expected {_shortened(getattr(known, name))};"
                " register it under a name of its own, or use the emulator"
            )


def _shortened(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(getattr(each, "name", each)) for each in value)
    return str(getattr(value, "name", value))


def _assumptions(board: Board, load_time: LoadTime) -> tuple[str, ...]:
    dram = board.dram
    load = {
        "board": "a load takes as long as the partition's real bitstream at a word per ICAP clock",
        "stream": "a load takes as long as its short simulation bitstream",
    }[load_time]
    return (
        *board.notes,
        f"Cycles are those of the RTL; clocks of {board.clock_ps} ps (compute) and {ICAP_PS} ps"
        " (ICAP) are assumed.",
        f"Memory: {dram.latency_cycles} clocks to the first beat of a burst, then"
        f" {dram.numerator}/{dram.denominator} clocks a beat, shared by the partitions that work.",
        f"Port icap: {load}.",
    )
