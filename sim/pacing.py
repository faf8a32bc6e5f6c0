"""How fast the memory behind each AXI4 port of the static region is."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from fpga_rt.arch import boards
from fpga_rt.arch.boards import Board

CONFIGURATION = "configuration"
"""The port that the configuration controller reads bitstreams through."""


@dataclass(frozen=True)
class Pacing:
    """How fast the memory behind a port is.

    Attributes:
        latency: compute clocks from a burst's address to its first beat; of a write, from its last
            beat to the response.
        per_beat: compute clocks that a beat costs.
    """

    latency: int = 1
    per_beat: Fraction = Fraction(1)

    @staticmethod
    def of(memory: boards.MemoryPort) -> Pacing:
        """Return the pacing of a board's memory."""
        return Pacing(memory.latency_cycles, Fraction(memory.numerator, memory.denominator))

    def stretched(self, beats: int, clocks: Fraction) -> Pacing:
        """Return the pacing with which `beats` beats take so many clocks, if that is slower."""
        per_beat = max(self.per_beat, clocks / beats)
        return Pacing(self.latency + round(per_beat - self.per_beat), per_beat)


@dataclass(frozen=True)
class MemoryPort:
    """An AXI4 port of the static region.

    Attributes:
        name: what its signals begin with.
        writes: whether it is the write half.
        pacing: of the memory behind it.
    """

    name: str
    writes: bool
    pacing: Pacing = Pacing()


def board_ports(board: Board) -> tuple[MemoryPort, ...]:
    """Return every AXI4 port of a board's static region, each as fast as the DRAM alone."""
    names = ["control", CONFIGURATION]
    names += [name for p in range(len(board.partitions)) for name in partition_ports(p)]
    pacing = Pacing.of(board.dram)
    return tuple(MemoryPort(name, name.endswith("_write"), pacing) for name in names)


def partition_ports(partition: int) -> tuple[str, ...]:
    """Return the names of a partition's ports."""
    return (
        f"features_{partition}_read",
        f"features_{partition}_write",
        f"parameters_{partition}",
    )
