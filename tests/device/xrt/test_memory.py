"""Memory of the card: carried over swaps, and given back whatever happens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.device.xrt.device import Xrt
from fpga_rt.errors import DeviceError, ReconfigurationError
from fpga_rt.network import golden
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.runtime import Runtime
from fpga_rt.selfcheck.network import small_network
from tests.device.programs import activate, module_named, stage
from tests.device.xrt.made import BOARD, opened
from tests.standin.xrt import Machine


def test_an_error_that_is_kept_keeps_no_memory_of_the_card(
    machine: tuple[Machine, Path], device: Xrt
) -> None:
    """XRT loads nothing while a buffer object lives."""
    buffer = device.allocate(64)
    staged = stage(device, 0, module_named("clamp_8"))
    device.decouple(0)
    machine[0].refusals["sync"] = "DMA failed"
    with pytest.raises(DeviceError, match="XRT cannot send") as of_flush:
        buffer.flush()
    with pytest.raises(DeviceError, match="XRT cannot receive") as of_invalidate:
        buffer.invalidate()
    with pytest.raises(ReconfigurationError, match="DMA failed") as of_load:
        device.wait(device.begin_load(0, staged, "xclbin"))
    machine[0].refusals.clear()
    activate(device, 0, "clamp_8")
    device.close()
    assert not machine[0].objects
    assert all(kept.value.__traceback__ for kept in (of_flush, of_invalidate, of_load))


def test_a_device_that_is_closed_keeps_no_memory_of_the_card(
    machine: tuple[Machine, Path],
) -> None:
    with opened(*machine) as closed:
        kept = closed.allocate(64)
    assert not machine[0].objects
    with opened(*machine) as another:
        activate(another, 0, "scale_8")
    with closed, pytest.raises(DeviceError, match="its xclbin is gone; open the device again"):
        kept.flush()


def test_memory_is_kept_where_it_cannot_be_written_again(
    machine: tuple[Machine, Path], device: Xrt
) -> None:
    """It is still the host's: what was saved is written by the load that goes well."""
    buffer = device.allocate(64)
    buffer.view[:] = 7
    buffer.flush()
    device._card.memory.detach()
    machine[0].moved = 64
    with pytest.raises(DeviceError, match="expected a multiple of 4096") as kept:
        device._card.load(device._folder.of(module_named("add_8").module_id))
    assert kept.value.__traceback__ is not None
    assert not machine[0].objects
    machine[0].moved = 0
    device._card.load(device._folder.of(module_named("clamp_8").module_id))
    buffer.view[:] = 0
    buffer.invalidate()
    assert (buffer.view == 7).all()


def test_memory_that_cannot_be_moved(machine: tuple[Machine, Path], device: Xrt) -> None:
    buffer = device.allocate(64)
    staged = stage(device, 0, module_named("clamp_8"))
    device.decouple(0)
    machine[0].refusals["sync"] = "DMA failed"
    with pytest.raises(DeviceError, match="XRT cannot send 64 bytes to the card's memory at 0x"):
        buffer.flush()
    with pytest.raises(DeviceError, match=r"XRT cannot receive 64 bytes .*: DMA failed; `xrt-smi"):
        buffer.invalidate()
    with pytest.raises(ReconfigurationError, match=r"XRT cannot receive .*: DMA failed"):
        device.wait(device.begin_load(0, staged, "xclbin"))
    machine[0].refusals.clear()
    activate(device, 0, "clamp_8")


def test_memory_that_lies_elsewhere_after_a_swap(machine: tuple[Machine, Path]) -> None:
    """The kernel adds where the memory is; buffers keep their addresses and contents."""
    network = small_network()
    codes = np.random.default_rng(1).integers(-128, 128, (2, 8, 8, 8)).astype(np.int8)
    with opened(*machine) as device, Runtime(device) as runtime:
        model = runtime.load(compile_network(network, board(BOARD)))
        expected = golden.run(network, codes)
        for moved in (0, 4096, 3 << 32):
            machine[0].moved = moved
            assert np.array_equal(runtime.run(model, codes, batch=2), expected)


def test_memory_where_no_kernel_reaches_it(machine: tuple[Machine, Path]) -> None:
    machine[0].moved = 64
    with pytest.raises(
        DeviceError, match=r"memory begins at 0x5000000040, expected a multiple of 4096 as XRT"
    ):
        opened(*machine).open()
    with pytest.raises(DeviceError, match=r"device memory of 4294967296 bytes: expected 1\.\.375"):
        Xrt(BOARD, xclbins=machine[1], memory_bytes=1 << 32, xrt=machine[0].library).open()
