"""Sites: what pblocks of whole columns are, both ways."""

from __future__ import annotations

import pytest

from fpga_rt.arch.boards import board, boards
from fpga_rt.arch.devices import device
from fpga_rt.arch.floorplan import cells
from fpga_rt.arch.partials import Cell
from fpga_rt.arch.sites import SiteRange, check_numbering, numbered, site_ranges
from fpga_rt.bitstream.pblock import parse_pblock, snap
from fpga_rt.errors import PlanningError

Z020 = device("xc7z020")


def region(columns: range, *rows: str) -> set[Cell]:
    return {Cell(Z020.row_of[row], column) for row in rows for column in columns}


def test_known_places() -> None:
    """Partials of a pblock SLICE_X38:SLICE_X45 (yunqu led_0) hold columns 28 and 29: X40 to X43.

    The others of its columns, 27 and 30, share their units with columns outside.
    """
    assert site_ranges(Z020, region(range(28, 30), "Y0")) == (
        SiteRange("SLICE", (40, 43), (0, 49)),
    )
    found = site_ranges(Z020, region(range(6, 10), "Y0"))
    assert list(map(str, found)) == [
        "SLICE_X8Y0:SLICE_X11Y49", "DSP48_X0Y0:DSP48_X0Y19", "RAMB36_X0Y0:RAMB36_X0Y9",
        "RAMB18_X0Y0:RAMB18_X0Y19",
    ]  # fmt: skip


def test_rows_that_lie_on_each_other_are_one_range() -> None:
    both = site_ranges(Z020, region(range(28, 30), "Y0", "Y1"))
    assert [str(one) for one in both] == ["SLICE_X40Y0:SLICE_X43Y99"]
    apart = site_ranges(Z020, region(range(28, 30), "Y0", "Y2"))
    assert [str(one) for one in apart] == [
        "SLICE_X40Y0:SLICE_X43Y49",
        "SLICE_X40Y100:SLICE_X43Y149",
    ]


def test_columns_with_others_between_are_two_ranges() -> None:
    found = site_ranges(Z020, region(range(28, 30), "Y0") | region(range(34, 36), "Y0"))
    assert [str(one) for one in found] == ["SLICE_X40Y0:SLICE_X43Y49", "SLICE_X50Y0:SLICE_X53Y49"]


def test_site_counts_of_the_data_sheet() -> None:
    """XC7Z020 (DS190): 13,300 slices, 220 DSP slices, 140 block RAMs."""
    fabric = {
        Cell(row, column)
        for row in Z020.rows
        for column in range(len(Z020.columns))
        if Z020.is_fabric(column, row)
    }
    counts = dict.fromkeys(("SLICE", "DSP48", "RAMB36"), 0)
    for found in site_ranges(Z020, fabric):
        if found.kind in counts:
            (x0, x1), (y0, y1) = found.x, found.y
            counts[found.kind] += (x1 - x0 + 1) * (y1 - y0 + 1)
    assert counts == {"SLICE": 13_300, "DSP48": 220, "RAMB36": 140}


@pytest.mark.parametrize("name", boards())
def test_there_and_back(name: str) -> None:
    found = board(name)
    if found.estimate or found.device.fabric_resources() != found.device.resources:
        pytest.skip("its sites have no known numbers")
    for partition in found.partitions:
        inside = cells(found.device, partition)
        text = " ".join(map(str, site_ranges(found.device, inside)))
        assert snap(found.device, parse_pblock(found.device, text)).cells == inside


def test_nothing() -> None:
    assert site_ranges(Z020, []) == ()


def test_unknown_numbers() -> None:
    unknown = device("xcu200")
    with pytest.raises(PlanningError, match="pblock on xcu200: its site numbers are not known"):
        check_numbering(unknown)
    with pytest.raises(PlanningError, match="its site numbers are not known"):
        site_ranges(unknown, [])


def test_numbers_follow_the_columns() -> None:
    assert numbered(Z020, Z020.columns[6])[:2] == [6, 17]
