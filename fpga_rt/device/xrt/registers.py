"""The registers of the static region, which XRT knows as a compute unit."""

from __future__ import annotations

import ctypes
from typing import Any
from uuid import UUID

from fpga_rt.errors import DeviceError


class Registers:
    """A compute unit that is open for this process alone: XRT lets no other mode read registers."""

    def __init__(self, core: Any, index: int, uuid: UUID, name: str) -> None:  # noqa: ANN401 - a C library
        """Open the unit.

        Args:
            core: XRT's C library.
            index: of the card.
            uuid: of the xclbin that is loaded.
            name: of the kernel.

        Raises:
            DeviceError: XRT does not open it.
        """
        self._core = core
        self._kernel = None
        _declare(core)
        self._device = core.xrtDeviceOpen(index)
        if not self._device:
            raise DeviceError(f"XRT cannot open card {index}; `xrt-smi examine` lists the cards")
        identity = (ctypes.c_ubyte * 16).from_buffer_copy(uuid.bytes)
        self._kernel = core.xrtPLKernelOpenExclusive(self._device, identity, name.encode())
        if not self._kernel:
            self.close()
            raise DeviceError(
                f"XRT cannot open kernel {name} of xclbin {uuid} for this process alone; is that"
                " its name, and does another process have it?"
            )

    def read(self, offset: int) -> int:
        """Return the word at a byte offset.

        Raises:
            DeviceError: XRT refuses.
        """
        value = ctypes.c_uint32()
        code = self._core.xrtKernelReadRegister(self._kernel, offset, ctypes.byref(value))
        _check(code, f"read register {offset:#x}")
        return value.value

    def write(self, offset: int, value: int) -> None:
        """Set the word at a byte offset.

        Raises:
            DeviceError: XRT refuses.
        """
        code = self._core.xrtKernelWriteRegister(self._kernel, offset, value)
        _check(code, f"write {value:#x} to register {offset:#x}")

    def close(self) -> None:
        """Give the unit back; again: harmless."""
        kernel, device = self._kernel, self._device
        self._kernel = self._device = None
        if kernel:
            self._core.xrtKernelClose(kernel)
        if device:
            self._core.xrtDeviceClose(device)


def _check(code: int, what: str) -> None:
    if code:
        raise DeviceError(f"XRT cannot {what}: error {code}; is the card still there?")


def _declare(core: Any) -> None:  # noqa: ANN401 - a C library
    """State the C functions' types: a handle is a pointer, and an int would cut it."""
    handle, word = ctypes.c_void_p, ctypes.c_uint32
    for name, result, arguments in (
        ("xrtDeviceOpen", handle, (ctypes.c_uint,)),
        ("xrtDeviceClose", ctypes.c_int, (handle,)),
        ("xrtPLKernelOpenExclusive", handle, (handle, ctypes.c_ubyte * 16, ctypes.c_char_p)),
        ("xrtKernelClose", ctypes.c_int, (handle,)),
        ("xrtKernelReadRegister", ctypes.c_int, (handle, word, ctypes.POINTER(word))),
        ("xrtKernelWriteRegister", ctypes.c_int, (handle, word, word)),
    ):
        function = getattr(core, name)
        function.restype, function.argtypes = result, arguments
