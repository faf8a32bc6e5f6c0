"""What is in the User partition of a card: a kernel, here with the emulator's static region."""

from __future__ import annotations

from typing import Protocol

from fpga_rt.arch.boards import Board
from fpga_rt.contract.kernel import IDLE, KERNEL, MEMORY_ALIGNMENT, STATIC_REGION_OFFSET
from fpga_rt.contract.registers import Access
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device.emulated_region import EmulatedRegion
from fpga_rt.device.faults import Faults
from fpga_rt.device.memory import ByteMemory, Region

ACCESS_PS = 100_000_000
_ADDRESSES = 1 << 64


class Kernel(Protocol):
    """A kernel. The bank may be larger and lie elsewhere with each access."""

    def load(self, bitstream: bytes) -> None:
        """Replace everything; registers have their reset values."""

    def read(self, offset: int, bank: Region) -> int:
        """Return a register."""

    def write(self, offset: int, value: int, bank: Region) -> None:
        """Set a register."""

    def close(self) -> None:
        """Be no more."""


class EmulatedKernel:
    """A kernel whose static region is the emulator's; the kernel's own registers are written here.

    The module is there from the start; the emulator takes it at `begin`.
    """

    def __init__(self, target: Board) -> None:
        """Make an empty partition of a board."""
        self._target = target
        self._now_ps = 0
        self._stream = b""
        self._region: EmulatedRegion | None = None
        self._own: dict[int, int] = {}

    def load(self, bitstream: bytes) -> None:
        self._stream = bitstream
        self._region = None
        self._own = {KERNEL["control"].offset: IDLE, KERNEL["kernel_id"].offset: KERNEL.map_id}

    def read(self, offset: int, bank: Region) -> int:
        if offset < STATIC_REGION_OFFSET:
            KERNEL.at(offset)
            return self._own.get(offset, 0)
        self._now_ps += ACCESS_PS
        return self._static_region(bank).read(offset - STATIC_REGION_OFFSET, self._now_ps)

    def write(self, offset: int, value: int, bank: Region) -> None:
        if offset < STATIC_REGION_OFFSET:
            register, _ = KERNEL.at(offset)
            assert register.access is Access.READ_WRITE
            self._own[offset] = value
            if self._region is not None and register is KERNEL["memory_base"]:
                self._check_still(bank)
                self._place(self._region.memory, bank)
            return
        self._now_ps += ACCESS_PS
        region, offset = self._static_region(bank), offset - STATIC_REGION_OFFSET
        region.write(offset, value, self._now_ps)
        load = STATIC_REGION["partition0_load"]
        if offset == load.offset and load.unpack(value)["begin"] and self._stream:
            region.port.start(self._target.ports["xclbin"], self._stream, self._now_ps)
            self._now_ps = max(self._now_ps, region.load_ended_ps() or 0)
            region.advance(self._now_ps)

    def close(self) -> None:
        self._region = None

    def _static_region(self, bank: Region) -> EmulatedRegion:
        """Return the static region as it came up; it sees the bank where `memory_base` puts it."""
        if self._region is None:
            memory = ByteMemory(len(bank.data), self._target.feature_memory_bytes)
            self._place(memory, bank)
            self._region = EmulatedRegion(self._target, memory, Faults())
        return self._region

    def _place(self, memory: ByteMemory, bank: Region) -> None:
        """Put the bank where the static region sees it."""
        offset = KERNEL["memory_base"].offset
        base = self._own.get(offset + 4, 0) << 32 | self._own.get(offset, 0)
        start = (bank.base - base // MEMORY_ALIGNMENT * MEMORY_ALIGNMENT) % _ADDRESSES
        memory.dram = Region("DRAM", start, bank.data)
        memory.regions = (memory.dram, *memory.regions[1:])

    def _check_still(self, bank: Region) -> None:
        """Refuse a new place for the bank while something may use it."""
        program, partition = (
            STATIC_REGION[name].unpack(
                self.read(STATIC_REGION_OFFSET + STATIC_REGION[name].offset, bank)
            )
            for name in ("sequencer_status", "partition0_status")
        )
        assert not program["busy"]
        assert partition["decoupled"]
        assert partition["quiescent"]
