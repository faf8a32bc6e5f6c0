"""The hardware of the stand-in: physical addresses, and the emulator behind them."""

from __future__ import annotations

import errno
import threading

import numpy as np

from fpga_rt.arch.boards import Board
from fpga_rt.arch.rules import IDCODE_MASK
from fpga_rt.bitstream.read import parse
from fpga_rt.contract.static_region import CONTROLLER_PORT, STATIC_REGION, ConfigurationError
from fpga_rt.device.emulated_region import EmulatedRegion
from fpga_rt.device.faults import Faults
from fpga_rt.device.memory import ByteMemory, Bytes, Region
from fpga_rt.device.pynq.port_switch import DEVCFG_CTRL, PCAP_PR
from fpga_rt.errors import ArtifactError, DeviceError

ACCESS_PS = 100_000_000
"""What a register access takes: a load ends after some polls, on a slow machine too."""
MEMORY_BASE = 0x1800_0000
NOBODY = 0xFFFF_FFFF
_CONTROL = STATIC_REGION["configuration_control"]
_START = _CONTROL.pack(start=1)
_SWAPPED_SYNC = bytes.fromhex("665599aa")


class StandInBoard:
    """A board whose FPGA the kernel has configured: a Zynq-7000's driver gave the port back."""

    def __init__(self, board: Board, memory: Bytes, address: int) -> None:
        """Put registers at `address` and the memory at `MEMORY_BASE`."""
        self._board = board
        self._address = address
        self._shared = memory
        self._lock = threading.Lock()
        self.reset()

    def reset(self, *, cached: bool = False) -> None:
        """Be as at the start.

        With `cached` the processor's memory and the FPGA's are apart: what one writes, the other
        sees when the cache is synchronised, and no sooner.
        """
        with self._lock:
            self._shared[:] = 0
            self._memory = np.zeros_like(self._shared) if cached else self._shared
            self._now_ps = 0
            self.pcap_has_port = not self._is_zynq_7000
            self._power_up()

    def read(self, address: int) -> int:
        """Return a word of the physical address space."""
        with self._lock:
            self._now_ps += ACCESS_PS
            if address == DEVCFG_CTRL and self._is_zynq_7000:
                return PCAP_PR if self.pcap_has_port else 0
            try:
                return self._region.read(address - self._address, self._now_ps)
            except DeviceError:
                return NOBODY

    def write(self, address: int, value: int) -> None:
        """Set a word of the physical address space."""
        with self._lock:
            self._now_ps += ACCESS_PS
            offset = address - self._address
            if address == DEVCFG_CTRL and self._is_zynq_7000:
                self.pcap_has_port = bool(value & PCAP_PR)
            elif (
                offset == _CONTROL.offset and self.pcap_has_port and _CONTROL.unpack(value)["start"]
            ):
                self._refuse_controller()
            else:
                self._region.write(offset, value, self._now_ps)

    def synchronise(self, offset: int, size_bytes: int, *, for_device: bool) -> None:
        """Write a range of the processor's cache to memory, or make it read memory again."""
        there = slice(offset, offset + size_bytes)
        source, target = self._memory, self._shared
        if for_device:
            source, target = target, source
        with self._lock:
            target[there] = source[there]

    def program(self, stream: bytes, *, partial: bool) -> tuple[str, int]:
        """Send a file's bytes through the PCAP; return the error state and errno, or ("", 0).

        The driver checks the sync word of full bitstreams only, and no driver sees what the FPGA
        makes of a partial one.
        """
        if not partial and _SWAPPED_SYNC not in stream:
            return "write init error", errno.EINVAL
        if len(stream) % 4:
            return "write error", errno.EINVAL
        with self._lock:
            self.pcap_has_port = True
            words = np.frombuffer(stream, "<u4").astype(">u4").tobytes()
            if not partial and not self._accepts(words):
                return "write complete error", errno.ETIMEDOUT
            if partial:
                self._load(words)
            else:
                self._power_up()
            self.pcap_has_port = not self._is_zynq_7000  # whose driver gives it back
        return "", 0

    @property
    def _is_zynq_7000(self) -> bool:
        return self._board.device.family.name == "7-series"

    def _power_up(self) -> None:
        memory = ByteMemory(len(self._memory), self._board.feature_memory_bytes)
        memory.dram = Region("DRAM", MEMORY_BASE, self._memory)
        memory.regions = (memory.dram, *memory.regions[1:])
        self._region = EmulatedRegion(self._board, memory, Faults())

    def _refuse_controller(self) -> None:
        port = self._region.port
        port.idcode = NOBODY
        port.refuse(CONTROLLER_PORT, "the PCAP has the port", ConfigurationError.PORT, self._now_ps)

    def _load(self, words: bytes) -> None:
        port = self._region.port
        self._region.advance(self._now_ps)
        port.start(self._board.ports["pcap"], words, self._now_ps)
        self._now_ps = max(self._now_ps, self._region.load_ended_ps() or 0)
        self._region.advance(self._now_ps)

    def _accepts(self, words: bytes) -> bool:
        try:
            found = parse(words).idcodes
        except ArtifactError:
            return False
        wanted = self._board.device.idcode
        return bool(found) and not any((idcode ^ wanted) & IDCODE_MASK for idcode in found)
