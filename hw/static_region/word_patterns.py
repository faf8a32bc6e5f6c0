"""Patterns of words, and a way to compare a word with many of them at once.

A pattern is 32 characters, the highest bit first: 0, 1, or - where the bit may be either.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from amaranth.hdl import Cat, Module, Signal, Value

from fpga_rt.arch.packets import TYPE1_MAX_WORDS, TYPE2_MAX_WORDS, type1, type2
from hw.static_region.frame_windows import FarWindow

_PIECES = (0, 7, 12, 17, 22, 27, 32)
"""Where a word is cut: few patterns differ in more than two pieces."""


def exactly(word: int, free: int = 0) -> str:
    """Return the pattern of a word of which the bits in `free` may be anything."""
    return "".join("-" if free >> n & 1 else str(word >> n & 1) for n in reversed(range(32)))


def short(register: int) -> str:
    """Return the pattern of the headers of type 1 that write to a register."""
    return exactly(type1(register, 0), free=TYPE1_MAX_WORDS)


def long() -> str:
    """Return the pattern of the headers of type 2 that write."""
    return exactly(type2(0), free=TYPE2_MAX_WORDS)


def blocks(window: FarWindow) -> Iterator[str]:
    """Yield patterns that cover a window: the longest blocks that start at a multiple of theirs.

    A comparison of numbers would be a carry chain with logic on either side.
    """
    low = window.low
    while low <= window.high:
        free = ((low & -low) or 1 << 32).bit_length() - 1
        while low + (1 << free) - 1 > window.high:
            free -= 1
        yield f"{low >> free:0{32 - free}b}"[: 32 - free] + "-" * free
        low += 1 << free


class WordPieces:
    """Compares a word with patterns, a clock after it came.

    Its pieces are compared in the clock in which it comes, once for all patterns that share them.
    """

    def __init__(self, m: Module, word: Value) -> None:
        """Compare `word` in `m`."""
        self._m, self._word = m, word
        self._found: dict[tuple[int, str], Value] = {}

    def match(self, *patterns: str) -> Value:
        """Tell whether the word of a clock ago has one of the patterns."""
        return Cat(self._matches(pattern) for pattern in patterns).any()

    def _matches(self, pattern: str) -> Value:
        parts = [(start, pattern[32 - end : 32 - start]) for start, end in pairwise(_PIECES)]
        for start, part in parts:
            if (start, part) not in self._found:
                found = self._word[start : start + len(part)].matches(part)
                self._found[start, part] = delayed(self._m, found)
        return Cat(self._found[part] for part in parts).all()


def delayed(m: Module, value: Value) -> Signal:
    """Return what a value was a clock ago; it is not reset."""
    later = Signal.like(value, reset_less=True)
    m.d.sync += later.eq(value)
    return later
