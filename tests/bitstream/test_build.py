"""Built streams: simulation bitstreams word by word, all forms played by an interpreter."""

from __future__ import annotations

import itertools
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpga_rt.arch.boards import board, boards
from fpga_rt.arch.devices import Device, device
from fpga_rt.arch.families import SERIES7, ULTRASCALE, ULTRASCALE_PLUS
from fpga_rt.arch.floorplan import cells
from fpga_rt.arch.partials import Cell
from fpga_rt.bitstream.build import Form, bit_file, build, simulation_bitstream
from fpga_rt.bitstream.expand import frame_order
from fpga_rt.bitstream.read import Frames, frames, identity_words, parse
from fpga_rt.bitstream.verify import verify, verify_partial
from fpga_rt.errors import ArtifactError
from tests.bitstream.geometry import contents, devices
from tests.bitstream.interpreter import (
    CMD,
    Memory,
    as_contents,
    as_frames,
    counting_order,
    play,
)

MODULE = 0x0123_4567_89AB_CDEF
SWITCH, TIMER, WBSTAR = 9, 0x11, 0x10
PYNQ = board("pynq-z2")


def test_the_stream_is_the_plain_form_word_by_word() -> None:
    partition = PYNQ.partitions[1]
    data = simulation_bitstream(PYNQ.device, partition, MODULE)
    words = struct.unpack(f">{len(data) // 4}I", data)
    assert words[:13] == (*[0xFFFFFFFF] * 8, 0xBB, 0x11220044, 0xFFFFFFFF, 0xFFFFFFFF, 0xAA995566)
    nop = 0x20000000
    assert words[13:20] == (nop, 0x30008001, 7, nop, nop, 0x30018001, 0x03727093)
    # rp1 begins with column 20 of Y1: bottom half (bit 22), row 0, column at bit 7.
    assert words[20:25] == (0x30008001, 1, nop, 0x30002001, 0x00400A00)
    assert words[25:28] == (nop, 0x30004000, 0x50000000 + 5 * 101)
    frame_data = words[28 : 28 + 5 * 101]
    assert frame_data[:4] == (0x46524D31, 0x01234567, 0x89ABCDEF, 1)
    assert frame_data[4 * 101 :] == (0,) * 101
    tail = words[28 + 5 * 101 :]
    assert (tail[0], *tail[2:]) == (0x30000001, 0x30008001, 13, *[nop] * 16)


@pytest.mark.parametrize("name", ["pynq-z2", "kv260", "zcu104", "alveo-u200"])
def test_same_arguments_same_bytes_and_another_module_other_frames(name: str) -> None:
    target = board(name)
    first, second = target.partitions[:2]
    assert simulation_bitstream(target.device, first, MODULE) == simulation_bitstream(
        target.device, first, MODULE
    )
    streams = {
        simulation_bitstream(target.device, partition, module)
        for partition in (first, second)
        for module in (MODULE, MODULE + 1, 0, (1 << 64) - 1)
    }
    assert len(streams) == 8
    assert max(map(len, streams)) < 2_500


def test_an_identity_that_does_not_fit_is_misuse() -> None:
    with pytest.raises(ValueError, match="module identity 0x10000000000000000 or partition 0 out"):
        identity_words(1 << 64, 0)


def check_read_back(data: bytes, device: Device, expected: dict[int, tuple[int, ...]]) -> Memory:
    """Check that the interpreter and the reader find these contents, and every CRC right."""
    memory = play(data, device)
    assert memory.frames == expected
    stream = parse(data)
    assert as_contents(frames(stream, device)) == expected
    assert [crc.written for crc in stream.crcs] == [crc.computed for crc in stream.crcs]
    assert memory.crcs == len(stream.crcs)
    return memory


@settings(max_examples=8)
@given(st.data())
def test_partials_write_the_frames_given_and_nothing_else(data: st.DataObject) -> None:
    chip = data.draw(devices())
    addresses = [far for far in counting_order(chip) if far >= 0]
    chosen = data.draw(st.lists(st.integers(0, len(addresses)), min_size=2, max_size=6))
    ends = sorted(set(chosen))
    picked = [far for low, high in itertools.pairwise(ends) for far in addresses[low:high:2]]
    picked += addresses[ends[0] : ends[0] + 40]
    given_frames = data.draw(contents(chip, sorted(set(picked)) or addresses[:1]))
    for form in (Form.PLAIN, Form.COMPRESSED):
        stream = build(chip, given_frames, form)
        memory = check_read_back(stream, chip, as_contents(given_frames))
        assert SWITCH not in memory.values(CMD)
        assert parse(stream).kind == "partial"


