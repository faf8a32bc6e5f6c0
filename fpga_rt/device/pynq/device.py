"""The device `pynq`: the static region of a Zynq board, reached through the board's own kernel."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from fpga_rt.arch import boards
from fpga_rt.arch.boards import Board
from fpga_rt.bitstream.read import parse
from fpga_rt.bitstream.verify import Verified
from fpga_rt.contract.memory_map import BLOCK_ALIGNMENT
from fpga_rt.contract.registers import Access
from fpga_rt.contract.static_region import (
    CONTROLLER_PORT,
    STATIC_REGION,
    ConfigurationState,
    PartitionState,
)
from fpga_rt.contract.submission import Submission
from fpga_rt.device.diagnosis import Finding
from fpga_rt.device.interface import Buffer, Capabilities, Completion, Pending, Staged
from fpga_rt.device.loads import LoadPending
from fpga_rt.device.pynq import diagnosis, overlay
from fpga_rt.device.pynq.firmware import FirmwareFile
from fpga_rt.device.pynq.fpga_manager import FLAG_PARTIAL, FpgaManager
from fpga_rt.device.pynq.interrupts import POLL_S
from fpga_rt.device.pynq.kernel import MACHINE, Kernel, reported
from fpga_rt.device.pynq.lock import FpgaLock
from fpga_rt.device.pynq.opened import OpenedBoard
from fpga_rt.device.pynq.pcap_load import PcapLoad, PcapLoader
from fpga_rt.device.stopping import DRAIN_S, drain
from fpga_rt.device.wall_clock import WallClockDevice
from fpga_rt.errors import ArtifactError, DeviceError, FpgaRtError

BASE_ADDRESS = {"7-series": 0x4000_0000, "UltraScale+": 0xA000_0000}
"""Where the processor's first general-purpose port begins (UG585 table 4-1, UG1085 table 10-1)."""

_NOT_CONFIGURED = ("unknown", "power off", "power up", "reset")
_WRITING = ("write init", "write", "write complete")
_LOST_BY_FULL = (*_WRITING, *(f"{state} error" for state in _WRITING))
"""States after which the FPGA holds nothing, unless it was a partial bitstream."""
_LONGEST_LOAD_S = 10.0
"""What closing waits for a load of the kernel: the time-outs of its drivers add up to less."""
_INTERRUPT_SLICE_S = 0.1
"""How long a lost interrupt goes unnoticed."""


