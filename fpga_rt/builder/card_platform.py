"""Platforms: what the kernels of a card are linked with."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from fpga_rt.arch.boards import Board
from fpga_rt.errors import PlanningError

_NAME = re.compile(r"[\w./][\w./+-]*", re.ASCII)
_FILE_SUFFIX = ".xpfm"


def is_of_card(platform: str, board: Board) -> bool:
    """Tell whether a platform, by its name or file, is one of a board's card.

    Names have vendor, card, shell and release: `xilinx_u200_gen3x16_xdma_2_202110_1`.
    """
    return card_model(board) in PurePosixPath(platform).name.removesuffix(_FILE_SUFFIX).split("_")


def card_model(board: Board) -> str:
    """Return what the names of a card's platforms call it: `u200` of the XCU200."""
    return board.device.name.removeprefix("xc")


def check_platform(platform: str, board: Board) -> None:
    """Refuse what cannot be the name or file of a platform of a board's card.

    Raises:
        PlanningError: it is none, or one of another card.
    """
    if not _NAME.fullmatch(platform):
        raise PlanningError(
            f"got platform {platform!r}, expected a name of letters, digits and _ . + - or the path"
            f" of an {_FILE_SUFFIX} of these; `platforminfo --list` says which are installed"
        )
    if not is_of_card(platform, board):
        raise PlanningError(
            f"got platform {platform}, expected one of {board.name}, with {card_model(board)} in"
            " its name; `platforminfo --list` says which are installed"
        )