@settings(max_examples=8)
@given(st.data())
def test_full_streams_write_every_frame(data: st.DataObject) -> None:
    chip = data.draw(devices())
    order = counting_order(chip)
    addresses = [far for far in order if far >= 0]
    given_frames = data.draw(contents(chip, addresses))
    sizes = []
    for form in (Form.FULL, Form.FULL_COMPRESSED):
        stream = build(chip, given_frames, form.value)
        memory = check_read_back(stream, chip, as_contents(given_frames))
        registers = {register for register, _ in memory.writes}
        assert SWITCH in memory.values(CMD)
        assert {TIMER, WBSTAR} <= registers
        assert parse(stream).kind == "full"
        assert parse(stream).compressed == (form is Form.FULL_COMPRESSED and 10 in registers)
        sizes.append(memory.data_frames)
    assert sizes[0] == len(order) == chip.full_stream_frames


def _region(chip: Device, data: st.DataObject) -> set[Cell]:
    """Draw some programmable units of some rows."""
    choices = [(row, unit) for row in chip.rows for unit in chip.units]
    chosen = data.draw(st.lists(st.sampled_from(choices), min_size=1, max_size=3))
    return {Cell(row, c) for row, (low, high) in chosen for c in range(low, high + 1)}


@settings(max_examples=8)
@given(st.data())
def test_a_reset_stream_writes_blank_first_and_the_module_in_the_end(data: st.DataObject) -> None:
    chip = data.draw(devices(st.sampled_from([SERIES7, ULTRASCALE_PLUS])))
    region = _region(chip, data)
    inside = _addresses_of(chip, region)
    module = data.draw(contents(chip, inside))
    everything = data.draw(contents(chip, [far for far in counting_order(chip) if far >= 0]))
    stream = build(chip, module, Form.RESET, region=region, background=everything)
    memory = play(stream, chip)
    background = as_contents(everything)
    beside = {far: background[far] for far in memory.frames if far not in set(inside)}
    check_read_back(stream, chip, {**beside, **as_contents(module)})
    if chip.family is SERIES7:
        assert not beside
        assert memory.first == {far: background[far] for far in inside}
        assert len(memory.reset_mask) == len(chip.rows) * (len(chip.columns) + 2)
        zero = {i for i, frame in enumerate(memory.reset_mask) if not any(frame)}
        rows = sorted(chip.rows, key=lambda row: (row.bottom, row.row))
        width = len(chip.columns) + 2
        pads = {r * width + width - 1 - k for r in range(len(rows)) for k in (0, 1)}
        assert zero == pads | {rows.index(c.row) * width + c.column for c in region}
    else:
        assert memory.segments == 4
        assert not memory.reset_mask


def _addresses_of(chip: Device, region: set[Cell]) -> list[int]:
    """Return the frame addresses of cells and of their block RAM content, by arithmetic."""
    low = chip.family.address.column[1]
    found: list[int] = []
    for cell in region:
        logic = chip.address(cell.row, cell.column)
        found += range(logic, logic + chip.column_frames[cell.column])
        if chip.columns[cell.column] == "BRAM":
            index = chip.columns[: cell.column].count("BRAM")
            half = logic & ~((1 << low) - 1) & ~(((1 << 10) - 1) << low)
            start = 1 << chip.family.address.block_type[1] | half | index << low
            found += range(start, start + chip.family.block_ram_frames)
    return sorted(found)


