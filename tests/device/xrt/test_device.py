"""What is the device's own: swaps of the whole User partition, and what XRT refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.contract.kernel import KERNEL
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device.memory import Region
from fpga_rt.device.registry import devices
from fpga_rt.device.xrt.card import Card
from fpga_rt.device.xrt.device import Xrt
from fpga_rt.device.xrt.files import XclbinFile
from fpga_rt.errors import ArtifactError, DeviceError, ReconfigurationError
from fpga_rt.network import golden
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.runtime import Runtime
from fpga_rt.selfcheck.network import small_network
from tests.device.programs import activate, module_named, stage
from tests.standin.xrt import Machine, installed, xclbin
from tests.standin.xrt_logic import EmulatedKernel

BOARD = "alveo-u200-xrt"
MAP = STATIC_REGION["map_id"].offset


@pytest.fixture
def machine() -> Iterator[tuple[Machine, Path]]:
    with installed(BOARD) as (found, folder):
        yield found, folder


@pytest.fixture
def device(machine: tuple[Machine, Path]) -> Iterator[Xrt]:
    with opened(*machine) as found:
        yield found


def opened(machine: Machine, folder: Path | None, **options: object) -> Xrt:
    return Xrt(BOARD, xclbins=folder, memory_bytes=1 << 20, xrt=machine.library, **options)  # type: ignore[arg-type]  # what a test gives


def test_a_network_swaps_its_modules_and_keeps_its_feature_maps(
    machine: tuple[Machine, Path],
) -> None:
    """Each load empties the card's memory, with the parameters and feature maps in it."""
    network = small_network()
    codes = np.random.default_rng(1).integers(-128, 128, (3, 8, 8, 8)).astype(np.int8)
    with opened(*machine) as device, Runtime(device) as runtime:
        model = runtime.load(compile_network(network, board(BOARD)))
        outputs = runtime.run(model, codes, batch=3)
    assert np.array_equal(outputs, golden.run(network, codes))
    assert len(machine[0].loaded) == 1 + len(runtime.log.swaps)
    assert len(runtime.log.swaps) > 2


def test_says_which_card_it_is(device: Xrt) -> None:
    assert device.capabilities.assumptions[0] == "Card 0: xilinx_u200_gen3x16_xdma_base_2."


def test_compute_units_are_given_back(machine: tuple[Machine, Path]) -> None:
    with opened(*machine):
        assert machine[0].units == 1
    assert machine[0].units == 0


def test_the_base_may_be_named(machine: tuple[Machine, Path]) -> None:
    with opened(*machine, base=machine[1] / "scale_8.xclbin") as device:
        assert device.identify(0) == 0
        assert activate(device, 0, "add_8").module_id == module_named("add_8").module_id


def test_a_failed_load_leaves_the_region_that_was_there(
    machine: tuple[Machine, Path], device: Xrt
) -> None:
    activate(device, 0, "add_8")
    buffer = device.allocate(64)
    buffer.view[:] = 7
    buffer.flush()
    machine[0].refusals["load"] = "load_xclbin: clock mismatch"
    staged = stage(device, 0, module_named("clamp_8"))
    device.decouple(0)
    with pytest.raises(
        ReconfigurationError,
        match=r"through xclbin: PORT error, XRT cannot load .*clamp_8\.xclbin: load_xclbin: clock"
        r" mismatch; `xrt-smi examine` shows the card's state; the partition is failed",
    ):
        device.wait(device.begin_load(0, staged, "xclbin"))
    with pytest.raises(ReconfigurationError, match="is failed and stays decoupled"):
        device.recouple(0)
    machine[0].refusals.clear()
    activate(device, 0, "clamp_8")
    buffer.view[:] = 0
    buffer.invalidate()
    assert (buffer.view == 7).all()


def test_what_no_driver_should_raise_is_a_load_that_failed(
    machine: tuple[Machine, Path], device: Xrt, monkeypatch: pytest.MonkeyPatch
) -> None:
    activate(device, 0, "add_8")
    staged = stage(device, 0, module_named("scale_8"))

    def surprise(card: Card, file: XclbinFile) -> None:
        raise MemoryError("no room for the memory's content")

    device.decouple(0)
    with monkeypatch.context() as patched:
        patched.setattr(Card, "load", surprise)
        load = device.begin_load(0, staged, "xclbin")
        with pytest.raises(
            ReconfigurationError,
            match=r"scale_8\.xclbin met MemoryError: no room for the memory's content; look at",
        ) as caught:
            device.wait(load)
    assert caught.value.partition_state == "failed"
    assert activate(device, 0, "scale_8").module_id == module_named("scale_8").module_id


