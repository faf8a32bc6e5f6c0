"""The device `pynq` beyond conformance: its ports, what it opens, and a whole network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fpga_rt
from fpga_rt.arch.boards import Board, board
from fpga_rt.arch.floorplan import place
from fpga_rt.bitstream.locate import locate
from fpga_rt.bitstream.read import frames, parse
from fpga_rt.bitstream.standin import stand_in
from fpga_rt.contract.command import Segment
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device.pynq.device import Pynq
from fpga_rt.device.pynq.kernel import Kernel
from fpga_rt.errors import ArtifactError, DeviceError
from fpga_rt.network import golden
from tests.conformance.scaling import run_scale
from tests.conformance.test_device import base
from tests.device.programs import activate, module_named, stage
from tests.random_networks import Builder
from tests.standin.standin import StandIn, installed, obstacle


def test_a_load_through_the_kernel_brings_the_module(device: Pynq, standin: StandIn) -> None:
    staged = stage(device, 1, module_named("add_8"))
    device.decouple(1)
    completion = device.wait(device.begin_load(1, staged, "pcap"))
    assert completion.size_bytes == staged.bitstream_bytes
    assert list(completion.phases_ps) == ["queue", "setup", "transfer", "contention"]
    assert sum(completion.phases_ps.values()) == completion.ended_ps - completion.started_ps
    assert all(phase >= 0 for phase in completion.phases_ps.values())
    device.reset(1)
    assert device.identify(1) == staged.module_id
    ((flags, name),) = standin.ask()["loads"]
    assert flags == 1
    assert name.startswith("fpgart_")


def test_the_staged_file_has_its_words_swapped(device: Pynq, standin: StandIn) -> None:
    stage(device, 0, module_named("add_8"))
    (path,) = standin.kernel.firmware.iterdir()
    data = path.read_bytes()
    assert data.index(bytes.fromhex("665599aa")) % 4 == 0  # the sync word AA995566
    assert bytes.fromhex("aa995566") not in data


def test_a_bitstream_of_real_size_is_loaded_through_both_ports(device: Pynq) -> None:
    board, module = device.board, module_named("add_8")
    real = stand_in(board.device, board.partitions[2], module.module_id)
    assert len(real) > 700_000
    staged = device.stage(bytes(real), 2)
    for port in ("pcap", "icap"):
        device.decouple(2)
        device.wait(device.begin_load(2, staged, port))
        device.reset(2)
        assert device.identify(2) == module.module_id


def test_staging_twice_writes_once_and_what_is_gone_again(device: Pynq, standin: StandIn) -> None:
    staged = stage(device, 0, module_named("add_8"))
    (path,) = standin.kernel.firmware.iterdir()
    inode = path.stat().st_ino
    assert stage(device, 0, module_named("add_8")) is staged
    assert path.stat().st_ino == inode
    path.unlink()
    stage(device, 0, module_named("add_8"))
    device.decouple(0)
    device.wait(device.begin_load(0, staged, "pcap"))


def test_a_load_through_the_kernel_overlaps_a_program(device: Pynq, standin: StandIn) -> None:
    program = run_scale(device)
    staged = stage(device, 1, module_named("add_8"))
    device.decouple(1)
    standin.ask("hold")
    load = device.begin_load(1, staged, "pcap")
    running = device.submit(program.submission())
    assert device.wait(load, running).pending is running
    standin.ask("release")
    assert device.wait(load).pending is load
    codes = program.tensor(Segment.INPUT)
    expected = program.layer.operation.apply(codes)  # type: ignore[call-arg]  # one operand
    assert (program.tensor(Segment.OUTPUT) == expected).all()


def test_times_of_partitions_are_outer_bounds(device: Pynq) -> None:
    completion = device.wait(device.submit(run_scale(device).submission()))
    start, end = completion.busy_ps[0]
    assert completion.started_ps < start < end < completion.ended_ps
    assert completion.timeline is None
    assert any("not measured" in text for text in device.capabilities.assumptions)
    assert (device.capabilities.clock, device.capabilities.origin) == ("wall", "measured")


def test_the_base_is_loaded_before_a_register_is_touched(standin: StandIn) -> None:
    standin.ask("become", state="unknown", flags=0)
    device = Pynq("pynq-z2", kernel=standin.kernel)
    with pytest.raises(DeviceError, match=r"is not configured \(fpga_manager state 'unknown'\)"):
        device.open()
    full = base(device.board.device.idcode)
    with Pynq("pynq-z2", kernel=standin.kernel, base=full) as opened:
        assert opened.read32(0) == STATIC_REGION.map_id
    path = standin.kernel.root / "base.bit"
    path.write_bytes(full)
    with Pynq("pynq-z2", kernel=standin.kernel, base=path) as opened:
        assert opened.identify(0) == 0
    assert [flags for flags, _ in standin.ask()["loads"]] == [0, 0]


@pytest.mark.parametrize(
    ("state", "flags", "opens"),
    [
        ("write error", 0, False),
        ("write complete error", 0, False),
        ("write error", 1, True),
        ("firmware request error", 0, True),
    ],
)
def test_a_failed_full_load_leaves_nothing_to_open(
    standin: StandIn, state: str, flags: int, opens: bool
) -> None:
    standin.ask("become", state=state, flags=flags)
    device = Pynq("pynq-z2", kernel=standin.kernel)
    if opens:
        device.open()
        device.close()
        return
    with pytest.raises(DeviceError, match=r"is not configured .*open the device with base=FULL_B"):
        device.open()


@pytest.mark.parametrize(
    ("state", "flags"), [("unknown", 1), ("write", 0), ("write complete error", 0)]
)
def test_registers_of_an_fpga_that_was_lost_are_not_touched(
    standin: StandIn, state: str, flags: int
) -> None:
    """Another program loads the whole FPGA meanwhile: an access would hang the processor."""
    device = Pynq("pynq-z2", kernel=standin.kernel, simulation_bitstreams=True)
    device.open()
    staged = stage(device, 0, module_named("add_8"))
    device.decouple(0)
    standin.ask("become", state=state, flags=flags)
    before = standin.ask()["accesses"]
    for port in ("pcap", "icap"):
        with pytest.raises(DeviceError, match=rf"is not configured \(fpga_manager state '{state}'"):
            device.begin_load(0, staged, port)
    device.close()
    assert standin.ask()["accesses"] == before
    standin.ask("become", state="operating", flags=1)
    with device:  # the lock is free
        assert device.read32(0) == STATIC_REGION.map_id


def test_a_base_for_another_fpga_is_refused(standin: StandIn) -> None:
    full = base(0x0372_2093)
    with pytest.raises(ArtifactError, match="IDCODE 0x03722093, expected 0x03727093 of xc7z020"):
        Pynq("pynq-z2", kernel=standin.kernel, base=full).open()
    assert standin.ask()["loads"] == []


def test_the_simulations_bitstreams_do_not_reach_an_fpga(standin: StandIn) -> None:
    with Pynq("pynq-z2", kernel=standin.kernel) as device:
        expected = (
            r"simulation's and holds no logic, .* for pynq-z2; .* `--bitstreams DIR`, the fol"
        )
        with pytest.raises(ArtifactError, match=expected):
            stage(device, 0, module_named("add_8"))
        assert list(standin.kernel.firmware.iterdir()) == []


def test_a_built_bitstream_is_staged_as_its_manifest_says(standin: StandIn, data_dir: Path) -> None:
    """A partial from a public repository for its own region, and beside it what PYNQ made of it."""
    name = "gpio_pr_i_gpio_0_rm_led_0_partial"
    folder = data_dir / "bitstreams" / "yunqu-partial_reconfig_example"
    stem = f"boards__Pynq-Z1__gpio_pr__notebooks__partial_reconfig_example__{name}"
    partial = (folder / f"{stem}.bit").read_bytes()
    with Pynq(_with_region_of(partial), kernel=standin.kernel) as device:
        with pytest.raises(ArtifactError, match="carries no module identity; stage it with"):
            device.stage(partial, 0)
        staged = device.stage(partial, 0, module_id=0x1234)
        assert staged.module_id == 0x1234
        (file,) = standin.kernel.firmware.iterdir()
        assert file.read_bytes() == (folder / f"{stem}.bin").read_bytes()
        device.decouple(0)
        device.wait(device.begin_load(0, staged, "pcap"))
    assert [flags for flags, _ in standin.ask()["loads"]] == [1]


def _with_region_of(partial: bytes) -> Board:
    """Return a PYNQ-Z2 whose first partition is the region that a partial is for."""
    target = board("pynq-z2")
    found = frames(parse(partial), target.device)
    region = locate(target.device, found.addresses).rectangles
    others = target.partitions[1:]
    return replace(target, partitions=(place(target.device, "gpio_0", 0, region), *others))


def test_another_machine_is_noticed(standin: StandIn) -> None:
    with pytest.raises(DeviceError, match="with xlnx,zynqmp, got tul,pynq-z2, xlnx,zynq-7000"):
        Pynq("kv260", kernel=standin.kernel).open()


def test_a_board_that_is_no_zynq_is_refused() -> None:
    with pytest.raises(DeviceError, match="cannot drive alveo-u200: it has no port pcap"):
        Pynq("alveo-u200")


def test_a_machine_without_an_fpga_manager_is_an_obstacle() -> None:
    if Kernel().fpga_manager.exists():
        pytest.skip("this machine has one")
    assert Pynq.obstacle() == (
        "no /sys/class/fpga_manager/fpga0 with `firmware`, as vendor kernels have: run it on the"
        " board"
    )


def test_closing_stops_what_is_in_flight(device: Pynq, standin: StandIn) -> None:
    staged = stage(device, 0, module_named("add_8"))
    device.decouple(0)
    device.begin_load(0, staged, "icap")
    device.close()
    device.open()
    activate(device, 0, "add_8", "pcap")


@pytest.mark.parametrize("board", ["pynq-z2", "kv260"])
def test_a_network_equals_golden_through_a_cache_that_is_not_coherent(board: str) -> None:
    """Every input is flushed and every output invalidated, or the results would differ."""
    reason = obstacle()
    if reason:
        pytest.skip(reason)
    builder = Builder(np.random.default_rng(4), (8, 8, 16))
    builder.convolution(16, 3)
    builder.depthwise(3)
    builder.maximum(2, 2)
    builder.dense(7)
    network = builder.build("small")
    codes = np.random.default_rng(5).integers(-128, 128, (3, 8, 8, 16), np.int8)
    deployment = fpga_rt.compile(network, board=board)
    with (
        installed(board, cached=True) as standin,
        Pynq(board, kernel=standin.kernel, simulation_bitstreams=True) as device,
        fpga_rt.Runtime(device) as runtime,
    ):
        outputs = runtime.run(runtime.load(deployment), codes)
        loads_of_the_kernel = standin.ask()["loads"]
    assert (np.asarray(outputs).reshape(3, -1) == golden.run(network, codes).reshape(3, -1)).all()
    assert bool(loads_of_the_kernel) is (device.board.default_port == "pcap")
