"""The hardware of the stand-in: physical addresses, and the logic behind them."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable

import numpy as np

from fpga_rt.arch.boards import Board
from fpga_rt.arch.rules import IDCODE_MASK
from fpga_rt.bitstream.read import parse
from fpga_rt.device.memory import Bytes
from fpga_rt.device.pynq.port_switch import DEVCFG_CTRL, PCAP_PR
from fpga_rt.errors import ArtifactError, DeviceError
from fpga_rt.serve.processor import ProcessorRegisters
from tests.standin.logic import NOBODY, Logic

ACCESS_PS = 100_000_000
"""What a register access takes: a load ends after some polls, on a slow machine too."""
MEMORY_BASE = 0x1800_0000
_SWAPPED_SYNC = bytes.fromhex("665599aa")

MakeLogic = Callable[[Board, Bytes, int], Logic]
"""Powers the logic up: for a board, with a memory at an address."""


def _no_memory(address: int, size_bytes: int) -> Bytes:
    raise DeviceError(f"{size_bytes} bytes at {address:#x}: the clocks read no memory")


class StandInBoard:
    """A board whose FPGA the kernel has configured: a Zynq-7000's driver gave the port back."""

    def __init__(self, board: Board, memory: Bytes, address: int, make: MakeLogic) -> None:
        """Put registers at `address` and the memory at `MEMORY_BASE`."""
        self.on_interrupt: Callable[[], None] = lambda: None
        self.accesses = 0
        self._board = board
        self._address = address
        self._shared = memory
        self._make = make
        self._logic: Logic | None = None
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
            self.accesses = 0
            self._processor = ProcessorRegisters(self._board)
            self._power_up()
            self._running.pcap_has_port = not self._is_zynq_7000

    @property
    def pcap_has_port(self) -> bool:
        """Whether the PCAP keeps the configuration controller from the ICAP."""
        return self._running.pcap_has_port

    @pcap_has_port.setter
    def pcap_has_port(self, value: bool) -> None:
        with self._lock:
            self._running.pcap_has_port = value

    def read(self, address: int) -> int:
        """Return a word of the physical address space."""
        with self._lock:
            self._let_pass()
            self.accesses += 1
            if address == DEVCFG_CTRL and self._is_zynq_7000:
                return PCAP_PR if self._running.pcap_has_port else 0
            try:
                found = self._processor.at(address)
                if found is not None:
                    return found[1].read32(address - found[0].base)
                return self._running.read(address - self._address)
            except DeviceError:
                return NOBODY

    def write(self, address: int, value: int) -> None:
        """Set a word of the physical address space."""
        with self._lock:
            self._let_pass()
            self.accesses += 1
            if address == DEVCFG_CTRL and self._is_zynq_7000:
                self._running.pcap_has_port = bool(value & PCAP_PR)
                return
            found = self._processor.at(address)
            if found is None:
                self._running.write(address - self._address, value)
            else:
                found[1].write32(address - found[0].base, value, _no_memory)

    def tick(self) -> None:
        """Let as much time pass as an access takes."""
        with self._lock:
            self._let_pass()

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
        words = np.frombuffer(stream, "<u4").astype(">u4").tobytes()
        with self._lock:
            self._running.pcap_has_port = True
            if not partial and not self._accepts(words):
                return "write complete error", errno.ETIMEDOUT
            if not partial:
                self._power_up()
            elif not self._running.load(words):
                return "write error", errno.EOPNOTSUPP
            self._running.pcap_has_port = not self._is_zynq_7000  # whose driver gives it back
        return "", 0

    @property
    def _is_zynq_7000(self) -> bool:
        return self._board.device.family.name == "7-series"

    @property
    def _running(self) -> Logic:
        if self._logic is None:
            raise RuntimeError("the logic is not powered up")
        return self._logic

    def _power_up(self) -> None:
        if self._logic is not None:
            self._logic.close()
        self._logic = self._make(self._board, self._memory, MEMORY_BASE)
        self._ended = 0

    def _let_pass(self) -> None:
        self._running.let_pass(ACCESS_PS)
        while self._ended < self._running.ended:
            self._ended += 1
            self.on_interrupt()

    def _accepts(self, words: bytes) -> bool:
        try:
            found = parse(words).idcodes
        except ArtifactError:
            return False
        wanted = self._board.device.idcode
        return bool(found) and not any((idcode ^ wanted) & IDCODE_MASK for idcode in found)
