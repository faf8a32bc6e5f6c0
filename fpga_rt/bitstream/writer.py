"""Writes configuration packets one after the other and keeps the CRC that is due."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.families import SERIES7, Family
from fpga_rt.arch.packets import (
    BUS_WIDTH,
    DUMMY,
    NOP,
    SYNC,
    TYPE1_MAX_WORDS,
    Command,
    Register,
    type1,
    type2,
)
from fpga_rt.bitstream.crc import REGISTER_TERM, crc_of_terms


class StreamWriter:
    """A configuration stream that grows; every method appends to it.

    The CRC follows the hardware: each register write counts, and it starts again at 0 after CMD
    RCRC and after every write to the CRC register.
    """

    def __init__(self, family: Family) -> None:
        """Begin an empty stream with the frame size of `family`."""
        self.family = family
        self._words: list[NDArray[np.uint32]] = []
        self._terms: list[NDArray[np.uint32]] = []

    def lead_in(self) -> None:
        """Write what tools write before the first packet, sync word included."""
        dummies = 8 if self.family is SERIES7 else 16
        self.raw(*(DUMMY,) * dummies, *BUS_WIDTH, DUMMY, DUMMY, SYNC)

    def raw(self, *words: int) -> None:
        """Write words that are no register write: dummies, a sync word, NOPs."""
        self._words.append(np.array(words, np.uint32))

    def nop(self, count: int = 1) -> None:
        """Write NOPs."""
        self._words.append(np.full(count, NOP, np.uint32))

    def write(self, register: int, *values: int) -> None:
        """Write values to a register with one type 1 packet."""
        self.data(register, np.array(values, np.uint32))

    def command(self, command: Command) -> None:
        """Give a command; RCRC starts the CRC again."""
        self.write(Register.CMD, command)
        if command == Command.RCRC:
            self._terms.clear()

    def control(self, register: int, mask: int, value: int) -> None:
        """Set the bits `mask` of CTL0 or CTL1 to those of `value`."""
        self.write(Register.MASK, mask)
        self.write(register, value)

    def crc(self) -> None:
        """Write the CRC of everything written since the last one."""
        terms = np.concatenate(self._terms) if self._terms else np.zeros(0, np.uint32)
        self.raw(type1(Register.CRC, 1), crc_of_terms(terms))
        self._terms.clear()

    def data(self, register: int, values: NDArray[np.uint32], long: bool = False) -> None:
        """Write (n,) uint32 to a register; a type 2 packet where n is large or `long` is set."""
        if long or len(values) > TYPE1_MAX_WORDS:
            self.raw(type1(register, 0), type2(len(values)))
        else:
            self.raw(type1(register, len(values)))
        self.block(values, values ^ REGISTER_TERM[register])

    def run(self, contents: NDArray[np.uint32], pads: int, long: bool = True) -> None:
        """Write (n, frame words) uint32 to consecutive frames, then `pads` frames of zeros."""
        words = np.zeros((len(contents) + pads, self.family.frame_words), np.uint32)
        words[: len(contents)] = contents
        self.data(Register.FDRI, words.reshape(-1), long)

    def block(self, words: NDArray[np.uint32], terms: NDArray[np.uint32]) -> None:
        """Append words as they are; `terms` is what they add to the CRC, see `crc_of_terms`."""
        self._words.append(words)
        self._terms.append(terms)

    def finish(self, nops: int) -> None:
        """End a segment: CRC, DESYNC and NOPs that push it through the port."""
        self.crc()
        self.command(Command.DESYNC)
        self.nop(nops)

    def words(self) -> NDArray[np.uint32]:
        """Return (n,) uint32: the stream so far."""
        return np.concatenate([np.zeros(0, np.uint32), *self._words])

    def to_bytes(self) -> bytes:
        """Return the stream so far as big-endian words, as in a .bin file."""
        return self.words().astype(">u4").tobytes()
