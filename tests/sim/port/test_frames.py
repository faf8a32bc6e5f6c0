"""The frames that the model is told of, against a count of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fpga_rt.arch import boards
from sim.port.frames import MAX_PARTITIONS, Column, frame_columns, write_frames
from tests.bitstream.interpreter import counting_order
from tests.sim.port.streams import owner_frames

KNOWN = ("pynq-z2", "zybo-z7-10", "kv260", "zcu104")


def _listed(columns: tuple[Column, ...]) -> list[int]:
    found: list[int] = []
    for column in columns:
        found += [*range(column.far, column.far + column.frames), *[-1] * column.pads]
    return found


@pytest.mark.parametrize("name", KNOWN)
def test_counting_order(name: str) -> None:
    device = boards.board(name).device
    columns = frame_columns(device, boards.board(name).partitions)
    assert _listed(tuple(c for c in columns if not c.flags)) == counting_order(device)


@pytest.mark.parametrize("name", KNOWN)
def test_partitions_own_their_rectangles(name: str) -> None:
    board = boards.board(name)
    order = [far for far in counting_order(board.device) if far >= 0]
    for partition in board.partitions:
        columns = frame_columns(board.device, board.partitions)
        owned = tuple(replace(c, pads=0) for c in columns if c.owner >> partition.index & 1)
        assert _listed(owned) == owner_frames(board.device, partition, order)
        assert len(_listed(owned)) == partition.frames


def test_routing_beside_a_region_may_be_written_on_ultrascale_plus_only() -> None:
    for name in KNOWN:
        board = boards.board(name)
        beside = [c for c in frame_columns(board.device, board.partitions) if c.beside]
        assert bool(beside) == (name in ("kv260", "zcu104"))


def test_reset_mask_of_the_7_series() -> None:
    board = boards.board("pynq-z2")
    assert frame_columns(board.device, board.partitions)[-1] == Column(0x01000000, 228, flags=3)


def test_unknown_geometry_has_stand_ins() -> None:
    board = boards.board("alveo-u200")
    columns = frame_columns(board.device, board.partitions)
    assert columns == tuple(Column(i << 8, 16, owner=1 << i, flags=2) for i in range(4))


def test_lines_and_parameters(tmp_path: Path) -> None:
    board = boards.board("pynq-z2")
    path = tmp_path / "frames.hex"
    parameters = write_frames(path, board.device, board.partitions)
    lines = path.read_text(encoding="ascii").splitlines()
    assert parameters == {
        "ICAP": 2,
        "IDCODE": 0x03727093,
        "FRAME_WORDS": 101,
        "PARTITIONS": 3,
        "COLUMNS": len(lines),
        "FRAMES": str(path.resolve()),
    }
    assert lines[0] == "0000000000000000002a00000000"
    assert lines[-1] == "000300000000000000e401000000"


def test_too_many_partitions() -> None:
    board = boards.board("pynq-z2")
    with pytest.raises(ValueError, match=r"^17 partitions, expected at most 16$"):
        frame_columns(board.device, [board.partitions[0]] * (MAX_PARTITIONS + 1))
