"""PYNQ's own partial downloads over plain files, see `pynq_swap_board`; prints JSON.

    python -m benchmarks.pynq_swap_pynq COUNT FULL.bit PARTIAL.bit PARTIAL.bit

Run by the Python of PYNQ's environment. Its device is PYNQ's `EmbeddedDevice` but for what is not
here: XRT, and the processor's clock registers. Beside every .bit goes an .xclbin, since PYNQ would
start `xclbinutil` for each partial without one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pynq import Device, Overlay
from pynq.pl_server import device as pynq_device
from pynq.pl_server import embedded_device, hwh_parser
from pynq.pl_server.embedded_device import bit2bin

from benchmarks import pynq_swap_board
from benchmarks.counting import Taken, taken_us
from fpga_rt.arch.boards import board
from fpga_rt.serve.processor import ProcessorRegisters

REGION = "gpio_0"
_CONVERSIONS = 11
_REGISTERS = ProcessorRegisters(board("pynq-z2")).processor.power_up


class EmbeddedDevice(embedded_device.EmbeddedDevice):  # type: ignore[misc]  # PYNQ has no types
    """PYNQ's board without XRT; with its name and priority, it is probed in its place."""

    _probe_priority_ = embedded_device.EmbeddedDevice._probe_priority_
    name = "plain"

    @classmethod
    def _probe_(cls) -> list[EmbeddedDevice]:
        return [cls()]

    def __init__(self) -> None:
        """Be a board whose registers are memory."""
        Device.__init__(self, "plain")
        self.capabilities = {"REGISTER_RW": False, "MEMORY_MAPPED": True, "CALLABLE": False}
        self.arch = "armv7l"

    def mmap(self, base_addr: int, length: int) -> NDArray[np.uint32]:
        """Return memory with the clock registers as after boot."""
        words = np.zeros(length >> 2, np.uint32)
        for address, value in _REGISTERS.items():
            if base_addr <= address < base_addr + length:
                words[(address - base_addr) >> 2] = value
        return words

    def gen_cache(self, bitstream: Any, parser: Any = None) -> None:  # noqa: ANN401 - as below
        """Leave no metadata in PYNQ's folder, where it would be taken for those of other files."""

    def _xrt_download(self, data: bytes) -> None:
        """Do nothing: there is no XRT."""


def main() -> None:
    """Download the full design, then partials, and print how long each took in microseconds."""
    count, *names = sys.argv[1:]
    full, *partials = map(Path, names)
    pynq_swap_board.lay_out()
    xclbin = Path(embedded_device.__file__).with_name("default.xclbin").read_bytes()
    for path in (full, *partials):
        path.with_suffix(".xclbin").write_bytes(xclbin)
    # On a host that is no Arm, PYNQ picks a class for a partial's metadata that cannot read it.
    hwh_parser.HWH = pynq_device.HWH = hwh_parser._HWHZynq
    data = partials[0].read_bytes()
    conversions = [taken_us(bit2bin, data)[0] for _ in range(_CONVERSIONS)]
    binfile = pynq_swap_board.FIRMWARE / "timed.bin"
    files = [taken_us(lambda: binfile.write_bytes(bit2bin(data)))[0] for _ in range(_CONVERSIONS)]
    design = Overlay(str(full))
    wall, processor = zip(*downloads_us(design, partials, int(count)), strict=True)
    is_right = pynq_swap_board.loaded() == bit2bin(partials[(int(count) - 1) % 2].read_bytes())
    times = {"wall_us": wall, "processor_us": processor, "is_right": is_right}
    print(json.dumps(times | {"bit2bin_us": conversions, "binfile_us": files}))


def downloads_us(design: Any, partials: list[Path], count: int) -> Iterator[Taken]:  # noqa: ANN401 - PYNQ has no types
    """Download partials in turn, and yield what each took, the first one left out."""
    design.pr_download(REGION, str(partials[-1]))
    for index in range(count):
        yield taken_us(design.pr_download, REGION, str(partials[index % 2]))


if __name__ == "__main__":
    main()
