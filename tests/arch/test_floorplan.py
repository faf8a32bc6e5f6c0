"""Tests of partitions: sizes against published figures, and every rule of legality."""

from __future__ import annotations

import pytest

from fpga_rt.arch.devices import device
from fpga_rt.arch.floorplan import (
    Partition,
    Rectangle,
    cells,
    check_disjoint,
    place,
    static_resources,
)
from fpga_rt.arch.resources import Resources
from fpga_rt.errors import PlanningError

Z020 = device("xc7z020")


def _place(*rectangles: Rectangle, index: int = 0) -> Partition:
    return place(Z020, f"rp{index}", index, rectangles)


# CLB, DSP and block RAM columns of one row, and the size of the file, by a published table.
@pytest.mark.parametrize(
    ("rectangles", "resources", "file_bytes"),
    [
        ([Rectangle((20, 29), ("Y0",))], Resources(3200, 20, 10), 475_678),
        (
            [Rectangle((10, 31), ("Y0",)), Rectangle((34, 35), ("Y0",))],
            Resources(8000, 40, 20),
            973_406,
        ),
    ],
)
def test_published_sizes(
    rectangles: list[Rectangle], resources: Resources, file_bytes: int
) -> None:
    region = _place(*rectangles)
    assert region.resources == resources
    # Every further run repeats a pad frame and the commands around it, in both passes.
    more_runs = 2 * (404 + 32) * (len(rectangles) - 1)
    # The table's sizes include the text header of a .bit file: 117 to 133 bytes in real ones.
    assert 117 <= file_bytes - (region.bitstream_bytes - more_runs) <= 133


def test_an_l_shape_is_the_sum_of_its_rectangles() -> None:
    lower, upper = Rectangle((6, 27), ("Y0",)), Rectangle((20, 27), ("Y1",))
    both = _place(lower, upper)
    apart = [_place(lower), _place(upper)]
    assert both.resources == apart[0].resources + apart[1].resources
    assert both.frames == apart[0].frames + apart[1].frames
    # The mask and the commands around the frames are paid once.
    fixed_bytes = 404 * 228 + 324
    assert both.bitstream_bytes == sum(p.bitstream_bytes for p in apart) - fixed_bytes


def test_frames_count_content_once() -> None:
    # 12 CLB, 2 DSP, 2 block RAM columns in two rows.
    region = _place(Rectangle((54, 69), ("Y2", "Y1")))
    assert region.frames == 2 * (12 * 36 + 2 * 28 + 2 * (28 + 128))
    assert not region.is_estimate


def test_declared_figures_stand_without_rectangles() -> None:
    region = Partition("rp0", 0, Resources(1000, 10, 2), 100, 40_000, 38_000)
    assert region.is_estimate
    assert cells(Z020, region) == frozenset()


def test_what_is_left_is_the_static_region() -> None:
    region = _place(Rectangle((54, 69), ("Y0",)))
    assert static_resources(Z020, [region]) == Resources(53_200 - 4800, 220 - 40, 140 - 20)


@pytest.mark.parametrize(
    ("rectangle", "message"),
    [
        (
            Rectangle((55, 68), ("Y0",)),
            "partition 'rp0' of xc7z020: columns 55-68 cut a programmable unit, which is loaded as "
            "a whole; use 54-69",
        ),
        (
            Rectangle((32, 35), ("Y0",)),
            "partition 'rp0' of xc7z020: column 33 (CLK/CFG) of row Y0 has no fabric for a module; "
            "leave it out of 32-35",
        ),
        (
            Rectangle((44, 49), ("Y2",)),
            "partition 'rp0' of xc7z020: column 44 (CLB) of row Y2 has no fabric for a module; "
            "leave it out of 44-49",
        ),
        (
            Rectangle((70, 75), ("Y0",)),
            "partition 'rp0' of xc7z020: columns 70-75 are not a range within 0-73",
        ),
        (
            Rectangle((54, 69), ("Y3",)),
            "partition 'rp0' of xc7z020: no clock-region row 'Y3'; the rows of xc7z020 are "
            "Y2, Y1, Y0",
        ),
        (
            Rectangle((54, 69), ()),
            "partition 'rp0' of xc7z020: it has no area; give it rectangles that share no column "
            "of a row",
        ),
    ],
)
def test_illegal_rectangles_are_refused(rectangle: Rectangle, message: str) -> None:
    with pytest.raises(PlanningError) as refusal:
        _place(rectangle)
    assert str(refusal.value) == message


def test_rectangles_of_one_partition_may_not_overlap() -> None:
    with pytest.raises(PlanningError, match="'rp0' of xc7z020: its rectangles overlap"):
        _place(Rectangle((54, 69), ("Y0",)), Rectangle((68, 69), ("Y0",)))


def test_partitions_may_not_overlap() -> None:
    first = _place(Rectangle((54, 69), ("Y0", "Y1")), index=0)
    second = _place(Rectangle((68, 71), ("Y1", "Y2")), index=1)
    with pytest.raises(PlanningError) as refusal:
        check_disjoint(Z020, [first, second])
    assert str(refusal.value) == (
        "partitions 'rp0' and 'rp1' of xc7z020 overlap at column 68 of row Y1: move one of them"
    )
    check_disjoint(Z020, [first, _place(Rectangle((68, 71), ("Y2",)), index=1)])
