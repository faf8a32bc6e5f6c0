"""The boards that bitstreams can be built for: what the floorplan does not say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fpga_rt.arch.boards import Board
from fpga_rt.arch.boards import board as known
from fpga_rt.errors import PlanningError, ToolchainError
from hw.platform import clocking
from hw.platform.card import CARDS
from hw.platform.clocking import ClockPlan, Primitives, plan_clocks
from hw.platform.processor import MEMORY_PORTS, Processor, Zynq7000, ZynqUltraScale

_WORD_BYTES = 4
BLOCK, ULTRA = "block", "ultra"
"""Memories that a bank of the feature memory can be made of (UG901, RAM_STYLE)."""


@dataclass(frozen=True)
class Target:
    """A board for the vendor tool.

    Attributes:
        part: the FPGA with package and speed grade, as the tool names it.
        processor: makes the processor's primitive.
        clock_pin: of that primitive, the clock that everything is made of, as a path.
        primitives: the clocking primitives of its family.
        has_reset_option: whether a partial resets its region only when told to (7 series).
        feature_memory: what the feature memory is made of, `BLOCK` or `ULTRA`.
    """

    part: str
    processor: type[Processor]
    clock_pin: str
    primitives: Primitives
    has_reset_option: bool
    feature_memory: str

    def clocks(self, board: Board) -> ClockPlan:
        """Return the clocks of a board: that of its configuration port is the fastest it takes.

        Raises:
            ToolchainError: the MMCM cannot make them.
        """
        ceiling = board.ports["icap"].ceiling_bytes_per_second or 0
        return plan_clocks(board.clock_ps, ceiling // _WORD_BYTES, self.primitives)


_TARGETS: Mapping[str, Target] = {
    "pynq-z2": Target(
        "xc7z020clg400-1", Zynq7000, "processor/ps7/FCLKCLK[0]", clocking.SERIES7, True, BLOCK
    ),
    "kv260": Target(
        "xck26-sfvc784-2LV-c",
        ZynqUltraScale,
        "processor/ps8/PLCLK[0]",
        clocking.ULTRASCALE_PLUS,
        False,
        ULTRA,
    ),
}


def target(board: Board) -> Target:
    """Return what a board is for the vendor tool.

    Raises:
        ToolchainError: no target of that name is here.
        PlanningError: its floorplan is declared, so its partitions lie nowhere, or has more
            partitions than the processor has ports for.
    """
    if board.name not in _TARGETS:
        raise ToolchainError(
            f"no bitstreams can be built for {board.name}: expected one of"
            f" {', '.join(sorted({*_TARGETS, *CARDS}))}; {_remedy(board)}"
        )
    if board.estimate:
        names = ", ".join(p.name for p in board.partitions if p.is_estimate)
        raise PlanningError(
            f"floorplan of {board.name}: partitions {names} have declared figures and no columns,"
            " expected rectangles; give them in fpga_rt/arch/data/boards"
        )
    if len(board.partitions) >= MEMORY_PORTS:
        raise PlanningError(
            f"floorplan of {board.name}: got {len(board.partitions)} partitions, expected at most"
            f" {MEMORY_PORTS - 1}, since each needs a memory port of the processor; merge some"
        )
    return _TARGETS[board.name]


def _remedy(board: Board) -> str:
    """Return what to do about a board that no bitstreams can be built for."""
    same = [name for name in CARDS if known(name).device.name == board.device.name]
    if same:
        return f"for this card with all of it swapped by XRT take --board {same[0]}"
    return "add its processor and part to hw/platform/target.py"
