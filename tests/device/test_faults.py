"""What goes wrong on purpose, and what is left afterwards."""

from __future__ import annotations

import pytest

from fpga_rt.contract.static_region import STATIC_REGION, ConfigurationError
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.faults import (
    CorruptLoad,
    Fault,
    LostCompletion,
    StalledPort,
    WrongModule,
)
from fpga_rt.errors import DeviceError, ExecutionError, ReconfigurationError
from tests.device.programs import LayerProgram, activate, module_named, random_codes, stage
from tests.device.test_emulator import POOL, pooled

PORTS = ["icap", "pcap"]


def emulator(*faults: Fault) -> Emulator:
    device = Emulator("pynq-z2", memory_bytes=1 << 20, faults=faults)
    device.open()
    return device


@pytest.mark.parametrize("port", PORTS)
def test_a_corrupt_load_fails_and_the_next_one_works(port: str) -> None:
    device = emulator(CorruptLoad(load=2))
    activate(device, 0, "pooling_8", port)
    staged = stage(device, 0, module_named("pooling_2"))
    device.decouple(0)
    pending = device.begin_load(0, staged, port)
    with pytest.raises(
        ReconfigurationError,
        match=rf"{staged.digest[:12]} into partition 0 \(rp0\) .* through {port}: CRC error"
        ".* the partition is failed and decoupled$",
    ) as caught:
        device.wait(pending)
    assert caught.value.partition_state == "failed"
    assert device.identify(0) not in (0, staged.module_id)
    with pytest.raises(ReconfigurationError, match="is failed and stays decoupled"):
        device.recouple(0)
    activate(device, 0, "pooling_2", port)


def test_the_controller_keeps_the_error_until_the_next_start() -> None:
    device = emulator(CorruptLoad(load=1))
    staged = stage(device, 0, module_named("pooling_8"))
    with pytest.raises(ReconfigurationError):
        device.wait(device.begin_load(0, staged, "icap"))
    register = STATIC_REGION["configuration_status"]
    for _ in range(2):
        error = register.unpack(device.read32(register.offset))["error"]
        assert error == ConfigurationError.CRC
    pending = device.begin_load(0, staged, "icap")
    assert register.unpack(device.read32(register.offset)) == {
        "state": 1,
        "error": 0,
        "refused": 0,
    }
    device.wait(pending)


@pytest.mark.parametrize("port", PORTS)
def test_a_stalled_port_takes_longer(port: str) -> None:
    usual, slow = emulator(), emulator(StalledPort(load=1, factor=3))
    phases = []
    for device in (usual, slow):
        staged = stage(device, 0, module_named("pooling_8"))
        phases.append(dict(device.wait(device.begin_load(0, staged, port)).phases_ps))
    assert phases[1]["transfer"] == 3 * phases[0]["transfer"]
    assert phases[1] | {"transfer": 0} == phases[0] | {"transfer": 0}


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("fault", [StalledPort(load=1), LostCompletion("load", 1)])
def test_a_load_that_never_ends_times_out_and_can_be_repeated(fault: Fault, port: str) -> None:
    device = emulator(fault)
    staged = stage(device, 0, module_named("pooling_8"))
    pending = device.begin_load(0, staged, port)
    started = device.now_ps()
    with pytest.raises(
        DeviceError, match=f"the load of partition 0 through {port} did not end in 10 s"
    ):
        device.wait(pending)
    assert device.now_ps() - started > 10 * 10**12
    with pytest.raises(DeviceError, match="is not in flight"):
        device.wait(pending)
    activate(device, 0, "pooling_8", port)


def test_a_load_through_a_slow_port_is_given_four_times_its_modelled_time() -> None:
    """An xclbin of 80 MB at 10 MB/s: 8 s."""
    for factor in (3, 5):
        device = Emulator("alveo-u200-xrt", faults=[StalledPort(load=1, factor=factor)])
        with device:
            assert device.capabilities.timeout_s == 32
            pending = device.begin_load(0, stage(device, 0, module_named("scale_8")), "xclbin")
            if factor == 3:
                assert device.wait(pending).ended_ps - pending.started_ps >= 24 * 10**12
                continue
            with pytest.raises(DeviceError, match=r"through xclbin did not end in 32 s of device"):
                device.wait(pending)


def test_a_lost_program_times_out_and_the_next_one_works() -> None:
    device = emulator(LostCompletion("program", 1))
    activate(device, 0, "pooling_8")
    program = LayerProgram(device, module_named("pooling_8"), POOL, 1)
    codes = random_codes(1, (1, 6, 6, 8))
    with pytest.raises(DeviceError, match=r"program on partitions 0 did not end in 10 s"):
        program.run(codes)
    assert (program.run(codes) == pooled(codes)).all()


def test_a_lost_load_does_not_hold_up_a_program() -> None:
    device = emulator(LostCompletion("load", 2))
    activate(device, 0, "pooling_8")
    load = device.begin_load(1, stage(device, 1, module_named("pooling_8")), "icap")
    program = LayerProgram(device, module_named("pooling_8"), POOL, 1)
    running = device.submit(program.submission())
    assert device.wait(load, running).pending is running
    with pytest.raises(DeviceError, match="timeout"):
        device.wait(load)


def test_a_wrong_module_answers_another_identity() -> None:
    other = module_named("pooling_2").module_id
    device = emulator(WrongModule(load=1, module_id=other), WrongModule(load=2, module_id=0xBAD))
    staged = stage(device, 0, module_named("pooling_8"))
    device.wait(device.begin_load(0, staged, "icap"))
    device.reset(0)
    assert device.identify(0) == other != staged.module_id
    device.wait(device.begin_load(0, staged, "icap"))
    device.reset(0)
    assert device.identify(0) == 0xBAD
    device.recouple(0)
    program = LayerProgram(device, module_named("pooling_8"), POOL, 1)
    with pytest.raises(
        ExecutionError, match=r"MODULE error.*0x0000000000000bad, which no installed"
    ):
        program.run(random_codes(1, (1, 6, 6, 8)))
    device.wait(device.begin_load(1, stage(device, 1, module_named("pooling_8")), "icap"))
    assert device.identify(1) == staged.module_id


def test_loads_are_counted_since_the_device_was_opened() -> None:
    device = emulator(CorruptLoad(load=1))
    for _ in range(2):
        with pytest.raises(ReconfigurationError, match="CRC error"):
            activate(device, 0, "pooling_8")
        activate(device, 0, "pooling_8")
        device.close()
        device.open()
