"""Registers behind mappings: where they lie, and how wide an access is."""

from __future__ import annotations

import mmap
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device.pynq.device import BASE_ADDRESS
from fpga_rt.device.pynq.kernel import Kernel
from fpga_rt.device.pynq.registers import RegisterWindow, static_region_window
from fpga_rt.errors import DeviceError
from tests.standin.standin import StandIn


@pytest.mark.parametrize("offset", [0, 0x40, mmap.PAGESIZE, mmap.PAGESIZE + 8])
def test_words_lie_at_their_offsets(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "mem"
    path.write_bytes(np.arange(mmap.PAGESIZE, dtype="<u4").tobytes())
    window = RegisterWindow(path, offset, 16)
    assert window.read(4) == (offset + 4) // 4
    window.write(8, 0x8765_4321)
    window.close()
    data = path.read_bytes()[offset : offset + 16]
    first = offset // 4
    assert list(np.frombuffer(data, "<u4")) == [first, first + 1, 0x8765_4321, first + 3]


def test_the_uio_device_of_the_static_region_is_preferred(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    for number, name in enumerate(("other", "fpga_rt")):
        folder = tmp_path / f"sys/class/uio/uio{number}"
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
    (tmp_path / "dev").mkdir()
    for name, value in (("uio0", 1), ("uio1", 2), ("mem", 3)):
        content = np.full(mmap.PAGESIZE, value, "<u4")
        (tmp_path / "dev" / name).write_bytes(content.tobytes())
    assert static_region_window(kernel, 0, 64).read(0) == 2
    (tmp_path / "sys/class/uio/uio1/name").write_text("gone\n")
    assert static_region_window(kernel, 0, 64).read(0) == 3


def test_memory_that_cannot_be_mapped_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"cannot map the registers in .*dev/mem: No such file"):
        RegisterWindow(Kernel(tmp_path).memory, 0, 4)


def test_the_window_reaches_the_static_region(standin: StandIn) -> None:
    address = BASE_ADDRESS["7-series"]
    window = RegisterWindow(standin.kernel.memory, address, STATIC_REGION.size_bytes)
    assert window.read(STATIC_REGION["map_id"].offset) == STATIC_REGION.map_id
    source = STATIC_REGION["configuration_source"].offset
    window.write(source, 0xFFFF_0001)
    assert window.read(source) == 0xFFFF_0001
    window.close()


_BYTEWISE = """
import mmap, sys
from pathlib import Path
from fpga_rt.device.pynq.kernel import Kernel
from tests.standin.standin import mapped_io

root = Path(sys.argv[1])
installed = mapped_io(Kernel(root), 0)
with (root / "dev/mem").open("r+b") as file:
    mapping = mmap.mmap(file.fileno(), 4096, offset=0x4000_0000)
    print(mapping[0], flush=True)
"""


def test_the_stand_in_takes_no_access_that_is_not_32_bits_wide(standin: StandIn) -> None:
    """A load of one byte ends the process, as nothing that an AXI4-Lite slave takes."""
    command = [sys.executable, "-c", _BYTEWISE, str(standin.kernel.root)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode < 0
    assert ended.stderr == "access to 0x40000000 is no aligned 32-bit move\n"
    assert ended.stdout == ""
