"""The device `xrt`: a static region and one module in the User partition of an Alveo card."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from fpga_rt.arch import boards
from fpga_rt.arch.boards import Board
from fpga_rt.contract.kernel import KERNEL_NAME
from fpga_rt.contract.memory_map import BLOCK_ALIGNMENT
from fpga_rt.contract.registers import Access
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.contract.submission import Submission
from fpga_rt.device.diagnosis import Finding
from fpga_rt.device.interface import Buffer, Capabilities, Pending, Staged
from fpga_rt.device.loads import LoadPending
from fpga_rt.device.stopping import drain
from fpga_rt.device.wall_clock import WallClockDevice
from fpga_rt.device.xrt import diagnosis, library, xclbin
from fpga_rt.device.xrt.card import Card
from fpga_rt.device.xrt.files import SUFFIX, XclbinFile, XclbinFolder, read
from fpga_rt.device.xrt.library import Library
from fpga_rt.device.xrt.swap import UserSwap
from fpga_rt.errors import DeviceError, FpgaRtError

PORT = "xclbin"
MEMORY_BYTES = 256 << 20
POLL_S = 200e-6
"""Between two looks at a register over PCIe."""
_LONGEST_LOAD_S = 60.0
"""XRT's documentation has 8 s for a U250."""


class Xrt(WallClockDevice[XclbinFile]):
    """An Alveo card under XRT: a swap loads the xclbin of a module, `xclbins=FOLDER` has them.

    XRT swaps the whole User partition, so there is one partition, a program and a load exclude each
    other, and what memory holds is carried over by the host.
    """

    def __init__(
        self,
        board: Board | str,
        *,
        xclbins: Path | str | None = None,
        base: Path | str | None = None,
        card: int = 0,
        memory_bytes: int = MEMORY_BYTES,
        xrt: Library | None = None,
    ) -> None:
        """Describe the card.

        Args:
            board: a board whose port is `xclbin`, or its name.
            xclbins: folder with an xclbin for each module, named after it.
            base: xclbin to load when the device is opened; any of the folder when None.
            card: index of the card, as in `xrt-smi examine`.
            memory_bytes: of the card's memory, for buffers.
            xrt: the library; what is installed when None.

        Raises:
            DeviceError: no board has this name, or XRT does not swap its partitions.
        """
        board = boards.board(board) if isinstance(board, str) else board
        if PORT not in board.ports or len(board.partitions) != 1:
            raise DeviceError(
                f"device xrt cannot drive {board.name}: XRT swaps one partition through port"
                f" {PORT}, expected a board such as alveo-u200-xrt"
            )
        super().__init__(
            Capabilities(
                device="xrt",
                board=board,
                clock="wall",
                origin="measured",
                alignment_bytes=BLOCK_ALIGNMENT,
                memory_bytes=memory_bytes,
                assumptions=_ASSUMPTIONS,
            )
        )
        self._folder = XclbinFolder(Path(xclbins) if xclbins is not None else None)
        self._base = Path(base) if base is not None else None
        self._index = card
        self._library = xrt
        self._swap: UserSwap | None = None

    def __enter__(self) -> Xrt:
        """Open the device."""
        self.open()
        return self

    @staticmethod
    def obstacle() -> str | None:
        """Return why XRT cannot be used here, None when it may be."""
        return library.obstacle()

    @staticmethod
    def diagnose(board: Board) -> Iterable[Finding]:
        """Return what is there of XRT, for `fpga-rt doctor`."""
        return diagnosis.diagnose(board)

    def read32(self, offset: int) -> int:
        """Read a register of the static region, once a swap under way has ended.

        Raises:
            DeviceError: there is none, or XRT refuses.
        """
        self._require_open()
        STATIC_REGION.at(offset)
        self._settle()
        return self._card.registers.read(offset)

    def write32(self, offset: int, value: int) -> None:
        """Write a register of the static region, once a swap under way has ended.

        Raises:
            DeviceError: there is none that can be written, or XRT refuses.
        """
        self._require_open()
        register, _ = STATIC_REGION.at(offset)
        if register.access is Access.READ_ONLY or not 0 <= value < 1 << 32:
            raise DeviceError(
                f"write of {value:#x} to {register.name} ({register.access.value}):"
                " expected a 32-bit value and a register that can be written"
            )
        self._settle()
        self._card.registers.write(offset, value)

    def allocate(self, size_bytes: int) -> Buffer:
        """Allocate zeroed memory of the card.

        Raises:
            DeviceError: there is not enough, or the device is closed.
        """
        self._require_open()
        self._settle()
        return self._card.memory.allocate(size_bytes)

    def begin_load(self, partition: int, staged: Staged, port: str) -> Pending:
        """Begin the swap of the User partition; nothing else may run on it.

        Raises:
            DeviceError: a load or a program is in flight, the port is unknown, or `staged` is not
                of this device and partition.
            ReconfigurationError: the partition is not decoupled.
        """
        self._require_open()
        self._require_idle("program")
        self._settle()
        self._file = self._staged_file(staged)
        return super().begin_load(partition, staged, port)

    def submit(self, submission: Submission) -> Pending:
        """Ring the doorbell; see `WallClockDevice.submit`.

        Raises:
            DeviceError: a submission or a load is in flight.
        """
        self._require_open()
        self._require_idle("load")
        return super().submit(submission)

    def _connect(self) -> None:
        found = self._library or library.load()
        first = self._folder.any() if self._base is None else read(self._base)
        self._check_full(first.path.read_bytes())
        self._card = Card(found, self._index, KERNEL_NAME, self.capabilities.memory_bytes)
        with ExitStack() as undo:
            undo.callback(self._card.close)
            self._card.load(first)
            undo.pop_all()
        self.capabilities = replace(
            self.capabilities,
            assumptions=(f"Card {self._index}: {self._card.name}.", *_ASSUMPTIONS),
        )

    def _disconnect(self) -> None:
        if self._swap is not None:
            self._swap.join(_LONGEST_LOAD_S)
        self._card.close()

    def _file_of(self, staged: Staged, known: XclbinFile | None) -> XclbinFile:
        """Return the xclbin of the module that a bitstream names.

        The bitstream itself is not loaded: it is that of simulation, by which deployments name
        their modules.
        """
        if known is not None and known.is_intact():
            return known
        file = self._folder.of(staged.module_id)
        self._card.check(file)
        return file

    def _settle(self) -> None:
        """Wait for a swap under way: there are no registers meanwhile.

        Raises:
            DeviceError: it does not end.
        """
        if self._swap is not None and not self._swap.join(_LONGEST_LOAD_S):
            raise DeviceError(
                f"{self._where}: XRT is loading for more than {_LONGEST_LOAD_S:g} s;"
                " `xrt-smi reset` resets the card"
            )

    def _check_full(self, full: bytes) -> None:
        """Refuse an xclbin whose bitstream is not for the card's FPGA."""
        super()._check_full(xclbin.parse(full, f"base for {self._where}").bitstream)

    def _load_base(self, full: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"base{SUFFIX}"
            path.write_bytes(full)
            self._card.load(read(path))

    def _look_away(self, pending: Sequence[Pending], left_s: float) -> None:
        time.sleep(min(left_s, POLL_S))

    def _abandon(self, pending: Pending) -> None:
        super()._abandon(pending)
        if pending.kind == "program":
            drain(self._card.registers, pending.kind)

    def _load_ended_ps(self, pending: LoadPending) -> int | None:
        swap = self._swap
        return max(swap.ended_ps, pending.port_started_ps) if swap and swap.done else None

    def _begin_driver(self, file: XclbinFile) -> None:
        self._swap = UserSwap(self._card, file, self.now_ps)

    def _abort_processor_port(self) -> None:
        """Wait: nothing stops XRT, and what it brings must be told that its load was given up."""
        self._settle()
        self._announce()

    def _took_over(self) -> None:
        self._announce()

    def _announce(self) -> None:
        """Tell a static region that has just come up that its module's load has begun.

        Its partition is empty and isolated then; `load` goes on from here as everywhere.
        """
        self._static_id = None
        self._write_partition(0, "load", begin=1)

    def _driver_failure(self) -> FpgaRtError | None:
        return self._swap.failure if self._swap is not None else None

    def _port_phases(self, pending: LoadPending, ended_ps: int) -> dict[str, int]:
        return {"setup": 0, "transfer": ended_ps - pending.port_started_ps, "contention": 0}

    def _load_detail(self) -> str:
        return str(self._swap.failure if self._swap is not None else None)

    def _program_detail(self) -> str:
        completed = self._read("partition0_completed")
        return f"partition 0 completed {completed} commands"


_ASSUMPTIONS = (
    "A load is the whole of XRT's: the memory read back, the xclbin loaded, the memory written.",
    "When a partition began and ended within a program is not measured: from the doorbell to the"
    " look at the status that saw the program's end.",
)
