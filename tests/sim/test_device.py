"""The device `rtl` on the static region of a board, with a stand-in for every module's gateware."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fpga_rt.arch import boards
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device.interface import Completion, Staged
from fpga_rt.errors import (
    DeviceError,
    PortUnavailableError,
    ReconfigurationError,
    ToolchainError,
)
from fpga_rt.modules.registry import by_identity
from sim import device as rtl
from sim import toolchain
from sim.build import Design, build_model
from sim.device import RtlDevice
from sim.system import ICAP_PS, Content
from tests.device.programs import activate, module_named, stage
from tests.sim.small_system import MODULE

BOARD = "pynq-z2"
MEMORY_BYTES = 1 << 20

pytestmark = pytest.mark.skipif(toolchain.obstacle() is not None, reason=str(toolchain.obstacle()))


def stand_in(module_id: int, waves: bool = False) -> tuple[Path, str] | None:
    module = by_identity().get(module_id)
    if module is None:
        return None
    text = MODULE.replace("MODULE_ID", f"{module_id:x}").replace("ADDEND", "3")
    return build_model(Design("stand_in", "small_module", text), waves=waves), module.name


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[RtlDevice]:
    monkeypatch.setattr(rtl, "module_library", stand_in)
    made = RtlDevice(BOARD, memory_bytes=MEMORY_BYTES, load_time="stream", check=True)
    with made as opened:
        yield opened


def load(device: RtlDevice, partition: int, staged: Staged) -> Completion:
    device.decouple(partition)
    return device.wait(device.begin_load(partition, staged, "icap"))


def test_it_is_the_register_map_of_the_contract(device: RtlDevice) -> None:
    assert device.read32(STATIC_REGION["map_id"].offset) == STATIC_REGION.map_id
    source = STATIC_REGION["configuration_source"].offset
    device.write32(source, 0x1234)
    assert device.read32(source) == 0x1234
    with pytest.raises(DeviceError, match="no register at offset 0xffc"):
        device.read32(0xFFC)
    with pytest.raises(DeviceError, match=r"write of 0x1 to map_id \(ro\)"):
        device.write32(STATIC_REGION["map_id"].offset, 1)


def test_a_swap_brings_the_module_that_the_frames_name(device: RtlDevice) -> None:
    for partition, name in ((0, "pooling_8"), (1, "pooling_2"), (0, "depthwise_8")):
        staged = activate(device, partition, name)
        assert device.simulation.partition(partition) == (Content.MODULE, staged.module_id)
    assert device.identify(0) == module_named("depthwise_8").module_id
    assert device.identify(1) == module_named("pooling_2").module_id
    assert device.simulation.partition(2) == (Content.EMPTY, 0)


def test_a_corrupt_stream_leaves_the_partition_failed(device: RtlDevice) -> None:
    """Flip a bit in device memory, behind the host's checks."""
    activate(device, 1, "pooling_2")
    staged = stage(device, 0, module_named("pooling_8"))
    buffer = device._staged[staged.digest, 0].buffer
    buffer.view[len(buffer.view) // 2] ^= 1
    with pytest.raises(ReconfigurationError, match="CRC error, the configuration port") as caught:
        load(device, 0, staged)
    assert caught.value.partition_state == "failed"
    assert "partition 0 holds garbage, partition 1 holds pooling_2" in str(caught.value)
    with pytest.raises(ReconfigurationError, match="is failed and stays decoupled"):
        device.recouple(0)
    assert device.identify(1) == module_named("pooling_2").module_id
    buffer.view[len(buffer.view) // 2] ^= 1
    load(device, 0, staged)
    device.reset(0)
    device.recouple(0)
    assert device.identify(0) == staged.module_id


def test_a_port_that_another_master_owns_is_named(device: RtlDevice) -> None:
    staged = stage(device, 0, module_named("pooling_8"))
    device.simulation.poke("pcap_owns", 1)
    expected = (
        r"PORT error, got IDCODE 0xffffffff from the port and STAT 0x00000000, expected IDCODE"
        rf" {device.board.device.idcode:#010x}: is another master using it\?, the config"
    )
    with pytest.raises(ReconfigurationError, match=expected):
        load(device, 0, staged)
    device.simulation.poke("pcap_owns", 0)
    load(device, 0, staged)


def test_an_identity_that_no_module_has_loads_nothing(device: RtlDevice) -> None:
    board = device.board
    staged = device.stage(simulation_bitstream(board.device, board.partitions[0], 0xABCDEF), 0)
    load(device, 0, staged)
    assert device.simulation.partition(0) == (Content.GARBAGE, 0)
    assert device.identify(0) != 0xABCDEF


def test_a_load_lasts_as_long_as_the_real_bitstream() -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(rtl, "module_library", stand_in)
        with RtlDevice(BOARD, memory_bytes=MEMORY_BYTES) as device:
            staged = stage(device, 0, module_named("pooling_8"))
            completion = load(device, 0, staged)
    expected_ps = staged.bitstream_bytes // 4 * ICAP_PS
    assert expected_ps <= completion.ended_ps - completion.started_ps <= 1.001 * expected_ps
    assert any("as long as the partition's real bitstream" in a for a in assumptions("board"))
    assert any("short simulation bitstream" in a for a in assumptions("stream"))


def assumptions(load_time: rtl.LoadTime) -> tuple[str, ...]:
    return RtlDevice(BOARD, load_time=load_time).capabilities.assumptions


def test_only_the_icap_can_load(device: RtlDevice) -> None:
    staged = stage(device, 0, module_named("pooling_8"))
    device.decouple(0)
    with pytest.raises(
        PortUnavailableError, match="cannot load through pcap: it is the processor's"
    ):
        device.begin_load(0, staged, "pcap")
    with pytest.raises(DeviceError, match="no configuration port 'jtag'"):
        device.begin_load(0, staged, "jtag")
    device.wait(device.begin_load(0, staged, "icap"))


def test_a_module_without_rtl_is_refused_when_it_is_staged(
    device: RtlDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ToolchainError("module pooling_8 has no gateware")

    monkeypatch.setattr(rtl, "module_library", refuse)
    free = device._allocator.free_bytes
    with pytest.raises(ToolchainError, match="pooling_8 has no gateware"):
        stage(device, 0, module_named("pooling_8"))
    assert device._allocator.free_bytes == free


def test_a_load_that_is_given_up_can_be_repeated(device: RtlDevice) -> None:
    staged = stage(device, 0, module_named("pooling_8"))
    device.decouple(0)
    with pytest.raises(DeviceError, match="timeout, the load of partition 0 through icap"):
        device.wait(device.begin_load(0, staged, "icap"), timeout_s=1e-6)
    load(device, 0, staged)
    assert device.identify(0) == staged.module_id


def test_time_goes_on_over_closing(device: RtlDevice) -> None:
    before = device.now_ps()
    assert before > 0
    device.close()
    assert device.now_ps() == before
    with pytest.raises(DeviceError, match="is closed"):
        _ = device.simulation
    device.open()
    assert device.now_ps() > before
    assert device.identify(0) == 0


def test_what_it_cannot_be_made_with() -> None:
    with pytest.raises(ValueError, match="load_time 'fast': expected 'board' or 'stream'"):
        RtlDevice(BOARD, load_time="fast")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(DeviceError, match="unknown board 'no'"):
        RtlDevice("no")
    assert RtlDevice.obstacle() == toolchain.obstacle()


def test_a_board_that_the_gateware_of_its_name_does_not_fit_is_refused() -> None:
    known = boards.board("pynq-z2")
    fewer = replace(known, partitions=known.partitions[:1])
    with pytest.raises(
        DeviceError,
        match=r"another partitions than the registered board pynq-z2.*got rp0, expected",
    ):
        RtlDevice(fewer)
    with pytest.raises(
        DeviceError, match=r"feature_memory_bytes.*got 4096, expected \d+; register"
    ):
        RtlDevice(replace(known, feature_memory_bytes=4096))
    slower = replace(known, swap_software_ps=1, calibration="a bench")
    assert RtlDevice(slower).board == slower
