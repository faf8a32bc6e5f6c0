"""Streams that are whole, with every CRC right, and depart from the form of what they are.

Each starts from a built stream, takes writes out or puts others in, and gets every CRC anew.
"""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.arch.devices import Device, device
from fpga_rt.arch.families import SERIES7
from fpga_rt.arch.floorplan import Rectangle, cells, place
from fpga_rt.arch.packets import DUMMY, SYNC, Command, Register
from fpga_rt.arch.partials import Cell
from fpga_rt.bitstream.build import Form, build
from fpga_rt.bitstream.expand import Frames, frame_order
from fpga_rt.bitstream.read import identity_words, parse
from fpga_rt.bitstream.shrink import shrink
from fpga_rt.bitstream.stream import ConfigurationStream
from fpga_rt.bitstream.verify import verify, verify_partial
from fpga_rt.bitstream.writer import StreamWriter
from fpga_rt.errors import ArtifactError
from tests.bitstream.test_verify import (
    CRC,
    FRAME,
    MFW,
    MODULE,
    PAIR,
    PYNQ,
    RESET,
    STREAM,
    WCFG,
    Write,
    frames_of,
    reason,
)

KRIA = board("kv260")
GRESTORE: Write = (Register.CMD, [Command.GRESTORE])
PAIR_FAR = 0x400D00  # column 26 of the bottom half's first row

Writes = list[Write]


def writes_of(data: bytes) -> list[Writes]:
    """Return what each segment writes; CRCs are empty, so that `joined` computes them."""
    stream = parse(data)
    return [
        [
            (
                p.register,
                [] if p.register == Register.CRC else stream.words[p.start : p.stop].tolist(),
            )
            for p in segment.packets
            if p.stop > p.start
        ]
        for segment in stream.segments
    ]


def joined(segments: list[Writes]) -> bytes:
    """Return the stream of these segments, with the CRCs that are due."""
    writer = StreamWriter(SERIES7)
    for writes in segments:
        writer.raw(DUMMY, SYNC)
        for register, values in writes:
            if register == Register.CRC:
                writer.crc()
            elif (register, list(values)) == RESET:
                writer.command(Command.RCRC)
            else:
                writer.data(register, np.array(values, np.uint32))
        writer.nop(16)
    return writer.to_bytes()


def series7(form: Form = Form.RESET) -> Writes:
    """Return the writes of a 7-series partial."""
    region = cells(PYNQ.device, PAIR)
    (writes,) = writes_of(build(PYNQ.device, frames_of(PYNQ.device, PAIR), form, region=region))
    return writes


def plus() -> list[Writes]:
    """Return the writes of the four segments of an UltraScale+ partial."""
    partition = KRIA.partitions[0]
    due = frames_of(KRIA.device, partition)
    region = cells(KRIA.device, partition)
    return writes_of(build(KRIA.device, due, Form.RESET, region=region))


def plus_reason(segments: list[Writes]) -> str:
    with pytest.raises(ArtifactError) as caught:
        verify_partial(joined(segments), KRIA.device, KRIA.partitions[0])
    return str(caught.value)


def places(writes: Writes, register: Register) -> list[int]:
    return [index for index, (number, _) in enumerate(writes) if number == register]


def without(writes: Writes, *left_out: int) -> Writes:
    return [write for index, write in enumerate(writes) if index not in left_out]


def test_what_is_taken_apart_and_joined_again_is_accepted() -> None:
    for form in (Form.PLAIN, Form.COMPRESSED, Form.RESET):
        verify_partial(joined([series7(form)]), PYNQ.device, PAIR)
    verify_partial(joined(plus()), KRIA.device, KRIA.partitions[0])


