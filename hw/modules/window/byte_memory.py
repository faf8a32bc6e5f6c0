"""A memory that is written beat by beat and read at any byte."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Value
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


class ByteMemory(wiring.Component):
    """Banks of beats, enough of them that neighbouring bytes lie in different banks.

    Attributes:
        write: In, `beat` goes to `write_address` (in beats) when `write` is one.
        read_address: In, in bytes.
        bytes: Out, the bytes from the `read_address` of `READ_CYCLES` before on.
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
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the banks, the rotation by beats and the shift by bytes."""
        m = Module()
        beats = max(1, self._lanes // STREAM_BYTES)
        bits = exact_log2(2 * beats)
        first = self.read_address[_BYTE_BITS:]
        words = []
        for bank in range(2 * beats):
            memory = Memory(shape=STREAM_BITS, depth=self._depth >> bits, init=[])
            m.submodules[f"bank{bank}"] = memory
            write, read = memory.write_port(), memory.read_port()
            behind = (first[:bits] > bank) if bank + 1 < 2 * beats else 0
            m.d.comb += [
                write.addr.eq(self.write_address[bits:]),
                write.data.eq(self.beat),
                write.en.eq(self.write & (self.write_address[:bits] == bank)),
                read.addr.eq(stage(m, (first[bits:] + behind)[: len(read.addr)], f"row{bank}")),
            ]
            words.append(read.data)
        self._turn(m, words)
        return m

    def _turn(self, m: Module, words: list[Value]) -> None:
        """Turn the bytes of all banks until the wanted ones come first, a few places a clock."""
        window = [word[at : at + 8] for word in words for at in range(0, STREAM_BITS, 8)]
        distance = delay(m, self.read_address[: exact_log2(len(window))], READ_CYCLES - _TURNS)
        for bits in _parts(len(distance)):
            low = len(distance) - bits
            needed = self._lanes + (1 << low) - 1
            turned = []
            for at in range(needed):
                choices = [
                    window[(at + (steps << low)) % len(window)] for steps in range(1 << bits)
                ]
                turned.append(stage(m, _choose(choices, distance[low:]), "turned"))
            window = turned
            distance = stage(m, distance[:low], "distance")
        m.d.comb += [byte.eq(value) for byte, value in zip(self.bytes, window, strict=True)]


def _parts(bits: int) -> list[int]:
    """Return how many bits of a distance each of the clocks takes, the upper ones first."""
    return [-(-(bits - at) // _TURNS) for at in range(_TURNS)]


def _choose(choices: list[Value], number: Value) -> Value:
    """Return one of some values, a power of two of them."""
    while len(choices) > 1:
        choices = [
            Mux(number[0], odd, even) for even, odd in zip(*[iter(choices)] * 2, strict=True)
        ]
        number = number[1:]
    return choices[0]
