"""XRT's Python module, and the few functions of its C library that the module lacks.

Ref: XRT, src/python/pybind11 (pyxrt.pyi)
Document: device, xclbin, bo, uuid; `docs/how-to/run-on-alveo.md` lists every call
Ref: XRT, src/runtime_src/core/include/xrt/xrt_kernel.h and xrt_device.h
Document: xrtDeviceOpen, xrtPLKernelOpenExclusive, xrtKernelReadRegister, xrtKernelWriteRegister

pyxrt has no register accesses: its kernels are started with arguments and run to their end. The
static region is no such kernel, so its registers are reached as C programs reach them.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from fpga_rt.errors import DeviceError

CORE = "libxrt_coreutil.so.2"
INSTALL = (
    "install XRT for the card (https://xilinx.github.io/XRT), then `source"
    " /opt/xilinx/xrt/setup.sh`, which lets Python find it"
)
RAISED = (RuntimeError, OSError, IndexError, ValueError)
"""What pybind11 makes of the exceptions of XRT."""


@dataclass(frozen=True)
class Library:
    """XRT as this process has it.

    Attributes:
        pyxrt: the Python module.
        core: the C library.
    """

    pyxrt: Any
    core: Any


def obstacle() -> str | None:
    """Return why XRT cannot be used here, None when it may be."""
    return None if find_spec("pyxrt") else f"XRT's Python module pyxrt is not here: {INSTALL}"


def load() -> Library:
    """Return XRT.

    Raises:
        DeviceError: it is not installed, or for another Python.
    """
    missing = obstacle()
    if missing:
        raise DeviceError(missing)
    try:
        return Library(importlib.import_module("pyxrt"), ctypes.CDLL(CORE))
    except (ImportError, OSError) as error:
        raise DeviceError(
            f"XRT does not load: {error}; its pyxrt is built for one version of Python, use that,"
            " and `source /opt/xilinx/xrt/setup.sh`"
        ) from error


@contextmanager
def reported(what: str) -> Iterator[None]:
    """Raise what XRT raises inside as a `DeviceError`.

    Raises:
        DeviceError: XRT refused what is done inside.
    """
    try:
        yield
    except RAISED as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise DeviceError(
            f"XRT cannot {what}: {text}; `xrt-smi examine` shows the card's state"
        ) from error
