"""Tiles by channels and columns cover a layer, fit the memories, and are few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpga_rt.arithmetic.operations import MaximumPool
from fpga_rt.contract.command import Segment
from fpga_rt.modules.channel_tiles import channel_refusal, channel_tiles
from fpga_rt.modules.layer import Layer, Operands, Place
from fpga_rt.modules.pooling import PoolingModule
from fpga_rt.modules.window_limits import require_computable

sizes = st.sampled_from([1, 2, 7, 20, 130, 700, 3000])


def pooling_layer(kernel: tuple[int, int], stride: int, shape: tuple[int, int, int]) -> Layer:
    """Return a layer without padding."""
    operation = MaximumPool(kernel, (stride, stride))
    return Layer("layer", operation, shape, operation.output_shape(shape))


@given(
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.integers(1, 4),
    st.tuples(st.integers(0, 9), sizes, sizes),
    st.sampled_from([2, 8, 32]),
    st.booleans(),
)
def test_tiles_cover_a_layer_and_fit(
    kernel: tuple[int, int], stride: int, more: tuple[int, int, int], lanes: int, apart: bool
) -> None:
    shape = (kernel[0] + more[0], kernel[1] + more[1] - 1, more[2])
    layer = pooling_layer(kernel, stride, shape)
    assert channel_refusal(layer, lanes) is None
    tiles = channel_tiles(layer, lanes, 256)
    covered = np.zeros(layer.output_shape[1:], int)
    module = PoolingModule(8)
    for tile in tiles:
        assert (tile.channels[0] % lanes, tile.channels[1] - tile.channels[0] <= 256) == (0, True)
        covered[slice(*tile.columns), slice(*tile.channels)] += 1
        fields = module.command(
            layer,
            tile,
            Operands(
                Place(Segment.INPUT, 0, layer.input_shape),
                Place(Segment.OUTPUT, 0, layer.output_shape),
            ),
        )
        for side in ("input", "output"):
            fields[f"{side}_pixel_pitch"] += apart
        require_computable(fields, module.name)
    assert (covered == 1).all()


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ((48, 48, 8), 1),  # the first depthwise layers of VWW and DS-CNN fit as they are
        ((25, 5, 64), 1),
        ((24, 24, 64), 1),
        ((12, 12, 128), 1),
        ((3, 4000, 8), 16),  # 254 columns of 256 beats: rows of results are the limit
        ((6, 6, 600), 3),  # the table's 256 channels
    ],
)
def test_layers_are_cut_into_few_tiles(shape: tuple[int, int, int], count: int) -> None:
    assert len(channel_tiles(pooling_layer((3, 3), 1, shape), 8, 256)) == count


def test_refuses_what_no_tile_fits() -> None:
    layer = pooling_layer((1, 3000), 1, (4, 3000, 8))
    assert channel_refusal(layer, 8) == "its window exceeds the line memory of 16384 bytes"
    operation = MaximumPool((2, 2), (1, 1), (2, 0, 0, 0))
    padded = Layer("layer", operation, (4, 4, 8), operation.output_shape((4, 4, 8)))
    assert "padding of 2, 0 is not smaller than the kernel" in str(channel_refusal(padded, 8))