HELD_OUTSIDE: Writes = [WCFG, (Register.FAR, [0]), (Register.FDRI, [0xDEADBEEF] * FRAME), MFW]
HELD_INSIDE: Writes = [WCFG, (Register.FAR, [PAIR_FAR]), (Register.FDRI, [1] * FRAME)]
REPEAT: Writes = [(Register.FAR, [PAIR_FAR]), (Register.MFWR, [0] * 8)]
BIT_12: Writes = [(Register.MASK, [0x1000]), (Register.CTL1, [0])]
HELD: dict[str, tuple[Writes, str]] = {
    "outside": (
        HELD_OUTSIDE,
        "got no multi-frame write, expected one before any other write but FAR",
    ),
    "repeated inside": (
        [*HELD_OUTSIDE, *REPEAT],
        "got a frame outside the partition, expected frames of partition 'pair' of xc7z020",
    ),
    "a CRC first": (
        [*HELD_INSIDE, MFW, CRC, *REPEAT],
        "got no multi-frame write, expected one before any other write but FAR",
    ),
    "a command first": ([*HELD_INSIDE, WCFG, MFW, *REPEAT], "got 101 words, expected 2 or more"),
    "nothing held": ([MFW, *REPEAT], "got no frame to repeat, expected frame data before it"),
    "repeated without the bit": (
        [*BIT_12, *HELD_INSIDE, MFW, *REPEAT],
        "got CTL1[1000]=0, expected frames",
    ),
    "address without data": ([(Register.FAR, [0])], "got FAR[0], expected frames; build or fetch"),
    "a second address": (
        [(Register.FAR, [0]), *HELD_INSIDE, MFW, *REPEAT],
        "got FAR[0], expected frames; build or fetch",
    ),
}


@pytest.mark.parametrize("name", HELD)
def test_a_frame_that_is_held_back_goes_into_the_partition(name: str) -> None:
    inserted, text = HELD[name]
    writes = series7(Form.COMPRESSED)
    at = places(writes, Register.CTL1)[0] + 1
    assert text in reason(joined([[*writes[:at], *inserted, *writes[at:]]]), PAIR)


def test_a_frame_cannot_be_held_for_a_full_stream_to_send() -> None:
    (writes,) = writes_of(build(PYNQ.device, frames_of(PYNQ.device, PAIR), Form.FULL))
    at = places(writes, Register.FDRI)[0] + 1
    nowhere: Writes = [WCFG, (Register.FAR, [0x7F]), *HELD_INSIDE[2:], MFW]
    cases = {
        "got no multi-frame write, expected one before any": [*HELD_OUTSIDE],
        "got frame address 0x0000007F, expected one of xc7z020": [*nowhere, *REPEAT],
        "got multi-frame writes without CTL1[1000]=1000": [*HELD_OUTSIDE, *REPEAT],
    }
    for text, inserted in cases.items():
        with pytest.raises(ArtifactError) as caught:
            verify(joined([[*writes[:at], *inserted, *writes[at:]]]), PYNQ.device)
        assert text in str(caught.value)


@pytest.mark.parametrize(
    ("control", "text"),
    [
        (0, "got CTL0[400]=400, expected CTL0[100]=100"),
        (1, "got frames, expected CTL0[400]=400"),
        (2, "got START, expected CTL0[100]=0"),
    ],
)
def test_a_reset_without_one_of_its_control_writes_is_refused(control: int, text: str) -> None:
    writes = series7()
    at = places(writes, Register.CTL0)[control]
    assert text in reason(joined([without(writes, at - 1, at)]), PAIR)
    value = 0x100 if control == 2 else 0
    writes[at] = (Register.CTL0, [value])
    assert f"]={value:X}, expected CTL0[" in reason(joined([writes]), PAIR)


def test_a_restart_without_the_reset_of_a_region_is_refused() -> None:
    writes = series7(Form.PLAIN)
    restart: Writes = [GRESTORE, (Register.CMD, [Command.START])]
    control: Writes = [(Register.MASK, [0x100]), (Register.CTL0, [0x100])]
    for before in ([], control):
        data = joined([[*writes[:2], *before, *writes[2:-2], *restart, *writes[-2:]]])
        expected = "CTL0[100]=100, expected" if before else "GRESTORE, expected CRC"
        assert f"got {expected}" in reason(data, PAIR)


