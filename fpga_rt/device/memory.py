"""Emulated memory: the bytes of DRAM and of the on-chip feature memory, and who owns which.

An access outside of both is a bus error, as it is in hardware; inside, any address is as good as
any other.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpga_rt.contract.memory_map import BLOCK_ALIGNMENT, FEATURE_MEMORY_BASE, align
from fpga_rt.errors import DeviceError, ExecutionError

DRAM_BASE = 0x1000_0000
"""Below lie the processor's vectors and boot code."""

Bytes = NDArray[np.uint8]


class BusError(ExecutionError):
    """An access outside every memory."""


@dataclass(frozen=True, eq=False)
class Region:
    """A memory: its first address and its bytes."""

    name: str
    base: int
    data: Bytes

    @property
    def end(self) -> int:
        """The address behind its last byte."""
        return self.base + len(self.data)


class ByteMemory:
    """DRAM and feature memory as the DMA engines of the static region see them."""

    def __init__(self, dram_bytes: int, feature_bytes: int) -> None:
        """Make zeroed memory; the host commits pages when they are first written.

        Raises:
            DeviceError: the DRAM would reach into the feature memory.
        """
        if not 0 < dram_bytes <= FEATURE_MEMORY_BASE - DRAM_BASE:
            raise DeviceError(
                f"device memory of {dram_bytes} bytes:"
                f" expected 1..{FEATURE_MEMORY_BASE - DRAM_BASE}"
            )
        self.dram = Region("DRAM", DRAM_BASE, np.zeros(dram_bytes, np.uint8))
        self._features = np.zeros(feature_bytes, np.uint8)
        self.regions = (self.dram, Region("feature memory", FEATURE_MEMORY_BASE, self._features))

    def clear_features(self) -> None:
        """Bring the feature memory to what block RAM holds after the device was configured."""
        self._features[:] = 0

    def leading(self, address: int, size_bytes: int) -> Bytes:
        """Return a view of the DRAM from an address on, shorter where the DRAM ends before."""
        start = address - self.dram.base
        if start < 0:
            return self.dram.data[:0]
        return self.dram.data[start : start + size_bytes]

    def window(self, address: int, size_bytes: int, who: str) -> Bytes:
        """Return a view of `size_bytes` bytes.

        Raises:
            BusError: a byte of it lies outside of every memory; the message says `who` asked.
        """
        for region in self.regions:
            if region.base <= address and address + size_bytes <= region.end:
                start = address - region.base
                return region.data[start : start + size_bytes]
        known = ", ".join(f"{r.name} {r.base:#x}..{r.end - 1:#x}" for r in self.regions)
        raise BusError(
            f"bus error: {who} accessed {size_bytes} bytes at {address:#x}, outside of {known};"
            " the program or its placement is wrong"
        )


class EmulatedBuffer:
    """Contiguous emulated DRAM; host and device see each other's writes at once."""

    def __init__(self, allocator: Allocator, address: int, view: Bytes) -> None:
        """Wrap a range that the allocator has set aside."""
        self.address = address
        self.view = view
        self._allocator: Allocator | None = allocator

    def flush(self) -> None:
        """Do nothing: there is no cache in between."""

    def invalidate(self) -> None:
        """Do nothing: there is no cache in between."""

    def free(self) -> None:
        """Give the memory back.

        Raises:
            DeviceError: it was given back before.
        """
        if self._allocator is None:
            raise DeviceError(f"the buffer at {self.address:#x} was freed before; free it once")
        self._allocator.release(self.address)
        self._allocator = None


class Allocator:
    """First fit over one region, in blocks of `BLOCK_ALIGNMENT` bytes."""

    def __init__(self, region: Region) -> None:
        """Own the whole region."""
        self._region = region
        self._free = [(region.base, len(region.data) // BLOCK_ALIGNMENT * BLOCK_ALIGNMENT)]
        self._used: dict[int, int] = {}

    @property
    def free_bytes(self) -> int:
        """Bytes that are not allocated, not necessarily in one piece."""
        return sum(size for _, size in self._free)

    def allocate(self, size_bytes: int) -> EmulatedBuffer:
        """Set zeroed memory aside.

        Raises:
            ValueError: the size is not positive.
            DeviceError: no free range is large enough.
        """
        if size_bytes <= 0:
            raise ValueError(f"a buffer of {size_bytes} bytes: expected at least 1")
        size = align(size_bytes)
        for index, (address, available) in enumerate(self._free):
            if available >= size:
                rest = [(address + size, available - size)] if available > size else []
                self._free[index : index + 1] = rest
                self._used[address] = size
                start = address - self._region.base
                view = self._region.data[start : start + size_bytes]
                view[:] = 0
                return EmulatedBuffer(self, address, view)
        largest = max((available for _, available in self._free), default=0)
        raise DeviceError(
            f"device memory is full: got a request for {size_bytes} bytes, the largest free range"
            f" has {largest} of {len(self._region.data)}; free buffers or open the device with more"
        )

    def release(self, address: int) -> None:
        """Take a range back and join it with its free neighbours."""
        size = self._used.pop(address)
        index = bisect.bisect(self._free, (address, 0))
        if index < len(self._free) and self._free[index][0] == address + size:
            size += self._free.pop(index)[1]
        if index and sum(self._free[index - 1]) == address:
            address, before = self._free[index - 1]
            self._free[index - 1] = (address, before + size)
        else:
            self._free.insert(index, (address, size))
