"""Tests of the families: frame addresses against those in real files, and their algebra."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpga_rt.arch.families import (
    FAMILIES,
    SERIES7,
    ULTRASCALE,
    ULTRASCALE_PLUS,
    Family,
    FrameAddress,
    family,
)
from fpga_rt.errors import DeviceError

# Read from the FAR writes of public partial bitstreams.
REAL_ADDRESSES = [
    (SERIES7, 0x00401100, FrameAddress(0, 0, 34, 0, bottom=True)),
    (SERIES7, 0x00C20280, FrameAddress(1, 1, 5, 0, bottom=True)),
    (SERIES7, 0x00800100, FrameAddress(1, 0, 2)),
    (SERIES7, 0x01000000, FrameAddress(2, 0, 0)),
    (ULTRASCALE_PLUS, 0x000C810D, FrameAddress(0, 3, 129, 13)),
    (ULTRASCALE_PLUS, 0x01140300, FrameAddress(1, 5, 3)),
]


@pytest.mark.parametrize(("chip", "word", "address"), REAL_ADDRESSES)
def test_real_frame_addresses(chip: Family, word: int, address: FrameAddress) -> None:
    assert chip.address.decode(word) == address
    assert chip.address.encode(address) == word


@given(
    st.sampled_from(list(FAMILIES.values())),
    st.builds(
        FrameAddress,
        block_type=st.integers(0, 7),
        row=st.integers(0, 31),
        column=st.integers(0, 1023),
        minor=st.integers(0, 127),
    ),
)
def test_encode_then_decode_returns_the_address(chip: Family, address: FrameAddress) -> None:
    assert chip.address.decode(chip.address.encode(address)) == address


def test_a_value_beyond_its_field_is_refused() -> None:
    with pytest.raises(ValueError, match=r"minor 128 does not fit FAR bits \[6:0\]"):
        SERIES7.address.encode(FrameAddress(0, 0, 0, 128))
    with pytest.raises(ValueError, match="no bottom half"):
        ULTRASCALE_PLUS.address.encode(FrameAddress(0, 0, 0, bottom=True))


def test_the_end_address_is_past_every_frame() -> None:
    assert SERIES7.address.decode(SERIES7.end_address).block_type == 7
    assert ULTRASCALE_PLUS.address.decode(ULTRASCALE_PLUS.end_address).block_type == 7


def test_frame_sizes() -> None:
    sizes = {f.name: f.frame_bytes for f in FAMILIES.values()}
    assert sizes == {"7-series": 404, "UltraScale": 492, "UltraScale+": 372}


def test_interconnect_is_a_column_since_ultrascale() -> None:
    assert [f.has_interconnect_columns for f in (SERIES7, ULTRASCALE, ULTRASCALE_PLUS)] == [
        False,
        True,
        True,
    ]


def test_an_unknown_family_is_named_with_those_known() -> None:
    with pytest.raises(DeviceError, match=r"unknown family 'Virtex-6': use one of 7-series, Ultra"):
        family("Virtex-6")