def test_a_card_that_is_lost_in_a_load(machine: tuple[Machine, Path], device: Xrt) -> None:
    staged = stage(device, 0, module_named("clamp_8"))
    device.decouple(0)
    machine[0].refusals["kernel"] = ""
    with pytest.raises(ReconfigurationError, match="the static region is gone: XRT cannot open"):
        device.wait(device.begin_load(0, staged, "xclbin"))
    with pytest.raises(DeviceError, match="card 0 has no static region; open the device again"):
        device.read32(MAP)


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


def test_a_kernel_of_another_version(
    machine: tuple[Machine, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = EmulatedKernel.read
    place = KERNEL["kernel_id"].offset

    def other(kernel: EmulatedKernel, offset: int, bank: Region) -> int:
        return 0x1234 if offset == place else read(kernel, offset, bank)

    monkeypatch.setattr(EmulatedKernel, "read", other)
    with pytest.raises(
        DeviceError,
        match=r"kernel has the register map 0x00001234, expected 0x\w{8}; build it with",
    ):
        opened(*machine).open()
    assert machine[0].units == 0


def test_an_xclbin_of_another_card_is_refused_when_it_is_staged(
    machine: tuple[Machine, Path], device: Xrt
) -> None:
    path = machine[1] / "clamp_8.xclbin"
    path.write_bytes(xclbin(b"", "xilinx_u250_gen3x16_xdma_4_1_202210_1"))
    with pytest.raises(
        ArtifactError,
        match=r"clamp_8\.xclbin was linked for platform xilinx_u250.*, expected one of the card,"
        r" xilinx_u200 \(xilinx_u200_gen3x16_xdma_base_2\); link it with `v\+\+ --platform`",
    ):
        stage(device, 0, module_named("clamp_8"))


def test_an_xclbin_that_is_missing_or_was_replaced(
    machine: tuple[Machine, Path], device: Xrt
) -> None:
    path = machine[1] / "clamp_8.xclbin"
    staged = stage(device, 0, module_named("clamp_8"))
    path.write_bytes((machine[1] / "add_8.xclbin").read_bytes())
    device.decouple(0)
    with pytest.raises(ReconfigurationError, match=r"clamp_8\.xclbin was replaced since it was"):
        device.wait(device.begin_load(0, staged, "xclbin"))
    device.wait(device.begin_load(0, stage(device, 0, module_named("clamp_8")), "xclbin"))
    assert device.identify(0) == module_named("add_8").module_id
    (machine[1] / "scale_8.xclbin").unlink()
    with pytest.raises(ArtifactError, match=r"scale_8\.xclbin cannot be read \(No such file"):
        stage(device, 0, module_named("scale_8"))


def test_a_load_waits_for_no_program_and_a_program_for_no_load(device: Xrt) -> None:
    staged = stage(device, 0, module_named("clamp_8"))
    device.decouple(0)
    pending = device.begin_load(0, staged, "xclbin")
    with pytest.raises(DeviceError, match="busy: the load of partition 0 through xclbin"):
        device.submit(None)  # type: ignore[arg-type]  # it is not looked at
    device.wait(pending)


def test_what_is_missing_is_named(machine: tuple[Machine, Path], tmp_path: Path) -> None:
    found, folder = machine
    obstacle = {entry.name: entry.obstacle for entry in devices()}["xrt"]
    assert obstacle is None or obstacle.startswith("XRT's Python module pyxrt is not here: install")
    with pytest.raises(DeviceError, match="needs the folder of the xclbin files"):
        opened(found, None).open()
    with pytest.raises(DeviceError, match="has no xclbin; build one for each module, named after"):
        opened(found, tmp_path).open()
    with pytest.raises(DeviceError, match="there is no card 1: XRT finds 1 in this machine"):
        opened(found, folder, card=1).open()
    with pytest.raises(DeviceError, match="cannot drive alveo-u200: XRT swaps one partition"):
        Xrt("alveo-u200")
    found.refusals["kernel"] = ""
    with pytest.raises(DeviceError, match="XRT cannot open kernel fpga_rt of xclbin 0000"):
        opened(found, folder).open()


def test_registers_that_xrt_refuses(machine: tuple[Machine, Path], device: Xrt) -> None:
    machine[0].refusals["register"] = ""
    with pytest.raises(
        DeviceError, match="XRT cannot read register 0x1000: error -22; is the card"
    ):
        device.read32(MAP)
