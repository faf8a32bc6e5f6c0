"""Tiles of layers in which an output channel reads only the input channel of its number.

Such a layer may be cut by channels and by columns. A column tile reads again what its windows share
with the tile before, and a channel tile reads rows in a piece for each pixel, so the fewest tiles
are the best.
"""

from __future__ import annotations

from fpga_rt.contract.command import STREAM_BYTES
from fpga_rt.modules.geometry import ceil_divide
from fpga_rt.modules.layer import Layer, Tile, split
from fpga_rt.modules.window_cycles import LINE_BYTES
from fpga_rt.modules.window_limits import (
    columns_in_line_memory,
    columns_of_results,
    window_refusal,
)


def channel_refusal(layer: Layer, lanes: int) -> str | None:
    """Return why no tile of a layer fits a module of `lanes` channel lanes, None if one does."""
    if _columns(layer, lanes) < 1:
        return f"its window exceeds the line memory of {LINE_BYTES} bytes"
    return window_refusal(layer)


def channel_tiles(layer: Layer, lanes: int, most_channels: int) -> tuple[Tile, ...]:
    """Cut a layer into the fewest tiles of at most `most_channels` that fit line and row memory.

    Args:
        layer: one that `channel_refusal` does not refuse.
        lanes: tiles have a multiple of them, but the last.
        most_channels: that table and weights leave, at least `lanes`.
    """
    _, width, depth = layer.output_shape
    choices = []
    for groups in range(1, min(most_channels // lanes, ceil_divide(depth, lanes)) + 1):
        columns = min(width, _columns(layer, groups * lanes))
        if columns >= 1:
            count = ceil_divide(depth, groups * lanes) * ceil_divide(width, columns)
            choices.append((count, -groups, columns))
    _, groups, columns = min(choices)
    return split(layer, -groups * lanes, columns)


def _columns(layer: Layer, channels: int) -> int:
    """Return how many output columns of so many channels fit, whole pixels to a beat."""
    beats = ceil_divide(min(channels, layer.output_shape[2]), STREAM_BYTES)
    return min(
        columns_in_line_memory(layer, beats * STREAM_BYTES),
        columns_of_results(beats * STREAM_BYTES),
    )
