"""Parsing of headers, word orders, dies and frames; `test_real_files` has every real file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.arch.devices import device
from fpga_rt.arch.packets import NOP, SYNC, Command, Register, type1, type2, write
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.bitstream.locate import device_of
from fpga_rt.bitstream.read import BIT_MAGIC, MAX_FILE_BYTES, frames, identity, parse
from fpga_rt.bitstream.verify import verify
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
        (BIT_MAGIC + b"a\0\1xa\0\1xe", "the .bit header is corrupt at byte 17: got field b'a'"),
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


def nested(words: bytes, depth: int) -> bytes:
    """Return a stream that hands `words` on to a further die, `depth` times over."""
    for _ in range(depth):
        inner = len(words) // 4
        head = [SYNC, *write(Register.CMD, Command.RCRC), type1(Register.NESTED, 0), type2(inner)]
        tail = [*write(Register.CMD, Command.DESYNC), NOP]
        words = np.array(head, ">u4").tobytes() + words + np.array(tail, ">u4").tobytes()
    return words


def test_of_several_dies_no_geometry_is_said_to_be_learnable() -> None:
    data = nested(STREAM, 1)
    step = "no geometry can be learned of a device with several dies, as this "
    with pytest.raises(ArtifactError, match=f"IDCODE: got none, expected that .*; {step}one has"):
        device_of(parse(data))
    with pytest.raises(ArtifactError, match=f"xcu200 is unknown, expected .*; {step}stream is fo"):
        verify(data, device("xcu200"))
    with pytest.raises(ArtifactError, match="`fpga-rt geometry learn` derives it"):
        device_of(
            parse(simulation_bitstream(device("xcu200"), board("alveo-u200").partitions[0], 1))
        )


def test_streams_of_further_dies_are_read_where_they_lie() -> None:
    (inner,) = parse(bit_file(nested(STREAM, 1))).nested
    plain = parse(STREAM)
    np.testing.assert_array_equal(inner.words, plain.words)
    assert inner.segments == plain.segments
    assert bit_file(nested(STREAM, 1))[inner.byte(0) :][: len(STREAM)] == STREAM
    np.testing.assert_array_equal(
        frames(inner, PYNQ.device).words, frames(plain, PYNQ.device).words
    )


def test_streams_are_not_followed_without_end() -> None:
    assert parse(nested(STREAM, 7)).nested
    for depth in (8, 500):
        with pytest.raises(ArtifactError, match="is nested 8 deep, expected at most 7 further die"):
            parse(nested(STREAM, depth))
    with pytest.raises(ArtifactError, match="no sync word 0xAA995566 in the first 1024 words from"):
        parse(nested(bytes(40), 1))


def test_sync_words_without_end_are_refused() -> None:
    segment = np.array([SYNC, *write(Register.CMD, Command.DESYNC)], ">u4").tobytes()
    assert len(parse(segment * 64).segments) == 64
    with pytest.raises(ArtifactError, match="more than 64 segments before byte 768, expected 1 to"):
        parse(segment * 65)
    # Spread over the dies of one stream: each of 40 has two.
    inner = np.frombuffer(segment * 2, ">u4").tolist()
    packets = [SYNC, *[type1(Register.NESTED, len(inner)), *inner] * 40]
    with pytest.raises(ArtifactError, match="more than 64 segments before byte"):
        parse(np.array(packets, ">u4").tobytes())


def test_packets_are_limited_over_all_segments_and_dies() -> None:
    empty = np.full(200_000, type1(Register.FDRI, 0), np.uint32)
    opening, end = [SYNC, *write(Register.CMD, Command.RCRC)], write(Register.CMD, Command.DESYNC)
    segment = np.concatenate([opening, empty, end]).astype(">u4").tobytes()
    assert len(parse(segment * 2).segments) == 2
    text = (
        r"more than 524,288 packets before byte \d+, expected fewer in all segments and dies of a"
    )
    for data in (segment * 3, nested(segment, 1) + segment * 2):
        with pytest.raises(ArtifactError, match=text):
            parse(data)


def test_a_file_larger_than_any_stream_is_refused() -> None:
    with pytest.raises(ArtifactError) as caught:
        parse(bytes(MAX_FILE_BYTES + 4))
    assert str(caught.value) == (
        "the file has 134,217,732 bytes, expected at most 134,217,728 of a configuration stream; "
        "is this a bitstream? build or fetch it again"
    )


def test_what_a_stream_is_shows_in_its_registers() -> None:
    stream = parse(STREAM)
    shown = (stream.kind, stream.family, stream.compressed, stream.encrypted, stream.part)
    assert shown == ("partial", "7-series", False, False, None)
    assert parse(bit_file(STREAM)).part == "7z020clg400"
    for register, value in ((Register.TIMER, 0), (Register.CMD, Command.SWITCH)):
        words = [SYNC, *write(register, value), *write(Register.CMD, Command.DESYNC)]
        full = parse(np.array(words, ">u4").tobytes())
        assert (full.kind, full.family) == ("full", None)


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
