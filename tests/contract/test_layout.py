"""Bit fields against struct and against themselves."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpga_rt.contract.layout import Field, Layout
from fpga_rt.errors import PlanningError

RECORD = Layout(
    "record",
    4,
    (
        Field("low", 0, 0, 16),
        Field("signed", 0, 16, 16, signed=True),
        Field("word", 1, 0, 32),
        Field("long", 2, 0, 64, signed=True),
    ),
)


def test_encoding_equals_struct() -> None:
    values = {"low": 0xBEEF, "signed": -2, "word": 7, "long": -(1 << 40)}
    assert RECORD.encode(values) == struct.pack("<HhIq", 0xBEEF, -2, 7, -(1 << 40))


@given(
    st.integers(0, 0xFFFF),
    st.integers(-(1 << 15), (1 << 15) - 1),
    st.integers(0, (1 << 32) - 1),
    st.integers(-(1 << 63), (1 << 63) - 1),
)
def test_decode_undoes_encode(low: int, signed: int, word: int, long: int) -> None:
    values = {"low": low, "signed": signed, "word": word, "long": long}
    assert RECORD.decode(RECORD.encode(values)) == values


def test_absent_fields_are_zero() -> None:
    assert RECORD.encode({}) == bytes(16)


def test_value_that_does_not_fit_names_field_and_range() -> None:
    with pytest.raises(PlanningError, match=r"record\.low: got 65536, expected 0\.\.65535"):
        RECORD.encode({"low": 0x10000})
    with pytest.raises(PlanningError, match=r"record\.signed: got 32768, expected -32768\.\.32767"):
        RECORD.encode({"signed": 1 << 15})


def test_unknown_name_and_wrong_length_are_misuse() -> None:
    with pytest.raises(KeyError, match="no field"):
        RECORD.encode({"other": 1})
    with pytest.raises(ValueError, match="record: got 15 bytes, expected 16"):
        RECORD.decode(bytes(15))


@pytest.mark.parametrize(
    "fields",
    [
        (Field("a", 0, 0, 8), Field("b", 0, 7, 8)),
        (Field("a", 0, 30, 8),),
        (Field("a", 0, 0, 8), Field("a", 0, 8, 8)),
    ],
)
def test_bad_records_are_refused(fields: tuple[Field, ...]) -> None:
    with pytest.raises(ValueError, match=r"overlaps or leaves|two fields of one name"):
        Layout("bad", 1, fields)
