"""What the verifier lets through, and every reason it has not to."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpga_rt.arch.boards import board
from fpga_rt.arch.devices import Device
from fpga_rt.arch.floorplan import Partition, Rectangle, cells, place
from fpga_rt.arch.packets import NOP, SYNC, Command, Register, type1, type2, write
from fpga_rt.bitstream.build import Form, build, simulation_bitstream
from fpga_rt.bitstream.crc import crc_of_writes
from fpga_rt.bitstream.expand import Frames, frame_order
from fpga_rt.bitstream.verify import verify, verify_partial
from fpga_rt.errors import ArtifactError

MODULE = 0x0123_4567_89AB_CDEF
PYNQ = board("pynq-z2")
RP = PYNQ.partitions[0]
FAR = 0x1B00  # column 54 of the top row
STREAM = simulation_bitstream(PYNQ.device, RP, MODULE)
FRAME = 101

Write = tuple[int, Sequence[int]]
RESET: Write = (Register.CMD, [Command.RCRC])
IDCODE: Write = (Register.IDCODE, [0x03727093])
WCFG: Write = (Register.CMD, [Command.WCFG])
START_FRAME: Write = (Register.FAR, [FAR])
FRAMES: Write = (Register.FDRI, [1] * 2 * FRAME + [0] * FRAME)
CRC: Write = (Register.CRC, [])
DESYNC: Write = (Register.CMD, [Command.DESYNC])
HELD: Write = (Register.FDRI, [1] * FRAME)
MFW: Write = (Register.CMD, [Command.MFW])
GOOD = [RESET, IDCODE, WCFG, START_FRAME, FRAMES, CRC, DESYNC]


def stream_of(writes: Sequence[Write], tail: Sequence[int] = (NOP,) * 16) -> bytes:
    """Return a stream of these register writes; an empty CRC gets the value that is due."""
    words, covered = [0xFFFFFFFF, SYNC], list[tuple[int, int]]()
    for register, values in writes:
        written = values
        if register == Register.CRC and not values:
            data, registers = zip(*covered, strict=True)
            written = [crc_of_writes(np.array(data, np.uint32), np.array(registers))]
        words += write(register, *written)
        covered += [(value, register) for value in written]
        if register == Register.CRC or (register, values) == RESET:
            covered = []
    return np.array([*words, *tail], ">u4").tobytes()


def reason(data: bytes, partition: Partition = RP) -> str:
    """Return why `data` is refused."""
    with pytest.raises(ArtifactError) as caught:
        verify_partial(data, PYNQ.device, partition)
    return str(caught.value)


def is_accepted(data: bytes) -> bool:
    try:
        verify_partial(data, PYNQ.device, RP)
    except ArtifactError:
        return False
    return True


@pytest.mark.parametrize("name", ["pynq-z2", "kv260", "zcu104", "alveo-u200", "zybo-z7-10"])
def test_simulation_bitstreams_of_every_board_are_accepted(name: str) -> None:
    target = board(name)
    for partition in target.partitions:
        data = simulation_bitstream(target.device, partition, MODULE)
        verified = verify_partial(data, target.device, partition)
        assert verified.module_id == MODULE
        assert verified.digest == hashlib.sha256(data).hexdigest()
        assert verified.words.astype(">u4").tobytes() == data
        assert len(verified.frames.addresses) == len(verified.frames.words) == 4
        for other in target.partitions:
            if other is not partition:
                with pytest.raises(ArtifactError, match="a frame outside the partition"):
                    verify_partial(data, target.device, other)


def test_frames_without_an_identity_are_accepted_as_such() -> None:
    verified = verify_partial(stream_of(GOOD), PYNQ.device, RP, whole_columns=False)
    assert verified.module_id is None
    assert verified.kind == "partial"
    assert verified.frames.addresses.tolist() == [FAR, FAR + 1]
    assert (verified.frames.words == 1).all()


def test_it_is_told_which_share_of_a_region_is_written() -> None:
    assert verify_partial(STREAM, PYNQ.device, RP).coverage == 4 / 1_600
    assert verify(STREAM, PYNQ.device).coverage is None
    due = frames_of(PYNQ.device, PAIR)
    for form in (Form.PLAIN, Form.RESET):
        data = build(PYNQ.device, due, form)
        assert verify_partial(data, PYNQ.device, PAIR).coverage == 1
        wider = cells(PYNQ.device, place(PYNQ.device, "wide", 0, [Rectangle((26, 29), ("Y1",))]))
        if form is Form.PLAIN:
            assert verify(data, PYNQ.device, wider).coverage == 0.5


def test_a_column_is_written_whole_unless_it_is_a_difference() -> None:
    assert reason(stream_of(GOOD)) == (
        "column of frame address 0x00001B00 at byte 44: got 2 of its 36 frames, expected all, "
        "since a column is configured as a whole; load a difference stream over its base only"
    )


def test_no_flipped_bit_is_accepted() -> None:
    # Every bit of what surrounds the frame data (bytes 112 to 2131), and every 61st bit within.
    bits = [*range(0, 8 * 112), *range(8 * 112, 8 * 2132, 61), *range(8 * 2132, 8 * len(STREAM))]
    for bit in bits:
        flipped = bytearray(STREAM)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        assert not is_accepted(bytes(flipped)), f"bit {bit}"


def test_no_truncation_is_accepted() -> None:
    for size in (*range(0, len(STREAM), 4), len(STREAM) - 1):
        assert not is_accepted(STREAM[:size]), f"{size} bytes"


def test_no_splice_of_two_modules_is_accepted() -> None:
    other = simulation_bitstream(PYNQ.device, RP, MODULE ^ 1)
    for cut in range(0, len(STREAM), 4):
        spliced = STREAM[:cut] + other[cut:]
        assert spliced in (STREAM, other) or not is_accepted(spliced), f"cut at {cut}"


def test_no_shifted_splice_is_accepted() -> None:
    chance = random.Random(1)
    words = len(STREAM) // 4
    for _ in range(1_000):
        # Within the packets: dummies before the sync word may be of any number.
        first, second = (4 * chance.randrange(14, words - 16) for _ in range(2))
        spliced = STREAM[:first] + STREAM[second:]
        nops = {NOP.to_bytes(4, "big")}
        between = STREAM[min(first, second) : max(first, second)]
        if {between[at : at + 4] for at in range(0, len(between), 4)} <= nops:
            continue  # a NOP more or less means nothing
        assert not is_accepted(spliced), f"{first} -> {second}"


@given(st.binary(max_size=200), st.integers(0, len(STREAM)))
def test_noise_never_fails_otherwise_than_by_refusal(noise: bytes, at: int) -> None:
    data = STREAM[:at] + noise + STREAM[at + len(noise) :]
    assert is_accepted(data) == (data == STREAM)


def test_a_stream_of_another_device_is_refused() -> None:
    zybo = board("zybo-z7-10")
    data = simulation_bitstream(zybo.device, zybo.partitions[0], MODULE)
    assert reason(data) == (
        "IDCODE at byte 76: got 0x03722093, expected 0x03727093 of xc7z020; "
        "build the bitstream for xc7z020"
    )


def test_the_revision_of_the_silicon_does_not_matter() -> None:
    revised = dataclasses.replace(PYNQ.device, idcode=0x23727093)
    assert verify_partial(STREAM, revised, RP).module_id == MODULE


def test_a_wrong_crc_is_refused_with_both_values() -> None:
    due = int.from_bytes(stream_of(GOOD)[1260:1264], "big")
    data = stream_of([*GOOD[:5], (Register.CRC, [0x12345678]), DESYNC])
    assert reason(data) == (
        f"CRC at byte 1260: got 0x12345678, expected 0x{due:08X} from the words before it; "
        "build or fetch the bitstream again"
    )


FAULTS: dict[str, tuple[list[Write], str]] = {
    "first write": (GOOD[1:], "got 0x03727093 to IDCODE, expected CMD RCRC, which starts the CRC"),
    "unchecked": (
        [*GOOD[:5], DESYNC],
        "DESYNC at byte 1256: got writes since byte 16 without a CRC, expected a CRC first",
    ),
    "unchecked after a CRC": (
        [*GOOD[:6], START_FRAME, DESYNC],
        "got writes since byte 1264 without",
    ),
    "discarded by RCRC": ([*GOOD[:5], RESET, *GOOD[3:]], "RCRC at byte 1256: got writes since"),
    "no DESYNC": (
        GOOD[:6],
        "end of the stream at byte 1328: got no DESYNC, expected DESYNC before",
    ),
    "no IDCODE": ([RESET, *GOOD[2:]], "frame data at byte 32: got no IDCODE, expected one before"),
    "no FAR": ([*GOOD[:3], *GOOD[4:]], "frame data at byte 32: got no FAR, expected one before it"),
    "FAR used up": ([*GOOD[:5], FRAMES, CRC, DESYNC], "got no FAR, expected one before it"),
    "no WCFG": ([*GOOD[:2], *GOOD[3:]], "frame data at byte 32: got command 7, expected CMD WCFG"),
    "no frames": ([RESET, IDCODE, CRC, DESYNC], "got no frame data, expected frames of the part"),
    "register": (
        [RESET, (Register.WBSTAR, [0]), *GOOD[1:]],
        "got register 16, expected one of CMD, CRC, CTL0, CTL1, FAR, FDRI, IDCODE, MASK, MFWR",
    ),
    "command": (
        [RESET, (Register.CMD, [Command.IPROG]), *GOOD[1:]],
        "command at byte 20: got 15, expected one of DESYNC, GRESTORE, MFW, NULL, RCRC, SHUTD",
    ),
    "MASK": (
        [RESET, (Register.MASK, [0x540]), (Register.CTL0, [0]), *GOOD[1:]],
        "got 0x00000540, expected bits of 0x500",
    ),
    "MASK of nothing": (
        [RESET, (Register.MASK, [0x500]), *GOOD[1:]],
        "MASK at byte 16: got no control register, expected CTL0 or CTL1 behind it",
    ),
    "CTL0": (
        [RESET, (Register.CTL0, [0]), *GOOD[1:]],
        "CTL0 at byte 16: got no MASK, expected MASK",
    ),
    "two words": ([RESET, (Register.IDCODE, [0, 0]), *GOOD[2:]], "got 2 words, expected 1 word"),
    "no word": (
        [RESET, (Register.FAR, []), *GOOD[1:]],
        "write at byte 16: got 0 words, expected 1",
    ),
    "part of a frame": (
        [*GOOD[:4], (Register.FDRI, [0] * 200), CRC, DESYNC],
        "got 200 words, expected 2 or more frames of 101 words, as 7-series has them",
    ),
    "only a flush frame": (
        [*GOOD[:4], (Register.FDRI, [0] * 101), CRC, DESYNC],
        "got 101 words, expected 2 or more frames",
    ),
    "flush frame": (
        [*GOOD[:4], (Register.FDRI, [0] * 150 + [9] + [0] * 51), CRC, DESYNC],
        "flush frame at byte 644: got 0x00000009, expected 0",
    ),
    "mask": (
        [*GOOD[:3], (Register.FAR, [0x01000000]), *GOOD[4:]],
        "got a reset mask, expected frames of the partition and nothing else",
    ),
    "no such frame": (
        [*GOOD[:3], (Register.FAR, [0x03BE0000]), *GOOD[4:]],
        "2 frames from frame address 0x03BE0000 on: xc7z020 has 0 there",
    ),
    "second RCRC": ([RESET, RESET, *GOOD[1:]], "RCRC at byte 16: got a second one, expected one;"),
    "CTL1": (
        [RESET, (Register.MASK, [0x20000]), (Register.CTL1, [0]), *GOOD[1:]],
        "MASK at byte 20: got 0x00020000, expected bits of 0x1000 only",
    ),
    "a CRC per frame": (
        [RESET, (Register.MASK, [1 << 21]), (Register.CTL1, [1 << 21]), *GOOD[1:]],
        "MASK at byte 20: got 0x00200000, expected bits of 0x1000 only",
    ),
    "a CRC after each frame": (
        [*GOOD[:2], *[WCFG, START_FRAME, FRAMES, CRC] * 17, DESYNC],
        "CRC at byte 21096: got 17 in a segment, expected at most 16; with a CRC per frame two "
        "streams spliced at a frame would match: build the bitstream without that option",
    ),
    "encrypted": (
        [RESET, (Register.MASK, [0x40]), (Register.CTL0, [0x40]), *GOOD[1:]],
        "the frames of this stream are encrypted, expected plain frame data; they cannot be read",
    ),
    "debug": ([RESET, (Register.LOUT, [0]), *GOOD[1:]], "write at byte 16: got register 8, expec"),
    "die": ([RESET, (Register.COR0, [0]), *GOOD[1:]], "write at byte 16: got register 9, expec"),
    "repeated": (
        [*GOOD[:4], HELD, MFW, (Register.MFWR, [0] * 7), CRC, DESYNC],
        "multi-frame write at byte 456: got 7 words, expected 4 or 8",
    ),
    "repeated, not 0": (
        [*GOOD[:4], HELD, MFW, (Register.MFWR, [0, 0, 1, 0]), CRC, DESYNC],
        "multi-frame write at byte 468: got 0x00000001, expected 0",
    ),
    "repeated without MFW": (
        [*GOOD[:4], HELD, (Register.MFWR, [0] * 8), CRC, DESYNC],
        "frame data at byte 40: got 101 words, expected 2 or more",
    ),
    "repeated under WCFG": (
        [*GOOD[:5], START_FRAME, (Register.MFWR, [0] * 8), CRC, DESYNC],
        "frame data at byte 1264: got command 1, expected CMD MFW before it",
    ),
    "repeated at one address": (
        [*GOOD[:4], HELD, MFW, *[(Register.MFWR, [0] * 4)] * 2, CRC, DESYNC],
        "frame data at byte 476: got no FAR, expected one before it",
    ),
    "outside": (
        [*GOOD[:3], (Register.FAR, [0x1AA3]), *GOOD[4:]],
        "frame 0x00001AA3 at byte 44: got a frame outside the partition, expected frames of "
        "partition 'rp0' of xc7z020; use the bitstream of that partition",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_with_its_reason(fault: str) -> None:
    writes, text = FAULTS[fault]
    assert text in reason(stream_of(writes))


@pytest.mark.parametrize(
    ("tail", "text"),
    [
        ([NOP] * 15, "got 15 words after DESYNC, expected at least 16, the last are cut off"),
        ([NOP] * 16 + [0], "word after DESYNC at byte 1336: got 0x00000000, expected only NOP"),
        ([NOP] * 16 + [SYNC], "word after DESYNC at byte 1336: got 0xAA995566, expected only NOP"),
    ],
)
def test_what_follows_desync_is_checked(tail: list[int], text: str) -> None:
    assert text in reason(stream_of(GOOD, tail))


def test_two_streams_in_one_file_are_refused() -> None:
    assert "word after DESYNC at byte 2244: got 0x000000BB" in reason(STREAM + STREAM)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (NOP | 1, "packet header at byte 52: got 0x20000001, expected 0x20000000"),
        (type1(Register.STAT, 0, 1), "packet header at byte 52: got 0x2800E000"),
        (type1(Register.CMD, 0) | 1 << 20, "packet header at byte 52: got 0x30108000"),
        (type2(0, 0), "byte 52 is no packet header"),
    ],
)
def test_only_canonical_headers_are_accepted(word: int, text: str) -> None:
    assert text in reason(STREAM[:52] + word.to_bytes(4, "big") + STREAM[56:])


def test_a_stray_type_2_packet_is_refused() -> None:
    # Instead of the NOP before the FDRI header: its register would be FAR's.
    at = STREAM.index(bytes.fromhex("20000000 30004000"))
    data = STREAM[:at] + type2(0).to_bytes(4, "big") + STREAM[at + 4 :]
    assert f"type 2 packet at byte {at}: got a stray one, expected one that follows" in reason(data)


def test_an_identity_for_another_partition_is_refused() -> None:
    renumbered = dataclasses.replace(RP, index=1)
    assert reason(STREAM, renumbered) == (
        "identity in the frames at byte 112: got partition 0, expected partition 1, 'rp0'; "
        "use the bitstream of that partition"
    )


def test_pad_frames_between_rows_must_be_zero() -> None:
    # The last frame of block RAM column 5 of the top row and the two pads behind it.
    memory = place(PYNQ.device, "memory", 0, [Rectangle((66, 67), ("Y2",))])
    far: Write = (Register.FAR, [1 << 23 | 5 << 7 | 127])
    for spoiled in (0, 1):
        contents = [0] * 3 * FRAME
        contents[FRAME] = spoiled
        writes = [*GOOD[:3], far, (Register.FDRI, contents), CRC, DESYNC]
        if spoiled:
            assert "pad frame at byte 448: got other words, expected zeros" in reason(
                stream_of(writes), memory
            )
        else:
            data = stream_of(writes)
            verified = verify_partial(data, PYNQ.device, memory, whole_columns=False)
            assert verified.frames.addresses.tolist() == [1 << 23 | 5 << 7 | 127]


def test_a_real_full_bitstream_is_refused(data_dir: Path) -> None:
    name = "bitstreams/byuccl-PYNQ-PRIO/boards__Pynq-Z1__prio__prio.bit"
    text = reason((data_dir / name).read_bytes())
    assert text.startswith("write at byte 164: got register 17, expected one of")


def test_multi_frame_writes_are_expanded() -> None:
    repeat: list[Write] = [(Register.FAR, [FAR + 5]), (Register.MFWR, [0] * 4)]
    control: list[Write] = [(Register.MASK, [0x1000]), (Register.CTL1, [0x1000])]
    writes = [*GOOD[:2], *control, *GOOD[2:4], HELD, MFW, (Register.MFWR, [0] * 8), *repeat]
    clear: list[Write] = [(Register.MASK, [0x1000]), (Register.CTL1, [0])]
    data = stream_of([*writes, *clear, CRC, DESYNC])
    verified = verify_partial(data, PYNQ.device, RP, whole_columns=False)
    assert verified.frames.addresses.tolist() == [FAR, FAR + 5]
    assert (verified.frames.words == 1).all()
    outside = stream_of([*writes, (Register.FAR, [0]), (Register.MFWR, [0] * 4), CRC, DESYNC])
    assert "frame 0x00000000 at byte 544: got a frame outside the partition" in reason(outside)


PAIR = place(PYNQ.device, "pair", 0, [Rectangle((26, 27), ("Y1",))])


def frames_of(chip: Device, partition: Partition) -> Frames:
    addresses = frame_order(chip).partition(partition)
    chance = np.random.default_rng(len(addresses))
    shape = (len(addresses), chip.family.frame_words)
    return Frames(addresses, chance.integers(0, 1 << 32, shape, dtype=np.uint32))


@pytest.mark.parametrize("form", [Form.PLAIN, Form.COMPRESSED, Form.RESET])
@pytest.mark.parametrize("name", ["pynq-z2", "kv260"])
def test_every_form_of_partial_is_accepted(name: str, form: Form) -> None:
    target = board(name)
    chip, partition = target.device, target.partitions[0]
    due = frames_of(chip, partition)
    data = build(chip, due, form, region=cells(chip, partition))
    found = verify_partial(data, chip, partition).frames
    kept = np.isin(found.addresses, due.addresses)  # UltraScale+ writes the routing beside it too
    np.testing.assert_array_equal(found.words[kept], due.words[np.argsort(due.addresses)])


def test_a_region_beside_the_mask_is_refused() -> None:
    due = frames_of(PYNQ.device, PAIR)
    data = build(PYNQ.device, due, Form.RESET, region=cells(PYNQ.device, PAIR))
    wider = place(PYNQ.device, "wide", 0, [Rectangle((26, 29), ("Y1",))])
    assert (
        "reset mask of column 28 in row Y1 at byte 42128: got one that is not, expected the "
        in (reason(data, wider))
    )


def test_a_stream_that_lost_a_crc_with_all_it_covers_is_refused() -> None:
    due = frames_of(PYNQ.device, PAIR)
    data = build(PYNQ.device, due, Form.RESET, region=cells(PYNQ.device, PAIR))
    lost = bytes.fromhex("30008001 0000000B 20000000 30000001")  # CMD SHUTDOWN, NOP, CRC
    at = data.index(lost)
    assert reason(data[:at] + data[at + 20 :], PAIR) == (
        f"order of the stream at byte {at + 32}: got CTL0[100]=100, expected SHUTDOWN; build or "
        "fetch the bitstream again"
    )
    assert "got SHUTDOWN, expected CTL0[100]=100;" in reason(
        data[:at] + data[at : at + 20] + data[at:], PAIR
    )


FULL = [
    (Register.TIMER, [0]),
    (Register.WBSTAR, [0]),
    (Register.CMD, [Command.NULL]),
    *GOOD[:2],
    (Register.CMD, [Command.SWITCH]),
]


@pytest.mark.parametrize(
    ("writes", "text"),
    [
        (
            [(Register.TIMER, [4]), *FULL[1:], *GOOD[2:]],
            "TIMER at byte 12: got 0x00000004, expecte",
        ),
        (
            [*FULL[:3], (Register.COR0, [0]), *GOOD],
            "first write at byte 32: got 0x00000000 to COR0",
        ),
        (
            [*FULL, *GOOD[2:5], (Register.CMD, [Command.GRESTORE]), CRC, DESYNC],
            "GRESTORE at byte 1288: got frame data since byte 72 without a CRC, expected a CRC fir",
        ),
        ([*FULL, *GOOD[2:]], "full stream at byte 0: got 2 frames, expected all 9,996 of xc7z020"),
    ],
)
def test_a_fault_of_a_full_stream_is_refused(writes: list[Write], text: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        verify(stream_of(writes), PYNQ.device)
    assert text in str(caught.value)


def test_full_streams_are_accepted_for_a_device_but_for_no_region() -> None:
    due = frames_of(PYNQ.device, PAIR)
    for form in (Form.FULL, Form.FULL_COMPRESSED):
        data = build(PYNQ.device, due, form)
        assert verify(data, PYNQ.device).kind == "full"
        with pytest.raises(
            ArtifactError, match="write at byte 56: got register 17, expected one o"
        ):
            verify(data, PYNQ.device, cells(PYNQ.device, PAIR))


def test_a_device_of_unknown_geometry_is_nothing_to_check_against() -> None:
    with pytest.raises(ArtifactError) as caught:
        verify(STREAM, board("alveo-u200").device)
    assert str(caught.value) == (
        "the geometry of xcu200 is unknown, expected frame addresses to check against; learn it "
        "from a compressed full bitstream, if it has one die"
    )
