"""Opens the device with a base that PYNQ loads; run by PYNQ's Python inside of a stand-in.

Usage: pynq_overlay.py REPOSITORY OVERLAY.bit; prints JSON.

PYNQ's `EmbeddedDevice` loads it, but for what is not here: XRT, and /dev/mem at its place.
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pynq import Device
from pynq.pl_server import embedded_device

from fpga_rt.device.pynq.device import Pynq
from fpga_rt.device.pynq.kernel import Kernel
from fpga_rt.device.pynq.registers import RegisterWindow

ROOT = Path("/proc/self/cwd").resolve()
FPGA0_CLOCK = 0xF800_0170
"""FPGA0_CLK_CTRL of UG585."""


class EmbeddedDevice(embedded_device.EmbeddedDevice):  # type: ignore[misc]  # PYNQ has no types
    """PYNQ's board; with its name and priority, it is probed in its place."""

    _probe_priority_ = embedded_device.EmbeddedDevice._probe_priority_
    name = "stand-in"

    @classmethod
    def _probe_(cls) -> list[EmbeddedDevice]:
        return [cls()]

    def __init__(self) -> None:
        Device.__init__(self, self.name)
        self.capabilities = {"REGISTER_RW": False, "MEMORY_MAPPED": True, "CALLABLE": False}
        self.arch = "armv7l"
        self._windows: list[RegisterWindow] = []

    def mmap(self, base_addr: int, length: int) -> NDArray[np.uint32]:
        self._windows.append(RegisterWindow(Kernel(ROOT).memory, base_addr, length))
        return self._windows[-1]._words

    def gen_cache(self, bitstream: Any, parser: Any = None) -> None:  # noqa: ANN401 - PYNQ has no types
        """Leave no metadata in PYNQ's folder."""

    def _xrt_download(self, data: bytes) -> None:
        """Do nothing: there is no XRT."""


def main() -> None:
    repository, bit = map(Path, sys.argv[1:])
    tests = types.ModuleType("tests")  # another package has installed one of this name
    tests.__path__ = [str(repository / "tests")]
    sys.modules["tests"] = tests
    from tests.standin.standin import mapped_io

    mapped_io(Kernel(ROOT), 0)
    xclbin = Path(embedded_device.__file__).with_name("default.xclbin")
    bit.with_suffix(".xclbin").write_bytes(xclbin.read_bytes())  # else PYNQ calls `xclbinutil`
    clock = RegisterWindow(Kernel(ROOT).memory, FPGA0_CLOCK, 4)
    clock.write(0, 20 << 8 | 2 << 20)
    with Pynq("pynq-z2", kernel=Kernel(ROOT), base=bit, simulation_bitstreams=True) as device:
        found = {
            "divisors": [clock.read(0) >> low & 0x3F for low in (8, 20)],
            "identity": device.identify(0),
            "note": next(one for one in device.capabilities.assumptions if "was loaded" in one),
        }
    print(json.dumps(found))  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main()
