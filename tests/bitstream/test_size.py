"""Sizes of regions: published figures, real files, and load times from rates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fpga_rt.arch.devices import device, devices
from fpga_rt.arch.floorplan import Rectangle
from fpga_rt.arch.resources import Resources
from fpga_rt.bitstream.size import ports_of, rectangles_of, region_cells, region_size
from fpga_rt.errors import PlanningError

Z020 = device("xc7z020")

# Bytes after the header, frames sent and area of real partials; the plain form is their formula.
SERIES7 = [
    ("byuccl-PYNQ-PRIO/boards__Pynq-Z1__prio__partial__pr_0_uart.bit", 151_484, 374,
     [Rectangle((26, 27), ("Y1",))]),
    ("yunqu-partial_reconfig_example/boards__Pynq-Z1__gpio_pr__led_0.bit", 716_468, 1772,
     [Rectangle((34, 35), ("Y2",)), Rectangle((38, 43), ("Y2",)), Rectangle((34, 43), ("Y1",))]),
    ("byuccl-BYU_PYNQ_PR_Video_Pipeline/video__pass_s0.bit", 417_380, 1032,
     [Rectangle((2, 9), ("Y0",))]),
]  # fmt: skip


@pytest.mark.parametrize(("file", "size_bytes", "frames", "area"), SERIES7)
def test_7_series_partials_to_the_byte(
    file: str, size_bytes: int, frames: int, area: list[Rectangle], data_dir: Path
) -> None:
    index = json.loads((data_dir / "bitstreams" / "index.json").read_text())
    entry = next(entry for entry in index if entry["file"] == file)
    size = region_size(Z020, region_cells(Z020, area))
    assert size.exact
    vivado = size.forms[0]
    assert (vivado.size_bytes, vivado.frames) == (size_bytes, frames)
    assert (entry["raw_size"], entry["fdri_frames"]) == (size_bytes, frames)


def test_ultrascale_plus_within_one_percent(data_dir: Path) -> None:
    name = "yunqu-partial_reconfig_example/boards__ZCU104__gpio_pr__led_5.bit"
    index = json.loads((data_dir / "bitstreams" / "index.json").read_text())
    entry = next(entry for entry in index if entry["file"] == name)
    chip = device("xczu7ev")
    size = region_size(chip, region_cells(chip, [Rectangle((129, 146), ("Y3",))]))
    assert not size.exact
    assert size.forms[0].size_bytes == pytest.approx(entry["raw_size"], rel=0.01)


def test_resources_and_frames_are_those_of_the_columns() -> None:
    # 6 CLB, 1 DSP and 1 block RAM column: (6 * 36 + 28 + 28 + 128) frames; a run has a pad frame.
    size = region_size(Z020, region_cells(Z020, [Rectangle((2, 9), ("Y0",))]))
    assert size.resources == Resources(lut=6 * 400, dsp=20, bram36=10)
    assert size.frames == 6 * 36 + 28 + 28 + 128
    plain = size.forms[1]
    assert plain.frames == size.frames + 2
    assert 404 * plain.frames < plain.size_bytes < 404 * (plain.frames + 1)


def test_regions_read_as_rectangles() -> None:
    area = (Rectangle((54, 69), ("Y2", "Y1")), Rectangle((6, 27), ("Y0",)))
    assert rectangles_of(Z020, region_cells(Z020, area)) == area


def test_illegal_columns_say_what_to_use() -> None:
    with pytest.raises(PlanningError, match=r"columns 27-30 cut a programmable unit, .* use 26-31"):
        region_cells(Z020, [Rectangle((27, 30), ("Y0",))])


@pytest.mark.parametrize("name", devices())
def test_every_device_has_ports(name: str) -> None:
    ports = ports_of(device(name))
    assert "icap" in ports
    rate = 382e6 if name.startswith("xc7z") else ports["icap"].bytes_per_second
    assert ports["icap"].load_ps(1_000_000) == pytest.approx(1e18 / rate)
