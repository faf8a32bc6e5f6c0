"""What others report, and what this project is held to: shown beside a study's figures.

A peer's figure was measured on another device for another network; it says where the field stands,
not who is faster.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Yardstick:
    """A goal and what others report.

    Attributes:
        goal: what this project is held to.
        peers: what others report, and where.
    """

    goal: str
    peers: str


SWAP = Yardstick(
    "<= 2.9 ms by ICAP for 1.03 MB",
    "110-170 ms of an update (Kang and Park, Sensors 25(24), 7448, 2025); 19-24 ms of Python"
    " before a byte moves (PYNQ `pr_download`)",
)
HIDDEN = Yardstick(">= 99 % of what the exact planner hides", "0 % on demand")
GAP = Yardstick(
    "mean <= 1 %, worst <= 3 % above the optimum where it is proven",
    "57 % (LRU on demand), 40 % (Belady on demand) above the best on random traces",
)
BOUND = Yardstick(
    "printed with every schedule: the optimum lies between",
    "57 % (LRU on demand), 40 % (Belady on demand) above the best on random traces",
)
STATIC = Yardstick(
    "above 1 where reconfiguration pays",
    "fpgaConvNet v1.1 changes a network by a full bitstream: 28-32 ms at the port's rate",
)
FULL = Yardstick(
    "above 1 where swapped modules pay",
    "fpgaConvNet v1.1: three designs for an XC7Z020, a full bitstream of 4.05 MB each",
)
UPDATE = Yardstick(
    "<= 1 ms for any request, none dropped or mixed",
    "27 % of the parameters sent and 110-170 ms (Kang and Park, Sensors 25(24), 7448, 2025; board,"
    " model, what crosses their link and what those times include are not known)",
)
IMAGE = Yardstick(
    "<= 0.41 ms for ResNet8, 0.32 ms for DS-CNN, 9.5 ms for VWW (warm)",
    "fpgaConvNet v1.1 on XC7Z020: 0.411, 0.324 and 9.49 ms, one full bitstream each",
)