@pytest.mark.parametrize("name", [name for name in boards() if not board(name).estimate])
def test_sizes_equal_the_formula_and_the_verifier_takes_every_form(name: str) -> None:
    target = board(name)
    for partition in target.partitions:
        addresses = frame_order(target.device).partition(partition)
        words = np.arange(addresses.size * target.device.family.frame_words, dtype=np.uint32)
        module = Frames(addresses, words.reshape(len(addresses), -1) // 300)
        region = cells(target.device, partition)
        streams = {form: build(target.device, module, form, region=region) for form in Form}
        assert len(streams[Form.RESET]) == partition.bitstream_bytes
        if target.device.family is SERIES7:
            assert len(streams[Form.PLAIN]) == partition.plain_bytes
        assert len(streams[Form.COMPRESSED]) <= len(streams[Form.PLAIN]) + 32
        for form in (Form.PLAIN, Form.RESET, Form.COMPRESSED):
            verify_partial(streams[form], target.device, partition)
        if partition.index == 0:
            verify(streams[Form.FULL], target.device)
            verify(streams[Form.FULL_COMPRESSED], target.device)


def test_a_full_stream_of_the_xc7z020_has_10008_frames() -> None:
    chip = device("xc7z020")
    nothing = Frames(np.zeros(1, np.int64), np.zeros((1, 101), np.uint32))
    (run,) = parse(build(chip, nothing, "full")).runs
    assert run.stop - run.start == 10_008 * 101


def test_the_header_is_read_back() -> None:
    stream = simulation_bitstream(PYNQ.device, PYNQ.partitions[0], MODULE)
    parsed = parse(bit_file(stream, "top", "7z020clg400", partial=True))
    assert parsed.header["a"] == "top;UserID=0XFFFFFFFF;PARTIAL=TRUE"
    assert parsed.part == "7z020clg400"
    assert parsed.words.astype(">u4").tobytes() == stream
    full = parse(bit_file(stream, "top", "7z020clg400", partial=False))
    assert full.header["a"] == "top;UserID=0XFFFFFFFF"


def test_what_cannot_be_built_is_refused() -> None:
    chip = device("xc7z020")
    one = np.zeros((1, 101), np.uint32)
    with pytest.raises(ArtifactError, match="frame address 0x00000030: xc7z020 has no such frame"):
        build(chip, Frames(np.array([0x30]), one))
    with pytest.raises(ArtifactError, match="the frames of xcu200 are unknown"):
        build(device("xcu200"), Frames(np.array([0]), np.zeros((1, 93), np.uint32)))
    with pytest.raises(ValueError, match="no frames to build a stream from"):
        build(chip, Frames(np.zeros(0, np.int64), one[:0]))
    with pytest.raises(ValueError, match="a frame address occurs twice"):
        build(chip, Frames(np.array([0, 0]), np.zeros((2, 101), np.uint32)))
    with pytest.raises(ValueError, match=r"2 frames of 101 words expected, got \(1, 101\)"):
        build(chip, Frames(np.array([0, 1]), one))
    with pytest.raises(ValueError, match="'best' is not a valid Form"):
        build(chip, Frames(np.array([0]), one), "best")
    ultrascale = replace(chip, family=ULTRASCALE, name="xcku")
    with pytest.raises(ArtifactError, match="no reset form is known for UltraScale, the family of"):
        build(ultrascale, Frames(np.array([0]), one), Form.RESET)
    region = cells(chip, PYNQ.partitions[0])
    with pytest.raises(ValueError, match="frame address 0x00000000 lies outside the region"):
        build(chip, Frames(np.array([0]), one), Form.RESET, region=region)


REAL = {"0x3727093": "xc7z020", "0x4a5a093": "xczu7ev"}


def test_every_plain_real_file_is_built_again_byte_for_byte(data_dir: Path) -> None:
    folder = data_dir / "bitstreams"
    found = 0
    for entry in json.loads((folder / "index.json").read_text()):
        name = REAL.get(entry.get("idcode", ["none"])[0])
        if name is None:
            continue
        chip, stream = device(name), parse((folder / entry["file"]).read_bytes())
        original = stream.words.astype(">u4").tobytes()
        memory = play(original, chip, check_crc=False)
        module, blank = as_frames(memory.frames), as_frames(memory.first)
        if entry["kind"] == "full":
            built = build(chip, module, Form.FULL)
        else:
            built = build(chip, module, Form.RESET, region=_clocked(chip, memory), background=blank)
        assert built == original, entry["file"]
        found += 1
    assert found == 20


def _clocked(chip: Device, memory: Memory) -> set[Cell] | None:
    """Return the columns between the first and the last whose clocks an UltraScale+ partial holds.

    None on the 7-series, whose partials write their region only.
    """
    if chip.family is SERIES7:
        return None
    fars = memory.values(1)
    held = [chip.family.address.decode(far) for far in fars[: fars.index(0x07FC0000)]]
    (row,) = [row for row in chip.rows if row.row == held[0].row]
    columns = [address.column for address in held]
    return {Cell(row, column) for column in range(min(columns), max(columns) + 1)}
