"""Buffers in a memory bank of the card, and their content over a swap.

One buffer object holds all of them. Loading an xclbin may empty the banks, so what the device has
there is read back before and written again afterwards. The object may lie elsewhere then: the
addresses of buffers are those of the static region, to which the kernel adds where the object lies.

XRT loads nothing while a buffer object lives. So `_object` is the only reference to it: a local
variable would be another one in the traceback of an error, for as long as somebody keeps that.

Ref: XRT, src/runtime_src/core/pcie/driver/linux/xocl/userpf/xocl_drm.c
Document: xocl_check_topology (-EPERM, "pre-existing buffer allocations")
"""

from __future__ import annotations

from contextlib import ExitStack
from threading import RLock
from typing import Any

import numpy as np

from fpga_rt.contract.kernel import MEMORY_ALIGNMENT
from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE
from fpga_rt.device.interface import Buffer
from fpga_rt.device.memory import DRAM_BASE, Allocator, Bytes, EmulatedBuffer, Region
from fpga_rt.device.xrt.library import reported
from fpga_rt.errors import DeviceError


class CardMemory:
    """A range of a bank, while an xclbin is loaded, and an image of it in the host's memory."""

    def __init__(self, pyxrt: Any, size_bytes: int) -> None:  # noqa: ANN401 - pyxrt has no types here
        """Set the image aside; `attach` makes the range on the card.

        Raises:
            DeviceError: the static region's addresses do not reach as far.
        """
        if not 0 < size_bytes <= FEATURE_MEMORY_BASE - DRAM_BASE:
            raise DeviceError(
                f"device memory of {size_bytes} bytes: expected"
                f" 1..{FEATURE_MEMORY_BASE - DRAM_BASE}"
            )
        self.size_bytes = size_bytes
        self.lock = RLock()
        """Held by whoever uses the range; during a swap it is nobody's."""
        self._pyxrt = pyxrt
        image: Bytes = np.zeros(size_bytes, np.uint8)
        self._allocator = Allocator(Region("memory bank", DRAM_BASE, image))
        self._used_bytes = 0
        self._object: Any = None
        self._saved: Bytes | None = None

    def attach(self, device: Any, bank: int) -> int:  # noqa: ANN401
        """Make the range on the card, with the content that `detach` saved.

        Returns:
            what is to be added, modulo 2**64, to the address of a buffer to get that on the card.

        Raises:
            DeviceError: XRT refuses, or the range lies where the kernel cannot reach it.
        """
        pyxrt = self._pyxrt
        with reported(f"allocate {self.size_bytes:,} bytes in memory bank {bank}"):
            self._object = pyxrt.bo(device, self.size_bytes, pyxrt.bo.flags.normal, bank)
        with ExitStack() as undo:
            undo.callback(self.release)
            base = self._base()
            if self._saved is not None:
                self._send(self._saved, 0)
            undo.pop_all()
        self._saved = None
        return (base - DRAM_BASE) % (1 << 64)

    def detach(self) -> None:
        """Save what the device has in the range for the next `attach`, and give the range up.

        What a failed `attach` has left saved stays so.

        Raises:
            DeviceError: XRT cannot read it back; the range is kept.
        """
        if self._object is None:
            return
        if self._used_bytes:
            self._saved = self._receive(0, self._used_bytes)
        self.release()

    def release(self) -> None:
        """Give the range up with what is in it; again: harmless."""
        self._object = None

    def _base(self) -> int:
        """Return where the range begins on the card.

        Raises:
            DeviceError: the kernel cannot reach it.
        """
        with reported("tell where a buffer object lies"):
            base = int(self._there.address())
        if base % MEMORY_ALIGNMENT:
            raise DeviceError(
                f"the card's memory begins at {base:#x}, expected a multiple of {MEMORY_ALIGNMENT}"
                " as XRT allocates it; please report this"
            )
        return base

    def allocate(self, size_bytes: int) -> Buffer:
        """Return a zeroed buffer.

        Raises:
            DeviceError: there is no room.
        """
        inner = self._allocator.allocate(size_bytes)
        end = inner.address - DRAM_BASE + size_bytes
        self._used_bytes = max(self._used_bytes, end)
        buffer = CardBuffer(self, inner)
        buffer.flush()
        return buffer

    def flush(self, address: int, view: Bytes) -> None:
        """Write a part of the image to the card.

        Raises:
            DeviceError: XRT refuses.
        """
        self._send(view, address - DRAM_BASE)

    def invalidate(self, address: int, view: Bytes) -> None:
        """Read a part of the image from the card.

        Raises:
            DeviceError: XRT refuses.
        """
        view[:] = self._receive(address - DRAM_BASE, len(view))

    def _send(self, data: Bytes, offset: int) -> None:
        direction = self._pyxrt.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE
        what = f"send {len(data):,} bytes to the card's memory at {offset:#x}"
        with self.lock, reported(what):
            self._there.write(data, offset)
            self._there.sync(direction, len(data), offset)

    def _receive(self, offset: int, size_bytes: int) -> Bytes:
        direction = self._pyxrt.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE
        what = f"receive {size_bytes:,} bytes from the card's memory at {offset:#x}"
        with self.lock, reported(what):
            self._there.sync(direction, size_bytes, offset)
            received: Bytes = np.asarray(self._there.read(size_bytes, offset)).view(np.uint8)
        return received

    @property
    def _there(self) -> Any:  # noqa: ANN401
        if self._object is None:
            raise DeviceError("the card has no memory: its xclbin is gone; open the device again")
        return self._object


class CardBuffer:
    """A buffer on the card: what the host writes to the view is there after `flush`."""

    def __init__(self, memory: CardMemory, inner: EmulatedBuffer) -> None:
        """Wrap a range of the image."""
        self.address = inner.address
        self.view = inner.view
        self._memory = memory
        self._inner = inner

    def flush(self) -> None:
        """Send the view to the card."""
        self._memory.flush(self.address, self.view)

    def invalidate(self) -> None:
        """Fetch the view from the card."""
        self._memory.invalidate(self.address, self.view)

    def free(self) -> None:
        """Give the range back.

        Raises:
            DeviceError: it was given back before.
        """
        self._inner.free()
