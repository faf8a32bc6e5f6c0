"""Headers against words printed in UG470."""

from __future__ import annotations

import pytest

from fpga_rt.arch.packets import NOP, Command, Opcode, Register, type1, type2, write


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
