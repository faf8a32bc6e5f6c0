"""Frames out of every form of stream: forms of one design agree, and real geometry is found."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from fpga_rt.arch.devices import Device, device
from fpga_rt.arch.families import FAMILIES, SERIES7, ULTRASCALE_PLUS
from fpga_rt.arch.packets import DUMMY, NOP, SYNC, Command, Register, write
from fpga_rt.arch.resources import Resources
from fpga_rt.bitstream.crc import crc_of_writes
from fpga_rt.bitstream.expand import frame_order, frame_writes, last_written
from fpga_rt.bitstream.read import frames, parse
from fpga_rt.bitstream.sequence import PAD, FrameOrder
from fpga_rt.errors import ArtifactError

Z020 = device("xc7z020")
ONE = [7] * 101
FAR = 0x1B00


def stream_of(*writes: tuple[int, list[int]]) -> bytes:
    words = [DUMMY, SYNC, *write(Register.CMD, Command.RCRC)]
    for register, values in writes:
        words += write(register, *values)
    words += [*write(Register.CMD, Command.DESYNC), *[NOP] * 16]
    return np.array(words, ">u4").tobytes()


def far(address: int) -> tuple[int, list[int]]:
    return Register.FAR, [address]


def written(*writes: tuple[int, list[int]], chip: Device = Z020) -> dict[int, int]:
    """Return the first word of each frame that is written, by address."""
    found = frames(parse(stream_of(*writes)), chip)
    return dict(zip(found.addresses.tolist(), found.words[:, 0].tolist(), strict=True))


def test_the_last_frame_of_a_run_is_held_back_and_repeated_where_the_run_has_come_to() -> None:
    """So do the real files of the xc7a35t: only then are all their frames written."""
    data = [1] * 101 + [2] * 101 + [3] * 101
    repeats = [far(0x1B10), (Register.MFWR, [0] * 4)]
    found = written(far(FAR), (Register.FDRI, data), (Register.MFWR, [0] * 8), *repeats)
    assert found == {FAR: 1, FAR + 1: 2, FAR + 2: 3, 0x1B10: 3}


def test_a_frame_written_later_wins_whichever_way_it_is_written() -> None:
    repeat = [far(FAR), (Register.FDRI, [1] * 101), (Register.MFWR, [0] * 8)]
    plain = [far(FAR), (Register.FDRI, [2] * 101 + [0] * 101)]
    assert written(*repeat, *plain) == {FAR: 2}
    assert written(*plain, *repeat) == {FAR: 1}


def test_a_crc_per_frame_names_each_frame_and_repeats_a_name_for_a_pad() -> None:
    control = [(Register.CTL1, [1 << 21]), far(FAR)]
    named = [(Register.FDRI, ONE), far(FAR), (Register.FDRI, [8] * 101), far(FAR + 1)]
    pad = [(Register.FDRI, [0] * 101), far(FAR + 1)]
    assert written(*control, *named, *pad) == {FAR: 7, FAR + 1: 8}
    with pytest.raises(ArtifactError, match=r"got 202 words, expected one frame of 101 and then"):
        written(*control, (Register.FDRI, ONE + ONE), far(FAR))
    with pytest.raises(ArtifactError, match=r"one frame of 101 and then its address in FAR"):
        written(*control, (Register.FDRI, ONE))


@pytest.mark.parametrize(
    ("writes", "text"),
    [
        ([(Register.FDRI, ONE + ONE)], "frame data at byte 16: got no frame address of its own"),
        ([far(FAR), (Register.MFWR, [0])], "multi-frame write at byte 24: got no frame to repeat"),
        ([far(FAR), (Register.FDRI, [0] * 100)], "got 100 words, expected a multiple of 101"),
        (
            [far(0x7F), (Register.FDRI, ONE + ONE)],
            "1 frames from frame address 0x0000007F on: xc7z020 has 0 there",
        ),
        (
            [far(FAR), (Register.FDRI, ONE), far(0x7F), (Register.MFWR, [0])],
            "1 frames from frame address 0x0000007F on: xc7z020 has 0 there",
        ),
        ([(Register.CBC, [0] * 4)], "the frames of this stream are encrypted, expected plain"),
        (
            [(Register.MASK, [0x40]), (Register.CTL0, [0x40])],
            "the frames of this stream are encrypted, expected plain",
        ),
    ],
)
def test_what_cannot_be_expanded_is_refused(writes: list[tuple[int, list[int]]], text: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        written(*writes)
    assert text in str(caught.value)


def test_two_runs_without_an_address_between_them_are_refused() -> None:
    run = (Register.FDRI, ONE + ONE)
    with pytest.raises(ArtifactError, match="got no frame address of its own"):
        written(far(FAR), run, run)


def test_the_crc_of_debug_streams_leaves_out_lout() -> None:
    due = crc_of_writes(np.array([FAR, 0], np.uint32), np.array([Register.FAR, Register.FDRI]))
    data = stream_of(far(FAR), (Register.LOUT, [5]), (Register.FDRI, [0]), (Register.CRC, [due]))
    assert parse(data).crcs_matched == 1


def test_three_forms_of_one_design_hold_the_same_frames(data_dir: Path) -> None:
    name = "bitstreams/f4pga-prjxray/lib__test_data__configuration_test"
    plain, debug, checked = (
        parse((data_dir / f"{name}{form}.bit").read_bytes())
        for form in ("", ".debug", ".perframecrc")
    )
    chip = Device("xc7a50t", SERIES7, 0x0362C093, Resources(), "")  # of unknown geometry
    named, sure = frames(debug, chip), frames(checked, chip)
    assert len(named.addresses) == 5_408
    np.testing.assert_array_equal(named.addresses, sure.addresses)
    np.testing.assert_array_equal(named.words, sure.words)
    # The plain one has no addresses: its frames in the order of the debug stream's, pads between.
    run = plain.runs[0]
    data = plain.words[run.start : run.stop].reshape(-1, 101)
    writes = frame_writes(debug, frame_order(chip))
    rows = np.flatnonzero(np.diff(writes.addresses >> 17)) + 1
    pads = np.concatenate([[row + 2 * i, row + 2 * i + 1] for i, row in enumerate(rows)])
    without = np.delete(data, [*pads.tolist(), len(data) - 2, len(data) - 1], axis=0)
    in_order = np.argsort(writes.addresses, kind="stable")
    np.testing.assert_array_equal(without[in_order], named.words)


@pytest.mark.parametrize(
    ("file", "name", "family", "shifts"),
    [
        ("xcku040-ffva1156", "xcku040", "UltraScale", (23, 17, 7)),
        ("xcau10p-ffvb676", "xcau10p", "UltraScale+", (24, 18, 8)),
    ],
)
def test_a_compressed_stream_writes_every_frame_of_its_device(
    data_dir: Path, file: str, name: str, family: str, shifts: tuple[int, int, int]
) -> None:
    path = data_dir / f"bitstreams/trabucayre-openFPGALoader/spiOverJtag__spiOverJtag_{file}.bit.gz"
    geometry = json.loads((data_dir / "fpga-geometry" / "geometry.json").read_text())[name]
    sequence = list[int]()
    for key in sorted(geometry["frames_per_column"], key=lambda k: tuple(map(int, k.split(":")))):
        block_type, row = map(int, key.split(":"))
        start = block_type << shifts[0] | row << shifts[1]
        for column, count in enumerate(geometry["frames_per_column"][key]):
            sequence += [start | column << shifts[2] | minor for minor in range(count)]
        sequence += [PAD, PAD]
    chip = Device(name, FAMILIES[family], 0, Resources(), "")
    order = FrameOrder(chip, np.array(sequence))
    stream = parse(gzip.decompress(path.read_bytes()))
    writes = frame_writes(stream, order)
    found = last_written(stream, writes, chip.family.frame_words)
    assert found.addresses.tolist() == sorted(address for address in sequence if address != PAD)
    assert len(found.addresses) == geometry["total_frames"]


def test_every_die_of_a_nested_stream_has_its_frames(data_dir: Path) -> None:
    name = "trabucayre-openFPGALoader/spiOverJtag__spiOverJtag_xcvu9p-flga2104.bit.gz"
    stream = parse(gzip.decompress((data_dir / "bitstreams" / name).read_bytes()))
    die = Device("xcvu9p", ULTRASCALE_PLUS, 0, Resources(), "")
    (second,) = stream.nested
    (third,) = second.nested
    assert third.nested == ()
    for part in (stream, second, third):
        addresses = frames(part, die).addresses
        assert addresses[0] == 0
        assert addresses[-1] == 0x01100BFF
    assert stream.words[(second.byte(0) - stream.byte(0)) // 4] == second.words[0]
