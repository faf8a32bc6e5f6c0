"""Contiguous memory that both the processor and the static region reach.

Ref: u-dma-buf, a driver for contiguous buffers
Document: github.com/ikwzm/udmabuf, udmabuf_sync_command_argments in versions 1.4.2 and 3.2.5:
sync_for_cpu and sync_for_device take offset << 32 | size, a multiple of 16, | direction << 2 | 1
Ref: PYNQ, pynq.allocate
Document: pynq/buffer.py of 3.1.2: allocate(shape, dtype), device_address, flush, invalidate,
freebuffer; EmbeddedDevice.default_memory: "Overlay is not downloaded"; XrtDevice.allocate_bo: below
4 KiB an address may have 64 bits
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fpga_rt.contract.memory_map import BLOCK_ALIGNMENT, FEATURE_MEMORY_BASE, align
from fpga_rt.device.interface import Buffer
from fpga_rt.device.memory import Allocator, EmulatedBuffer, Region
from fpga_rt.device.pynq.kernel import Kernel, reported
from fpga_rt.errors import DeviceError

_CLASSES = ("u-dma-buf", "udmabuf")
"""Of the driver since 2.0, and before."""
_UDMABUF_NAME = "fpga_rt"
_PYNQ_BYTES = 8192
"""What a PYNQ buffer has at least, to lie where 32 bits reach."""


class BufferMemory(Protocol):
    """Where buffers come from.

    Attributes:
        size_bytes: of all of it.
        description: of what kind it is, for the list of assumptions.
    """

    size_bytes: int
    description: str

    def allocate(self, size_bytes: int) -> Buffer:
        """Allocate a zeroed buffer that the device sees as zeroed.

        Raises:
            ValueError: the size is not positive.
            DeviceError: no free range is large enough.
        """

    def close(self) -> None:
        """Give back what was opened; views of buffers stay readable."""


class UdmabufMemory:
    """The buffer of a u-dma-buf device, divided by an allocator; cached by the processor."""

    def __init__(self, kernel: Kernel, entry: Path) -> None:
        """Map the whole buffer.

        Args:
            kernel: whose device it is.
            entry: its folder in /sys/class.

        Raises:
            DeviceError: the kernel refuses.
        """
        with reported("read the properties of", entry):
            base = int((entry / "phys_addr").read_text(), 16)
            self.size_bytes = int((entry / "size").read_text())
            coherent = int((entry / "dma_coherent").read_text()) != 0
            version = (entry / "driver_version").read_text().strip()  # those before 1.4 have none
        _check_reach(f"{entry}", base, self.size_bytes)
        node = kernel.node(entry)
        with reported("map the buffer", node):
            file = os.open(node, os.O_RDWR | os.O_CLOEXEC)
            try:
                mapping = mmap.mmap(file, self.size_bytes)
            finally:
                os.close(file)
        cache = "coherent" if coherent else "with flush and invalidate"
        self.description = f"u-dma-buf {version}, cached, {cache}"
        self._base = base
        self._allocator = Allocator(Region(entry.name, base, np.frombuffer(mapping, np.uint8)))
        self._for_device, self._for_cpu = (
            None if coherent else _Synchronisation(entry / name)
            for name in ("sync_for_device", "sync_for_cpu")
        )

    def allocate(self, size_bytes: int) -> Buffer:
        """Set a range aside."""
        buffer = UdmabufBuffer(
            self._allocator.allocate(size_bytes), self._base, self._for_device, self._for_cpu
        )
        buffer.flush()
        return buffer

    def close(self) -> None:
        """Close the files of the cache."""
        for synchronisation in (self._for_device, self._for_cpu):
            if synchronisation is not None:
                synchronisation.close()


class _Synchronisation:
    """A file that cleans or invalidates a range of the cache when it is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with reported("open", path):
            self._file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def __call__(self, offset: int, size_bytes: int) -> None:
        with reported("synchronise the cache through", self._path):
            os.pwrite(self._file, f"0x{offset:08X}{align(size_bytes) | 1:08X}".encode(), 0)

    def close(self) -> None:
        os.close(self._file)


class UdmabufBuffer:
    """A range of a u-dma-buf device; none for a step of the cache that is not needed."""

    def __init__(
        self,
        inner: EmulatedBuffer,
        base: int,
        for_device: _Synchronisation | None,
        for_cpu: _Synchronisation | None,
    ) -> None:
        """Wrap a range that an allocator has set aside."""
        self.address = inner.address
        self.view = inner.view
        self._inner = inner
        self._offset = inner.address - base
        self._for_device = for_device
        self._for_cpu = for_cpu

    def flush(self) -> None:
        """Write what the processor's cache holds to memory."""
        if self._for_device is not None:
            self._for_device(self._offset, len(self.view))

    def invalidate(self) -> None:
        """Make the processor read memory again."""
        if self._for_cpu is not None:
            self._for_cpu(self._offset, len(self.view))

    def free(self) -> None:
        """Give the range back.

        Raises:
            DeviceError: it was given back before.
        """
        self._inner.free()


