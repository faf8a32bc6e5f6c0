"""The walk over packets, against one that takes a step at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpga_rt.arch.packets import (
    NOP,
    Command,
    Opcode,
    Packet,
    Register,
    type1,
    type2,
    write,
)
from fpga_rt.bitstream.walk import MAX_PACKETS, walk
from fpga_rt.errors import ArtifactError

DESYNC = write(Register.CMD, Command.DESYNC)


def found(*words: int) -> list[Packet]:
    return list(walk(np.array(words, np.uint32), 0))


def one_by_one(words: Sequence[int]) -> list[Packet] | None:
    """Follow the headers as UG470 describes them; None where that is not possible."""
    at, register, result = 0, -1, list[Packet]()
    while at < len(words):
        header, start = words[at], at + 1
        kind, opcode = header >> 29, header >> 27 & 3
        if header == NOP:
            at += 1
            continue
        if kind == 1:
            register, count = header >> 13 & 31, header & 0x7FF
        elif kind == 2 and register >= 0:
            count = header & 0x7FFFFFF
        elif header == 0:
            result.append(Packet(at, 0, Opcode.WRITE, Register.FDRI, at, at + 1))
            at, register = at + 1, Register.FDRI
            continue
        else:
            return None
        stop = start if opcode == Opcode.NOP else start + count
        if stop > len(words):
            return None
        result.append(Packet(at, kind, opcode, register, start, stop))
        written = register if opcode == Opcode.WRITE and stop > start else None
        ends = written == Register.CMD and words[stop - 1] == Command.DESYNC
        if ends or written == Register.CIPHERTEXT:
            break
        at = stop
    return result


def assert_equals_reference(words: list[int]) -> None:
    expected = one_by_one(words)
    if expected is None:
        with pytest.raises(ArtifactError):
            found(*words)
    else:
        assert found(*words) == expected


def test_packets_are_found_with_their_payloads() -> None:
    stream = (NOP, *write(Register.CMD, 7), type1(Register.FDRI, 0), type2(3), 1, 2, 3, NOP)
    assert found(*stream, NOP) == [
        Packet(1, 1, Opcode.WRITE, Register.CMD, 2, 3),
        Packet(3, 1, Opcode.WRITE, Register.FDRI, 4, 4),
        Packet(4, 2, Opcode.WRITE, Register.FDRI, 5, 8),
    ]


def test_what_follows_desync_or_a_cipher_header_is_no_packet() -> None:
    for end in (DESYNC, write(Register.CIPHERTEXT, 5)):
        packets = walk(np.array([*end, 0xFFFFFFFF, 0x12345678], np.uint32), 0)
        assert len(packets) == 1
        assert packets[0].stop == 2
        assert packets.value.tolist() == [end[1]]


def test_bare_zeros_are_frame_data() -> None:
    assert found(*write(Register.LOUT, 9), 0, 0, *DESYNC)[1:3] == [
        Packet(at, 0, Opcode.WRITE, Register.FDRI, at, at + 1) for at in (2, 3)
    ]


@given(st.data())
def test_equals_a_walk_step_by_step(data: st.DataObject) -> None:
    chance = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    words = list[int]()
    for _ in range(data.draw(st.integers(0, 6))):
        count = int(chance.choice([1, 3, 40, 3000]))
        size = int(chance.choice([0, 1, 4, 14]))
        payload = chance.integers(0, 1 << 32, size).tolist()
        nops = [NOP] * int(chance.choice([0, 2, 12, 70]))
        pair = (*write(Register.FAR, 5), NOP, type1(Register.MFWR, size), *payload, *nops)
        words += pair * count
        if chance.random() < 0.5:
            size = int(chance.choice([10, 9000, 50_000]))
            words += (type1(Register.FDRI, 0), type2(size), *chance.integers(0, 9, size).tolist())
    if chance.random() < 0.7:
        words += (*DESYNC, 0xFFFFFFFF)
    if chance.random() < 0.5 and words:
        words[int(chance.integers(len(words)))] ^= 1 << int(chance.integers(32))
    assert_equals_reference(words)


@pytest.mark.parametrize("nops", [1, 40, 40_000])
@pytest.mark.parametrize("end", [(), (0, 0), DESYNC, (*DESYNC, *[0x28000001] * 9)])
def test_nops_may_lie_anywhere_between_dense_packets(nops: int, end: tuple[int, ...]) -> None:
    # Windows are 32,768 words: one of these lengths ends one within the NOPs.
    for packets in (10, 16_370, 16_390):
        words = [*write(Register.FAR, 5) * packets, *[NOP] * nops, *end]
        assert found(*words) == one_by_one(words)


GARBAGE = {
    "dummy": [0xFFFFFFFF],
    "sync": [0xAA995566],
    "type 0": [0x00000001],
    "zero": [0],
    "type 3": [0x60000000],
    "word": [0xDEADBEEF],
    "many": [0xFFFFFFFF] * 1000,
    "NOP within": [0xC0000000, NOP, 0],
}


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("behind", [(), write(Register.CMD, 7) * 50])
def test_garbage_behind_any_nop_is_never_passed_over(name: str, behind: tuple[int, ...]) -> None:
    # From 32 packets on, packets are looked for in whole windows.
    for packets in (1, 31, 32, 33, 64, 65, 16_384):
        for nops in (0, 1, 2, 40):
            head = [*write(Register.CMD, 7) * packets, *[NOP] * nops]
            words = [*head, *GARBAGE[name], *behind]
            assert_equals_reference(words)
            if GARBAGE[name][0]:
                with pytest.raises(ArtifactError, match=rf"at byte {4 * len(head)} is no packet"):
                    found(*words)


@pytest.mark.parametrize("seed", range(4))
def test_garbage_inserted_after_each_nop_is_refused_where_it_lies(seed: int) -> None:
    chance = np.random.default_rng(seed)
    words = list[int]()
    for size in chance.integers(0, 6, 90).tolist():
        nops = [NOP] * int(chance.choice([0, 0, 1, 3, 12]))
        words += (type1(Register.MFWR, size), *[NOP] * size, *nops)
    words += DESYNC
    assert found(*words) == one_by_one(words)
    payload = {at for packet in found(*words) for at in range(packet.start, packet.stop)}
    after = [at + 1 for at, word in enumerate(words) if word == NOP and at not in payload]
    for at in after:
        garbage = GARBAGE[str(chance.choice(list(GARBAGE)))]
        assert_equals_reference([*words[:at], *garbage, *words[at:]])


@pytest.mark.parametrize("zeros", range(5))
def test_a_nop_and_the_end_after_32_packets_are_no_crash(zeros: int) -> None:
    assert_equals_reference([*write(Register.CMD, 7) * 32, NOP, *[0] * zeros])


def test_a_type_2_header_has_the_register_before_it_across_windows() -> None:
    for packets in range(30, 35):
        words = [*write(Register.FAR, 5) * packets, NOP, type2(1), 7, *DESYNC]
        assert found(*words) == one_by_one(words)
        assert found(*words)[packets].register == Register.FAR


def test_what_follows_a_long_desync_is_no_packet() -> None:
    for packets in (0, 10, 31, 32, 50, 70_000):
        last = (type1(Register.CMD, 2), 0, Command.DESYNC)
        words = [*write(Register.FAR, 5) * packets, *last, *write(Register.CMD, 7) * 90]
        assert len(found(*words)) == packets + 1


def test_a_word_that_is_no_header_is_refused_with_its_place() -> None:
    words = np.array([NOP, 0xFFFFFFFF], np.uint32)
    with pytest.raises(ArtifactError) as caught:
        walk(words, 0, origin_bytes=100)
    assert str(caught.value) == (
        "configuration word 0xFFFFFFFF at byte 104 is no packet header, expected a type 1 or "
        "type 2 header; the stream is corrupt: build or fetch it again"
    )


def test_a_type_2_header_without_a_register_is_refused() -> None:
    with pytest.raises(ArtifactError, match="0x50000001 at byte 0 is no packet header"):
        found(type2(1), 0)


def test_a_payload_past_the_end_is_refused() -> None:
    with pytest.raises(ArtifactError) as caught:
        found(type1(Register.FDRI, 3), 0)
    assert str(caught.value) == (
        "the packet 0x30004003 at byte 0 announces 3 words, got 1 before the end; the stream is "
        "truncated: build or fetch it again"
    )


@pytest.mark.parametrize(
    "pattern",
    [
        [type1(Register.FDRI, 0)],
        [0],
        [*[type1(Register.FDRI, 0)] * 33, 0],  # made to change from one way of search to the other
        [*[type1(Register.FDRI, 0)] * 32, type1(Register.FDRI, 2047), *[1] * 2047],
    ],
)
def test_endless_packets_are_refused(pattern: list[int]) -> None:
    if len(pattern) > 1_000:
        words = np.array(pattern * 900, np.uint32)
        assert len(walk(words, 0)) == 33 * 900
        return
    words = np.resize(np.array(pattern, np.uint32), MAX_PACKETS + 100_000)
    with pytest.raises(
        ArtifactError, match=r"packets before byte \d+, expected a DESYNC or longer"
    ):
        walk(words, 0)


def test_endless_nops_are_no_packets() -> None:
    assert not len(walk(np.full(1_000_000, NOP, np.uint32), 0))


def test_packets_compare_by_content() -> None:
    words = np.array([*write(Register.CMD, 7), *DESYNC], np.uint32)
    same, other = walk(words, 0), walk(words, 2)
    assert walk(words, 0) == same
    assert same != other
    assert same != "packets"