class Pynq(WallClockDevice[FirmwareFile]):
    """A Zynq board (PYNQ-Z2, KV260, ...): fpga_manager, /dev/mem or UIO, u-dma-buf; on the board.

    Port `pcap` is the kernel's, port `icap` the static region's own controller; a load takes the
    one that it needs from the other.
    """

    def __init__(
        self,
        board: Board | str,
        *,
        base: bytes | Path | str | None = None,
        address: int | None = None,
        kernel: Kernel | None = None,
        simulation_bitstreams: bool = False,
    ) -> None:
        """Describe the board.

        Args:
            board: a board or its name.
            base: full bitstream to load when the device is opened, its bytes or its file; None
                when the FPGA is configured already. A file with its .hwh beside it goes through
                PYNQ where that is installed, anything else straight through the FPGA manager.
            address: of the registers for the processor, `BASE_ADDRESS` of the family when None; of
                no importance where a UIO device `fpga_rt` has them.
            kernel: where the kernel's interfaces lie; below `/` when None.
            simulation_bitstreams: take the simulation's bitstreams, which hold no logic; for a
                simulated board behind the kernel's interfaces.

        Raises:
            DeviceError: no board has this name, or it is no Zynq.
        """
        board = boards.board(board) if isinstance(board, str) else board
        family = board.device.family.name
        if "pcap" not in board.ports or family not in BASE_ADDRESS:
            raise DeviceError(
                f"device pynq cannot drive {board.name}: it has no port pcap, expected a Zynq board"
                " such as pynq-z2 or kv260"
            )
        super().__init__(
            Capabilities(
                device="pynq",
                board=board,
                clock="wall",
                origin="measured",
                alignment_bytes=BLOCK_ALIGNMENT,
                memory_bytes=0,  # known when it is opened
                assumptions=(_BUSY_IS_OUTER,),
            )
        )
        self._kernel = kernel or Kernel()
        self._simulation_bitstreams = simulation_bitstreams
        self._base = base
        self._address = BASE_ADDRESS[family] if address is None else address
        self._manager = FpgaManager(self._kernel.fpga_manager)
        self._lock = FpgaLock(self._kernel.lock)
        self._pcap: PcapLoad | None = None
        self._base_notes: tuple[str, ...] = ()

    def __enter__(self) -> Pynq:
        """Open the device."""
        self.open()
        return self

    @staticmethod
    def obstacle() -> str | None:
        """Return why this machine is no such board, None when it may be one."""
        folder = Kernel().fpga_manager
        if (folder / "firmware").exists():
            return None
        return f"no {folder} with `firmware`, as vendor kernels have: run it on the board"

    @staticmethod
    def diagnose(board: Board) -> Iterable[Finding]:
        """Return what is there of what the device needs, for `fpga-rt doctor`."""
        return diagnosis.diagnose(board, Kernel())

    def read32(self, offset: int) -> int:
        """Read a register of the static region.

        Raises:
            DeviceError: there is none.
        """
        self._require_open()
        STATIC_REGION.at(offset)
        return self._opened.window.read(offset)

    def write32(self, offset: int, value: int) -> None:
        """Write a register of the static region.

        Raises:
            DeviceError: there is none that can be written.
        """
        self._require_open()
        register, _ = STATIC_REGION.at(offset)
        if register.access is Access.READ_ONLY or not 0 <= value < 1 << 32:
            raise DeviceError(
                f"write of {value:#x} to {register.name} ({register.access.value}):"
                " expected a 32-bit value and a register that can be written"
            )
        self._opened.window.write(offset, value)

    def allocate(self, size_bytes: int) -> Buffer:
        """Allocate zeroed contiguous memory.

        Raises:
            DeviceError: there is not enough, or the device is closed.
        """
        self._require_open()
        return self._opened.memory.allocate(size_bytes)

    def begin_load(self, partition: int, staged: Staged, port: str) -> Pending:
        """Take the port from the other one, and stream a staged bitstream through it.

        Raises:
            DeviceError: a load is in flight, the port is unknown or cannot be had, `staged` is not
                of this device and partition, or the static region is gone.
            ReconfigurationError: the partition is not decoupled.
            ArtifactError: the staged file was replaced, or the static region was.
        """
        self._require_open()
        self._require_ports()
        self._check_configured()  # another program may have loaded the whole FPGA
        self._check_map()
        self._file = self._staged_file(staged)
        if port == CONTROLLER_PORT:
            self._opened.switch.to_controller()
        elif self._file is not None:
            self._file.check()
        return super().begin_load(partition, staged, port)

    def submit(self, submission: Submission) -> Pending:
        """Write the header to device memory and ring the doorbell; see `WallClockDevice.submit`.

        Raises:
            DeviceError: a submission is in flight.
        """
        self._require_open()
        self._require_idle("program")
        self._opened.waiter.arm()
        return super().submit(submission)

    def _connect(self) -> None:
        self._check_machine()
        self._require_ports()
        with ExitStack() as undo:
            self._lock.acquire()
            undo.callback(self._unlock)
            self._configure()
            self._opened = OpenedBoard(self._kernel, self.board.device.family.name, self._address)
            self._loader = PcapLoader(self._manager, self.now_ps)
            undo.pop_all()
        self.capabilities = replace(
            self.capabilities,
            memory_bytes=self._opened.memory.size_bytes,
            assumptions=(
                f"Port pcap is that of {self._manager.name}, port icap the static region's.",
                *self._base_notes,
                *self._opened.description,
                _BUSY_IS_OUTER,
            ),
        )

    def _check_machine(self) -> None:
        """Compare the board that was asked for with what the device tree says."""
        found, wanted = self._kernel.compatible, MACHINE[self.board.device.family.name]
        if found and wanted not in found:
            raise DeviceError(
                f"{self._where} expects a machine compatible with {wanted}, got"
                f" {', '.join(found)} from the device tree; name the board that this is"
            )

    def _configure(self) -> None:
        """Load the base that was given, or check that the FPGA answers at all."""
        if self._base is not None:
            self._load_first(self._base)
            return
        self._check_configured()

    def _check_configured(self) -> None:
        """Refuse to go on where an access to the registers would hang the processor.

        Raises:
            DeviceError: nothing is in the FPGA, or the FPGA manager does not say.
        """
        state = self._manager.state
        lost = state in _LOST_BY_FULL and not self._manager.flags & FLAG_PARTIAL
        if state in _NOT_CONFIGURED or lost:
            raise DeviceError(
                f"{self._where}: the FPGA is not configured (fpga_manager state {state!r}),"
                " expected a static region in it; open the device with base=FULL_BITSTREAM"
            )

    def _load_first(self, base: bytes | Path | str) -> None:
        """Load the base when the device is opened, and note how."""
        why: str | None = "it was given as bytes"
        if isinstance(base, bytes):
            full = base
        else:
            path = Path(base)
            with reported("read the base", path):
                full = path.read_bytes()
            why = overlay.obstacle(path, self.board.device.family.name)
        self._check_full(full)
        if isinstance(base, bytes) or why is not None:
            self._load_base(full)
            note = f"the FPGA manager, with clocks and port widths as they were ({why})."
        else:
            note = f"{overlay.load(Path(base))}, with the clocks and port widths of its .hwh."
        self._base_notes = (f"The static region was loaded by {note}",)

    def _prepare(self) -> None:
        """End what a process that died has left running, or half loaded."""
        self._opened.stop()
        for partition in range(len(self.board.partitions)):
            if self._status(partition)["state"] == PartitionState.LOADING:
                self._write_partition(partition, "load", fail=1)
        super()._prepare()

    def _disconnect(self) -> None:
        if self._pcap is not None:
            self._pcap.join(_LONGEST_LOAD_S)
        self._loader.close()
        answers = False
        with suppress(DeviceError):  # closing gives everything back all the same
            self._check_configured()
            answers = True
        try:
            self._opened.close(answers=answers)
        finally:
            self._unlock()

    def _unlock(self) -> None:
        """Give the FPGA back, unless the kernel is still at a load that was given up."""
        if self._pcap is None or self._pcap.done:
            self._lock.release()

    def _file_of(self, staged: Staged, known: FirmwareFile | None) -> FirmwareFile:
        """Return a bitstream in the kernel's firmware folder, which anybody may have changed."""
        with reported("check the staged bitstream in", self._kernel.firmware):
            if known is not None and known.is_intact():
                return known
        words = self._staged[staged.digest, staged.partition].buffer.view.view(">u4").astype("<u4")
        return FirmwareFile(self._kernel.firmware, words.tobytes())

    def _check_kind(self, verified: Verified) -> None:
        """Keep the simulation's bitstreams from an FPGA: those are what carries an identity."""
        if verified.module_id is not None and not self._simulation_bitstreams:
            raise ArtifactError(
                f"the bitstream {verified.digest[:12]} of module {verified.module_id:#018x} is the"
                f" simulation's and holds no logic, expected one that was built for"
                f" {self.board.name}; compile the network with `--bitstreams DIR`, the folder that"
                " `fpga-rt bitstream import` fills"
            )

    def _load_base(self, full: bytes) -> None:
        """Load the whole FPGA through the kernel."""
        self._require_ports()
        words = parse(full).words.astype("<u4")
        file = FirmwareFile(self._kernel.firmware, words.tobytes())
        file.check()
        self._manager.load(file.name, partial=False)

    def _require_ports(self) -> None:
        """Refuse a load while another one goes on, also one that was given up."""
        self._require_idle("load")
        if self._pcap is not None and not self._pcap.done:
            raise DeviceError(
                f"{self._where} is busy: the kernel still loads {self._pcap.file.name}, which"
                " nothing can stop; wait for it, or restart the board"
            )

    def _look_away(self, pending: Sequence[Pending], left_s: float) -> None:
        kinds = {one.kind for one in pending}
        if kinds == {"program"}:
            self._opened.waiter.wait(min(left_s, _INTERRUPT_SLICE_S))
        elif self._pcap is not None:
            slice_s = _INTERRUPT_SLICE_S if kinds == {"load"} else POLL_S
            self._pcap.join(min(left_s, slice_s))
        else:
            time.sleep(min(left_s, POLL_S))

    def _load_ended_ps(self, pending: LoadPending) -> int | None:
        if self._pcap is not None:
            return max(self._pcap.ended_ps, pending.port_started_ps) if self._pcap.done else None
        status = STATIC_REGION["configuration_status"].unpack(self._read("configuration_status"))
        return None if status["state"] == ConfigurationState.RUNNING else self.now_ps()

    def _abandon(self, pending: Pending) -> None:
        super()._abandon(pending)
        if not isinstance(pending, LoadPending) or pending.port == CONTROLLER_PORT:
            drain(self._opened.window, pending.kind)

    def _start_port(self, buffer: Buffer, port: str) -> None:
        self._pcap = None
        super()._start_port(buffer, port)

    def _begin_driver(self, file: FirmwareFile) -> None:
        self._pcap = self._loader.begin(file)

    def _abort_processor_port(self) -> None:
        """Wait a while for the kernel, which nothing can stop; until it ends no load begins."""
        if self._pcap is not None:
            self._pcap.join(DRAIN_S)

    def _driver_failure(self) -> FpgaRtError | None:
        return self._pcap.failure if self._pcap is not None else None

    def _end_program(self, pending: Pending, ended_ps: int) -> Completion:
        self._check_map()
        return super()._end_program(pending, ended_ps)

    def _port_phases(self, pending: LoadPending, ended_ps: int) -> dict[str, int]:
        began_ps = pending.port_started_ps if self._pcap is None else self._pcap.began_ps
        setup_ps = max(0, began_ps - pending.port_started_ps)
        transfer_ps = ended_ps - pending.port_started_ps - setup_ps
        return {"setup": setup_ps, "transfer": transfer_ps, "contention": 0}

    def _load_detail(self) -> str:
        if self._pcap is not None:
            return str(self._pcap.failure)
        return f"STAT of the port was {self._read('configuration_port_status'):#010x}"

    def _program_detail(self) -> str:
        return ", ".join(
            f"partition {p} completed {self._read(f'partition{p}_completed')} commands"
            for p in self._rings
            if p < len(self.board.partitions)
        )


_BUSY_IS_OUTER = (
    "When a partition began and ended within a program is not measured: from the doorbell to the"
    " look at the status that saw the program's end."
)
