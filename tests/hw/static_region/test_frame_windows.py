"""The windows of every board against the frames that its partitions have."""

from __future__ import annotations

import pytest

from fpga_rt.arch import devices
from fpga_rt.arch.boards import board, boards
from fpga_rt.arch.devices import Device
from fpga_rt.arch.families import SERIES7, FrameAddress
from fpga_rt.arch.floorplan import DECLARED_FRAMES, Partition, cells
from fpga_rt.arch.partials import written_runs
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.bitstream.expand import frame_order
from fpga_rt.bitstream.read import parse
from fpga_rt.bitstream.sequence import PAD
from hw.static_region.frame_windows import FarWindow, far_windows


@pytest.mark.parametrize("name", boards())
def test_windows_of_boards_hold_their_partitions_and_no_other(name: str) -> None:
    place = board(name)
    order = frame_order(place.device)
    for partition in place.partitions:
        windows = far_windows(place.device, partition)
        listed = order.partition(partition)
        assert all(any(w.low <= far <= w.high and w.words for w in windows) for far in listed)
        for other in place.partitions:
            if other is not partition and place.device.family is SERIES7:
                theirs = order.partition(other)
                assert not any(w.low <= far <= w.high for far in theirs for w in windows)


def _check_windows(where: Device, partition: Partition) -> None:
    """From every frame on, as much may be written as lies there of the region.

    The last frame is a flush frame: it is not written.
    """
    order = frame_order(where)
    inside = set(order.listed(written_runs(where, cells(where, partition))).tolist()) | {PAD}
    for low, high, words, size in far_windows(where, partition):
        if not size:
            continue
        assert size == where.family.frame_words
        for far in {low, high}:
            frames, odd = divmod(words - (far - low) * size, size)
            assert not odd
            run = order.run(far, frames)
            assert set(run[:-1].tolist()) <= inside
            assert run[-1] == PAD or run[-1] not in inside or frames == 1


@pytest.mark.parametrize("name", boards())
def test_windows_are_as_long_as_the_runs(name: str) -> None:
    place = board(name)
    for partition in place.partitions:
        if not partition.is_estimate:
            _check_windows(place.device, partition)


@pytest.mark.parametrize("name", boards())
def test_simulation_bitstreams_lie_in_their_window(name: str) -> None:
    place = board(name)
    for partition in place.partitions:
        stream = parse(simulation_bitstream(place.device, partition, 7))
        windows = far_windows(place.device, partition)
        for far, start, stop in stream.runs:
            assert any(w.low <= far <= w.high and stop - start <= w.words for w in windows)


def test_windows_of_a_partition_of_unknown_geometry() -> None:
    unknown = [d for d in map(devices.device, devices.devices()) if not d.columns]
    assert unknown
    for where in unknown:
        partition = Partition("rp3", 3, where.resources, 1, 1, 1)
        first, *rest = far_windows(where, partition)
        low = where.family.address.encode(FrameAddress(0, 0, 3))
        frames = DECLARED_FRAMES + 1
        size = where.family.frame_words
        assert first == FarWindow(low, low + DECLARED_FRAMES - 1, frames * size, size)
        assert rest == [FarWindow(where.family.end_address, where.family.end_address, 0)]
