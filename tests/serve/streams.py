"""The board that is simulated, a module's bitstream for it, and another design."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from fpga_rt.arch.boards import Board, board
from fpga_rt.bitstream.build import Form, bit_file, build, simulation_bitstream
from fpga_rt.bitstream.convert import convert
from fpga_rt.bitstream.expand import Frames, frame_order
from fpga_rt.modules.registry import named
from fpga_rt.serve.hwh import AddressRange, static_region_range, write_hwh

MEMORY_BYTES = 16 << 20
TARGET = board("pynq-z2")

(ADD,) = named(["add_8"])


def partial(partition: int = 0) -> bytes:
    """Return a module's bitstream as fpga_manager takes it."""
    place = TARGET.partitions[partition]
    return convert(simulation_bitstream(TARGET.device, place, ADD.module_id)).data


def loopback_design(target: Board, folder: Path) -> Path:
    """Write a design with a DMA whose streams are looped back and a GPIO; return its .bit."""
    base = static_region_range(target).base
    ranges = [
        AddressRange("dma_0", "axi_dma", base + 0x40_0000, 0x1_0000),
        AddressRange("leds_gpio", "axi_gpio", base + 0x120_0000, 0x1_0000, drives=True),
    ]
    words = np.zeros((1, target.device.family.frame_words), np.uint32)
    words[0, 5] = 0x100B_BACC
    first = frame_order(target.device).partition(target.partitions[0])[:1]
    stream = build(target.device, Frames(first, words), Form.FULL_COMPRESSED)
    part = target.device.name.removeprefix("xc")
    bit = folder / f"loopback_{target.name.replace('-', '_')}.bit"
    bit.write_bytes(bit_file(stream, "loopback", part, partial=False))
    bit.with_suffix(".hwh").write_text(write_hwh(target, ranges, "loopback"))
    return bit


def foreign_design(data: Path, folder: Path) -> tuple[Path, Path]:
    """Copy a design and a partial for its region, from a public repository; return their .bit.

    Vivado 2018 called a region RBD; PYNQ 3.1 and 4.0 look for what later ones call it.
    """
    source = data / "bitstreams" / "yunqu-partial_reconfig_example"
    for name in ("gpio_pr", "led_0"):
        for suffix in (".bit", ".hwh"):
            copied = source / f"boards__Pynq-Z1__gpio_pr__{name}{suffix}"
            shutil.copy(copied, folder / f"{name}{suffix}")
    hwh = folder / "gpio_pr.hwh"
    text = hwh.read_text(encoding="utf-8")
    hwh.write_text(text.replace('BDTYPE="RBD"', 'BDTYPE="BLOCK_CONTAINER"'), encoding="utf-8")
    return folder / "gpio_pr.bit", folder / "led_0.bit"
