"""Parsing of headers, both word orders and frames, of built and of real files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.arch.devices import device
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.bitstream.read import BIT_MAGIC, frames, identity, parse
from fpga_rt.errors import ArtifactError

MODULE = 0xFEDC_BA98_7654_3210
PYNQ = board("pynq-z2")
STREAM = simulation_bitstream(PYNQ.device, PYNQ.partitions[0], MODULE)


def bit_file(payload: bytes, announced: int | None = None) -> bytes:
    fields = {b"a": b"top;PARTIAL=TRUE\0", b"b": b"7z020clg400\0", b"c": b"2024/01/01\0"}
    header = BIT_MAGIC
    for key, text in fields.items():
        header += key + len(text).to_bytes(2, "big") + text
    size = len(payload) if announced is None else announced
    return header + b"e" + size.to_bytes(4, "big") + payload


def test_a_built_stream_is_read_back() -> None:
    stream = parse(STREAM)
    assert stream.idcodes == (0x03727093,)
    assert [crc.written == crc.computed for crc in stream.crcs] == [True]
    assert stream.header == {}
    assert not stream.swapped
    assert stream.words.astype(">u4").tobytes() == STREAM
    written = frames(stream, PYNQ.device)
    assert written.words.shape == (4, 101)
    first = int(written.addresses[0])
    assert written.addresses.tolist() == [first, first + 1, first + 2, first + 3]
    assert identity(written.words) == (MODULE, 0)


def test_the_identity_is_not_seen_where_a_word_of_it_differs() -> None:
    contents = frames(parse(STREAM), PYNQ.device).words
    for word in range(6):
        changed = contents.copy()
        changed[0, word] ^= 1
        assert identity(changed) is None
    assert identity(contents[:0]) is None


def test_word_order_and_header_do_not_change_what_is_read() -> None:
    swapped = np.frombuffer(STREAM, ">u4").astype("<u4").tobytes()
    plain, little, with_header = parse(STREAM), parse(swapped), parse(bit_file(STREAM))
    for other in (little, with_header):
        np.testing.assert_array_equal(other.words, plain.words)
        assert other.segments == plain.segments
    assert little.swapped
    assert with_header.header["b"] == "7z020clg400"
    assert with_header.byte(0) == len(bit_file(STREAM)) - len(STREAM)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "the configuration stream has 0 bytes from byte 0 on, expected a multiple of 4"),
        (STREAM[:-1], "has 2,211 bytes from byte 0 on, expected a multiple of 4 above 0"),
        (b"\x7fELF" * 9, "no sync word 0xAA995566 in the first 1024 words from byte 0 on"),
        (BIT_MAGIC + b"x\0\1a", "the .bit header is corrupt at byte 13: got field b'x', expected"),
        (BIT_MAGIC, "the .bit header is corrupt at byte 13: got field b'', expected"),
        (bit_file(STREAM, 9), r"announces 9 bytes at byte 62, got 2,212; the file is truncated"),
        (bit_file(STREAM)[:-4], r"announces 2,212 bytes at byte 62, got 2,208; the file is trunc"),
    ],
)
def test_what_is_no_stream_is_refused(data: bytes, text: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        parse(data)
    assert text in str(caught.value)


def test_frame_data_of_another_family_is_refused() -> None:
    with pytest.raises(ArtifactError, match=r"byte 112: got 505 words, expected a multiple of 93"):
        frames(parse(STREAM), device("xczu3eg"))


@pytest.mark.parametrize(
    "name", ["pr_0_uart.bit", "video__pass_m0.bit", "gpio_pr__led_0.bit", "led_0_partial.bin"]
)
def test_real_files_show_what_the_index_says(data_dir: Path, name: str) -> None:
    folder = data_dir / "bitstreams"
    index = json.loads((folder / "index.json").read_text())
    for entry in (entry for entry in index if entry["file"].endswith(name)):
        stream = parse((folder / entry["file"]).read_bytes())
        assert stream.header.get("a") == entry["header"].get("a")
        assert stream.header.get("b") == entry["part"]
        assert {f"0x{idcode:x}" for idcode in stream.idcodes} == set(entry["idcode"])
        assert len(stream.segments) == entry["segments"]
        assert sum(run.stop - run.start for run in stream.runs) == entry["fdri_words"]


def test_frames_of_a_real_partial_are_its_region_and_the_last_written(data_dir: Path) -> None:
    name = "byuccl-PYNQ-PRIO/boards__Pynq-Z1__prio__partial__pr_0_uart.bit"
    stream = parse((data_dir / "bitstreams" / name).read_bytes())
    written = frames(stream, device("xc7z020"))
    # 374 frames of data: a mask of 228, then 73 twice; CLB columns 26 and 27 of the bottom row 0.
    assert written.addresses.tolist() == [
        0x00400000 | column << 7 | minor for column in (26, 27) for minor in range(36)
    ]
    blank, module = stream.runs[1:]
    assert module.far == blank.far == 0x00400D00
    contents = stream.words[module.start : module.stop - 101].reshape(72, 101)
    np.testing.assert_array_equal(written.words, contents)


def test_frames_of_a_real_full_stream_are_all_of_the_device(data_dir: Path) -> None:
    name = "byuccl-PYNQ-PRIO/boards__Pynq-Z1__prio__prio.bit"
    stream = parse((data_dir / "bitstreams" / name).read_bytes())
    assert frames(stream, device("xc7z020")).words.shape == (9_996, 101)
