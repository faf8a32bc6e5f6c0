"""Headers against words printed in UG470, and the walk over packets."""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.bitstream.packets import (
    NOP,
    Command,
    Opcode,
    Packet,
    Register,
    packets,
    type1,
    type2,
    write,
)
from fpga_rt.errors import ArtifactError


def walk(*words: int) -> list[Packet]:
    return list(packets(np.array(words, np.uint32), 0))


def test_headers_are_those_of_ug470() -> None:
    assert type1(Register.CMD, 1) == 0x30008001
    assert type1(Register.FAR, 1) == 0x30002001
    assert type1(Register.IDCODE, 1) == 0x30018001
    assert type1(Register.CRC, 1) == 0x30000001
    assert type1(Register.WBSTAR, 1) == 0x30020001
    assert type1(Register.STAT, 1, Opcode.READ) == 0x2800E001
    assert type1(Register.FDRI, 0) == 0x30004000
    assert type2(0x000F6C78) == 0x500F6C78
    assert type1(0, 0, Opcode.NOP) == NOP
    assert write(Register.CMD, Command.DESYNC) == (0x30008001, 0x0000000D)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: type1(Register.FDRI, 2048), "a type 1 packet carries 0 to 2047 words, not 2048"),
        (lambda: type2(1 << 27), "a type 2 packet carries 0 to 134217727 words, not 134217728"),
    ],
)
def test_a_count_that_does_not_fit_is_misuse(make: object, text: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=text):
        make()


def test_packets_are_found_with_their_payloads() -> None:
    stream = (NOP, *write(Register.CMD, 7), type1(Register.FDRI, 0), type2(3), 1, 2, 3, NOP)
    assert walk(*stream) == [
        Packet(0, 1, Opcode.NOP, 0, 1, 1),
        Packet(1, 1, Opcode.WRITE, Register.CMD, 2, 3),
        Packet(3, 1, Opcode.WRITE, Register.FDRI, 4, 4),
        Packet(4, 2, Opcode.WRITE, Register.FDRI, 5, 8),
        Packet(8, 1, Opcode.NOP, 0, 9, 9),
    ]


def test_a_word_that_is_no_header_is_refused_with_its_place() -> None:
    words = np.array([NOP, 0xFFFFFFFF], np.uint32)
    with pytest.raises(ArtifactError) as caught:
        list(packets(words, 0, origin_bytes=100))
    assert str(caught.value) == (
        "configuration word 0xFFFFFFFF at byte 104 is no packet header, expected a type 1 or "
        "type 2 header; the stream is corrupt: build or fetch it again"
    )


def test_a_type_2_header_without_a_register_is_refused() -> None:
    with pytest.raises(ArtifactError, match="0x50000001 at byte 0 is no packet header"):
        walk(type2(1), 0)


def test_a_payload_past_the_end_is_refused() -> None:
    with pytest.raises(ArtifactError) as caught:
        walk(type1(Register.FDRI, 3), 0)
    assert str(caught.value) == (
        "the packet 0x30004003 at byte 0 announces 3 words, got 1 before the end; the stream is "
        "truncated: build or fetch it again"
    )
