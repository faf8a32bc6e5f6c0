"""What of XRT is there, looked at without touching a card."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from fpga_rt.arch.boards import Board
from fpga_rt.device.diagnosis import Finding
from fpga_rt.device.xrt.library import CORE, INSTALL

_VENDOR = "0x10ee"
"""Xilinx, as PCI knows it."""
_CLASS = 0x1200
"""PCI class of processing accelerators, which Alveo cards have."""
_PORT, _EXAMPLE = "xclbin", "--board alveo-u200-xrt"
"""What boards that XRT swaps have, and one of them."""


def diagnose(board: Board, root: Path = Path("/")) -> Iterator[Finding]:
    """Yield what is there of what the device needs.

    Args:
        board: that is meant.
        root: of the file system.
    """
    cards = sorted(_cards(root))
    wanted = board.title if _PORT in board.ports else f"an Alveo card; name it with {_EXAMPLE}"
    yield Finding(
        "cards", ", ".join(cards) or "no Alveo card", "" if cards else f"plug in {wanted}"
    )
    for driver in ("xocl", "xclmgmt"):
        version = root / "sys/module" / driver / "version"
        found = version.read_text().strip() if version.exists() else "not loaded"
        yield Finding(
            f"driver {driver}", found, "" if version.exists() else f"modprobe {driver}",
            driver == "xocl",
        )  # fmt: skip
    nodes = sorted((root / "dev/dri").glob("renderD*")) if (root / "dev/dri").is_dir() else []
    forbidden = [str(node) for node in nodes if not os.access(node, os.R_OK | os.W_OK)]
    if forbidden:
        yield Finding("device files", f"{', '.join(forbidden)} may not be written",
                      "sudo usermod -aG render $USER, and log in again")  # fmt: skip
    there = find_spec("pyxrt") is not None
    yield Finding("pyxrt", "found" if there else "not found", "" if there else INSTALL)
    yield _core()
    smi = shutil.which("xrt-smi") or shutil.which("xbutil")
    yield Finding("xrt-smi", smi or "not found", "" if smi else INSTALL, required=False)


def _cards(root: Path) -> Iterator[str]:
    for device in (root / "sys/bus/pci/devices").glob("*"):
        vendor, kind = device / "vendor", device / "class"
        if vendor.exists() and vendor.read_text().strip() == _VENDOR and kind.exists():
            if int(kind.read_text(), 16) >> 8 == _CLASS:
                yield device.name


def _core() -> Finding:
    try:
        ctypes.CDLL(CORE)
    except OSError:
        return Finding(f"C library {CORE}", "not found", INSTALL)
    return Finding(f"C library {CORE}", "found")
