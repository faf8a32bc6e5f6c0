"""What goes wrong on a board: each fault has a clear error, and nothing stale is programmed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fpga_rt.contract.static_region import PartitionState
from fpga_rt.device.pynq.device import Pynq
from fpga_rt.errors import ArtifactError, DeviceError, ReconfigurationError
from tests.conformance.test_controller import partition_state, stays_isolated
from tests.device.programs import activate, module_named, stage
from tests.standin.standin import StandIn, obstacle

_LOADS_TOO = """
import sys
from pathlib import Path
from fpga_rt.device.pynq.kernel import Kernel
from fpga_rt.device.pynq.device import Pynq
from fpga_rt.errors import FpgaRtError
from tests.device.programs import activate
from tests.standin.standin import mapped_io

kernel = Kernel(Path(sys.argv[1]))
mapped_io(kernel, 0)
try:
    with Pynq("pynq-z2", kernel=kernel, simulation_bitstreams=True) as device:
        activate(device, 1, "add_8", sys.argv[2])
except FpgaRtError as error:
    print(type(error).__name__, error)
"""


def other_process(standin: StandIn, port: str) -> str:
    """Load a module into partition 1 in another process; return what it was told, if it failed."""
    command = [sys.executable, "-c", _LOADS_TOO, str(standin.kernel.root), port]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("port", ["pcap", "icap"])
def test_two_processes_never_load_at_once(device: Pynq, standin: StandIn, port: str) -> None:
    staged = stage(device, 0, module_named("add_8"))
    device.decouple(0)
    standin.ask("hold")
    pending = device.begin_load(0, staged, port)
    told = other_process(standin, "pcap")
    assert told.startswith(f"DeviceError the FPGA is busy: process {os.getpid()} has it (lock /")
    standin.ask("release")
    device.wait(pending)
    assert partition_state(device, 1) is PartitionState.EMPTY
    device.close()
    assert other_process(standin, "pcap") == ""
    assert standin.ask()["most_at_once"] == 1


_DIES = """
import os, signal, sys
from pathlib import Path
from fpga_rt.device.pynq.kernel import Kernel
from fpga_rt.device.pynq.device import Pynq
from tests.device.programs import module_named, stage
from tests.standin.standin import mapped_io

kernel = Kernel(Path(sys.argv[1]))
mapped_io(kernel, 0)
device = Pynq("pynq-z2", kernel=kernel, simulation_bitstreams=True)
device.open()
staged = stage(device, 0, module_named("add_8"))
device.decouple(0)
device.begin_load(0, staged, sys.argv[2])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("port", ["pcap", "icap"])
def test_a_process_that_dies_in_mid_load_leaves_a_failed_partition(
    standin: StandIn, port: str
) -> None:
    command = [sys.executable, "-c", _DIES, str(standin.kernel.root), port]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with Pynq("pynq-z2", kernel=standin.kernel, simulation_bitstreams=True) as device:
        stays_isolated(device, 0)
        activate(device, 1, "add_8", port)
        activate(device, 0, "add_8", port)


def test_a_file_replaced_before_the_load_is_not_loaded(device: Pynq, standin: StandIn) -> None:
    activate(device, 0, "add_8", "pcap")
    other = stage(device, 0, module_named("add_2"))
    first, second = sorted(standin.kernel.firmware.iterdir(), key=lambda path: path.stat().st_ctime)
    second.write_bytes(first.read_bytes())  # a stale module under the new one's name
    device.decouple(0)
    with pytest.raises(ArtifactError, match=r"was replaced or removed since .*; stage it again"):
        device.begin_load(0, other, "pcap")
    assert len(standin.ask()["loads"]) == 1
    assert partition_state(device, 0) is PartitionState.LOADED
    other = stage(device, 0, module_named("add_2"))
    device.wait(device.begin_load(0, other, "pcap"))
    assert device.identify(0) == module_named("add_2").module_id


def test_a_file_replaced_under_the_kernels_hands_fails_the_load(
    device: Pynq, standin: StandIn
) -> None:
    staged = stage(device, 0, module_named("add_8"))
    device.decouple(0)
    standin.ask("hold")
    pending = device.begin_load(0, staged, "pcap")
    (path,) = standin.kernel.firmware.iterdir()
    path.write_bytes(bytes(64))
    standin.ask("release")
    with pytest.raises(
        ReconfigurationError, match=r"PORT error, .* was replaced or removed"
    ) as caught:
        device.wait(pending)
    assert caught.value.partition_state == "failed"
    stays_isolated(device, 0)


