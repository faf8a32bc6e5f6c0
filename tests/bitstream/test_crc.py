"""The configuration CRC against its definition bit by bit; `test_real_files` has real ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpga_rt.bitstream.crc import (
    _FOLD,
    _SHORT_FOLD,
    REGISTER_TERM,
    crc_of_terms,
    crc_of_writes,
    crcs_of_intervals,
)


def bit_serial(words: list[int], registers: list[int]) -> int:
    """Shift 32 data bits and 5 address bits of each write, lowest first, into CRC-32C."""
    crc = 0
    for word, register in zip(words, registers, strict=True):
        bits = word | register << 32
        for position in range(37):
            feedback = (crc ^ bits >> position) & 1
            crc = crc >> 1 ^ (0x82F63B78 if feedback else 0)
    return crc


def words_of(count: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
    return np.random.default_rng(count).integers(0, 1 << 32, count, dtype=np.uint32)


@given(st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.integers(0, 31)), max_size=40))
def test_equals_the_definition(writes: list[tuple[int, int]]) -> None:
    words, registers = [word for word, _ in writes], [register for _, register in writes]
    got = crc_of_writes(np.array(words, np.uint32), np.array(registers, np.intp))
    assert got == bit_serial(words, registers)


@pytest.mark.parametrize("count", [0, 1, 375, 376, 377, 656, 752, 753, 1504, 5000])
def test_equals_the_definition_where_folding_starts_and_doubles(count: int) -> None:
    words = words_of(count)
    assert crc_of_writes(words, 2) == bit_serial(words.tolist(), [2] * count)


def test_leaves_the_words_of_the_caller_alone() -> None:
    words = words_of(2000)
    before = words.copy()
    crc_of_writes(words, 2)
    np.testing.assert_array_equal(words, before)


def test_every_single_bit_of_a_long_stream_changes_the_crc() -> None:
    length = 1 << 15
    for position in range(0, length, 1111):
        terms = np.zeros(length, np.uint32)
        terms[position] = 1 << position % 32
        assert crc_of_terms(terms) != 0


@pytest.mark.parametrize("relation", [_FOLD, _SHORT_FOLD])
def test_a_word_may_be_folded_onto_those_behind_it(relation: tuple[int, ...]) -> None:
    words = [0] * (relation[-1] + 1)
    words[0] = 0x12345678
    folded = [0, *(0x12345678 * (place in relation) for place in range(1, len(words)))]
    assert bit_serial(words, [0] * len(words)) == bit_serial(folded, [0] * len(words))


@pytest.mark.parametrize("count", [3, 100, 2_000])  # one by one, side by side, in several batches
def test_intervals_equal_the_definition(count: int) -> None:
    sizes = np.resize([1, 0, 104, 376, 377, 5, 80, 81, 753], count)
    sizes[40:] //= 4
    stops = np.cumsum(sizes)
    words = words_of(int(stops[-1]))
    due = [
        bit_serial(words[stop - size : stop].tolist(), [2] * int(size))
        for stop, size in zip(stops.tolist(), sizes, strict=True)
    ]
    assert crcs_of_intervals(words ^ REGISTER_TERM[2], stops).tolist() == due


def test_intervals_of_very_different_lengths() -> None:
    sizes = np.array([*range(0, 60), 40_000, 16_384, 16_385, 9_000, *range(0, 900, 50)])
    stops = np.cumsum(sizes)
    words = words_of(int(stops[-1]))
    due = [
        crc_of_terms(words[stop - size : stop].copy())
        for stop, size in zip(stops.tolist(), sizes.tolist(), strict=True)
    ]
    assert crcs_of_intervals(words, stops).tolist() == due


def test_no_intervals_have_no_crcs() -> None:
    assert not len(crcs_of_intervals(np.zeros(0, np.uint32), np.zeros(0, np.int64)))
