"""`fpga-rt bitstream locate`: real and built partials, on their own boards and on others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.bitstreams import bit, partial, put
from tests.cli.conftest import Cli


@pytest.mark.parametrize(("board", "count"), [("pynq-z2", 3), ("zcu104", 4), ("kv260", 2)])
def test_finds_the_partition_of_built_partials(
    cli: Cli, tmp_path: Path, board: str, count: int
) -> None:
    for index in range(count):
        path = put(tmp_path, f"{index}.bin", partial(board, index))
        found = json.loads(cli("bitstream", "locate", path, "--board", board, "--json").out)
        assert found["home"] == f"rp{index}"
        assert found["partitions"][0]["frames"] == found["frames"] == 4


def test_a_real_partial_on_the_floorplan_of_another_design(cli: Cli, data_dir: Path) -> None:
    folder = data_dir / "bitstreams" / "byuccl-BYU_PYNQ_PR_Video_Pipeline"
    text = cli("bitstream", "locate", folder / "video__pass_s0.bit", "--board", "pynq-z2").out
    assert "xc7z020 (7-series): 400 frames\n  columns 2-9 of Y0\n" in text
    assert "it fits no partition of pynq-z2: frames lie outside rp1" in text


def test_without_a_board_the_columns_remain(cli: Cli, tmp_path: Path) -> None:
    path = put(tmp_path, "a.bit", bit(partial()))
    text = "xc7z020 (7-series): 4 frames\n  columns 20-20 of Y1\n"
    assert cli("bitstream", "locate", path).out == text
    assert cli("bitstream", "locate", path, "--device", "xc7z020").out == text


def test_another_board_is_refused(cli: Cli, tmp_path: Path) -> None:
    answer = cli("bitstream", "locate", put(tmp_path, "a.bin", partial()), "--board", "zcu104")
    assert answer.code == 3
    assert answer.err == (
        "fpga-rt: error: IDCODE: got 0x03727093 (xc7z020), expected 0x04A5A093 (xczu7ev); build"
        " the bitstream for xczu7ev or name its own device\n"
    )
    both = ("--board", "zcu104", "--device", "xc7z020")
    assert cli("bitstream", "locate", tmp_path / "a.bin", *both).code == 2


def test_a_device_without_geometry_is_refused(cli: Cli, tmp_path: Path) -> None:
    path = put(tmp_path, "a.bin", partial("alveo-u200", 0))
    answer = cli("bitstream", "locate", path, "--board", "alveo-u200")
    assert answer.code == 3
    assert "(xcu200), expected that of a device with known geometry: xc7z010, " in answer.err
