"""The static region behind PYNQ's own client: `Overlay`, `MMIO`, `allocate` and a partial download.

A device as any other, so the runtime drives it as it drives the emulator. It needs PYNQ 3.1 and
`PYNQ_REMOTE_DEVICES`, and no more of fpga_rt than NumPy.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.boards import board as board_of
from fpga_rt.contract.memory_map import BLOCK_ALIGNMENT
from fpga_rt.contract.static_region import (
    CONTROLLER_PORT,
    STATIC_REGION,
    ConfigurationError,
    ConfigurationState,
)
from fpga_rt.contract.submission import Submission
from fpga_rt.device.interface import Buffer, Capabilities, Pending
from fpga_rt.device.loads import LoadPending
from fpga_rt.device.register_device import Ended, ProgramReport, RegisterDevice
from fpga_rt.errors import DeviceError

_POLL_S = 0.001
_MANAGER = "/sys/class/fpga_manager/fpga0"


class RemoteBuffer:
    """A buffer on the board, and its copy here that `flush` and `invalidate` move."""

    def __init__(self, size_bytes: int) -> None:
        """Allocate it on the board."""
        import grpc
        from pynq import allocate

        try:
            self._array: Any = allocate((size_bytes,), np.uint8)
        except grpc.RpcError as error:
            raise DeviceError(str(error.details())) from error
        self._array[:] = 0
        self.view: NDArray[np.uint8] = self._array.view(np.ndarray)
        self.address = int(self._array.physical_address)
        if self.address % BLOCK_ALIGNMENT:
            raise DeviceError(
                f"a buffer at {self.address:#x}, expected a multiple of {BLOCK_ALIGNMENT}"
            )

    def flush(self) -> None:
        """Copy it to the board."""
        self._array.flush()

    def invalidate(self) -> None:
        """Copy it from the board."""
        self._array.invalidate()

    def free(self) -> None:
        """Give it back."""
        self._array.freebuffer()


class RemoteBoard(RegisterDevice):
    """A board that PYNQ reaches, over the network or in process, with the static region's overlay.

    Port `pcap` is PYNQ.remote's alone.
    """

    def __init__(self, board: str, overlay: Path, memory_bytes: int = 256 << 20) -> None:
        """Name the board, the .bit of its overlay with the .hwh beside it, and its memory."""
        self._overlay_file = overlay
        self._refusal = ""
        super().__init__(
            Capabilities(
                device="pynq-remote",
                board=board_of(board),
                clock="wall",
                origin="measured",
                alignment_bytes=BLOCK_ALIGNMENT,
                memory_bytes=memory_bytes,
                assumptions=("Times are those of PYNQ.remote's calls and what answers them.",),
            )
        )

    def now_ps(self) -> int:
        """Return this machine's clock."""
        return time.monotonic_ns() * 1000

    def read32(self, offset: int) -> int:
        """Read a register; PYNQ 3.1 returns the upper half of values as negative ones."""
        self._require_open()
        STATIC_REGION.at(offset)
        return int(self._registers.read(offset)) & 0xFFFF_FFFF

    def write32(self, offset: int, value: int) -> None:
        """Write a register."""
        self._require_open()
        STATIC_REGION.at(offset)
        try:
            self._registers.write(offset, int(value))
        except (RuntimeError, OverflowError) as error:  # as PYNQ tells what the board refuses
            raise DeviceError(str(error)) from error

    def allocate(self, size_bytes: int) -> Buffer:
        """Allocate on the board."""
        self._require_open()
        return RemoteBuffer(size_bytes)

    def submit(self, submission: Submission) -> Pending:
        """Ring the doorbell, see `RegisterDevice.submit`, and note when."""
        pending = super().submit(submission)
        self._rings, self._rang_ps = pending.partitions, self.now_ps()
        return pending

    def _connect(self) -> None:
        self._load_base(b"")

    def _disconnect(self) -> None:
        del self._registers

    def _load_base(self, full: bytes) -> None:
        """Download the overlay; PYNQ wants its file, and the one that it was made with is it."""
        from pynq import MMIO, Overlay

        overlay = Overlay(str(self._overlay_file))
        base = overlay.ip_dict["fpga_rt_0"]["phys_addr"]
        self._registers = MMIO(base, STATIC_REGION.size_bytes)

    def _await(self, pending: tuple[Pending, ...], deadline_ps: int) -> Ended | None:
        while True:
            for one in sorted(pending, key=lambda one: one.kind):
                if self._has_ended(one):
                    return Ended(one, self.now_ps())
            if self.now_ps() > deadline_ps:
                return None
            time.sleep(_POLL_S)

    def _has_ended(self, pending: Pending) -> bool:
        if isinstance(pending, LoadPending):
            if pending.port != CONTROLLER_PORT:
                return True  # the write to `firmware` returns when it is programmed
            register, running = "configuration_status", int(ConfigurationState.RUNNING)
            return STATIC_REGION[register].unpack(self._read(register))["state"] != running
        status = STATIC_REGION["sequencer_status"].unpack(self._read("sequencer_status"))
        self._looked_ps = self.now_ps()
        return bool(status["done"])

    def _start_processor_port(self, buffer: Buffer, port: str) -> None:
        """Download as PYNQ's `pr_download` would, which fails in its remote client (3.1 and 4.0).

        The file, by a name that no other content has; then `flags`, then `firmware`.
        """
        import grpc
        from pynq import Device

        board = Device.active_device
        content = buffer.view.view(">u4").astype("<u4").tobytes()
        name = f"fpgart_{hashlib.sha256(content).hexdigest()[:16]}.bin"
        self._refusal = ""
        try:
            if not board.exists_file(f"/lib/firmware/{name}").exists:
                board.write_file(f"/lib/firmware/{name}", content)
            board.write_file(f"{_MANAGER}/flags", b"1")
            board.write_file(f"{_MANAGER}/firmware", name.encode())
        except grpc.RpcError as error:
            self._refusal = str(error.details())

    def _abort_processor_port(self) -> None:
        """Nothing to do: such a load has ended when it has begun."""

    def _processor_port_error(self) -> ConfigurationError:
        return ConfigurationError.PORT if self._refusal else ConfigurationError.NONE

    def _port_phases(self, pending: LoadPending, ended_ps: int) -> dict[str, int]:
        return {"setup": 0, "transfer": ended_ps - pending.port_started_ps, "contention": 0}

    def _load_detail(self) -> str:
        return self._refusal or "the configuration controller gave it up"

    def _program_report(self) -> ProgramReport:
        """Return the time from the doorbell to the last look at the status; more is not known."""
        return ProgramReport(dict.fromkeys(self._rings, (self._rang_ps, self._looked_ps)), None)

    def _program_detail(self) -> str:
        return "its commands ended up to the one that is named"