@pytest.mark.parametrize(
    ("segment", "control", "text"),
    [
        (0, 0, "got CTL1[20000]=20000, expected CTL0[500]=400"),
        (0, 1, "got frames, expected CTL1[20000]=20000"),
        (0, 2, "got end, expected CTL1[20000]=0"),
        (2, 0, "got CTL1[20000]=0, expected CTL0[500]=500"),
        (2, 1, "got frames, expected CTL1[20000]=0"),
        (2, 2, "got LFRM, expected CTL0[100]=0"),
        (3, 1, "got frames, expected CTL1[20000]=20000"),
        (3, 2, "got end, expected CTL1[20000]=0"),
    ],
)
def test_ultrascale_plus_controls_are_set_and_cleared(
    segment: int, control: int, text: str
) -> None:
    segments = plus()
    writes = segments[segment]
    at = places(writes, Register.MASK)[control]
    segments[segment] = without(writes, at, at + 1)
    assert text in plus_reason(segments)


def test_a_stream_that_ends_without_its_end_address_is_refused() -> None:
    writes = series7()
    end = places(writes, Register.FAR)[-1]
    assert "got CRC, expected end;" in reason(joined([without(writes, end)]), PAIR)
    writes[end] = (Register.FAR, [PAIR_FAR])
    assert "got FAR[400D00], expected end;" in reason(joined([writes]), PAIR)


def test_a_reset_mask_is_sent_once_and_holds_two_sorts_of_frames() -> None:
    writes = series7()
    at = places(writes, Register.FDRI)[0]
    twice = [*writes[: at + 1], *writes[at - 1 : at + 1], *writes[at + 1 :]]
    assert "got mask, expected CRC;" in reason(joined([twice]), PAIR)
    mask = np.array(writes[at][1], np.uint32).reshape(-1, FRAME)
    for word, value in ((50, 1), (3, 0xE00009BC)):
        other = mask.copy()
        other[0] = 0
        other[0, word] = value
        spoiled = [*writes[:at], (Register.FDRI, other.reshape(-1).tolist()), *writes[at + 1 :]]
        assert (
            "frame of the reset mask at byte 48: got other words, expected zeros, or 0xE00009BC "
            "in word 50"
        ) in reason(joined([spoiled]), PAIR)


@pytest.mark.parametrize(("word", "bits", "accepted"), [(0, 1, False), (45, 1, True), (2, 0, True)])
def test_the_fourth_segment_sets_no_bit_but_those_of_clocks(
    word: int, bits: int, accepted: bool
) -> None:
    segments = plus()
    first, last = segments[0], segments[3]
    at = places(last, Register.FDRI)[0]
    frame = np.array(last[at][1], np.uint32)
    frame[word] = np.array(first[at][1], np.uint32)[word] ^ bits
    assert np.array(first[at][1])[0] & 1 == 0
    last[at] = (Register.FDRI, frame.tolist())
    if accepted:
        verify_partial(joined(segments), KRIA.device, KRIA.partitions[0])
    else:
        assert "released clocks at byte " in plus_reason(segments)


def test_only_a_simulation_bitstream_may_write_columns_in_part() -> None:
    partition = PYNQ.partitions[0]
    addresses = np.sort(frame_order(PYNQ.device).partition(partition))
    contents = np.ones((len(addresses), FRAME), np.uint32)
    contents[0, :6] = identity_words(MODULE, partition.index)
    verify_partial(build(PYNQ.device, Frames(addresses, contents)), PYNQ.device, partition)
    for kept in (slice(0, 3), slice(0, 5), [0, 1, 2, 4]):
        data = build(PYNQ.device, Frames(addresses[kept], contents[kept]))
        assert "of its 36 frames, expected all, since a column is" in reason(data, partition)
    contents[1] = contents[0]
    data = build(PYNQ.device, Frames(addresses[1:5], contents[1:5]))
    assert "got 4 of its 36 frames, expected all" in reason(data, partition)
    four = build(PYNQ.device, Frames(addresses[:4], contents[:4]), Form.COMPRESSED)
    assert "got 4 of its 36 frames, expected all" in reason(four, partition)
    assert verify_partial(STREAM, PYNQ.device, partition).module_id == MODULE


def plus_partial() -> tuple[Device, ConfigurationStream]:
    target = board("kv260")
    partition = target.partitions[0]
    due = frames_of(target.device, partition)
    region = cells(target.device, partition)
    return target.device, parse(build(target.device, due, Form.RESET, region=region))


