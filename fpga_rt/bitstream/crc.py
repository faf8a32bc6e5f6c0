"""The configuration CRC of every Xilinx family: CRC-32C over 37 bits per register write.

Source: UG470 (7 Series Configuration), "CRC Register"; the width and order of the bits were checked
on public files of 7-series, UltraScale and UltraScale+. Each written word feeds its 32 data bits,
least significant first, then its 5-bit register address. Start value 0, no final inversion.

How it is fast. Let `y` be the effect of one write (37 shifts) on the state. The state is a sum
over GF(2): `crc = u[0] y^n + u[1] y^(n-1) + ... + u[n-1] y`, where `u` is the written word plus a
constant of its register. The powers of `y` obey the sparse relation

    1 = y^-280 + y^-329 + y^-352 + y^-364 + y^-376

so a word may be XORed onto the words 280, 329, ... places later and forgotten, and by squaring
(`(a + b)^2 = a^2 + b^2`) the same holds for 560, 658, ... and every doubling. A stream is folded
by plain XORs of long slices down to 376 words, and only those need multiplication by powers of `y`.

A stream with a CRC per frame has thousands of short intervals. They are folded side by side, with
a second relation of more terms that goes on down to 80 words; their bytes are looked up in a table.
Both relations were found by search; the tests hold them against the polynomial.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78
"""CRC-32C (Castagnoli), reflected: bit 31 is the coefficient of x^0."""
ADDRESS_BITS = 5
WRITE_BITS = 32 + ADDRESS_BITS

_ONE = 1 << 31
_FOLD = (280, 329, 352, 364, 376)
_SHORT_FOLD = (33, 39, 44, 47, 70, 71, 74, 79, 80)
_FEW, _LONG_WORDS, _BATCH_WORDS = 32, 1 << 14, 1 << 17


def _undo_shift(state: int) -> int:
    """Divide a state by x: the state that one shift turns into `state`."""
    if state & _ONE:
        return ((state ^ POLYNOMIAL) << 1 | 1) & 0xFFFFFFFF
    return state << 1


def _register_term(address: int) -> int:
    """Return the data word that has the same effect on the CRC as writing 0 to `address`."""
    term = address
    for _ in range(32):
        term = _undo_shift(term)
    return term


REGISTER_TERM = np.array([_register_term(r) for r in range(1 << ADDRESS_BITS)], np.uint32)
"""(32,) uint32: a word written to register `r` acts as `word ^ REGISTER_TERM[r]` to register 0."""


@lru_cache(maxsize=1)
def _weights() -> NDArray[np.uint32]:
    """Return (376, 32) uint32: row -k is what the bits of the k-th word from the end add."""
    powers = np.empty(WRITE_BITS * _FOLD[-1] + 32, np.uint32)
    state = _ONE
    for exponent in range(len(powers)):
        powers[exponent] = state
        state = state >> 1 ^ (POLYNOMIAL if state & 1 else 0)
    writes_left = np.arange(_FOLD[-1], 0, -1)[:, np.newaxis]
    weights: NDArray[np.uint32] = powers[WRITE_BITS * writes_left + 31 - np.arange(32)]
    return weights


def _fold(terms: NDArray[np.uint32], relation: tuple[int, ...]) -> NDArray[np.uint32]:
    """Return the end of `terms`, changed in place: no longer than a relation, with the same CRC.

    `terms` is (n,), or (n, m) for m streams at once.
    """
    for doubling in range((len(terms) // relation[-1]).bit_length(), -1, -1):
        shifts = [shift << doubling for shift in relation]
        while len(terms) > shifts[-1]:
            count = min(shifts[0], len(terms) - shifts[-1])
            for shift in shifts:
                terms[shift : shift + count] ^= terms[:count]
            terms = terms[count:]
    return terms


def crc_of_terms(terms: NDArray[np.uint32]) -> int:
    """Compute the CRC, from 0, of `terms`: (n,) uint32, words XORed with their register's term.

    The contents of `terms` are spent. n may be 0.
    """
    tail = _fold(terms, _FOLD).astype("<u4")
    bits = np.unpackbits(tail.view(np.uint8), bitorder="little").astype(bool)
    weights = _weights()[_FOLD[-1] - len(tail) :]
    return int(np.bitwise_xor.reduce(weights.reshape(-1)[bits], initial=0))


def crc_of_writes(words: NDArray[np.uint32], registers: NDArray[np.integer] | int) -> int:
    """Compute the CRC, from 0, of writing `words` (n,) uint32 to `registers` (n,) or one of all."""
    return crc_of_terms(np.asarray(words, np.uint32) ^ REGISTER_TERM[registers])


@lru_cache(maxsize=1)
def _byte_table() -> NDArray[np.uint32]:
    """Return (80 * 4 * 256,) uint32: what a byte of the k-th word from the end adds."""
    weights = _weights()[-_SHORT_FOLD[-1] :].reshape(-1, 8)
    values = np.arange(256, dtype=np.uint32)
    table = np.zeros((len(weights), 256), np.uint32)
    for bit in range(8):
        table ^= (values >> bit & 1) * weights[:, bit, np.newaxis]
    return table.reshape(-1)


def crcs_of_intervals(terms: NDArray[np.uint32], stops: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Compute the CRC of each of the intervals that `terms` (see `crc_of_terms`) is made of.

    `stops` (m,) int64, ascending, is where each ends; the first starts at 0. Short ones are
    computed many at a time, of like length.
    """
    starts = np.append(0, stops[:-1])
    sizes = stops - starts
    crcs = np.zeros(len(stops), np.uint32)
    by_size = np.argsort(sizes, kind="stable")
    short = int(np.searchsorted(sizes[by_size], _LONG_WORDS, side="right"))
    done = short if short > _FEW else 0
    for index in by_size[done:].tolist():
        crcs[index] = crc_of_terms(terms[starts[index] : stops[index]].copy())
    while done:
        longest = int(sizes[by_size[done - 1]])
        part = by_size[max(0, done - _BATCH_WORDS // max(1, longest)) : done]
        crcs[part] = _side_by_side(terms, starts[part], stops[part], longest)
        done -= len(part)
    return crcs


def _side_by_side(
    terms: NDArray[np.uint32], starts: NDArray[np.int64], stops: NDArray[np.int64], longest: int
) -> NDArray[np.uint32]:
    """Return the CRCs of (m,) intervals of at most so many terms each."""
    if not longest:
        return np.zeros(len(stops), np.uint32)
    places = stops - np.arange(longest, 0, -1)[:, np.newaxis]
    columns = np.where(places >= starts, terms[np.maximum(places, 0)], 0)
    tails = _fold(_fold(columns, _FOLD), _SHORT_FOLD).astype("<u4")
    octets = tails.view(np.uint8).reshape(*tails.shape, 4).astype(np.intp)
    octets += 256 * np.arange(-4 * len(tails), 0).reshape(-1, 1, 4)
    effects = _byte_table().take(octets, mode="wrap")  # negative: from the end of the table
    found: NDArray[np.uint32] = np.bitwise_xor.reduce(np.bitwise_xor.reduce(effects), axis=1)
    return found
