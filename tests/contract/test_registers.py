"""Register maps."""

from __future__ import annotations

import pytest

from fpga_rt.contract.layout import Field
from fpga_rt.contract.registers import Access, Register, RegisterMap
from fpga_rt.errors import DeviceError

FLAGS = Register(
    "flags",
    0x4,
    Access.READ_WRITE,
    (Field("on", 0, 0, 1), Field("level", 0, 4, 4), Field("offset", 0, 8, 8, signed=True)),
)
WIDE = Register("wide", 0x8, Access.READ_ONLY, (Field("value", 0, 0, 64),), words=2)
MAP = RegisterMap("map", (FLAGS, WIDE))


def test_pack_places_bits_and_unpack_undoes_it() -> None:
    value = FLAGS.pack(on=1, level=5, offset=-1)
    assert value == 0xFF51
    assert FLAGS.unpack(value) == {"on": 1, "level": 5, "offset": -1}


def test_values_of_two_words_come_low_word_first() -> None:
    assert WIDE.word_values(0x1122334455667788) == (0x55667788, 0x11223344)


def test_registers_are_found_by_name_and_offset() -> None:
    assert MAP["wide"] is WIDE
    assert MAP.at(0xC) == (WIDE, 1)
    assert MAP.size_bytes == 16


@pytest.mark.parametrize("offset", [0x0, 0x5, 0x10])
def test_other_offsets_are_refused(offset: int) -> None:
    with pytest.raises(DeviceError, match=f"map has no register at offset {offset:#x}"):
        MAP.at(offset)


def test_misuse_of_fields_is_named() -> None:
    with pytest.raises(ValueError, match="register flags has no field off"):
        FLAGS.pack(off=1)
    with pytest.raises(ValueError, match=r"flags\.level: got 16, expected 0\.\.15"):
        FLAGS.pack(level=16)


def test_maps_that_overlap_are_refused() -> None:
    other = Register("other", 0xC, Access.READ_ONLY, ())
    with pytest.raises(ValueError, match="other and wide overlap at 0xc"):
        RegisterMap("bad", (WIDE, other))
    again = Register("wide", 0x20, Access.READ_ONLY, ())
    with pytest.raises(ValueError, match="two registers of one name"):
        RegisterMap("bad", (WIDE, again))
    with pytest.raises(ValueError, match="expected a multiple of 8"):
        Register("odd", 0x4, Access.READ_ONLY, (), words=2)


def test_map_id_changes_with_the_meaning_and_not_with_the_prose() -> None:
    prose = Register(FLAGS.name, FLAGS.offset, FLAGS.access, FLAGS.fields, "other words")
    moved = Register(FLAGS.name, 0x10, FLAGS.access, FLAGS.fields)
    access = Register(FLAGS.name, FLAGS.offset, Access.WRITE_ONE, FLAGS.fields)
    assert RegisterMap("map", (WIDE, prose)).map_id == MAP.map_id
    assert 0 < MAP.map_id < 1 << 32
    ids = {RegisterMap("map", (r, WIDE)).map_id for r in (FLAGS, moved, access)}
    assert len(ids) == 3
