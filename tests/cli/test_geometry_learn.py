"""`fpga-rt geometry learn`: the frame map of a device whose geometry is known anyway."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fpga_rt.arch.devices import device
from fpga_rt.bitstream.build import Form, build
from fpga_rt.bitstream.expand import Frames
from fpga_rt.bitstream.sequence import PAD, FrameOrder
from tests.cli.bitstreams import partial, put
from tests.cli.conftest import Cli

CHIP = device("xc7z010")


@pytest.fixture(scope="module")
def compressed() -> bytes:
    """Return a compressed full stream of an XC7Z010, where every other frame is as the first."""
    order = FrameOrder(CHIP).run(0, CHIP.full_stream_frames)
    addresses = np.sort(order[order != PAD])
    words = np.zeros((len(addresses), CHIP.family.frame_words), np.uint32)
    words[::2] = np.random.default_rng(3).integers(1, 1 << 32, 101, np.uint32)
    words[1::2] = 7
    return build(CHIP, Frames(addresses, words), Form.FULL_COMPRESSED)


def test_the_columns_of_a_known_device(cli: Cli, tmp_path: Path, compressed: bytes) -> None:
    path, output = put(tmp_path, "full.bin", compressed), tmp_path / "map.json"
    answer = cli("geometry", "learn", path, "-o", output)
    assert (answer.code, answer.err) == (0, "")
    assert f"7-series, IDCODE 0x03722093 (xc7z010): {CHIP.total_frames:,} frames" in answer.out
    assert answer.out.endswith("the data file of xc7z010 has as many\n")
    found = json.loads(output.read_text())
    assert json.loads(cli("geometry", "learn", path, "--json").out) == found
    for row in found["rows"]:
        content = [128] * len(CHIP.block_ram_columns)
        assert row["column_frames"] == (content if row["block_type"] else list(CHIP.column_frames))
    assert len(found["rows"]) == 2 * len(CHIP.rows)


def test_a_partial_is_refused(cli: Cli, tmp_path: Path) -> None:
    output = tmp_path / "map.json"
    answer = cli("geometry", "learn", put(tmp_path, "a.bin", partial()), "-o", output)
    assert answer.code == 3
    assert "the stream is plain partial, expected a compressed full one" in answer.err
    assert not output.exists()
