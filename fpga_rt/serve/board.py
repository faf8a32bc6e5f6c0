"""The simulated board: what a processor beside a device offers to PYNQ.

Files, registers at physical addresses, and buffers in device memory. After boot the logic holds
this project's static region. A client may download another design; then its IP answers as far as
there are models of it, and the static region is back with its own bitstream.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence

from fpga_rt.bitstream.read import parse
from fpga_rt.bitstream.verify import verify
from fpga_rt.contract.static_region import CONTROLLER_PORT
from fpga_rt.device.interface import Buffer, Device, Staged
from fpga_rt.errors import ArtifactError, DeviceError
from fpga_rt.serve import fpga_manager
from fpga_rt.serve.designs import Design, digest_of, static_region_design
from fpga_rt.serve.files import Files, Sink, Source
from fpga_rt.serve.fpga_manager import FpgaManager
from fpga_rt.serve.hwh import AddressRange
from fpga_rt.serve.logic import Logic
from fpga_rt.serve.peripherals import Peripheral, StaticRegion, Window
from fpga_rt.serve.processor import ProcessorRegisters

_BOARD_NAMES = {"pynq-z2": "Pynq-Z2"}
"""As PYNQ's images write them, where that is not the name in capitals."""

_log = logging.getLogger(__name__)


