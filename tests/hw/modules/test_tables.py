"""What a table may hold: the gateware of every family and its host half read the same from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fpga_rt.arithmetic.operations import (
    Addition,
    AveragePool,
    Convolution,
    Dense,
    DepthwiseConvolution,
    MaximumPool,
)
from fpga_rt.arithmetic.requantise import AdditionRule, Requantisation
from fpga_rt.contract.command import COMMAND
from fpga_rt.modules.layer import Computed, Layer
from hw.modules.registry import gateware
from tests.device.programs import module_named
from tests.hw.modules.refusals import gateware_refuses, host_refuses
from tests.hw.modules.streams import Bench, Command, beats, row_pieces
from tests.hw.modules.window_streams import fields_of, layer_of

Codes = NDArray[np.int8]
CHANNELS = 4
PRE_SHIFT_BYTE = 3
"""Of a table: word 0, bits 24 to 31 (docs/reference)."""


def scaled(bits: int) -> tuple[NDArray[np.int32], Requantisation]:
    """Return biases of some bits, and a rule that brings numbers of 24 bits to a code."""
    random = np.random.default_rng(bits)
    bias = random.integers(-(1 << bits), 1 << bits, CHANNELS).astype(np.int32)
    return bias, Requantisation(np.full(CHANNELS, 1 << 22), np.full(CHANNELS, 38), 3)


def operation_of(family: str, bits: int) -> Computed:
    """Return what a family computes, with biases of some bits."""
    random = np.random.default_rng(0)
    if family == "add":
        return Addition(AdditionRule.from_scales((0.7, 0.9), (-3, 8), 2))
    if family == "clamp":
        return MaximumPool((1, 1))
    if family == "convolution":
        weights = random.integers(-127, 128, (CHANNELS, 1, 2, CHANNELS), np.int8)
        return Convolution(weights, *scaled(bits))
    if family == "dense":
        return Dense(random.integers(-127, 128, (CHANNELS, 8), np.int8), *scaled(bits))
    if family == "depthwise":
        weights = random.integers(-127, 128, (2, 1, CHANNELS), np.int8)
        return DepthwiseConvolution(weights, *scaled(bits))
    return AveragePool((1, 1), *scaled(bits))


def layer_for(family: str, bits: int = 20) -> Layer:
    """Return a small layer of a family."""
    shape = (1, 1, 8) if family == "dense" else (2, 3, CHANNELS)
    return layer_of(operation_of(family, bits), shape)


FAMILIES = ("convolution_2x2", "depthwise_2", "pooling_2", "dense_2", "scale_2", "add_2", "clamp_2")


@pytest.mark.parametrize(
    ("name", "pre_shift"),
    [*((name, 16) for name in FAMILIES), ("pooling_2", 15), ("dense_2", 15), ("scale_2", 128)],
)
def test_a_shift_of_more_than_fifteen_is_refused(name: str, pre_shift: int) -> None:
    module = module_named(name)
    layer = layer_for(module.family)
    (tile,) = module.tiles(layer)
    fields = fields_of(module, layer, tile, (0, 0))
    parameters = module.parameters(layer, tile)
    table = bytearray(parameters.table)
    table[PRE_SHIFT_BYTE] = pre_shift
    given = bytes(table) + parameters.weights
    streams = module.streams_weights
    refused = gateware_refuses(gateware(module), fields, given, streams=streams)
    assert refused == (pre_shift > 15)
    assert host_refuses(module, fields, bytes(table), parameters.weights) == (pre_shift > 15)


class Memory:
    """A command's operands, as the emulator reads and writes them."""

    def __init__(self, codes: Codes, table: bytes, weights: bytes) -> None:
        """Take an input (H, W, C) and parameters."""
        self._codes, self._blocks = codes, {0: table, 1: weights}
        self.output = codes

    def read(self, fields: Mapping[str, int], name: str) -> Codes:
        """Return the input."""
        return self._codes[None]

    def write(self, fields: Mapping[str, int], codes: Codes) -> None:
        """Keep the output."""
        self.output = codes[0]

    def block(self, address: int, size_bytes: int) -> bytes:
        """Return table or weights."""
        return self._blocks[address][:size_bytes]


@pytest.mark.parametrize(
    ("name", "pre_shift"),
    [("convolution_2x2", 0), ("depthwise_2", 3), ("pooling_2", 0), ("dense_2", 3), ("scale_2", 1)],
)
def test_a_sum_loses_the_bits_that_have_no_place(name: str, pre_shift: int) -> None:
    """What is shifted keeps 25 bits; tables of a network never need more."""
    module = module_named(name)
    layer = layer_for(module.family, 30)
    operation: Any = layer.operation
    rule = replace(operation.requantisation, pre_shift=pre_shift)
    operation = replace(operation, requantisation=rule)
    layer = layer_of(operation, layer.input_shape)
    (tile,) = module.tiles(layer)
    fields = fields_of(module, layer, tile, (0, 0))
    parameters = module.parameters(layer, tile)
    codes = np.random.default_rng(1).integers(-128, 128, layer.input_shape, np.int8)
    memory = Memory(codes, parameters.table, parameters.weights)
    module.execute({**fields, "table": 0, "weights": 1}, memory)
    pieces = [piece for row in memory.output for piece in row_pieces(row, True)]
    command = Command(
        beats(COMMAND.encode(fields)),
        beats(parameters.table) + beats(parameters.weights),
        [beat for row in codes for beat in beats(row.tobytes())],
        [beat for piece in pieces for beat in beats(piece)],
        [min(8, len(piece) - at) for piece in pieces for at in range(0, len(piece), 8)],
    )
    log = Bench(gateware(module), early=True).play([command])
    masks = [(1 << 8 * size) - 1 for size in command.sizes]
    assert [beat & mask for beat, mask in zip(log.output, masks, strict=True)] == [
        beat & mask for beat, mask in zip(command.output, masks, strict=True)
    ]
    assert not np.array_equal(memory.output, operation.apply(codes[None])[0])
