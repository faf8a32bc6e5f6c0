"""Loads of xclbins that go wrong, and what is there afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpga_rt.contract.kernel import KERNEL
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device.memory import Region
from fpga_rt.device.xrt.device import Xrt
from fpga_rt.device.xrt.files import XclbinFile
from fpga_rt.errors import ArtifactError, DeviceError, ReconfigurationError
from tests.device.programs import activate, module_named, stage
from tests.device.xrt.made import MAP, opened
from tests.standin.xrt import Machine, xclbin
from tests.standin.xrt_logic import EmulatedKernel


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


def test_a_card_that_is_lost_in_a_load(machine: tuple[Machine, Path], device: Xrt) -> None:
    staged = stage(device, 0, module_named("clamp_8"))
    device.decouple(0)
    machine[0].refusals["kernel"] = ""
    with pytest.raises(ReconfigurationError, match="the static region is gone: XRT cannot open"):
        device.wait(device.begin_load(0, staged, "xclbin"))
    with pytest.raises(DeviceError, match="card 0 has no static region; open the device again"):
        device.read32(MAP)


def test_an_xclbin_whose_kernel_is_of_another_version(
    machine: tuple[Machine, Path], device: Xrt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XRT has loaded it: what was there before cannot be opened, and is not what went wrong."""
    activate(device, 0, "add_8")
    staged = stage(device, 0, module_named("scale_8"))
    device.decouple(0)
    load = EmulatedKernel.load

    def other(kernel: EmulatedKernel, bitstream: bytes) -> None:
        load(kernel, bitstream)
        kernel._own[KERNEL["kernel_id"].offset] = 0x1234

    with monkeypatch.context() as patched:
        patched.setattr(EmulatedKernel, "load", other)
        with pytest.raises(
            ReconfigurationError,
            match="the static region is gone: the xclbin's kernel has the register map 0x00001234,",
        ):
            device.wait(device.begin_load(0, staged, "xclbin"))
    with pytest.raises(DeviceError, match="card 0 has no static region; open the device again"):
        device.read32(MAP)
    device.close()
    device.open()
    activate(device, 0, "scale_8")


def test_a_failed_load_after_which_nothing_is_there(
    machine: tuple[Machine, Path], device: Xrt
) -> None:
    staged = stage(device, 0, module_named("clamp_8"))
    device.decouple(0)
    machine[0].refusals |= {"load": "load_xclbin: clock mismatch", "kernel": ""}
    with pytest.raises(
        ReconfigurationError,
        match=r"XRT cannot load .*: load_xclbin: clock mismatch; .* state; nor is the static region"
        r" that was there before: XRT cannot open kernel fpga_rt of xclbin",
    ):
        device.wait(device.begin_load(0, staged, "xclbin"))


def test_after_a_surprise_in_xrt_the_region_that_was_there_is_used(
    machine: tuple[Machine, Path], device: Xrt, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = stage(device, 0, module_named("clamp_8"))
    device.decouple(0)

    def surprise(found: Machine, loaded: object) -> None:
        raise TypeError("incompatible function arguments")

    with monkeypatch.context() as patched:
        patched.setattr(Machine, "load", surprise)
        with pytest.raises(
            ReconfigurationError, match=r"PORT error, the load of .* met TypeError: incompatible"
        ):
            device.wait(device.begin_load(0, staged, "xclbin"))
    assert device.read32(MAP) == STATIC_REGION.map_id
    activate(device, 0, "clamp_8")


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


def test_an_xclbin_that_was_replaced(machine: tuple[Machine, Path], device: Xrt) -> None:
    path = machine[1] / "clamp_8.xclbin"
    staged = stage(device, 0, module_named("clamp_8"))
    path.write_bytes((machine[1] / "add_8.xclbin").read_bytes())
    device.decouple(0)
    with pytest.raises(ReconfigurationError, match=r"clamp_8\.xclbin was replaced since it was"):
        device.wait(device.begin_load(0, staged, "xclbin"))
    device.wait(device.begin_load(0, stage(device, 0, module_named("clamp_8")), "xclbin"))
    assert device.identify(0) == module_named("add_8").module_id


def test_an_xclbin_that_is_replaced_between_two_looks_at_it(
    machine: tuple[Machine, Path], device: Xrt, monkeypatch: pytest.MonkeyPatch
) -> None:
    activate(device, 0, "scale_8")
    path = machine[1] / "clamp_8.xclbin"
    staged = stage(device, 0, module_named("clamp_8"))
    device.decouple(0)
    looked = XclbinFile.check

    def check(file: XclbinFile) -> None:
        looked(file)
        path.write_bytes((machine[1] / "add_8.xclbin").read_bytes())

    monkeypatch.setattr(XclbinFile, "check", check)
    before = list(machine[0].loaded)
    with pytest.raises(ReconfigurationError, match=r"clamp_8\.xclbin was replaced since it was"):
        device.wait(device.begin_load(0, staged, "xclbin"))
    assert machine[0].loaded == before


def test_an_xclbin_that_is_missing(machine: tuple[Machine, Path], device: Xrt) -> None:
    (machine[1] / "scale_8.xclbin").unlink()
    with pytest.raises(ArtifactError, match=r"scale_8\.xclbin cannot be read \(No such file"):
        stage(device, 0, module_named("scale_8"))