class PynqBoard:
    """A board around an open device; whoever uses it holds its lock.

    The device belongs to the board: nothing else uses it meanwhile.
    """

    def __init__(self, device: Device, designs: Sequence[Design] = ()) -> None:
        """Boot.

        Args:
            device: open, just so.
            designs: what downloads are recognised, besides the static region's own.

        Raises:
            DeviceError: the board has no processor.
            ArtifactError: a design is given twice.
        """
        self.lock = threading.RLock()
        self.device = device
        self.target = device.capabilities.board
        self._registers = ProcessorRegisters(self.target)
        self.processor = self._registers.processor
        self._own = static_region_design(self.target)
        self._designs = _by_digest(designs, self._own)
        self._logic = Logic(lambda: StaticRegion(device))
        self._logic.mount(self._own)
        self.manager = FpgaManager(self.processor.driver, self._firmware, self._program)
        self.files = Files(self._sources(), self._sinks())

    def read_word(self, address: int) -> int:
        """Return the register at an address.

        Raises:
            DeviceError: nothing answers there.
        """
        place, peripheral = self._at(address)
        return peripheral.read32(address - place.base)

    def write_word(self, address: int, value: int, window: Window) -> None:
        """Write the register at an address; `window` gives the memory that it may use.

        Raises:
            DeviceError: nothing answers there, or what the write starts cannot be done.
        """
        place, peripheral = self._at(address)
        peripheral.write32(address - place.base, value, window)

    def check_range(self, address: int, size_bytes: int) -> None:
        """Check that registers answer in a range.

        Raises:
            DeviceError: it is empty, or does not lie in the range of one IP.
        """
        place, _ = self._at(address)
        if not 0 < size_bytes <= place.end - address:
            raise DeviceError(
                f"{size_bytes} bytes of registers at {address:#010x}, expected"
                f" 1..{place.end - address} inside of {place}"
            )

    def allocate(self, size_bytes: int) -> Buffer:
        """Allocate zeroed device memory.

        Raises:
            DeviceError: there is not as much, or the size is none.
        """
        if size_bytes < 1:
            raise DeviceError(f"a buffer of {size_bytes} bytes, expected at least 1")
        return self.device.allocate(size_bytes)

    def set_clock(self, index: int, divisors: tuple[int, int]) -> None:
        """Write the divisors of a clock of the logic; the simulation's own clock stays.

        Raises:
            DeviceError: there is no such clock, or no such divisors.
        """
        self._registers.set_clock(index, divisors)

    def isolate(self) -> None:
        """Decouple every partition of the static region, if that is what the logic holds.

        Raises:
            DeviceError: transactions do not end.
        """
        if self._logic.holds_static_region:
            for partition in range(len(self.target.partitions)):
                self.device.decouple(partition)

    @property
    def description(self) -> str:
        """The board and the design in its logic, in words."""
        return (
            f"{self.target.title} ({self.device.capabilities.device}), logic: {self._logic.design}"
        )

    def _at(self, address: int) -> tuple[AddressRange, Peripheral]:
        found = self._logic.at(address) or self._registers.at(address)
        if found is None:
            raise DeviceError(
                f"nothing answers at {address:#010x}: {self._logic}; device memory is reached"
                " through allocate()"
            )
        return found

    def _firmware(self, path: str) -> bytes:
        return self.files.read(path)

    def _program(self, content: bytes, partial: bool) -> None:
        """Bring a .bin file into the device; `fpga_manager` has checked what needs no device."""
        stream = parse(content)
        known = self._designs.get(digest_of(stream.words))
        if not partial:
            self._program_full(content, known)
        elif self._logic.holds_static_region:
            self._program_module(content)
        else:
            self._program_region(content, known)

    def _program_full(self, content: bytes, known: Design | None) -> None:
        verify(content, self.target.device)
        if known is self._own:
            self.device.load_base(content)
        if known is None:
            _log.warning(
                "a full bitstream that is no known design was downloaded: its IP does not answer;"
                " start the server with --design FILE.bit, its .hwh beside it"
            )
        self._logic.mount(known)
        _log.info("downloaded design %s", self._logic.design)

    def _program_region(self, content: bytes, known: Design | None) -> None:
        """Load a partial into a design whose regions nobody has told."""
        if known is None:
            verify(content, self.target.device)
            _log.warning("a partial that is no known design was loaded: its IP does not answer")
            return
        region, places = self._logic.places(known)
        verify(content, self.target.device)
        self._logic.mount_partial(region, places)
        _log.info("loaded %s into region %s of %s", known.name, region, self._logic.design)

    def _program_module(self, content: bytes) -> None:
        """Load a partial into the partition of the static region that it is for."""
        staged = self._stage(content)
        try:
            port = _download_port(self.device)
            self.device.wait(self.device.begin_load(staged.partition, staged, port))
        finally:
            self.device.unstage(staged)
        name = self.target.partitions[staged.partition].name
        _log.info("loaded module %#018x into partition %s", staged.module_id, name)

    def _stage(self, content: bytes) -> Staged:
        """Verify a partial for whichever partition takes it.

        Raises:
            ArtifactError: none does.
        """
        reasons: dict[str, str] = {}
        for partition in self.target.partitions:
            try:
                return self.device.stage(content, partition.index)
            except ArtifactError as error:
                reasons[partition.name] = str(error)
        if len(set(reasons.values())) == 1:
            raise ArtifactError(next(iter(reasons.values())))
        listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise ArtifactError(f"the partial is for no partition of {self.target.name}: {listed}")

    def _sources(self) -> dict[str, Source]:
        name = _BOARD_NAMES.get(self.target.name, self.target.name.upper())
        manager, folder = self.manager, fpga_manager.FOLDER
        return {
            "/proc/version": self.processor.version.encode,
            "/proc/device-tree/chosen/pynq_board": f"{name}\0".encode,
            f"{folder}/name": manager.read_name,
            f"{folder}/state": manager.read_state,
            f"{folder}/flags": manager.read_flags,
        }

    def _sinks(self) -> dict[str, Sink]:
        folder = fpga_manager.FOLDER
        return {
            f"{folder}/flags": self.manager.write_flags,
            f"{folder}/firmware": self.manager.write_firmware,
        }


def _by_digest(designs: Iterable[Design], own: Design) -> dict[str, Design]:
    found = {own.digest: own}
    for design in designs:
        other = found.setdefault(design.digest, design)
        if other is not design:
            raise ArtifactError(
                f"designs {other.name} and {design.name} have the same bitstream; give one of them"
            )
    return found


def _download_port(device: Device) -> str:
    """Return the port of fpga_manager: the processor's, or the controller's where that is all."""
    offered = device.capabilities
    found = (name for name in offered.board.ports if offered.loads_through(name))
    return next((name for name in found if name != CONTROLLER_PORT), CONTROLLER_PORT)
