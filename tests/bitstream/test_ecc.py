"""The frame code of the 7-series, against a sum bit by bit and real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fpga_rt.arch.devices import device
from fpga_rt.bitstream.ecc import ECC_MASK, ECC_WORD, frame_ecc, mismatches, with_ecc
from fpga_rt.bitstream.expand import Frames
from fpga_rt.bitstream.read import frames, parse

FULL = [
    "byuccl-PYNQ-PRIO/boards__Pynq-Z1__prio__prio.bit",
    "Xilinx-BNN-PYNQ/bnn__bitstreams__pynqZ1-Z2__cnvW1A1-pynqZ1-Z2.bit",
]


def bit_by_bit(frame: list[int]) -> int:
    """Add up the numbers of the set bits, skipping those that are powers of two."""
    code = 0
    for word, value in enumerate(frame):
        skipped = 0x1360 if word > 0x25 else 0x1340 if word > 6 else 0x1320
        kept = value & 0xFFFFE000 if word == 50 else value
        for bit in range(32):
            if kept >> bit & 1:
                code ^= 32 * word + bit + skipped
    return code ^ (bin(code & 0xFFF).count("1") & 1) << 12


def test_equals_a_sum_bit_by_bit() -> None:
    words = np.random.default_rng(1).integers(0, 1 << 32, (20, 101), dtype=np.uint32)
    assert frame_ecc(words).tolist() == [bit_by_bit(frame) for frame in words.tolist()]
    assert frame_ecc(words[:0]).shape == (0,)


def test_an_edited_frame_gets_the_code_that_is_due() -> None:
    words = np.random.default_rng(2).integers(0, 1 << 32, (1_500, 101), dtype=np.uint32)
    corrected = with_ecc(words)
    addresses = np.arange(len(words))
    assert len(mismatches(Frames(addresses, words))) > 1_000
    assert not len(mismatches(Frames(addresses, corrected)))
    changed = corrected ^ words
    assert (changed[:, ECC_WORD] & ~np.uint32(ECC_MASK) == 0).all()
    changed[:, ECC_WORD] = 0
    assert not changed.any()


def test_content_of_block_ram_has_no_code() -> None:
    words = np.ones((2, 101), np.uint32)
    assert mismatches(Frames(np.array([0x80, 1 << 23]), words)).tolist() == [0x80]


@pytest.mark.parametrize("name", FULL)
def test_real_frames_have_it_and_one_flipped_bit_shows(data_dir: Path, name: str) -> None:
    stream = parse((data_dir / "bitstreams" / name).read_bytes())
    written = frames(stream, device("xc7z020"))
    assert not len(mismatches(written))
    written.words[5_000, 77] ^= 1 << 9
    assert mismatches(written).tolist() == [written.addresses[5_000]]