class PynqMemory:
    """Buffers of `pynq.allocate`, from the kernel's memory for contiguous allocations."""

    description = "pynq.allocate"

    def __init__(self, allocate: Callable[..., Any], size_bytes: int) -> None:
        """Keep the function, and how much there is."""
        self.size_bytes = size_bytes
        self._allocate = allocate

    def allocate(self, size_bytes: int) -> Buffer:
        """Allocate a buffer of its own."""
        if size_bytes <= 0:
            raise ValueError(f"a buffer of {size_bytes} bytes: expected at least 1")
        if size_bytes > self.size_bytes:
            raise DeviceError(
                f"device memory is full: got a request for {size_bytes} bytes of pynq.allocate,"
                f" which has {self.size_bytes} in all; boot with a larger `cma=`"
            )
        try:
            inner = self._allocate(shape=(max(align(size_bytes), _PYNQ_BYTES),), dtype=np.uint8)
        except (RuntimeError, MemoryError) as error:
            raise DeviceError(
                f"pynq.allocate gives no {size_bytes} bytes: {error}; free buffers, and load the"
                " static region with PYNQ's Overlay, which its memory waits for"
            ) from error
        buffer = PynqBuffer(inner, size_bytes)
        try:
            _check_reach("pynq.allocate", buffer.address, size_bytes)
        except DeviceError:
            buffer.free()
            raise
        buffer.view[:] = 0
        buffer.flush()
        return buffer

    def close(self) -> None:
        """Do nothing: every buffer is given back by itself."""


class PynqBuffer:
    """A `pynq.allocate` buffer."""

    def __init__(self, inner: Any, size_bytes: int) -> None:  # noqa: ANN401 - PYNQ has no types
        """Wrap PYNQ's buffer."""
        self._inner = inner
        self.address = int(inner.device_address)
        self.view = np.asarray(inner)[:size_bytes].view(np.ndarray)

    def flush(self) -> None:
        """Write what the processor's cache holds to memory."""
        self._inner.flush()

    def invalidate(self) -> None:
        """Make the processor read memory again."""
        self._inner.invalidate()

    def free(self) -> None:
        """Give the memory back.

        Raises:
            DeviceError: it was given back before.
        """
        inner, self._inner = self._inner, None
        if inner is None:
            raise DeviceError(f"the buffer at {self.address:#x} was freed before; free it once")
        inner.freebuffer()


def _check_reach(what: str, address: int, size_bytes: int) -> None:
    """Refuse memory that the static region cannot address."""
    if address % BLOCK_ALIGNMENT or address + size_bytes > FEATURE_MEMORY_BASE:
        raise DeviceError(
            f"{what} has {size_bytes} bytes at {address:#x}, expected a multiple of"
            f" {BLOCK_ALIGNMENT} and an end up to {FEATURE_MEMORY_BASE:#x}, which the static region"
            " reaches; reserve memory below"
        )


def open_memory(kernel: Kernel) -> BufferMemory:
    """Return the memory there is: a u-dma-buf device, else what PYNQ allocates.

    Raises:
        DeviceError: there is neither, or it is not known which u-dma-buf device is this one's.
    """
    entry = udmabuf(kernel)
    if entry is not None:
        return UdmabufMemory(kernel, entry)
    try:
        from pynq import allocate
    except ImportError as error:
        raise DeviceError(
            f"no contiguous memory: neither a u-dma-buf device in {kernel.root / 'sys/class'} nor"
            " PYNQ is here; `modprobe u-dma-buf udmabuf0=67108864`, or pip install 'fpga-rt[pynq]'"
        ) from error
    return PynqMemory(allocate, _contiguous_bytes(kernel))


def udmabuf(kernel: Kernel) -> Path | None:
    """Return the u-dma-buf device that is named for this, or the only one; None without any.

    Raises:
        DeviceError: there are several: whoever has the others would find other bytes in them.
    """
    found = [entry for kind in _CLASSES for entry in kernel.listed(kind)]
    named = [entry for entry in found if entry.name == _UDMABUF_NAME]
    if len(named or found) > 1:
        raise DeviceError(
            f"{len(found)} u-dma-buf devices are here: {', '.join(one.name for one in found)};"
            f" expected one, or one named {_UDMABUF_NAME}: give it `device-name ="
            f' "{_UDMABUF_NAME}"` in the device tree, or unload the others'
        )
    return next(iter(named or found), None)


def _contiguous_bytes(kernel: Kernel) -> int:
    """Return the size of the kernel's memory for contiguous allocations."""
    path = kernel.root / "proc/meminfo"
    with reported("read", path):
        lines = (line.split() for line in path.read_text().splitlines())
        return 1024 * sum(int(words[1]) for words in lines if words[0] == "CmaTotal:")
