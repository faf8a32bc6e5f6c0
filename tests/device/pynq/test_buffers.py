"""Contiguous memory: a u-dma-buf device, or what PYNQ allocates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fpga_rt.device.pynq.buffers import PynqMemory, UdmabufMemory, open_memory
from fpga_rt.device.pynq.kernel import Kernel
from fpga_rt.errors import DeviceError

BASE, SIZE, PYNQ_SIZE = 0x1E90_0000, 4096, 1 << 16


def udmabuf(root: Path, kind: str = "u-dma-buf", coherent: int = 0, name: str = "udmabuf0") -> Path:
    """Make the files of a device, and return its folder in /sys/class."""
    folder = root / "sys/class" / kind / name
    folder.mkdir(parents=True)
    (root / "dev").mkdir(exist_ok=True)
    (root / "dev" / name).write_bytes(b"\xaa" * SIZE)
    properties = {
        "driver_version": "1.4.2\n",
        "phys_addr": f"{BASE:#x}\n",
        "size": f"{SIZE}\n",
        "dma_coherent": f"{coherent}\n",
    }
    for file, value in properties.items():
        (folder / file).write_text(value)
    for file in ("sync_for_cpu", "sync_for_device"):
        (folder / file).write_text("")
    return folder


@pytest.mark.parametrize("kind", ["u-dma-buf", "udmabuf"])
def test_a_udmabuf_device_is_divided(tmp_path: Path, kind: str) -> None:
    udmabuf(tmp_path, kind)
    memory = open_memory(Kernel(tmp_path))
    assert isinstance(memory, UdmabufMemory)
    assert memory.size_bytes == SIZE
    first, second = memory.allocate(100), memory.allocate(64)
    assert (first.address, second.address) == (BASE, BASE + 128)
    assert not first.view.any()
    second.view[:] = range(64)
    content = (tmp_path / "dev/udmabuf0").read_bytes()
    assert content[:128] == bytes(100) + b"\xaa" * 28
    assert content[128:192] == bytes(range(64))
    first.free()
    with pytest.raises(DeviceError, match="was freed before"):
        first.free()
    with pytest.raises(DeviceError, match="device memory is full"):
        memory.allocate(SIZE)
    memory.close()


def test_of_several_udmabuf_devices_the_one_named_for_it_is_taken(tmp_path: Path) -> None:
    for name in ("camera", "udmabuf1"):
        udmabuf(tmp_path, name=name)
    message = r"2 u-dma-buf devices are here: camera, udmabuf1; expected one, or one named fpga_rt"
    with pytest.raises(DeviceError, match=message):
        open_memory(Kernel(tmp_path))
    udmabuf(tmp_path, name="fpga_rt")
    memory = open_memory(Kernel(tmp_path))
    memory.allocate(100)
    memory.close()
    cleared = {path.name for path in (tmp_path / "dev").iterdir() if path.read_bytes()[:1] == b"\0"}
    assert cleared == {"fpga_rt"}


def test_flush_and_invalidate_name_the_range(tmp_path: Path) -> None:
    """Offset in the upper word; size, both directions (0) and 1 in the lower one."""
    folder = udmabuf(tmp_path)
    memory = open_memory(Kernel(tmp_path))
    memory.allocate(64)
    buffer = memory.allocate(100)
    (folder / "sync_for_device").write_text("")
    buffer.flush()
    assert (folder / "sync_for_device").read_text() == "0x0000004000000081"
    assert (folder / "sync_for_cpu").read_text() == ""
    buffer.invalidate()
    assert (folder / "sync_for_cpu").read_text() == "0x0000004000000081"
    memory.close()


def test_a_driver_that_cannot_synchronise_a_range_is_refused(tmp_path: Path) -> None:
    (udmabuf(tmp_path) / "driver_version").unlink()
    with pytest.raises(DeviceError, match=r"cannot read the properties of .*udmabuf0: No such f"):
        open_memory(Kernel(tmp_path))


def test_coherent_memory_needs_neither(tmp_path: Path) -> None:
    folder = udmabuf(tmp_path, coherent=1)
    memory = open_memory(Kernel(tmp_path))
    assert memory.description == "u-dma-buf 1.4.2, cached, coherent"
    buffer = memory.allocate(64)
    buffer.flush()
    buffer.invalidate()
    assert (folder / "sync_for_device").read_text() == ""


def test_a_machine_without_contiguous_memory_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"modprobe u-dma-buf.*or pip install 'fpga-rt\[pynq\]'"):
        open_memory(Kernel(tmp_path))


class Allocated(np.ndarray):
    """What `pynq.allocate` returns, as its documentation describes it."""

    device_address = BASE
    calls: list[str]

    def flush(self) -> None:
        self.calls.append("flush")

    def invalidate(self) -> None:
        self.calls.append("invalidate")

    def freebuffer(self) -> None:
        self.calls.append("free")


def allocating(calls: list[str], address: int = BASE) -> Callable[..., NDArray[np.uint8]]:
    def allocate(shape: tuple[int], dtype: type) -> NDArray[np.uint8]:
        if shape[0] > PYNQ_SIZE // 2:
            raise RuntimeError("Failed to allocate Memory!")
        made = np.full(shape, 0xAA, dtype).view(Allocated)
        made.calls, made.device_address = calls, address
        return made

    return allocate


def test_pynq_buffers_are_zeroed_and_given_back_once() -> None:
    calls: list[str] = []
    buffer = PynqMemory(allocating(calls), PYNQ_SIZE).allocate(100)
    assert buffer.address == BASE
    assert type(buffer.view) is np.ndarray
    assert buffer.view.shape == (100,)
    assert not buffer.view.any()
    buffer.invalidate()
    buffer.free()
    assert calls == ["flush", "invalidate", "free"]
    with pytest.raises(DeviceError, match="was freed before"):
        buffer.free()


def test_pynq_memory_that_is_full_is_reported() -> None:
    memory = PynqMemory(allocating([]), PYNQ_SIZE)
    with pytest.raises(DeviceError, match="device memory is full: got a request for 65537 bytes"):
        memory.allocate(PYNQ_SIZE + 1)
    with pytest.raises(DeviceError, match="no 65536 bytes: Failed to allocate Memory!; free buff"):
        memory.allocate(PYNQ_SIZE)


@pytest.mark.parametrize("address", [BASE + 32, 0xF000_0000 - 64, 0x8_0000_0000])
def test_pynq_buffers_out_of_reach_are_refused(address: int) -> None:
    calls: list[str] = []
    message = f"has 100 bytes at {address:#x}, expected a multiple of 64 and an end up to 0xf0000"
    with pytest.raises(DeviceError, match=message):
        PynqMemory(allocating(calls, address), PYNQ_SIZE).allocate(100)
    assert calls == ["free"]


def test_a_udmabuf_device_out_of_reach_is_refused(tmp_path: Path) -> None:
    (udmabuf(tmp_path) / "phys_addr").write_text("0x0000000800000000\n")
    with pytest.raises(DeviceError, match=r"udmabuf0 has 4096 bytes at 0x800000000, expected"):
        open_memory(Kernel(tmp_path))
