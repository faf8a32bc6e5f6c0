"""Where frames lie: hand-made addresses, and real partials in the regions of their designs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.arch.devices import device
from fpga_rt.arch.floorplan import Rectangle, cells, place
from fpga_rt.arch.partials import written_runs
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.bitstream.locate import Touched, locate
from fpga_rt.bitstream.read import frames, parse
from fpga_rt.bitstream.sequence import FrameOrder
from fpga_rt.errors import ArtifactError

Z020 = device("xc7z020")
PRIO = "byuccl-PYNQ-PRIO/boards__Pynq-Z1__prio__partial__"
BYU = "byuccl-BYU_PYNQ_PR_Video_Pipeline/video__"
REGIONS = [
    (f"{PRIO}pr_0_uart.bit", 72, (Rectangle((26, 27), ("Y1",)),)),
    (f"{PRIO}pr_3_gpio.bit", 72, (Rectangle((38, 39), ("Y1",)),)),
    ("byuccl-PYNQ-PRIO/boards__Pynq-Z1__prio_linux__partial__pr_0_gpio.bit",
     3 * (3 * 36 + 28 + 128), (Rectangle((20, 23), ("Y2", "Y1", "Y0")),)),
    (f"{BYU}pass_s0.bit", 6 * 36 + 2 * 28 + 128, (Rectangle((2, 9), ("Y0",)),)),
]  # fmt: skip


@pytest.mark.parametrize(("file", "count", "area"), REGIONS)
def test_real_partials_lie_in_their_regions(
    file: str, count: int, area: tuple[Rectangle, ...], data_dir: Path
) -> None:
    stream = parse((data_dir / "bitstreams" / file).read_bytes())
    region = place(Z020, "pr", 0, area)
    found = locate(Z020, frames(stream, Z020).addresses, [region])
    assert (found.frames, found.rectangles) == (count, area)
    assert found.partitions == (Touched("pr", count, count),)
    assert (found.home, found.outside_frames) == ("pr", 0)


def test_an_ultrascale_plus_partial_widens_its_partition(data_dir: Path) -> None:
    name = "yunqu-partial_reconfig_example/boards__ZCU104__gpio_pr__led_0.bit"
    chip = device("xczu7ev")
    stream = parse((data_dir / "bitstreams" / name).read_bytes())
    region = place(chip, "led", 0, [Rectangle((129, 146), ("Y3",))])
    found = locate(chip, frames(stream, chip).addresses, [region])
    assert found.partitions[0].whole
    assert found.outside_frames > 0
    assert found.home == "led"


def test_frames_of_two_partitions_belong_to_neither() -> None:
    target = board("pynq-z2")
    order = FrameOrder(Z020)
    parts = [order.partition(partition) for partition in target.partitions[:2]]
    found = locate(Z020, np.concatenate([parts[0], parts[1][:5]]), target.partitions)
    assert [(t.partition, t.whole) for t in found.partitions] == [("rp0", True), ("rp1", False)]
    assert found.home is None
    assert found.outside_frames == 0


def test_a_frame_outside_is_seen() -> None:
    target = board("pynq-z2")
    inside = FrameOrder(Z020).partition(target.partitions[2])
    row = Z020.row_of["Y2"]
    found = locate(Z020, np.append(inside, Z020.address(row, 30)), target.partitions)
    assert (found.outside_frames, found.home) == (1, None)
    assert Rectangle((30, 30), ("Y2",)) in found.rectangles


@pytest.mark.parametrize("name", ["pynq-z2", "kv260", "zcu104"])
def test_simulation_bitstreams_are_at_home(name: str) -> None:
    target = board(name)
    for partition in target.partitions:
        stream = parse(simulation_bitstream(target.device, partition, 7))
        found = locate(target.device, frames(stream, target.device).addresses, target.partitions)
        assert found.home == partition.name


@pytest.mark.parametrize("name", ["pynq-z2", "kv260", "zcu104"])
def test_what_a_partial_writes_is_at_home(name: str) -> None:
    target = board(name)
    order = FrameOrder(target.device)
    for partition in target.partitions:
        runs = written_runs(target.device, cells(target.device, partition))
        addresses = np.concatenate([order.run(run.address, run.frames) for run in runs])
        found = locate(target.device, addresses, [partition])
        assert (found.home, found.partitions[0].whole) == (partition.name, True)


def test_an_address_the_device_lacks_is_refused() -> None:
    with pytest.raises(ArtifactError) as refusal:
        locate(Z020, np.array([0x00002580], np.int64))
    assert str(refusal.value) == (
        "frame address 0x00002580: xc7z020 has no such column; use the device that the bitstream "
        "was built for"
    )
