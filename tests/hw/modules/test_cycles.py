"""How long a command lasts between a reader and a writer, clock by clock.

Both lose a clock at each piece that does not lie on whole beats: the reader before it, the writer
behind it. `flow` is the formula that the modules are held to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from fpga_rt.modules.elementwise import ElementwiseModule
from hw.modules.elementwise import collector
from hw.modules.elementwise.elementwise import FAMILIES, rtl
from tests.hw.modules.streams import Bench
from tests.hw.modules.test_elementwise import START_CLOCKS, random_command


@dataclass(frozen=True)
class Rows:
    """Rows of one tensor: contiguous or not, and 1 where its pieces lose a clock."""

    shape: tuple[int, int, int]
    whole: bool
    lost: int

    @property
    def pieces(self) -> tuple[int, int]:
        """Pieces of a row, and bytes of one."""
        _, width, channels = self.shape
        return (1, width * channels) if self.whole or width == 1 else (width, channels)

    @property
    def clocks(self) -> int:
        """Clocks that a row takes to read or to write."""
        pieces, size = self.pieces
        return pieces * (-(-size // 8) + self.lost)

    def losses(self, before: bool) -> list[int]:
        """Return the clocks lost before or behind each beat of a row."""
        pieces, size = self.pieces
        rest = [0] * (-(-size // 8) - 1)
        return ([self.lost, *rest] if before else [*rest, self.lost]) * pieces


def flow(lanes: int, source: Rows, residual: Rows | None, target: Rows) -> int:
    """Return the clocks from the first beat that could come to the last that is written.

    The latency of the module is not among them.
    """
    height, width, channels = source.shape
    chunks = width * channels // lanes

    def closing(rows: Rows) -> int:
        return (rows.pieces[1] // lanes - 1) % (8 // lanes)

    opening = min(target.pieces[1], 8) // lanes - 1
    if residual is None:
        return max(
            source.lost + height * chunks + target.lost,
            height * source.clocks + closing(source) + target.lost,
            source.lost + opening + height * target.clocks,
        )
    reads = height * source.clocks + (height - 1) * residual.clocks
    takes = max(source.lost + (2 * height - 1) * chunks, reads + closing(source))
    begins = max(takes, reads + residual.lost)
    return max(
        begins + chunks + target.lost,
        reads + residual.clocks + closing(residual) + target.lost,
        begins + opening + target.clocks,
    )


@pytest.mark.parametrize("seed", range(12))
def test_lasts_as_long_as_the_formula_says(seed: int) -> None:
    random = np.random.default_rng(seed)
    family = ("scale", "add", "clamp")[seed % 3]
    lanes = (2, 8)[seed % 2]
    shape = (
        int(random.integers(1, 4)),
        int(random.integers(1, 6)),
        lanes * int(random.integers(1, 5)),
    )
    wholes = random.integers(0, 2, 2).astype(bool)
    lost = [int(n) for n in random.integers(0, 2, 3)]
    source = Rows(shape, bool(wholes[0]), lost[0])
    residual = Rows(shape, bool(wholes[1]), lost[1]) if family == "add" else None
    target = Rows(shape, bool(wholes[1]), lost[2])
    command = random_command(family, shape, (int(not wholes[0]), int(not wholes[1])), seed)
    reading = [*source.losses(True), *(residual.losses(True) if residual else [])] * shape[0]
    bench = Bench(
        rtl(ElementwiseModule(family, lanes)), paces=(reading, target.losses(False) * shape[0])
    )
    log = bench.play([command])
    latency = FAMILIES[family][1].latency_cycles + collector.LATENCY_CYCLES
    ends = log.output_clocks[-1] + 1 + target.lost
    expected = flow(lanes, source, residual, target)
    assert ends - (log.starts[0] + START_CLOCKS) == latency + expected
