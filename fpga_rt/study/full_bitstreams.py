"""A rival that swaps whole designs: a static design for each network, full bitstreams to change.

Each network has the best static design of the same area to itself, and is as fast as that allows.
Whenever the next request is of another network, the whole device is configured: nothing computes
meanwhile, so nothing of a load is hidden. A full bitstream cannot go through the ICAP, whose
controller it would overwrite; it goes through the port of the processor, or of the card's shell.
The static region is part of every such design, so nothing but the load comes between two requests.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from fpga_rt.arch.boards import Board
from fpga_rt.arch.partials import full_bytes

_OUTSIDE = ("pcap", "xclbin")
"""Ports that survive a full bitstream."""


def full_load_ps(board: Board, ratio: float = 1.0) -> int | None:
    """Return what a full bitstream takes, None where the port or the geometry is not known.

    Args:
        board: its ports, and the device's size.
        ratio: of the bitstream's size to the uncompressed one.
    """
    port = next((board.ports[name] for name in _OUTSIDE if name in board.ports), None)
    if port is None:
        return None
    if port.name == "xclbin":  # a partition is all that the user may change of a card
        return port.load_ps(round(ratio * board.partitions[0].bitstream_bytes))
    size_bytes = full_bytes(board.device)
    return None if size_bytes is None else port.load_ps(round(ratio * size_bytes))


def full_bitstreams_ps(
    names: Sequence[str], load_ps: int | None, alone_ps: Callable[[str], int | None]
) -> int | None:
    """Return what requests of some networks take one after the other.

    The first network's design is there already, as the static design is and the static region of
    swapped modules: only changes are charged.

    Args:
        names: network of each request.
        load_ps: of a full bitstream, None if there is no figure.
        alone_ps: latency of a request on the network's own static design, None if it does not fit.
    """
    latencies = {name: alone_ps(name) for name in dict.fromkeys(names)}
    known = [latencies[name] for name in names]
    if load_ps is None or None in known:
        return None
    changes = sum(before != after for before, after in itertools.pairwise(names))
    return changes * load_ps + sum(latency or 0 for latency in known)
