"""Where a kernel's interfaces lie, and what its refusals mean."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fpga_rt.device.pynq.kernel import Kernel, described, reported
from fpga_rt.errors import DeviceError


def test_every_path_is_below_the_root(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    paths = [kernel.fpga_manager, kernel.firmware, kernel.memory, kernel.lock]
    assert all(tmp_path in path.parents for path in (*paths, kernel.firmware_registers))
    assert str(Kernel().fpga_manager) == "/sys/class/fpga_manager/fpga0"
    assert str(Kernel().firmware) == "/lib/firmware"
    assert str(Kernel().memory) == "/dev/mem"


def test_the_device_tree_says_what_the_machine_is(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    assert not kernel.compatible
    tree = tmp_path / "proc/device-tree"
    tree.mkdir(parents=True)
    (tree / "compatible").write_bytes(b"tul,pynq-z2\0xlnx,zynq-7000\0")
    assert kernel.compatible == ("tul,pynq-z2", "xlnx,zynq-7000")


def test_devices_are_found_by_name(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    assert kernel.named("uio", "fpga_rt") is None
    for entry, name in (("uio0", "other"), ("uio1", "fpga_rt")):
        folder = tmp_path / "sys/class/uio" / entry
        folder.mkdir(parents=True)
        (folder / "name").write_text(name + "\n")
    found = kernel.named("uio", "fpga_rt")
    assert found is not None
    assert kernel.node(found) == tmp_path / "dev/uio1"


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.EACCES, "run as root"),
        (errno.ENOENT, "is its driver loaded"),
        (errno.ENOSPC, "rm /lib/firmware/fpgart_"),
        (errno.EROFS, "mount -o remount,rw"),
    ],
)
def test_refusals_say_what_to_do(code: int, advice: str) -> None:
    error = OSError(code, os.strerror(code))
    text = described(error)
    assert text.startswith(f"{os.strerror(code)} ({errno.errorcode[code]}); ")
    assert advice in text
    with (
        pytest.raises(DeviceError, match=r"^cannot open /x: ") as caught,
        reported("open", Path("/x")),
    ):
        raise error
    assert caught.value.__cause__ is error


def test_a_refusal_without_advice_has_its_name() -> None:
    assert described(OSError(errno.EIO, "Input/output error")) == "Input/output error (EIO)"
