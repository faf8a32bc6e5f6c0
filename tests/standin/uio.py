"""`/dev/uio0` as the kernel's generic platform driver makes it, on a file system in user space.

Ref: Linux, drivers/uio/uio.c and uio_pdrv_genirq.c
Document: uio_read, uio_write, uio_poll; the handler disables the interrupt, a write of 1 enables it
Ref: Linux, kernel/irq/chip.c
Document: handle_edge_irq: an edge that comes while the interrupt is disabled is kept, once
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import select
import struct
import threading

import mfusepy

_WORD = struct.Struct("=i")


class Uio:
    """An interrupt line and the files that are open on it.

    Attributes:
        broken: edges do not arrive.
    """

    def __init__(self) -> None:
        """Be as after the driver was bound: enabled, and nothing has come."""
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)
        self.reset()

    def reset(self) -> None:
        """Be as at the start, for files that are opened from here on."""
        with self._changed:
            self.broken = False
            self._enabled = True
            self._kept = False
            self._count = 0
            self._seen: dict[int, int] = {}
            self._polling: dict[int, int] = {}

    def edge(self) -> None:
        """Take a rising edge of the line."""
        with self._changed:
            if self.broken:
                return
            if self._enabled:
                self._fire()
            else:
                self._kept = True

    def open(self, fi: mfusepy.fuse_file_info) -> None:
        """Number an open file."""
        with self._changed:
            fi.fh = next(self._numbers)
            self._seen[fi.fh] = self._count

    def read(self, size: int, fi: mfusepy.fuse_file_info) -> bytes:
        """Return how many interrupts have come, once it is another number than the last time."""
        if size != _WORD.size:
            raise OSError(errno.EINVAL, "uio_read")
        with self._changed:
            while self._seen.get(fi.fh) == self._count:
                if fi.flags & os.O_NONBLOCK:
                    raise OSError(errno.EAGAIN, "uio_read")
                self._changed.wait()
            self._seen[fi.fh] = self._count
            return _WORD.pack(self._count)

    def write(self, data: bytes) -> None:
        """Enable the interrupt, or disable it."""
        if len(data) != _WORD.size:
            raise OSError(errno.EINVAL, "uio_write")
        with self._changed:
            self._enabled = _WORD.unpack(data) != (0,)
            if self._enabled and self._kept:
                self._kept = False
                self._fire()

    def poll(self, fi: mfusepy.fuse_file_info, handle: int | None) -> int:
        """Return what a file is ready for, and wake who waits, through its handle, when it is."""
        with self._changed:
            if handle is not None:
                self._forget(fi.fh)
                self._polling[fi.fh] = handle
            has_come = self._seen.get(fi.fh) != self._count
            return select.POLLIN | select.POLLRDNORM if has_come else 0

    def _fire(self) -> None:
        self._enabled = False
        self._count += 1
        self._changed.notify_all()
        for number in list(self._polling):
            handle = ctypes.c_void_p(self._polling[number])
            mfusepy._libfuse.fuse_notify_poll(handle)  # mfusepy has no name of its own for it
            self._forget(number)

    def _forget(self, number: int) -> None:
        handle = self._polling.pop(number, None)
        if handle is not None:
            mfusepy._libfuse.fuse_pollhandle_destroy(ctypes.c_void_p(handle))
