"""Rows, beats and cycles of a command's tensors, from its descriptor alone.

Loads and stores move whole 8-byte beats; a stream whose start or pitch is not a multiple of eight
bytes takes one beat more for each of its contiguous pieces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fpga_rt.arch.boards import MemoryPort
from fpga_rt.contract import sequencer
from fpga_rt.contract.command import STREAM_BYTES, CommandFlag
from fpga_rt.modules.layer import Layer, Operands, Tile

Fields = Mapping[str, int]


@dataclass(frozen=True)
class Ports:
    """The memory behind each stream of a command."""

    input: MemoryPort
    output: MemoryPort
    residual: MemoryPort
    parameters: MemoryPort


def describe(layer: Layer, tile: Tile, operands: Operands, per_channel: bool) -> dict[str, int]:
    """Return the descriptor's fields for a tile, without operation, flags and waits.

    Args:
        layer: what is computed.
        tile: the part of its output.
        operands: where everything lies.
        per_channel: an output channel reads only the input channel of its own number.
    """
    (kernel_y, kernel_x), (stride_y, stride_x), (top, _, left, _) = layer.window
    channels, columns = tile.channels[1] - tile.channels[0], tile.columns[1] - tile.columns[0]
    first = tile.columns[0] * stride_x - left
    start = max(first, 0)
    end = min(layer.input_shape[1], first + (columns - 1) * stride_x + kernel_x)
    source, target = operands.input, operands.output
    residual = operands.residual
    return {
        "input": source.at(start, tile.channels[0] if per_channel else 0),
        "output": target.at(tile.columns[0], tile.channels[0]),
        "residual": residual.at(tile.columns[0], tile.channels[0]) if residual else 0,
        "weights": operands.weights,
        "table": operands.table,
        "input_height": layer.input_shape[0],
        "input_width": end - start,
        "input_channels": channels if per_channel else layer.input_shape[2],
        "input_pixel_pitch": source.pixel_pitch if layer.input_shape[1] > 1 else 0,
        "output_height": layer.output_shape[0],
        "output_width": columns,
        "output_channels": channels,
        "output_pixel_pitch": target.pixel_pitch if layer.output_shape[1] > 1 else 0,
        "kernel_height": kernel_y,
        "kernel_width": kernel_x,
        "stride_y": stride_y,
        "stride_x": stride_x,
        "input_row_pitch": source.row_pitch if layer.input_shape[0] > 1 else 0,
        "output_row_pitch": target.row_pitch if layer.output_shape[0] > 1 else 0,
        "pad_top": top,
        "pad_left": max(-first, 0),
    }


def ceil_divide(a: int, b: int) -> int:
    """Return a / b rounded up."""
    return -(-a // b)


def row_beats(start: int, width: int, channels: int, pixel_pitch: int, row_pitch: int) -> int:
    """Return the beats of one row: one contiguous piece, or a piece for each pixel."""
    contiguous = width == 1 or pixel_pitch == channels
    pieces, size = (1, width * channels) if contiguous else (width, channels)
    pitches = start | row_pitch | (0 if contiguous else pixel_pitch)
    return pieces * (ceil_divide(size, STREAM_BYTES) + (pitches % STREAM_BYTES != 0))


def parameter_cycles(fields: Fields, port: MemoryPort) -> int:
    """Return the cycles until the table is in, and the weights unless they are streamed."""
    streamed = fields["flags"] & CommandFlag.STREAMED_WEIGHTS
    beats = fields["table_beats"] + (0 if streamed else fields["weights_beats"])
    return sequencer.parameter_cycles(port, beats)


def input_row_beats(fields: Fields) -> int:
    """Return the beats of one input row."""
    return row_beats(
        fields["input"],
        fields["input_width"],
        fields["input_channels"],
        fields["input_pixel_pitch"],
        fields["input_row_pitch"],
    )


def output_row_beats(fields: Fields, start: str = "output") -> int:
    """Return the beats of one output row (or of the residual's row)."""
    return row_beats(
        fields[start],
        fields["output_width"],
        fields["output_channels"],
        fields["output_pixel_pitch"],
        fields["output_row_pitch"],
    )


def rows_after(fields: Fields) -> list[int]:
    """Return, for each output row, how many input rows must have been loaded."""
    height, reach = fields["input_height"], fields["kernel_height"] - fields["pad_top"]
    return [
        min(height, max(0, y * fields["stride_y"] + reach)) for y in range(fields["output_height"])
    ]


def is_fused(fields: Fields) -> bool:
    """Tell whether a command adds a residual after requantising."""
    return bool(fields["flags"] & CommandFlag.FUSED_ADDITION)


def weight_bits(fields: Fields) -> int:
    """Return the width of a weight in memory."""
    return 4 if fields["flags"] & CommandFlag.WEIGHTS_INT4 else 8
