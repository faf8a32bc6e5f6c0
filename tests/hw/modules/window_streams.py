"""Commands for modules with a sliding window as what crosses their boundary."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fpga_rt.contract.command import COMMAND, Segment
from fpga_rt.modules.layer import Computed, Layer, Operands, Place, Tile
from fpga_rt.modules.module import Module
from tests.hw.modules.streams import Command, beats, row_pieces

Codes = NDArray[np.int8]


def layer_of(operation: Computed, shape: tuple[int, int, int], rule: object = None) -> Layer:
    """Return a layer of an operation on an input (H, W, C), with an addition fused or none."""
    return Layer("layer", operation, shape, operation.output_shape(shape), rule)  # type: ignore[arg-type]


def fields_of(module: Module, layer: Layer, tile: Tile, gaps: tuple[int, int]) -> dict[str, int]:
    """Return the descriptor of a tile, the pixels `gaps` bytes apart (of input, of output)."""
    source = Place(Segment.INPUT, 0, layer.input_shape)
    target = Place(Segment.OUTPUT, 0, layer.output_shape)
    fields = module.command(layer, tile, Operands(source, target, target))
    for side, gap in zip(("input", "output"), gaps, strict=True):
        fields[f"{side}_pixel_pitch"] += gap
    return fields


def make_window_command(
    module: Module,
    layer: Layer,
    tensors: list[Codes],
    gaps: tuple[int, int] = (0, 0),
    changes: Mapping[str, int] | None = None,
) -> Command:
    """Return the command that computes a layer of one tile.

    Args:
        module: the host half, which packs the parameters.
        layer: what is computed.
        tensors: the input and, where there is one, the residual, int8 (H, W, C).
        gaps: bytes between pixels of the input, and of the output and the residual.
        changes: fields of the descriptor to be other than they should.
    """
    (tile,) = module.tiles(layer)
    fields = fields_of(module, layer, tile, gaps)
    parameters = module.parameters(layer, tile)
    expected = layer.operation.apply(*(t[None] for t in tensors[: _operands(layer)]))[0]
    if layer.addition is not None:
        expected = layer.addition.apply(expected, tensors[1])
    given = [
        piece
        for y in range(fields["output_height"])
        for piece in _added(layer, fields, tensors, gaps, y)
    ]
    taken = [piece for row in expected for piece in row_pieces(row, gaps[1] == 0)]
    return Command(
        beats(COMMAND.encode({**fields, **(changes or {})})),
        beats(parameters.table) + beats(parameters.weights),
        [beat for piece in given for beat in beats(piece)],
        [beat for piece in taken for beat in beats(piece)],
        [min(8, len(piece) - at) for piece in taken for at in range(0, len(piece), 8)],
    )


def _operands(layer: Layer) -> int:
    return 2 if layer.has_residual and layer.addition is None else 1


def _added(
    layer: Layer, fields: Mapping[str, int], tensors: list[Codes], gaps: tuple[int, int], y: int
) -> list[bytes]:
    """Return the pieces that output row `y` adds: rows of the input, the row of the residual."""
    (kernel, _), (stride, _), (top, _, _, _) = layer.window
    height = layer.input_shape[0]
    before = 0 if y == 0 else min(height, (y - 1) * stride + kernel - top)
    after = min(height, y * stride + kernel - top)
    width = fields["input_width"]
    rows = [(tensors[0][row, :width], gaps[0]) for row in range(before, after)]
    if layer.has_residual:
        rows.append((tensors[1][y], gaps[1]))
    return [piece for row, gap in rows for piece in row_pieces(row, gap == 0)]
