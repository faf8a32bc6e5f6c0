"""A board that is not as it is modelled: the emulator of another one under its name."""

from __future__ import annotations

from dataclasses import replace

from fpga_rt.arch.boards import Board
from fpga_rt.device.emulator import Emulator


class AlteredBoard(Emulator):
    """Behaves like one board, calls itself another, and its times measured.

    What is measured of it comes from how long things take; nothing tells its parameters.
    """

    def __init__(self, behaviour: Board, claimed: Board) -> None:
        self._behaviour = behaviour
        super().__init__(behaviour)
        self.capabilities = replace(
            self.capabilities, board=claimed, clock="wall", origin="measured"
        )

    @property
    def board(self) -> Board:
        return self._behaviour
