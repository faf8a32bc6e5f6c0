"""The FPGA manager on a kernel with the vendor's semantics."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from fpga_rt.device.pynq.fpga_manager import FpgaManager, FpgaManagerError
from fpga_rt.errors import DeviceError
from tests.standin.standin import StandIn


@pytest.fixture
def manager(standin: StandIn) -> FpgaManager:
    (standin.kernel.firmware / "some.bin").write_bytes(bytes(64))
    return FpgaManager(standin.kernel.fpga_manager)


def test_it_says_what_it_is(manager: FpgaManager) -> None:
    assert (manager.name, manager.state) == ("Xilinx Zynq FPGA Manager", "operating")
    assert manager.flags == 0


def test_flags_are_set_before_every_load(manager: FpgaManager, standin: StandIn) -> None:
    manager.load("some.bin", partial=True)
    assert manager.flags == 1
    with pytest.raises(FpgaManagerError):  # a full one needs a sync word
        manager.load("some.bin", partial=False)
    assert standin.ask()["loads"] == [[1, "some.bin"], [0, "some.bin"]]


@pytest.mark.parametrize(
    ("state", "code", "message"),
    [
        ("write init error", errno.EBUSY, "could not prepare the port; its DMA is still at work"),
        ("write init error", errno.ETIMEDOUT, "the FPGA did not answer in time"),
        ("write error", errno.EINVAL, "did not take the bitstream; the driver refuses the file"),
        ("write error", errno.EIO, "the DMA of the port reported an error"),
        ("write complete error", errno.ETIMEDOUT, "did not report that it is configured"),
    ],
)
def test_errors_say_state_cause_and_next_step(
    manager: FpgaManager, standin: StandIn, state: str, code: int, message: str
) -> None:
    standin.ask("fail", state=state, errno=code)
    with pytest.raises(FpgaManagerError, match=message) as caught:
        manager.load("some.bin", partial=True)
    assert caught.value.state == state
    assert f"({errno.errorcode[code]}); state '{state}'" in str(caught.value)
    assert len(standin.ask()["loads"]) == 1  # a failed write is not repeated


def test_a_file_that_the_kernel_does_not_find_is_named(manager: FpgaManager) -> None:
    message = "load of absent.bin failed: .*ENOENT.*; state 'firmware request error'.*firmware fold"
    with pytest.raises(FpgaManagerError, match=message):
        manager.load("absent.bin", partial=True)


@pytest.mark.parametrize("name", ["flags", "firmware"])
def test_a_refused_write_is_no_failed_load(
    manager: FpgaManager, standin: StandIn, name: str
) -> None:
    standin.ask("forbid", path=f"/sys/class/fpga_manager/fpga0/{name}")
    with pytest.raises(
        DeviceError, match=rf"fpga0/{name}: Permission denied .*run as root"
    ) as caught:
        manager.load("some.bin", partial=True)
    assert not isinstance(caught.value, FpgaManagerError)
    assert standin.ask()["loads"] == []


def test_another_state_than_operating_is_an_error(tmp_path: Path) -> None:
    for name, content in (("state", "write\n"), ("flags", "0\n"), ("firmware", "")):
        (tmp_path / name).write_text(content)
    with pytest.raises(FpgaManagerError, match="state 'write' after the load of a, expected 'oper"):
        FpgaManager(tmp_path).load("a", partial=True)


def test_a_manager_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"cannot read .*/state: .*is its driver loaded"):
        _ = FpgaManager(tmp_path / "fpga0").state
