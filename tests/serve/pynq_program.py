"""A PYNQ program, run by PYNQ's own client in an environment of its own; prints JSON.

Usage: pynq_program.py LOOPBACK.bit OVERLAY.bit MODULE.bit FULL.bit REGION.bit
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    """Use a loopback design, then the static region, then a real design with a real partial."""
    loopback, overlay, module, full, region = sys.argv[1:]
    from pynq import Device

    found: dict[str, Any] = {"board": Device.active_device.name, "arch": Device.active_device.arch}
    found |= with_dma(loopback)
    found |= with_static_region(overlay, module)
    found |= with_foreign_design(full, region)
    print(json.dumps(found))  # noqa: T201 - what the test reads


def with_dma(loopback: str) -> dict[str, Any]:
    """Send a buffer through AXI DMA and back, and blink."""
    from pynq import Clocks, Overlay, allocate

    design = Overlay(loopback)
    sent = allocate((3000,), np.uint32)
    received = allocate((3000,), np.uint32)
    sent[:] = np.arange(3000)
    design.dma_0.sendchannel.transfer(sent)
    design.dma_0.recvchannel.transfer(received)
    design.dma_0.sendchannel.wait()
    design.dma_0.recvchannel.wait()
    leds = design.leds_gpio.channel1
    leds.write(0x5, 0xF)
    return {
        "loaded": design.is_loaded(),
        "driver": type(design.dma_0).__name__,
        "received": bool((np.asarray(received) == np.arange(3000)).all()),
        "transferred": int(design.dma_0.recvchannel.transferred),
        "leds": int(leds.read()) & 0xF,
        "clock_mhz": float(Clocks.fclk0_mhz),
    }


def with_static_region(overlay: str, module: str) -> dict[str, Any]:
    """Swap a module in."""
    from pynq import Overlay

    region = Overlay(overlay).fpga_rt_0
    before = word(region, 0x100)
    refused = download(module)
    return {
        "before": before,
        "identity": word(region, 0x100) | word(region, 0x104) << 32,
        "refused": refused,
    }


def with_foreign_design(full: str, region: str) -> dict[str, Any]:
    """Download a design from a public repository, then a partial into its region, twice."""
    from pynq import MMIO, Overlay
    from pynq.pl_server import device, hwh_parser

    design = Overlay(full)
    # On a host that is no Arm, PYNQ.remote parses partial metadata with the wrong class.
    hwh_parser.HWH = device.HWH = hwh_parser._HWHZynq
    upload(region)
    for _ in range(2):
        design.pr_download("gpio_0", region)
    leds = MMIO(0x4123_0000, 0x10)
    leds.write(4, 0)
    leds.write(0, 0x6)
    return {
        "ip": sorted(design.ip_dict),
        "region": {name: Path(one["loaded"]).name for name, one in design.pr_dict.items()},
        "region_leds": int(leds.read(0)),
    }


def word(region: Any, offset: int) -> int:  # noqa: ANN401 - PYNQ has no types
    """Read a register; PYNQ 3.1 returns the upper half of values as negative ones."""
    return int(region.read(offset)) & 0xFFFF_FFFF


def download(partial: str) -> str:
    """Download a partial without metadata; return what was refused."""
    from pynq.bitstream import Bitstream

    upload(partial)
    try:
        Bitstream(partial, partial=True).download()
    except Exception as error:  # noqa: BLE001 - told to the test
        return str(error)
    return ""


def upload(partial: str) -> None:
    """Send the file that a partial download in PYNQ.remote forgets."""
    from pynq import Device
    from pynq.pl_server.embedded_device import bit2bin

    path = Path(partial)
    content = bit2bin(path.read_bytes())
    Device.active_device.write_file(f"/lib/firmware/{path.stem}.bin", content)


if __name__ == "__main__":
    main()
