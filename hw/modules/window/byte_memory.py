"""A memory that is written beat by beat and read at any byte."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from fpga_rt.contract.command import STREAM_BYTES
from hw.blocks.boundary import STREAM_BITS
from hw.blocks.pipeline import delay, stage

READ_CYCLES = 2 + 3
"""Clocks from an address to its bytes: to rows of banks, to their beats, and to turn these."""
_TURNS = 3
_BYTE_BITS = exact_log2(STREAM_BYTES)
_BANK_BEATS = 512
"""Of a block RAM whose words are a beat."""


class ByteMemory(wiring.Component):
    """Banks of beats, enough of them that neighbouring bytes lie in different banks.

    Where a bank, as deep as a block RAM, has room for more than its share, each beat is kept in
    several banks. A bank can then give any of as many beats, and fewer bytes have to be turned.

    Attributes:
        write: In, `beat` goes to `write_address` (in beats) when `write` is one.
        read_address: In, in bytes.
        bytes: Out, the bytes from the `read_address` of `READ_CYCLES` before on.
        inside: In, a bit for each of `bytes`, a clock before them: those that count.
        pad_value: In, what the others are replaced by; stable.
    """

    def __init__(self, lanes: int, depth_beats: int) -> None:
        """Make a memory that reads `lanes` bytes, at most 64, a clock; sizes are powers of two."""
        self._lanes = lanes
        self._depth = depth_beats
        super().__init__(
            {
                "write": In(1),
                "write_address": In(range(depth_beats)),
                "beat": In(STREAM_BITS),
                "read_address": In(range(depth_beats * STREAM_BYTES)),
                "bytes": Out(data.ArrayLayout(8, lanes)),
                "inside": In(lanes),
                "pad_value": In(8),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the banks, and what turns their bytes."""
        m = Module()
        banks = 2 * max(1, self._lanes // STREAM_BYTES)
        copies = min(banks, max(1, _BANK_BEATS * banks // self._depth))
        bits, share_bits = exact_log2(banks), exact_log2(banks // copies)
        first, written = self.read_address[_BYTE_BITS:], self.write_address
        words = []
        for bank in range(banks):
            memory = Memory(shape=STREAM_BITS, depth=copies * self._depth // banks, init=[])
            m.submodules[f"bank{bank}"] = memory
            write, read = memory.write_port(), memory.read_port()
            share, place = bank >> share_bits, bank % (1 << share_bits)
            if copies == 1:
                behind: Value = first[:bits] > bank
            else:
                behind = first[share_bits:bits] >= copies - share if share else Const(0)
            row = (first[bits:] + behind)[: exact_log2(self._depth // banks)]
            m.d.comb += [
                write.addr.eq(
                    Cat(written[bits:], (share - written[share_bits:bits])[: bits - share_bits])
                ),
                write.data.eq(self.beat),
                write.en.eq(self.write & (written[:share_bits] == place)),
                read.addr.eq(
                    stage(m, Cat(row, (-first[share_bits:bits])[: bits - share_bits]), f"row{bank}")
                ),
            ]
            words.append(read.data)
        self._turn(m, words, share_bits + _BYTE_BITS)
        return m

    def _turn(self, m: Module, words: list[Value], bits: int) -> None:
        """Turn the bytes of all banks until the wanted ones come first, a few places a clock."""
        window = [word[at : at + 8] for word in words for at in range(0, STREAM_BITS, 8)]
        distance = delay(m, self.read_address[:bits], READ_CYCLES - _TURNS)
        for taken in _parts(bits):
            low = len(distance) - taken
            turned = []
            for at in range(self._lanes + (1 << low) - 1):
                ways = [window[(at + (n << low)) % len(window)] for n in range(1 << taken)]
                byte = _choose(ways, distance[low:])
                if low == 0:
                    byte = Mux(self.inside[at], byte, self.pad_value)
                turned.append(stage(m, byte, "turned"))
            window = turned
            distance = stage(m, distance[:low], "distance")
        m.d.comb += [byte.eq(value) for byte, value in zip(self.bytes, window, strict=True)]


def _parts(bits: int) -> list[int]:
    """Return how many bits of a distance each of the clocks takes, the upper ones first."""
    return [-(-(bits - at) // _TURNS) for at in range(_TURNS)]


def _choose(ways: list[Value], number: Value) -> Value:
    """Return one of two or four ways.

    The first two and the last are paired such that no neighbour has the same pair: shared halves
    of a choice would take more tables than a table for each choice.
    """
    if len(ways) == 2:
        return Mux(number, ways[1], ways[0])
    outer, inner = Mux(number[1], ways[3], ways[0]), Mux(number[1], ways[2], ways[1])
    return Mux(number[0] ^ number[1], inner, outer)