@pytest.mark.parametrize(
    ("order", "text"),
    [
        ((0, 1, 2), "order of the stream at byte 920508: got the end, expected SYNC"),
        (
            (1, 0, 2, 3),
            "at byte 636: got COR0, expected CTL0[500]=400 or CTL1[1000]=1000 or frames",
        ),
        ((0, 1, 2, 3, 3), "order of the stream at byte 945944: got SYNC, expected the end"),
        ((3, 1, 2, 0), "held clocks at byte "),
        ((0, 1, 2, 0), None),  # nothing is released, but nothing is spoiled either
    ],
)
def test_the_segments_of_ultrascale_plus_are_four(order: tuple[int, ...], text: str | None) -> None:
    chip, stream = plus_partial()
    starts = [0, *(segment.stop + 16 for segment in stream.segments)]
    parts = [stream.words[starts[i] : starts[i + 1]] for i in order]
    data = np.concatenate(parts).astype(">u4").tobytes()
    if text is None:
        assert verify(data, chip).kind == "partial"
        return
    with pytest.raises(ArtifactError) as caught:
        verify(data, chip)
    assert text in str(caught.value)


def full(name: str = "xc7z020") -> tuple[Device, Writes]:
    """Return a device, and the writes of a full stream for it."""
    chip = device(name)
    addresses = frame_order(chip).run(0, 2)
    frames = Frames(addresses, np.ones((2, chip.family.frame_words), np.uint32))
    (writes,) = writes_of(build(chip, frames, Form.FULL))
    return chip, writes


def full_reason(chip: Device, writes: Writes) -> str:
    with pytest.raises(ArtifactError) as caught:
        verify(joined([writes]), chip)
    return str(caught.value)


@pytest.mark.parametrize("name", ["xc7z020", "xck26"])
def test_a_full_stream_leaves_nothing_out_before_its_frames(name: str) -> None:
    chip, writes = full(name)
    verify(joined([writes]), chip)
    first = places(writes, Register.FDRI)[0]
    told = ("got WBSTAR, expected TIMER;", "got NULL, expected WBSTAR;", "got RCRC, expected NULL;")
    for at in range(first):
        if writes[at] == WCFG:
            continue
        text = full_reason(chip, without(writes, at))
        if at < len(told):
            assert told[at] in text
    assert "got NULL, expected RCRC;" in full_reason(chip, [*writes[:3], *writes[2:]])


@pytest.mark.parametrize(
    ("name", "register", "bits", "text"),
    [
        ("xc7z020", Register.COR0, 1 << 17 | 1 << 24 | 7 << 6 | 7 << 9, None),
        ("xc7z020", Register.COR0, 2 << 15, "0x02003FE5, but for bits of 0x37E0FC0"),
        ("xc7z020", Register.COR0, 2, "got 0x02003FE7, expected 0x02003FE5, but for bits of 0x37E"),
        ("xc7z020", Register.COR0, 1 << 27, "got 0x0A003FE5, expected 0x02003FE5"),
        ("xc7z020", Register.COR1, 0xF, None),
        ("xc7z020", Register.COR1, 1 << 8, "got 0x00000100, expected 0x00000000, but for bits"),
        ("xck26", Register.COR1, 3, None),
        ("xck26", Register.COR1, 1 << 22, "got 0x00000000, expected 0x00400000, but for bits of"),
        ("xck26", Register.TIMER, 1, "TIMER at byte 12: got 0x00000001, expected 0x00000000;"),
    ],
)
def test_start_up_options_may_differ_where_it_does_no_harm(
    name: str, register: Register, bits: int, text: str | None
) -> None:
    chip, writes = full(name)
    (at,) = places(writes, register)
    writes[at] = (register, [writes[at][1][0] ^ bits])
    if text is None:
        assert verify(joined([writes]), chip).kind == "full"
    else:
        assert text in full_reason(chip, writes)


def test_a_partial_keeps_the_start_up_options() -> None:
    segments = plus()
    (at,) = places(segments[1], Register.COR0)
    segments[1][at] = (Register.COR0, [0x38003FE5 ^ 1 << 17])
    assert "got 0x38023FE5, expected 0x38003FE5; build" in plus_reason(segments)


