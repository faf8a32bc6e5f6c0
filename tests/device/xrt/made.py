"""A device on the stand-in for XRT."""

from __future__ import annotations

from pathlib import Path

from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device.xrt.device import Xrt
from tests.standin.xrt import Machine

BOARD = "alveo-u200-xrt"
MAP = STATIC_REGION["map_id"].offset


def opened(machine: Machine, folder: Path | None, **options: object) -> Xrt:
    return Xrt(BOARD, xclbins=folder, memory_bytes=1 << 20, xrt=machine.library, **options)  # type: ignore[arg-type]  # what a test gives
