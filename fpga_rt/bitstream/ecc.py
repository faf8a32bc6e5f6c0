"""The error-correcting code of 7-series frames: 13 bits in word 50 of every frame of block type 0.

A Hamming code over the frame: each set bit adds its number, counted so that no bit has a power of
two, and bit 12 is the parity of bits 11 to 0. Source: Project X-Ray, `lib/xilinx`, checked
on real files.

It is a warning, never a reason to refuse a stream. Frames whose bits a design changes while it runs
(LUT memories, shift registers, clock management) carry another value or none, and content frames of
block RAM have no code at all. The device checks it only when asked to read its frames back.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.families import SERIES7
from fpga_rt.bitstream.expand import Frames

ECC_WORD = 50
"""Word of a frame that holds the code."""
ECC_MASK = 0x1FFF
"""Bits of that word that are the code."""
_PARITY_BIT = 12
_FIRST_NUMBER = ((38, 0x1360), (7, 0x1340), (0, 0x1320))
"""What is added to the number of a bit from which word on: skips 0x800, 0x400 and what is below."""
_FRAMES_AT_ONCE = 1024


@lru_cache(maxsize=1)
def _effects() -> NDArray[np.uint16]:
    """Return (404, 256) uint16: what a byte at each place of a frame adds, parity not yet."""
    numbers = np.arange(32 * SERIES7.frame_words)
    for word, skipped in reversed(_FIRST_NUMBER):
        part = slice(32 * word, None)
        numbers[part] = np.arange(32 * word, len(numbers)) + skipped
    numbers[32 * ECC_WORD : 32 * ECC_WORD + _PARITY_BIT + 1] = 0
    values = np.arange(256, dtype=np.uint16)
    effects = np.zeros((len(numbers) // 8, 256), np.uint16)
    for bit in range(8):
        effects ^= (values >> bit & 1) * numbers.reshape(-1, 8)[:, bit, np.newaxis].astype(
            np.uint16
        )
    return effects


def frame_ecc(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Compute the code of 7-series frames.

    Args:
        words: (n, 101) uint32 contents; the code in them does not count.

    Returns:
        (n,) uint32, in bits 12 to 0.
    """
    code = np.zeros(len(words), np.uint16)
    effects = _effects()
    places = np.arange(len(effects))
    for first in range(0, len(words), _FRAMES_AT_ONCE):
        octets = np.ascontiguousarray(words[first : first + _FRAMES_AT_ONCE], "<u4").view(np.uint8)
        code[first : first + _FRAMES_AT_ONCE] = np.bitwise_xor.reduce(
            effects[places, octets], axis=1
        )
    parity = code & (1 << _PARITY_BIT) - 1
    for shift in (8, 4, 2, 1):
        parity ^= parity >> shift
    found: NDArray[np.uint32] = (code ^ (parity & 1) << _PARITY_BIT).astype(np.uint32)
    return found


def with_ecc(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return a copy of (n, 101) uint32 frames whose code is right: for frames that were edited."""
    corrected: NDArray[np.uint32] = words.copy()
    corrected[:, ECC_WORD] &= ~np.uint32(ECC_MASK)
    corrected[:, ECC_WORD] |= frame_ecc(words)
    return corrected


def mismatches(frames: Frames) -> NDArray[np.int64]:
    """Return (n,) int64: the FARs of the 7-series frames of block type 0 whose code is wrong."""
    high, low = SERIES7.address.block_type
    logic = (frames.addresses >> low & (1 << (high - low + 1)) - 1) == 0
    words = frames.words[logic]
    wrong = frame_ecc(words) != words[:, ECC_WORD] & ECC_MASK
    found: NDArray[np.int64] = frames.addresses[logic][wrong]
    return found
