"""Frame maps learnt from compressed full streams, real and built, against known geometry."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpga_rt.arch.devices import Device, Row, device
from fpga_rt.arch.resources import Resources
from fpga_rt.bitstream.build import Form, build
from fpga_rt.bitstream.learn import FrameMap, RowKey, learn
from fpga_rt.bitstream.read import Frames, frames, parse
from fpga_rt.errors import ArtifactError
from tests.bitstream.geometry import contents, devices
from tests.bitstream.interpreter import as_contents, counting_order, play

TOOL = "bitstreams/trabucayre-openFPGALoader/spiOverJtag__spiOverJtag_"


def full(chip: Device, used: float, form: Form = Form.FULL_COMPRESSED) -> bytes:
    """Return a full stream; a share of its frames has contents of its own."""
    generator = np.random.default_rng(1)
    addresses = np.array([far for far in counting_order(chip) if far >= 0])
    words = np.zeros((len(addresses), chip.family.frame_words), np.uint32)
    chosen = generator.random(len(addresses)) < used
    words[chosen, 3] = np.arange(1, np.count_nonzero(chosen) + 1)
    return build(chip, Frames(addresses, words), form)


def expected(chip: Device) -> dict[RowKey, tuple[int, ...]]:
    content = (chip.family.block_ram_frames,) * len(chip.block_ram_columns)
    columns = ((0, chip.column_frames), (1, content))
    return {RowKey(t, r.bottom, r.row): counts for t, counts in columns for r in chip.rows}


def check(found: FrameMap, chip: Device) -> None:
    assert found.rows == expected(chip)
    assert (found.family, found.idcode) == (chip.family, chip.idcode)
    assert found.total_frames == chip.total_frames


@pytest.mark.parametrize("name", ["xc7z010", "xc7z020", "xczu3eg", "xck26"])
def test_the_map_of_a_known_device_is_learnt_exactly(name: str) -> None:
    check(learn(full(device(name), 0.3)), device(name))


@settings(max_examples=15)
@given(st.data())
def test_the_map_of_any_device_is_learnt(data: st.DataObject) -> None:
    chip = data.draw(devices())
    addresses = [far for far in counting_order(chip) if far >= 0]
    # Every second frame of a column is blank, so that multi-frame writes name it.
    drawn = data.draw(contents(chip, addresses))
    drawn.words[np.array(addresses) % 4 == 0] = 0
    drawn.words[np.diff(addresses, append=0) != 1] = 0
    check(learn(build(chip, drawn, Form.FULL_COMPRESSED)), chip)


@pytest.mark.parametrize(
    ("file", "name"), [("xcku040-ffva1156", "xcku040"), ("xcau10p-ffvb676", "xcau10p")]
)
def test_real_streams_give_the_known_geometry(data_dir: Path, file: str, name: str) -> None:
    found = learn(gzip.decompress((data_dir / f"{TOOL}{file}.bit.gz").read_bytes()))
    known = json.loads((data_dir / "fpga-geometry" / "geometry.json").read_text())[name]
    rows = {
        RowKey(int(key[0]), False, int(key[2:])): columns
        for key, columns in known["frames_per_column"].items()
    }
    assert set(found.rows) == set(rows)
    # Its columns "may be short by a few frames" where only runs hit them: the longest row counts.
    for block_type in (0, 1):
        listed = [columns for key, columns in rows.items() if key.block_type == block_type]
        longest = tuple(max(column) for column in zip(*listed, strict=True))
        for key, columns in found.rows.items():
            if key.block_type == block_type:
                assert columns == longest


def test_a_device_whose_rows_differ_is_learnt(data_dir: Path) -> None:
    path = data_dir / f"{TOOL}xc7a35tcpg236.bit.gz"
    found = learn(gzip.decompress(path.read_bytes()))
    # A plain full stream of the same die has 5,420 frames, two pads for each of six rows included.
    assert found.total_frames == 5_420 - 6 * 2
    # The transceiver column of 32 frames ends its row early.
    assert [len(columns) for columns in found.rows.values()] == [44, 38, 44, 3, 2, 3]
    assert found.rows[RowKey(0, False, 1)][-1] == 32


def test_streams_that_do_not_tell_are_refused(data_dir: Path) -> None:
    chip = device("xc7z010")
    with pytest.raises(ArtifactError, match="the stream is plain full, expected a compressed full"):
        learn(full(chip, 0.3, Form.FULL))
    nothing = Frames(np.arange(30), np.zeros((30, 101), np.uint32))
    partial = build(chip, nothing, Form.COMPRESSED)
    with pytest.raises(ArtifactError, match="the stream is compressed partial, expected a comp"):
        learn(partial)
    dies = gzip.decompress((data_dir / f"{TOOL}xcvu9p-flga2104.bit.gz").read_bytes())
    with pytest.raises(ArtifactError, match="of several dies, expected a compressed full one"):
        learn(dies)


def test_a_frame_that_is_missing_is_told() -> None:
    data = full(device("xc7z010"), 0.0)
    words = np.frombuffer(data, ">u4").copy()
    (at,) = (i for i in range(len(words)) if words[i : i + 2].tolist() == [0x30002001, 5])
    words[at + 1] = 4

    for crc in parse(words.tobytes()).crcs:
        words[crc.at] = crc.computed
    with pytest.raises(ArtifactError, match="column 0 of row 0 of block type 0: what comes before"):
        learn(words.tobytes())


@pytest.mark.parametrize("file", ["xcku040-ffva1156", "xcau10p-ffvb676"])
def test_a_real_stream_is_built_again_for_the_learnt_device(data_dir: Path, file: str) -> None:
    stream = parse(gzip.decompress((data_dir / f"{TOOL}{file}.bit.gz").read_bytes()))
    original = stream.words.astype(">u4").tobytes()
    found = learn(original)
    columns = found.rows[RowKey(0, False, 0)]
    memories = len(found.rows[RowKey(1, False, 0)])
    chip = Device(
        name="learnt",
        family=found.family,
        idcode=found.idcode,
        resources=Resources(),
        source="learnt",
        columns=("BRAM",) * memories + ("other",) * (len(columns) - memories),
        column_frames=columns,
        rows=tuple(Row(f"Y{key.row}", key.row) for key in found.rows if key.block_type == 0),
    )
    written = frames(stream, chip)
    assert len(written.addresses) == found.total_frames
    built = build(chip, written, Form.FULL_COMPRESSED)
    assert play(built, chip).frames == as_contents(written)
    assert len(built) <= 1.003 * len(original)
