"""Shrunk streams, real and built: fewer words, and played they leave the same frames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpga_rt.arch.boards import board
from fpga_rt.arch.devices import device
from fpga_rt.arch.families import SERIES7, ULTRASCALE_PLUS
from fpga_rt.bitstream.build import Form, bit_file, build
from fpga_rt.bitstream.expand import frame_order
from fpga_rt.bitstream.read import Frames, frames, parse
from fpga_rt.bitstream.shrink import shrink
from fpga_rt.bitstream.verify import verify, verify_partial
from fpga_rt.errors import ArtifactError
from tests.bitstream.geometry import contents, devices
from tests.bitstream.interpreter import (
    CMD,
    CRC,
    FAR,
    FDRI,
    MFW,
    MFWR,
    Memory,
    counting_order,
    play,
)

PYNQ = board("pynq-z2")
RP = PYNQ.partitions[0]
ADDRESSES = np.sort(frame_order(PYNQ.device).partition(RP))
NAMES = {"0x3727093": "xc7z020", "0x4a5a093": "xczu7ev"}
MASK_AND_CTL1 = {6, 0x18}
NULL, WCFG = 0, 1


def module(seed: int) -> Frames:
    """Return contents for the partition: one frame in four differs from module to module."""
    words = np.zeros((len(ADDRESSES), 101), np.uint32)
    words[::3] = np.arange(101)
    words[1::4] = np.random.default_rng(seed).integers(0, 1 << 32, (len(words[1::4]), 101))
    return Frames(ADDRESSES, words)


def real_files(data_dir: Path, kind: str) -> list[tuple[str, bytes, str]]:
    """Return name, content and device of the real files of devices with geometry."""
    folder = data_dir / "bitstreams"
    index = json.loads((folder / "index.json").read_text())
    return [
        (entry["file"], (folder / entry["file"]).read_bytes(), NAMES[entry["idcode"][0]])
        for entry in index
        if entry.get("kind") == kind and entry.get("idcode", [""])[0] in NAMES
    ]


def untouched(memory: Memory) -> list[tuple[int, tuple[int, ...]]]:
    """Return the writes that have nothing to do with how frames are sent."""
    sending = {CRC, FAR, FDRI, MFWR, *MASK_AND_CTL1}
    commands = [(CMD, (command,)) for command in (NULL, WCFG, MFW)]
    return [w for w in memory.writes if w[0] not in sending and w not in commands]


def words_of(data: bytes) -> bytes:
    """Return the words of a file in the order of the port."""
    return parse(data).words.astype(">u4").tobytes()


@pytest.mark.parametrize("kind", ["partial", "full"])
def test_real_files_shrink_to_the_same_frames(data_dir: Path, kind: str) -> None:
    files = real_files(data_dir, kind)
    assert len(files) == {"partial": 17, "full": 3}[kind]
    for name, data, chip_name in files:
        chip = device(chip_name)
        small = shrink(data, chip)
        assert small.ratio > {"partial": 1.09, "full": 1.6}[kind], name
        before = play(words_of(data), chip, check_crc=False)
        after = play(words_of(small.data), chip, check_crc=False)  # `verify` below checks them
        assert after.frames == before.frames, name
        assert (after.segments, after.crcs) == (before.segments, before.crcs)
        assert after.reset_mask == before.reset_mask
        assert untouched(after) == untouched(before)
        verify(small.data, chip)


def test_a_second_pass_alone_is_shorter_and_loads_the_same(data_dir: Path) -> None:
    for name, data, chip_name in real_files(data_dir, "partial")[::4]:
        chip = device(chip_name)
        once = shrink(data, chip, single_pass=True)
        before = play(words_of(data), chip, check_crc=False)
        assert play(words_of(once.data), chip).frames == before.frames, name
        shorter = once.words_after < shrink(data, chip).words_after
        assert shorter == (chip.family is SERIES7), name


def test_against_a_sister_module_only_the_difference_is_sent(data_dir: Path) -> None:
    names = ["boards__Pynq-Z1__gpio_pr__led_0.bit", "boards__Pynq-Z1__gpio_pr__led_5.bit"]
    folder = data_dir / "bitstreams" / "yunqu-partial_reconfig_example"
    first, second = ((folder / name).read_bytes() for name in names)
    chip = device("xc7z020")
    base = frames(parse(first), chip)
    small = shrink(second, chip, against=base, single_pass=True)
    assert small.words_after < shrink(second, chip, single_pass=True).words_after
    memory = play(words_of(first), chip)
    loaded = {**memory.frames, **play(words_of(small.data), chip).frames}
    assert loaded == play(words_of(second), chip).frames


@settings(max_examples=8)
@given(st.data())
def test_built_streams_shrink_to_the_same_frames(data: st.DataObject) -> None:
    chip = data.draw(devices(st.sampled_from([SERIES7, ULTRASCALE_PLUS])))
    addresses = [far for far in counting_order(chip) if far >= 0]
    target, base = data.draw(contents(chip, addresses)), data.draw(contents(chip, addresses))
    form = data.draw(st.sampled_from([Form.PLAIN, Form.RESET, Form.FULL]))
    original = build(chip, target, form, background=base)
    expected = play(original, chip).frames
    small = shrink(original, chip)
    assert play(small.data, chip).frames == expected
    assert small.words_after <= small.words_before == len(original) // 4
    difference = shrink(original, chip, against=base)
    held = play(build(chip, base), chip).frames
    assert {**held, **play(difference.data, chip).frames} == expected


def test_the_file_keeps_its_header_and_word_order() -> None:
    stream = build(PYNQ.device, module(1), Form.RESET)
    swapped = np.frombuffer(stream, ">u4").astype("<u4").tobytes()
    small = shrink(stream, PYNQ.device).data
    with_header = shrink(bit_file(stream, "top", "7z020clg400", partial=True), PYNQ.device)
    assert with_header.data == bit_file(small, "top", "7z020clg400", partial=True)
    little = shrink(swapped, PYNQ.device).data
    assert np.frombuffer(little, "<u4").astype(">u4").tobytes() == small
    verify_partial(small, PYNQ.device, RP)


def test_a_compressed_stream_is_kept() -> None:
    stream = build(PYNQ.device, module(1), Form.COMPRESSED)
    small = shrink(stream, PYNQ.device)
    assert (small.data, small.ratio) == (stream, 1.0)
    with pytest.raises(ArtifactError, match="the stream is compressed, expected plain frame data"):
        shrink(stream, PYNQ.device, against=module(2))


def test_a_corrupt_stream_is_not_given_a_new_crc() -> None:
    stream = bytearray(build(PYNQ.device, module(1)))
    stream[2_000] ^= 1
    with pytest.raises(ArtifactError, match="CRC at byte"):
        shrink(bytes(stream), PYNQ.device)


def test_what_cannot_get_shorter_stays_as_it_is() -> None:
    words = np.random.default_rng(1).integers(0, 1 << 32, (len(ADDRESSES), 101), dtype=np.uint32)
    stream = build(PYNQ.device, Frames(ADDRESSES, words))
    assert shrink(stream, PYNQ.device).data == stream


def test_a_difference_of_built_modules_is_accepted_where_columns_may_be_written_in_part() -> None:
    stream = build(PYNQ.device, module(1), Form.RESET)
    small = shrink(stream, PYNQ.device, against=module(2))
    assert small.words_after < shrink(stream, PYNQ.device).words_after
    verify_partial(small.data, PYNQ.device, RP, whole_columns=False)
    with pytest.raises(ArtifactError, match="all, since a column is configured as a whole"):
        verify_partial(small.data, PYNQ.device, RP)


def test_a_stream_for_another_device_is_refused() -> None:
    stream = build(PYNQ.device, module(1))
    with pytest.raises(ArtifactError, match="is for IDCODE 0x03727093, expected 0x03722093 of xc7"):
        shrink(stream, device("xc7z010"))
