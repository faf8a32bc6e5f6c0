"""Tests of device geometry against data sheets, part files and real full bitstreams."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fpga_rt.arch.devices import Device, device, devices
from fpga_rt.arch.resources import Resources
from fpga_rt.errors import DeviceError

WITH_GEOMETRY = ["xc7z010", "xc7z020", "xck26", "xczu3eg", "xczu7ev"]


def _kinds(name: str, first: int, last: int) -> list[str]:
    return list(device(name).columns[first : last + 1])


def test_known_devices() -> None:
    assert [name for name in devices() if device(name).columns] == WITH_GEOMETRY


def test_an_unknown_device_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        DeviceError, match=r"unknown FPGA 'xc7z045': .* use one of xc7z010, xc7z020"
    ):
        device("xc7z045")


@pytest.mark.parametrize("name", WITH_GEOMETRY)
def test_frames_equal_the_part_files(name: str, data_dir: Path) -> None:
    text = (data_dir / "fpga-geometry" / "geometry.json").read_text(encoding="utf-8")
    facts = json.loads(text)[name]
    chip = device(name)
    assert chip.total_frames == facts["total_frames"]
    assert chip.idcode == int(facts["idcode"], 16)
    assert chip.family.frame_words == facts["words_per_frame"]
    for row in chip.rows:
        key = f"{int(row.bottom)}:{row.row}" if "topbottom" in facts["key"] else f"{row.row}"
        assert list(chip.column_frames) == facts["frames_per_column"][f"0:{key}"]
        content = [chip.family.block_ram_frames] * len(chip.block_ram_columns)
        assert content == facts["frames_per_column"][f"1:{key}"]


def test_xc7z020_kinds_and_rows_equal_the_part_file(data_dir: Path) -> None:
    text = (data_dir / "fpga-geometry" / "geometry.json").read_text(encoding="utf-8")
    facts = json.loads(text)["xc7z020"]
    chip = device("xc7z020")
    same = {"CFG": "CLK/CFG", "CLK": "CLK/CFG"}
    assert list(chip.columns) == [same.get(kind, kind) for kind in facts["column_types"]]
    assert list(chip.block_ram_columns) == list(facts["bram_column_index"].values())
    for y, place in facts["row_of_clock_region_y"].items():
        row = chip.row_of[f"Y{y}"]
        assert f"{'bottom' if row.bottom else 'top'} {row.row}" == place
        for first, last in facts["no_fabric_columns"][place]:
            assert not any(row.has_fabric(column) for column in range(first, last + 1))


def test_xc7z020_full_bitstream_has_1010808_frame_words() -> None:
    chip = device("xc7z020")
    assert chip.full_stream_frames * chip.family.frame_words == 1_010_808


@pytest.mark.parametrize("name", ["xc7z020", "xczu3eg", "xck26"])
def test_columns_add_up_to_the_data_sheet(name: str) -> None:
    chip = device(name)
    assert chip.fabric_resources() == chip.resources


def test_what_is_not_offered_is_what_the_notes_say() -> None:
    small, large = device("xc7z010"), device("xczu7ev")
    # Six of the twelve CLB columns 26-38 exist, in two rows.
    assert small.resources - small.fabric_resources() == Resources(lut=6 * 2 * 400)
    # Two of the six rows have fabric in columns 0-85.
    assert large.resources - large.fabric_resources() == Resources(
        lut=2 * 48 * 480, dsp=2 * 3 * 24, bram36=2 * 12
    )


def test_7_series_units_are_pairs() -> None:
    assert device("xc7z020").units[:2] == ((0, 1), (2, 3))
    assert device("xc7z020").units[-1] == (72, 73)


@pytest.mark.parametrize("name", ["xck26", "xczu3eg", "xczu7ev"])
def test_ultrascale_plus_units_cover_every_column_once(name: str) -> None:
    chip = device(name)
    covered = [c for first, last in chip.units for c in range(first, last + 1)]
    assert covered == list(range(len(chip.columns)))
    for first, last in chip.units:
        kinds = chip.columns[first : last + 1]
        assert kinds.count("INT") <= 1


def test_a_column_between_two_interconnects_belongs_to_the_left_one() -> None:
    assert _kinds("xczu7ev", 112, 116) == ["CLB", "INT", "URAM", "INT", "CLB"]
    units = device("xczu7ev").units
    assert (112, 114) in units
    assert (115, 116) in units


def test_addresses_of_columns_and_block_ram() -> None:
    chip = device("xc7z020")
    assert chip.address(chip.row_of["Y1"], 34) == 0x00401100
    assert chip.block_ram_address(chip.row_of["Y0"], 67) == 0x00C20280
    with pytest.raises(ValueError, match="not in tuple"):
        chip.block_ram_address(chip.row_of["Y0"], 68)


def test_a_device_of_unknown_geometry_has_totals_only() -> None:
    chip: Device = device("xcu200")
    assert (chip.total_frames, chip.units, chip.rows) == (0, (), ())
    assert chip.resources.dsp == 6840
