"""Pblocks: Vivado's snapping as seen in real partials, site numbers of a database, and the lint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fpga_rt.arch.devices import device
from fpga_rt.arch.floorplan import Rectangle
from fpga_rt.bitstream.pblock import Snapped, parse_pblock, snap
from fpga_rt.bitstream.size import rectangles_of
from fpga_rt.errors import PlanningError

Z020 = device("xc7z020")


def _snap(text: str, name: str = "xc7z020") -> Snapped:
    chip = device(name)
    return snap(chip, parse_pblock(chip, text))


def test_columns_snap_inwards_and_rows_outwards() -> None:
    # What Vivado makes of this pblock in a public design with partial bitstreams.
    snapped = _snap("SLICE_X38Y0:SLICE_X45Y49")
    assert rectangles_of(Z020, snapped.cells) == (Rectangle((28, 29), ("Y0",)),)
    assert snapped.cut_columns == (27, 30)
    assert snapped.part_rows == ()


def test_one_slice_row_too_many_costs_a_row() -> None:
    snapped = _snap("SLICE_X38Y0:SLICE_X45Y50")
    assert rectangles_of(Z020, snapped.cells) == (Rectangle((28, 29), ("Y1", "Y0")),)
    (part,) = snapped.part_rows
    assert (part.row, part.covered, part.height) == ("Y1", 1, 50)
    # 72 frames of two CLB columns and a pad frame, written twice, with 8 words of packets each.
    assert part.extra_bytes == 2 * (73 * 404 + 32)
    assert snapped.findings == (
        "row Y1 is loaded whole for 1 of its 50 rows of SLICE sites: without the overhang the "
        "partial is 59,048 bytes shorter",
        "columns 27, 30 are given up: the pblock cuts their programmable units, which are loaded "
        "whole or not at all",
    )


def test_a_row_covered_in_part_may_as_well_be_covered() -> None:
    snapped = _snap("SLICE_X40Y10:SLICE_X43Y19")
    assert snapped.findings == (
        "row Y0 is loaded whole for 10 of its 50 rows of SLICE sites: a pblock that covers it "
        "costs no more",
    )


def test_half_a_column_is_cut() -> None:
    snapped = _snap("SLICE_X39Y0:SLICE_X44Y49")
    assert rectangles_of(Z020, snapped.cells) == (Rectangle((28, 29), ("Y0",)),)
    assert snapped.cut_columns == (27, 30)


def test_a_dsp_column_needs_a_range_of_its_own() -> None:
    logic = "SLICE_X4Y0:SLICE_X11Y49"
    assert rectangles_of(Z020, _snap(logic).cells) == (Rectangle((4, 5), ("Y0",)),)
    both = f"{{ {logic} DSP48_X0Y0:DSP48_X0Y19, RAMB36_X0Y0:RAMB36_X0Y9 }}"
    assert rectangles_of(Z020, _snap(both).cells) == (Rectangle((4, 9), ("Y0",)),)


def test_site_numbers_equal_the_database(data_dir: Path) -> None:
    path = data_dir / "fpga-geometry" / "geometry.json"
    slices = json.loads(path.read_text())["xc7z020"]["slice_x_of_column"]
    columns = sorted(map(int, slices))
    assert columns == [c for c, kind in enumerate(Z020.columns) if kind == "CLB"]
    for first in range(0, len(Z020.columns), 2):
        if {str(first), str(first + 1)} <= slices.keys():
            low, high = slices[str(first)][0], slices[str(first + 1)][1]
            snapped = _snap(f"SLICE_X{low}Y0:SLICE_X{high}Y49")
            assert rectangles_of(Z020, snapped.cells) == (Rectangle((first, first + 1), ("Y0",)),)


def test_interconnect_columns_come_with_their_neighbours() -> None:
    chip = device("xczu3eg")
    snapped = _snap("SLICE_X1Y0:SLICE_X3Y59 RAMB36_X0Y0:RAMB36_X0Y11", chip.name)
    assert rectangles_of(chip, snapped.cells) == (Rectangle((3, 8), ("Y0",)),)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("xc7z020", "SLICE_X1Y2", "pblock range 'SLICE_X1Y2': expected two sites of one kind of "
         "xc7z020 (SLICE, DSP48, RAMB36, RAMB18), as in SLICE_X38Y0:SLICE_X45Y49"),
        ("xc7z020", "", "pblock range '': expected two sites of one kind of "
         "xc7z020 (SLICE, DSP48, RAMB36, RAMB18), as in SLICE_X38Y0:SLICE_X45Y49"),
        ("xc7z020", "SLICE_X0Y0:SLICE_X9Y150", "pblock range 'SLICE_X0Y0:SLICE_X9Y150': expected "
         "its lower left before its upper right, within X0-113 and Y0-149 of xc7z020"),
        ("xc7z020", "SLICE_X9Y0:SLICE_X0Y49", "pblock range 'SLICE_X9Y0:SLICE_X0Y49': expected "
         "its lower left before its upper right, within X0-113 and Y0-149 of xc7z020"),
        ("xc7z020", "SLICE_X38Y0:SLICE_X39Y49", "pblock on xc7z020: no programmable unit lies "
         "inside it whole; widen it to columns of full units, or give them with --columns and "
         "--rows"),
        ("xc7z010", "SLICE_X0Y0:SLICE_X9Y49", "pblock on xc7z010: its site numbers are not known, "
         "since some columns are missing from its geometry; give --columns and --rows instead"),
    ],
)  # fmt: skip
def test_refusals(name: str, text: str, message: str) -> None:
    with pytest.raises(PlanningError) as refusal:
        _snap(text, name)
    assert str(refusal.value) == message
