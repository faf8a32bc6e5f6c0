"""The registers of the kernel and of the static region in it: to XRT, those of a compute unit."""

from __future__ import annotations

import ctypes
from typing import Any
from uuid import UUID

from fpga_rt.contract.kernel import KERNEL, STATIC_REGION_OFFSET
from fpga_rt.contract.registers import WORD_BYTES
from fpga_rt.device.stopping import is_static_region, isolate, stop
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

    def locate(self, memory_base: int) -> None:
        """Tell the kernel where the card's memory lies, once nothing in it uses memory.

        XRT does not load an xclbin that is on the card already: then everything is as the process
        before left it, a program that runs and a coupled module too.

        Args:
            memory_base: is added to every address.

        Raises:
            DeviceError: XRT refuses, the kernel has other registers than are known here, or what
                runs in it does not end.
        """
        identity = self._read(KERNEL["kernel_id"].offset)
        if identity != KERNEL.map_id:
            raise DeviceError(
                f"the xclbin's kernel has the register map {identity:#010x}, expected"
                f" {KERNEL.map_id:#010x}; build it with the same version of fpga_rt"
            )
        if is_static_region(self):
            stop(self, "program")
            isolate(self, 0)
        register = KERNEL["memory_base"]
        for word, value in enumerate(register.word_values(memory_base)):
            self._write(register.offset + word * WORD_BYTES, value)

    def read(self, offset: int) -> int:
        """Return the word at a byte offset in the static region.

        Raises:
            DeviceError: XRT refuses.
        """
        return self._read(STATIC_REGION_OFFSET + offset)

    def write(self, offset: int, value: int) -> None:
        """Set the word at a byte offset in the static region.

        Raises:
            DeviceError: XRT refuses.
        """
        self._write(STATIC_REGION_OFFSET + offset, value)

    def _read(self, offset: int) -> int:
        value = ctypes.c_uint32()
        code = self._core.xrtKernelReadRegister(self._kernel, offset, ctypes.byref(value))
        _check(code, f"read register {offset:#x}")
        return value.value

    def _write(self, offset: int, value: int) -> None:
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
