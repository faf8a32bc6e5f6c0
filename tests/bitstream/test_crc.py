"""The configuration CRC against its definition bit by bit, and against real files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpga_rt.bitstream.crc import crc_of_terms, crc_of_writes
from fpga_rt.bitstream.read import parse

UNCOMPRESSED = [
    "boards__Pynq-Z1__gpio_pr__led_0.bit",  # 7-series, 1,772 frames
    "boards__Pynq-Z1__prio__partial__pr_0_uart.bit",
    "partial.bin",  # little-endian words, without a header
    "video__gscreen_mux.bit",
    "boards__ZCU104__gpio_pr__led_0.bit",  # UltraScale+, four segments
    "cnvW1A1-pynqZ1-Z2.bit",  # full, 10,008 frames
    "spiOverJtag_xc7a35tcpg236.bit.gz",  # compressed, 5,226 multi-frame writes
]


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


@pytest.mark.parametrize("name", UNCOMPRESSED)
def test_reproduces_the_crc_words_of_real_files(data_dir: Path, name: str) -> None:
    folder = data_dir / "bitstreams"
    index = json.loads((folder / "index.json").read_text())
    entry = next(entry for entry in index if entry["file"].endswith(name))
    data = (folder / entry["file"]).read_bytes()
    crcs = parse(gzip.decompress(data) if name.endswith(".gz") else data).crcs
    assert [sum(crc.written == crc.computed for crc in crcs), len(crcs)] == entry["crc_ok"]
    assert len(crcs) >= 2
