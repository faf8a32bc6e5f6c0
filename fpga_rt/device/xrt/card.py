"""A card: the xclbin that is loaded, the registers in it, and the memory beside it."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import Any
from uuid import UUID

from fpga_rt.device.stopping import is_static_region, stop
from fpga_rt.device.xrt.files import XclbinFile
from fpga_rt.device.xrt.library import Library, reported
from fpga_rt.device.xrt.memory import CardMemory
from fpga_rt.device.xrt.registers import Registers
from fpga_rt.device.xrt.xclbin import card_of
from fpga_rt.errors import ArtifactError, DeviceError


class Card:
    """A card of this machine, open until `close`."""

    def __init__(self, library: Library, index: int, kernel: str, memory_bytes: int) -> None:
        """Find the card; `load` gives it a static region.

        Args:
            library: XRT.
            index: of the card, as in `xrt-smi examine`.
            kernel: name of the static region in the xclbin.
            memory_bytes: for buffers.

        Raises:
            DeviceError: there is no such card.
        """
        self._library = library
        self._index = index
        self._kernel = kernel
        self._registers: Registers | None = None
        self._loaded: tuple[UUID, int] | None = None
        pyxrt = library.pyxrt
        with reported("look for cards"):
            count = int(pyxrt.enumerate_devices())
        if not 0 <= index < count:
            raise DeviceError(
                f"there is no card {index}: XRT finds {count} in this machine; `xrt-smi examine`"
                " lists them, `lspci -d 10ee:` what is plugged in"
            )
        with reported(f"open card {index}"):
            self._device: Any = pyxrt.device(index)
            self.name = str(self._device.get_info(pyxrt.xrt_info_device.name))
        self.memory = CardMemory(pyxrt, memory_bytes)

    @property
    def registers(self) -> Registers:
        """The registers of the static region.

        Raises:
            DeviceError: no xclbin is loaded, or the last load has left none.
        """
        if self._registers is None:
            raise DeviceError(f"card {self._index} has no static region; open the device again")
        return self._registers

    def check(self, file: XclbinFile) -> None:
        """Refuse an xclbin of another card.

        Raises:
            ArtifactError: it was linked for another one.
        """
        if self.name and file.content.card != card_of(self.name):
            raise ArtifactError(
                f"{file.path} was linked for platform {file.content.platform}, expected one of the"
                f" card, {card_of(self.name)} ({self.name}); link it with `v++ --platform` of that"
            )

    def load(self, file: XclbinFile) -> None:
        """Replace what is in the User partition; the content of the memory stays.

        Where XRT refuses the file, the static region that was there before is used again. There is
        none where XRT has loaded it and what it holds is refused.

        Raises:
            ArtifactError: the file is of another card, or was replaced since it was looked at.
            DeviceError: XRT does not load it, or its kernel is of another version.
        """
        self.check(file)
        file.check()
        with reported(f"read {file.path}"):
            xclbin = self._library.pyxrt.xclbin(str(file.path))
            file.check_uuid(UUID(str(xclbin.get_uuid().to_string())))
        bank = _bank(xclbin, file)
        with self.memory.lock:
            self._load(xclbin, bank, file)

    def _load(self, xclbin: Any, bank: int, file: XclbinFile) -> None:  # noqa: ANN401 - pyxrt's
        self.memory.detach()
        self._close_registers()
        before, self._loaded = self._loaded, None
        try:
            with reported(f"load {file.path}"):
                uuid = UUID(str(self._device.load_xclbin(xclbin).to_string()))
        except Exception as error:  # whatever it was, the region that was there is of use
            lost = self._return_to(before)
            if lost is None:
                raise
            raise DeviceError(
                f"{error}; nor is the static region that was there before: {lost}"
            ) from error
        self._use(uuid, bank)

    def _return_to(self, before: tuple[UUID, int] | None) -> Exception | None:
        """Use what was loaded before, if anything was, and return why it cannot be used."""
        try:
            if before is not None:
                self._use(*before)
        except Exception as error:  # noqa: BLE001 - it must not hide why it came to this
            return error
        return None

    def close(self) -> None:
        """Stop what runs, and give registers and memory back; the xclbin stays on the card.

        Raises:
            DeviceError: it goes on all the same; everything is given back.
        """
        with ExitStack() as given_back:
            given_back.callback(self.memory.release)
            given_back.callback(self._close_registers)
            if self._answers():
                stop(self.registers, "program")

    def _answers(self) -> bool:
        """Tell whether a static region is there that can be told something."""
        with suppress(DeviceError):
            return is_static_region(self.registers)
        return False

    def _use(self, uuid: UUID, bank: int) -> None:
        base = self.memory.attach(self._device, bank)
        registers = Registers(self._library.core, self._index, uuid, self._kernel)
        try:
            registers.locate(base)
        except DeviceError:
            registers.close()
            raise
        self._registers = registers
        self._loaded = (uuid, bank)

    def _close_registers(self) -> None:
        """XRT loads nothing while a compute unit is open."""
        registers, self._registers = self._registers, None
        if registers is not None:
            registers.close()


def _bank(xclbin: Any, file: XclbinFile) -> int:  # noqa: ANN401 - pyxrt's
    """Return the index of the memory bank that an xclbin uses.

    Raises:
        DeviceError: it uses none.
    """
    with reported(f"read the memories of {file.path}"):
        for memory in xclbin.get_mems():
            if memory.get_used():
                return int(memory.get_index())
    raise DeviceError(
        f"{file.path} uses no memory bank; link it with `--connectivity.sp fpga_rt_1.m_axi:DDR[1]`"
    )