def test_a_bit_of_a_control_register_that_its_mask_leaves_out_encrypts_nothing() -> None:
    writes = series7()
    at = places(writes, Register.CTL0)[1]
    writes[at] = (Register.CTL0, [0x440])
    assert "got CTL0[400]=440, expected CTL0[400]=400;" in reason(joined([writes]), PAIR)


def passes(writes: Writes) -> tuple[slice, slice]:
    """Return where the two passes of a reset stream of one run are: WCFG, FAR and FDRI each."""
    _, first, second = places(writes, Register.FDRI)
    return slice(first - 2, first + 1), slice(second - 2, second + 1)


def test_a_reset_takes_both_passes() -> None:
    first, second = passes(series7())
    for left_out, expected in ((first, 72), (second, 72)):
        writes = series7()
        del writes[left_out]
        data = joined([writes])
        assert (
            f"got {expected} in a first pass and 0 after it of 72, expected each in both passes, "
            "close to blank first and the module second"
        ) in reason(data, PAIR)
        assert verify_partial(data, PYNQ.device, PAIR, whole_columns=False).coverage == 1
    writes = series7()
    third = [*writes[: second.stop], *writes[second], *writes[second.stop :]]
    text = "got a frame that was written before, expected each frame in two passes at most"
    assert text in reason(joined([third]), PAIR)


def test_a_shrunk_reset_leaves_out_what_its_first_pass_has_written() -> None:
    addresses = frame_order(PYNQ.device).partition(PAIR)
    words = np.zeros((len(addresses), FRAME), np.uint32)
    words[::9] = np.random.default_rng(1).integers(0, 1 << 32, words[::9].shape)
    original = build(PYNQ.device, Frames(addresses, words), Form.RESET)
    small = shrink(original, PYNQ.device).data
    verify_partial(small, PYNQ.device, PAIR)
    (writes,) = writes_of(small)
    verify_partial(joined([writes]), PYNQ.device, PAIR)
    repeats, data = places(writes, Register.MFWR), places(writes, Register.FDRI)
    second = next(at for at in data if at > repeats[0]) - 2
    no_second = [*writes[:second], *writes[writes.index(GRESTORE) :]]
    assert "72 in a first pass and 0 after it of 72" in reason(joined([no_second]), PAIR)
    single = shrink(original, PYNQ.device, single_pass=True).data
    assert "72 in a first pass and 0 after it of 72" in reason(single, PAIR)


def test_no_frame_is_written_again() -> None:
    writes = series7(Form.PLAIN)
    (at,) = places(writes, Register.FDRI)
    twice = [*writes[: at + 1], *writes[at - 2 :]]
    assert (
        "frame 0x00400D00 at byte 29564: got a frame that was written before, expected one that "
        "was not"
    ) in reason(joined([twice]), PAIR)


def test_a_reset_region_is_written_whole() -> None:
    memory = place(PYNQ.device, "memory", 0, [Rectangle((20, 23), ("Y1",))])
    due = frame_order(PYNQ.device).partition(memory)
    logic = due[due >> 23 == 0]
    frames = Frames(np.sort(due), np.zeros((len(due), FRAME), np.uint32))
    (writes,) = writes_of(build(PYNQ.device, frames, Form.RESET))
    data = places(writes, Register.FDRI)
    verify_partial(joined([writes]), PYNQ.device, memory)
    content = without(writes, *(at - back for at in (data[2], data[4]) for back in range(3)))
    text = f"got {len(due) - len(logic)} of {len(due)} frames of the region left as they are"
    assert text in reason(joined([content]), memory)
    with pytest.raises(ArtifactError, match="frames of the region left as they are, expected all"):
        verify(joined([content]), PYNQ.device)
    segments = plus()
    with pytest.raises(ArtifactError, match="of the region left as they are, expected all written"):
        verify(joined(segments), KRIA.device, wider(KRIA.device))


def wider(chip: Device) -> frozenset[Cell]:
    """Return the cells of the first partition of the board and of the one beside it."""
    return cells(chip, KRIA.partitions[0]) | cells(chip, KRIA.partitions[1])
