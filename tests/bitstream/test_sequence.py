"""Frame order against the frame counts and addresses of real devices and files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.arch.devices import device
from fpga_rt.bitstream.sequence import PAD, FrameOrder, first_frame
from fpga_rt.errors import ArtifactError


def test_a_full_xc7z020_stream_has_9996_frames_and_12_pads() -> None:
    addresses = FrameOrder(device("xc7z020")).run(0, 10_008)
    assert np.count_nonzero(addresses != PAD) == 9_996
    assert len(np.unique(addresses)) == 9_997
    # A row of logic has 2,564 frames; the second row is the top one of the bottom half.
    assert addresses[2564:2567].tolist() == [PAD, PAD, 0x00400000]
    # The last frame: block RAM content, bottom half, row 1, sixth column, minor 127.
    assert addresses[-3:].tolist() == [0x00C202FF, PAD, PAD]


def test_every_frame_of_geometry_appears(data_dir: Path) -> None:
    geometry = json.loads((data_dir / "fpga-geometry" / "geometry.json").read_text())
    for name in ("xc7z020", "xczu3eg"):
        rows = geometry[name]["frames_per_column"]
        frames = sum(sum(columns) for columns in rows.values())
        total = frames + 2 * len(rows)
        addresses = FrameOrder(device(name)).run(0, total)
        assert len(np.unique(addresses[addresses != PAD])) == frames


def test_a_run_that_leaves_the_device_is_refused() -> None:
    order = FrameOrder(device("xc7z020"))
    for far, count, there in ((0x00C202FF, 4, 3), (0x03BE0000, 1, 0)):
        with pytest.raises(ArtifactError) as caught:
            order.run(far, count)
        assert str(caught.value) == (
            f"{count} frames from frame address 0x{far:08X} on: xc7z020 has {there} there; "
            "build the stream for xc7z020"
        )


def test_partitions_of_a_board_share_no_frame_and_have_as_many_as_they_say() -> None:
    pynq = board("pynq-z2")
    order = FrameOrder(pynq.device)
    parts = [order.partition(partition) for partition in pynq.partitions]
    assert [len(part) for part in parts] == [partition.frames for partition in pynq.partitions]
    everything = np.concatenate(parts)
    assert len(np.unique(everything)) == len(everything)
    assert all(
        first_frame(pynq.device, p) in part for p, part in zip(pynq.partitions, parts, strict=True)
    )


def test_a_partition_of_unknown_geometry_is_a_column_of_its_index() -> None:
    alveo = board("alveo-u200")
    partition = dataclasses.replace(alveo.partitions[0], index=3)
    # UltraScale+: the column is at bits 17 to 8.
    assert first_frame(alveo.device, partition) == 0x300
    assert FrameOrder(alveo.device).partition(partition).tolist() == list(range(0x300, 0x310))
    assert FrameOrder(alveo.device).run(0x300, 2).tolist() == [0x300, 0x301]


def test_several_runs_are_listed_one_after_the_other() -> None:
    order = FrameOrder(device("xc7z020"))
    fars, counts = np.array([0x1B00, 0, 0x1B00]), np.array([2, 0, 1])
    assert order.runs(fars, counts).tolist() == [0x1B00, 0x1B01, 0x1B00]
    assert not len(order.runs(fars[:0], counts[:0]))


def test_a_listed_sequence_stands_for_a_device_whose_rows_differ() -> None:
    unknown = dataclasses.replace(device("xc7z020"), columns=(), column_frames=(), rows=())
    order = FrameOrder(unknown, np.array([0, 1, PAD, PAD, 0x80]))
    assert order.run(1, 4).tolist() == [1, PAD, PAD, 0x80]
    assert order.positions(np.array([0x80, 0x81, PAD, 0])).tolist() == [4, 5, 5, 0]
    with pytest.raises(ArtifactError, match="2 frames from frame address 0x00000080 on"):
        order.run(0x80, 2)


def test_columns_and_how_many_frames_they_have() -> None:
    order = FrameOrder(device("xc7z020"))
    assert order.columns(np.array([0x1B23, 0x00800085])).tolist() == [0x1B00, 0x00800080]
    columns, counts = order.column_frames
    assert counts.sum() == 9_996
    assert len(columns) == 3 * (74 + 6)
    assert counts[columns == 0x1B00].tolist() == [36]
