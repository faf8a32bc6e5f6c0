"""PCAP and ICAP exclude each other: each load takes the port that it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpga_rt.contract.static_region import PartitionState
from fpga_rt.device.pynq.device import Pynq
from fpga_rt.device.pynq.kernel import Kernel
from fpga_rt.device.pynq.port_switch import CsuSwitch, switch_of
from fpga_rt.errors import PortUnavailableError, ReconfigurationError
from tests.conformance.test_controller import partition_state, say, start_controller
from tests.device.programs import activate, module_named, stage
from tests.standin.standin import StandIn, installed, obstacle


def test_a_controller_without_the_port_fails(device: Pynq, standin: StandIn) -> None:
    """What the switch is for: this is what a load that forgets it gets."""
    standin.ask("take port")
    device.decouple(0)
    say(device, 0, "begin")
    start_controller(device, device.allocate(64).address, 16)
    assert partition_state(device, 0) is PartitionState.FAILED
    assert device._port_answers().startswith("got IDCODE 0xffffffff from the port")


def test_a_load_takes_the_port_from_the_pcap(device: Pynq, standin: StandIn) -> None:
    standin.ask("take port")
    activate(device, 0, "add_8", "icap")
    assert not standin.ask()["pcap_has_port"]


def test_a_failed_load_of_the_kernel_keeps_the_port_until_it_is_taken(
    device: Pynq, standin: StandIn
) -> None:
    staged = stage(device, 0, module_named("add_8"))
    device.decouple(0)
    standin.ask("take port")
    standin.ask("fail", state="write error", errno=5)
    with pytest.raises(
        ReconfigurationError, match=r"through pcap: PORT error, .*state 'write error"
    ):
        device.wait(device.begin_load(0, staged, "pcap"))
    assert standin.ask()["pcap_has_port"]
    device.wait(device.begin_load(0, staged, "icap"))
    assert device.identify(0) == staged.module_id


def test_ports_take_turns_on_a_zynq_ultrascale() -> None:
    reason = obstacle()
    if reason:
        pytest.skip(reason)
    with (
        installed("kv260") as standin,
        Pynq("kv260", kernel=standin.kernel, simulation_bitstreams=True) as device,
    ):
        assert standin.ask()["pcap_has_port"]
        for port, owner in (("icap", False), ("pcap", True), ("icap", False)):
            activate(device, 0, "add_8", port)
            assert standin.ask()["pcap_has_port"] is owner


def test_the_platform_firmware_may_refuse(tmp_path: Path) -> None:
    switch = switch_of(Kernel(tmp_path), "UltraScale+")
    assert isinstance(switch, CsuSwitch)
    with pytest.raises(
        PortUnavailableError, match=r"SECURE_ACCESS_VAL=1, or load through port pcap"
    ):
        switch.to_controller()


def test_the_platform_firmware_is_told_address_mask_and_value(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    kernel.firmware_registers.parent.mkdir(parents=True)
    kernel.firmware_registers.touch()
    switch_of(kernel, "UltraScale+").to_controller()
    assert kernel.firmware_registers.read_text() == "0xFFCA3008 0x1 0x0"