def test_without_permission_nothing_is_loaded(device: Pynq, standin: StandIn) -> None:
    staged = stage(device, 0, module_named("add_8"))
    device.decouple(0)
    standin.ask("forbid", path="/sys/class/fpga_manager/fpga0/firmware")
    with pytest.raises(ReconfigurationError, match=r"Permission denied .EACCES.; run as root"):
        device.wait(device.begin_load(0, staged, "pcap"))
    stays_isolated(device, 0)
    assert standin.ask()["loads"] == []


def test_registers_without_permission_are_named(standin: StandIn) -> None:
    standin.ask("forbid", path="/dev/mem")
    with pytest.raises(DeviceError, match=r"cannot map the registers in .*/dev/mem: Permission"):
        Pynq("pynq-z2", kernel=standin.kernel).open()


def test_a_full_disk_leaves_nothing_behind(device: Pynq, standin: StandIn) -> None:
    filler = standin.kernel.firmware / "filler"
    with filler.open("wb", buffering=0) as file:
        room = os.fstatvfs(file.fileno())
        file.write(bytes(room.f_bavail * room.f_frsize))
    free_bytes = device.capabilities.memory_bytes - 1024  # all but the header's block
    with pytest.raises(
        DeviceError, match=r"cannot stage .*ENOSPC.; make room: `rm /lib/firmware/f"
    ):
        stage(device, 0, module_named("add_8"))
    assert list(standin.kernel.firmware.iterdir()) == [filler]
    device.allocate(free_bytes).free()
    filler.unlink()
    activate(device, 0, "add_8", "pcap")


def test_a_staged_file_that_cannot_be_read_is_named(device: Pynq, standin: StandIn) -> None:
    stage(device, 0, module_named("add_8"))
    (path,) = standin.kernel.firmware.iterdir()
    path.unlink()
    path.mkdir()
    with pytest.raises(
        DeviceError, match=r"cannot check the staged bitstream in .*firmware: Is a directory"
    ):
        stage(device, 0, module_named("add_8"))
    path.rmdir()
    activate(device, 0, "add_8", "pcap")


@pytest.mark.parametrize(
    ("state", "code"), [("write init error", errno.EBUSY), ("write error", errno.EIO)]
)
def test_a_load_that_the_driver_fails_leaves_the_partition_failed(
    device: Pynq, standin: StandIn, state: str, code: int
) -> None:
    staged = activate(device, 0, "add_8", "pcap")
    device.decouple(0)
    standin.ask("fail", state=state, errno=code)
    with pytest.raises(
        ReconfigurationError, match=f"state '{state}'.*failed and decoupled"
    ) as caught:
        device.wait(device.begin_load(0, staged, "pcap"))
    assert caught.value.partition_state == "failed"
    stays_isolated(device, 0)
    activate(device, 0, "add_8", "pcap")


def test_a_load_that_was_given_up_keeps_the_port_until_it_ends(
    device: Pynq, standin: StandIn
) -> None:
    staged = stage(device, 0, module_named("add_8"))
    device.decouple(0)
    standin.ask("hold")
    pending = device.begin_load(0, staged, "pcap")
    with pytest.raises(DeviceError, match="timeout, the load of partition 0 through pcap did not"):
        device.wait(pending, timeout_s=0.05)
    stays_isolated(device, 0)
    for port in ("pcap", "icap"):
        with pytest.raises(DeviceError, match=r"busy: the kernel still loads fpgart_.*restart the"):
            device.begin_load(0, staged, port)
    standin.ask("release")
    device.close()
    device.open()
    activate(device, 0, "add_8", "pcap")
    assert standin.ask()["most_at_once"] == 1


@pytest.fixture
def mortal() -> Iterator[StandIn]:
    reason = obstacle()
    if reason:
        pytest.skip(reason)
    standin = StandIn("pynq-z2")
    standin.install()
    yield standin
    standin.uninstall()
    standin.close()


@pytest.mark.parametrize("port", ["pcap", "icap"])
def test_a_kernel_that_dies_in_mid_load_is_an_error(mortal: StandIn, port: str) -> None:
    with Pynq("pynq-z2", kernel=mortal.kernel, simulation_bitstreams=True) as device:
        staged = stage(device, 0, module_named("add_8"))
        device.decouple(0)
        mortal.ask("hold")
        pending = device.begin_load(0, staged, port)
        mortal.kill()
        with pytest.raises(ReconfigurationError, match=f"{port}: the static region is gone: "):
            device.wait(pending)
        with pytest.raises(DeviceError, match=r"cannot read .*fpga0/state: "):
            device.begin_load(0, staged, port)
