"""Packing undone, and the tables' numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpga_rt.arithmetic.operations import Convolution, Dense, DepthwiseConvolution
from fpga_rt.contract.command import Segment
from fpga_rt.contract.table import Table
from fpga_rt.modules import parameters
from fpga_rt.modules.convolution import ConvolutionModule
from fpga_rt.modules.dense import DenseModule
from fpga_rt.modules.depthwise import DepthwiseModule
from fpga_rt.modules.layer import Layer, Operands, Place, Tile
from fpga_rt.modules.module import Module
from tests.device.layers import layers, requantisation


def fields_of(module: Module, layer: Layer, tile: Tile) -> dict[str, int]:
    place = Place(Segment.INPUT, 0, layer.input_shape)
    return module.command(
        layer, tile, Operands(place, Place(Segment.OUTPUT, 0, layer.output_shape))
    )


@given(st.binary(min_size=1, max_size=40))
def test_int4_halves_are_signed_and_the_even_one_is_low(data: bytes) -> None:
    weights = parameters.unpack_weights(data, 4)
    signed = [n - 16 if n > 7 else n for byte in data for n in (byte & 15, byte >> 4)]
    assert weights.tolist() == signed
    assert parameters.pack_weights(weights, 4) == data


@pytest.mark.parametrize("lanes", [(2, 4), (4, 16), (8, 16), (16, 32)])
@given(layer=layers(Convolution))
def test_convolution_weights_survive_packing(lanes: tuple[int, int], layer: Layer) -> None:
    module = ConvolutionModule(*lanes)
    assert isinstance(layer.operation, Convolution)
    for tile in module.tiles(layer):
        packed = module.pack(layer, tile)
        fields = fields_of(module, layer, tile)
        assert len(packed) == module.weights_bytes(fields)  # what the gateware will fetch
        restored = module._unpack(packed, tuple(fields.items()))
        assert (restored == layer.operation.weights[slice(*tile.channels)]).all()


@pytest.mark.parametrize("lanes", [2, 16])
@given(layer=layers(DepthwiseConvolution))
def test_depthwise_weights_survive_packing(lanes: int, layer: Layer) -> None:
    module = DepthwiseModule(lanes)
    assert isinstance(layer.operation, DepthwiseConvolution)
    for tile in module.tiles(layer):
        fields = fields_of(module, layer, tile)
        restored = module._unpack(module.pack(layer, tile), tuple(fields.items()))
        assert (restored == layer.operation.weights[:, :, slice(*tile.channels)]).all()


@pytest.mark.parametrize("lanes", [2, 8])
@given(layer=layers(Dense))
def test_dense_weights_survive_packing(lanes: int, layer: Layer) -> None:
    module = DenseModule(lanes)
    assert isinstance(layer.operation, Dense)
    for tile in module.tiles(layer):
        fields = fields_of(module, layer, tile)
        restored = module._unpack(module.pack(layer, tile), tuple(fields.items()))
        part = layer.operation.weights[slice(*tile.channels)]
        assert (restored[:, 0, 0] == part).all()


def test_convolution_words_hold_a_weight_for_every_lane_pair() -> None:
    """Two outputs, three columns and two channels on 2x8 lanes: the columns share one word.

    A word is a beat for each chain of four inputs, whose two outputs lie side by side.
    """
    weights = np.arange(1, 13, dtype=np.int8).reshape(2, 1, 3, 2)
    rule = requantisation(np.random.default_rng(1), 2, 1 << 16)
    operation = Convolution(weights, np.zeros(2, np.int32), rule)
    layer = Layer("small", operation, (1, 3, 2), (1, 1, 2))
    words = np.frombuffer(ConvolutionModule(2, 8).pack(layer, Tile((0, 2), (0, 1))), np.int8)
    assert words.tolist() == [1, 7, 2, 8, 3, 9, 4, 10, 5, 11, 6, 12, 0, 0, 0, 0]


def test_an_int4_word_holds_two_steps() -> None:
    """Two outputs, two steps of two inputs: a beat with four nibbles of each, two lanes idle."""
    weights = np.array([[1, 2, 3, -4], [5, 6, -7, 7]], np.int8).reshape(2, 1, 2, 2)
    rule = requantisation(np.random.default_rng(1), 2, 1 << 16)
    operation = Convolution(weights, np.zeros(2, np.int32), rule, weight_bits=4)
    layer = Layer("small", operation, (1, 2, 2), (1, 1, 2))
    packed = ConvolutionModule(2, 2).pack(layer, Tile((0, 2), (0, 1)))
    assert packed == bytes([0x51, 0x62, 0, 0, 0x93, 0x7C, 0, 0])


@given(layer=layers(Convolution))
def test_tables_hold_bias_rule_and_addition(layer: Layer) -> None:
    table = Table.decode(parameters.make_table(layer).encode())
    operation = layer.operation
    assert isinstance(operation, Convolution)
    again = parameters.requantisation(table)
    rule = operation.requantisation
    assert (table.bias == operation.bias).all()
    assert (again.multiplier == rule.multiplier).all()
    assert (again.shift == rule.shift).all()
    assert (again.zero_point, again.low, again.high) == (rule.zero_point, rule.low, rule.high)
    assert again.pre_shift == rule.pre_shift
    assert table.header["pad_value"] == operation.pad_value
    if layer.addition is not None:
        assert parameters.addition_rule(table) == layer.addition
