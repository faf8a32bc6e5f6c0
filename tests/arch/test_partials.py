"""Tests of bitstream sizes: equal to real Vivado partials, to the byte and the frame address."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpga_rt.arch import partials
from fpga_rt.arch.devices import device
from fpga_rt.arch.partials import Cell
from fpga_rt.bitstream.build import Form, build
from fpga_rt.bitstream.expand import Frames

Area = tuple[str, int, int]  # row, first column, last column

PRIO = "byuccl-PYNQ-PRIO/boards__Pynq-Z1__prio__partial__"
BYU = "byuccl-BYU_PYNQ_PR_Video_Pipeline/video__"
YUNQU = "yunqu-partial_reconfig_example/boards__"

# Bytes after the .bit header, frames written through FDRI, and the area by the frame addresses.
SERIES7_FILES: list[tuple[str, int, int, list[Area]]] = [
    (f"{PRIO}pr_0_uart.bit", 151_484, 374, [("Y1", 26, 27)]),
    (f"{PRIO}pr_3_gpio.bit", 151_484, 374, [("Y1", 38, 39)]),
    (
        "byuccl-PYNQ-PRIO/boards__Pynq-Z1__prio_linux__partial__pr_0_gpio.bit",
        737_604,
        1824,
        [("Y2", 20, 23), ("Y1", 20, 23), ("Y0", 20, 23)],
    ),
    (
        f"{YUNQU}Pynq-Z1__gpio_pr__led_0.bit",
        716_468,
        1772,
        [("Y2", 34, 35), ("Y2", 38, 43), ("Y1", 34, 43)],
    ),
    (f"{BYU}pass_l0.bit", 747_916, 1850, [("Y2", 20, 31), ("Y2", 34, 37)]),
    (f"{BYU}pass_m0.bit", 476_364, 1178, [("Y0", 62, 71)]),  # ends its row of block RAM
    (f"{BYU}pass_s0.bit", 417_380, 1032, [("Y0", 2, 9)]),
    (f"{BYU}gscreen_mux.bit", 204_812, 506, [("Y0", 48, 51)]),
]
PLUS_FILES: list[tuple[str, int, int, list[Area], list[int]]] = [
    (
        f"{YUNQU}ZCU104__gpio_pr__led_0.bit",
        476_272,
        1268,
        [("Y3", 129, 146)],
        [0x000C7B00, 0x010C0200],
    ),
    (
        "byuccl-PYNQ-PRIO/boards__ZCU104__prio__partial__pr_0_uart.bit",
        472_504,
        1258,
        [("Y5", 171, 188)],
        [0x0014A500, 0x01140300],
    ),
]


def _cells(name: str, areas: list[Area]) -> list[Cell]:
    rows = device(name).row_of
    return [Cell(rows[y], c) for y, first, last in areas for c in range(first, last + 1)]


@pytest.mark.parametrize(("file", "size_bytes", "frames", "areas"), SERIES7_FILES)
def test_7_series_sizes_equal_real_files(
    file: str, size_bytes: int, frames: int, areas: list[Area]
) -> None:
    chip, region = device("xc7z020"), _cells("xc7z020", areas)
    assert partials.stream_bytes(chip, region) == size_bytes
    assert partials.stream_frames(chip, region) == frames


@pytest.mark.parametrize(("file", "size_bytes", "frames", "areas", "addresses"), PLUS_FILES)
def test_ultrascale_plus_sizes_equal_real_files(
    file: str, size_bytes: int, frames: int, areas: list[Area], addresses: list[int]
) -> None:
    chip, region = device("xczu7ev"), _cells("xczu7ev", areas)
    assert partials.stream_bytes(chip, region) == size_bytes
    assert partials.stream_frames(chip, region) == frames
    assert [run.address for run in partials.written_runs(chip, region)] == addresses


@pytest.mark.parametrize(
    ("name", "bits"),
    [("xc7z010", 16_669_920), ("xc7z020", 32_364_512), ("xczu7ev", 154_488_736)],
)
def test_full_sizes_are_those_of_the_guides(name: str, bits: int) -> None:
    """UG470 and UG570, Bitstream Length."""
    assert partials.full_bytes(device(name)) == bits // 8


@pytest.mark.parametrize("name", ["xc7z010", "xc7z020", "xck26", "xczu3eg", "xczu7ev"])
def test_full_sizes_are_those_of_streams_that_are_built(name: str) -> None:
    chip = device(name)
    frames = Frames(np.zeros(1, np.int64), np.zeros((1, chip.family.frame_words), np.uint32))
    assert partials.full_bytes(chip) == len(build(chip, frames, Form.FULL))


def test_an_unknown_geometry_has_no_full_size() -> None:
    assert partials.full_bytes(device("xcu200")) is None


def _index(data_dir: Path) -> dict[str, dict[str, Any]]:
    text = (data_dir / "bitstreams" / "index.json").read_text(encoding="utf-8")
    return {entry["file"]: entry for entry in json.loads(text)}


@pytest.mark.parametrize(("file", "size_bytes", "frames", "areas"), SERIES7_FILES)
def test_run_addresses_equal_those_in_the_files(
    file: str, size_bytes: int, frames: int, areas: list[Area], data_dir: Path
) -> None:
    entry = _index(data_dir)[file]
    runs = partials.written_runs(device("xc7z020"), _cells("xc7z020", areas))
    starts = [int(word, 16) for word in entry["far_starts"]]
    assert [0x01000000, *(run.address for run in runs), 0x03BE0000] == starts
    assert (entry["raw_size"], entry["fdri_frames"]) == (size_bytes, frames)


def test_plain_form_writes_every_frame_once() -> None:
    # The region of ZyCAP's demonstration: 46 CLB, 3 DSP and 5 block RAM columns, 1,018,080 bytes
    # of frames; pads and commands come on top.
    frames = 46 * 36 + 3 * 28 + 5 * (28 + 128)
    assert frames * 404 == 1_018_080
    chip = device("xc7z020")
    region = _cells("xc7z020", [("Y0", 2, 31)])
    content = sum(run.frames for run in partials.runs(chip, region))
    assert content == 24 * 36 + 3 * 28 + 3 * (28 + 128)
    assert partials.plain_bytes(chip, region) == 404 * (content + 2) + 4 * (20 + 2 * 8 + 20)


def test_a_run_that_ends_a_row_has_two_pads() -> None:
    chip = device("xc7z020")
    last = len(chip.columns) - 1
    (run,) = partials.runs(chip, _cells("xc7z020", [("Y0", last - 1, last)]))
    assert (run.frames, run.pads) == (30 + 42, 2)


def test_widening_stops_at_the_edge_of_the_device() -> None:
    chip = device("xck26")
    region = _cells("xck26", [("Y0", 3, 8)])
    assert partials.written_runs(chip, region)[0].address == chip.address(chip.row_of["Y0"], 0)
