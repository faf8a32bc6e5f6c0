"""The Alveo cards that kernels can be packaged for: what the floorplan does not say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """A card for the vendor tools.

    Attributes:
        part: its FPGA, as the tool names it.
        platform: what `v++ --platform` takes; another release of it may be installed.
        bank: the memory that holds everything, as `v++ --connectivity.sp` names it.
    """

    part: str
    platform: str
    bank: str


CARDS: Mapping[str, Card] = {
    "alveo-u200-xrt": Card("xcu200-fsgd2104-2-e", "xilinx_u200_gen3x16_xdma_2_202110_1", "DDR[1]"),
}
"""By name of the board: one partition, which XRT swaps whole."""
