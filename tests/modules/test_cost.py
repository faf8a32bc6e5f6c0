"""Cycle formulas against sums made by hand from the modules' descriptions."""

from __future__ import annotations

import numpy as np

from fpga_rt.arch.boards import MemoryPort
from fpga_rt.arithmetic.operations import (
    Addition,
    AveragePool,
    Convolution,
    Dense,
    DepthwiseConvolution,
    MaximumPool,
)
from fpga_rt.arithmetic.requantise import AdditionRule, Requantisation
from fpga_rt.contract.command import Segment
from fpga_rt.contract.sequencer import CommandCost
from fpga_rt.modules.geometry import Ports, row_beats, rows_after
from fpga_rt.modules.layer import Computed, Layer, Operands, Place, Tile
from fpga_rt.modules.module import Module
from tests.device.programs import module_named

CHIP = MemoryPort(2)
DRAM = MemoryPort(30, 5, 4)
ON_CHIP = Ports(CHIP, CHIP, CHIP, DRAM)
IN_DRAM = Ports(DRAM, DRAM, DRAM, DRAM)


def rule(channels: int) -> Requantisation:
    return Requantisation.from_scales(np.full(channels, 1e-3), 1 << 20, 0)


def convolution(outputs: int, kernel: int, channels: int, stride: int, pad: int) -> Convolution:
    weights = np.ones((outputs, kernel, kernel, channels), np.int8)
    bias = np.zeros(outputs, np.int32)
    padding = (pad, pad, pad, pad)
    return Convolution(weights, bias, rule(outputs), (stride, stride), padding)


def layer_of(operation: Computed, shape: tuple[int, int, int], fused: bool = False) -> Layer:
    addition = AdditionRule(1, 1, 1, 0) if fused else None
    return Layer("layer", operation, shape, operation.output_shape(shape), addition)


def fields_of(module: Module, layer: Layer, tile: int = 0) -> dict[str, int]:
    operands = Operands(
        Place(Segment.INPUT, 0, layer.input_shape),
        Place(Segment.OUTPUT, 0, layer.output_shape),
        Place(Segment.FEATURES, 0, layer.output_shape),
    )
    return module.command(layer, module.tiles(layer)[tile], operands)


FIRST, FETCH, PACK, STORE = 8, 6, 3, 1
"""Start to the first beat, step to its bytes, results to their beat, beat to stored."""


def latency(input_lanes: int) -> int:
    """Memory and registers, a cascade of four, an adder tree, and 14 to the result."""
    return 4 + 4 + 1 + int(np.log2(input_lanes // 4)) + 14


def test_resnet8_layer_on_chip() -> None:
    """16 -> 16 channels, 3x3, 32x32, on 8x16 lanes: nine steps a window and two groups."""
    module = module_named("convolution_8x16")
    layer = layer_of(convolution(16, 3, 16, 1, 1), (32, 32, 16))
    cost = module.cost(fields_of(module, layer), ON_CHIP)
    row = 32 * 2 * 9
    row_load = 32 * 16 // 8  # beats, hidden behind computing
    assert row_load < row
    walked = FIRST + 2 + 2 * row_load + 32 * (row + 1)
    two_parts = 1  # of four results each
    assert cost.compute == walked + FETCH + latency(16) + two_parts + PACK + STORE + 2 - 1
    blocks = 32 + 8 * 16 + 2 * 9 * 128  # table, then two groups of nine words of 128 weights
    assert cost.parameters == 5 + 30 + -(-(blocks // 8 - 1) * 5 // 4)
    products = 32 * 32 * 16 * 16 * 9
    assert products / (cost.compute * 128) > 0.98  # multipliers busy


def test_residual_rows_are_loaded_beside_input_rows() -> None:
    """With a fused addition a row loads 64 beats of input and 64 of the residual."""
    module = module_named("convolution_16x32")
    layer = layer_of(convolution(16, 1, 16, 1, 0), (32, 32, 16), fused=True)
    cost = module.cost(fields_of(module, layer), IN_DRAM)
    load = 80 + 80  # 5/4 cycles a beat, each
    row = 31 * 4 + 1  # one step, but requantisation and addition take four cycles a group
    assert row < load
    walked = FIRST + 30 + 32 * load + 1 + row
    four_parts = 3
    expected = walked + FETCH + latency(32) + 7 + four_parts + PACK + STORE + 30 - 1
    assert cost.compute == expected


def test_input_channels_fold_over_kernel_columns() -> None:
    """3 channels on 16 input lanes: the three columns of a row share a step."""
    module = module_named("convolution_8x16")
    layer = layer_of(convolution(16, 3, 3, 1, 1), (32, 32, 3))
    cost = module.cost(fields_of(module, layer), ON_CHIP)
    row = 32 * 2 * 3
    beats = 12  # 96 bytes a row
    walked = FIRST + 2 + 2 * beats + 32 * (row + 1)
    assert cost.compute == walked + FETCH + latency(16) + 1 + PACK + STORE + 2 - 1


def test_strided_rows_load_two_input_rows() -> None:
    module = module_named("convolution_16x32")
    layer = layer_of(convolution(32, 1, 16, 2, 0), (32, 32, 16))
    fields = fields_of(module, layer)
    assert rows_after(fields) == list(range(1, 32, 2))
    cost = module.cost(fields, IN_DRAM)
    store = 80  # 16 pixels of 32 channels are 64 beats, more than the 63 steps of a row
    first, two = 78, 155  # rows of 31 pixels: the stride leaves out the last; 62 beats each
    begins = FIRST + 30 + first + 15 * two + 1
    expected = begins + FETCH + latency(32) + PACK - 1 + store + STORE + 30
    assert cost.compute == expected


def test_depthwise_windows_take_their_kernel() -> None:
    """64 channels on 16 lanes are four groups of nine cycles."""
    module = module_named("depthwise_16")
    operation = DepthwiseConvolution(
        np.ones((3, 3, 64), np.int8), np.zeros(64, np.int32), rule(64), (1, 1), (1, 1, 1, 1)
    )
    layer = layer_of(operation, (25, 5, 64))
    cost = module.cost(fields_of(module, layer), ON_CHIP)
    row = 5 * 4 * 9
    beats = 40
    loads, walks = FIRST + 2 + 2 * beats + 1, 25 * row + 24
    assert cost.compute == loads + walks + FETCH + 16 + 7 + PACK + 2
    assert cost.parameters == 5 + 30 + -(-((32 + 8 * 64 + 4 * 9 * 16) // 8 - 1) * 5 // 4)


def dense_cost(name: str, inputs: int, outputs: int, bits: int, ports: Ports) -> CommandCost:
    module = module_named(name)
    weights = np.ones((outputs, inputs), np.int8)
    operation = Dense(weights, np.zeros(outputs, np.int32), rule(outputs), bits)
    return module.cost(fields_of(module, layer_of(operation, (1, 1, inputs))), ports)


def test_dense_weights_stream() -> None:
    """640 -> 128 on 8 lanes: 80 beats a channel, five for four cycles, the first with the table."""
    cost = dense_cost("dense_8", 640, 128, 8, ON_CHIP)
    table = (32 + 8 * 128) // 8
    assert cost.parameters == 5 + 30 + -(-(table - 1) * 5 // 4)
    weights = -(-(table + 128 * 80 - 1) * 5 // 4) - -(-(table - 1) * 5 // 4)
    assert cost.compute == 1 + weights + 1 + 19 + 2
    assert cost.streamed


def test_dense_computes_a_step_a_cycle_where_weights_do_not_hold_it_up() -> None:
    """Behind the first beat of input, whatever fills the beats of weights."""
    begins, ideal = 8 + 2 + 1, Ports(CHIP, CHIP, CHIP, MemoryPort(0))
    assert dense_cost("dense_8", 640, 12, 8, ideal).compute == begins + 12 * 80 + 19 + 2
    assert dense_cost("dense_8", 641, 12, 4, ON_CHIP).compute == begins + 12 * 81 + 19 + 2
    assert dense_cost("dense_2", 641, 12, 8, ON_CHIP).compute == begins + 12 * 321 + 17 + 2
    assert dense_cost("dense_2", 641, 12, 4, ON_CHIP).compute == begins + 12 * 321 + 17 + 2


def test_dense_input_in_dram_holds_up_the_first_channel() -> None:
    """80 beats of input at 5/4 cycles, then eleven channels of weights that were read ahead."""
    cost = dense_cost("dense_8", 640, 12, 8, Ports(DRAM, CHIP, CHIP, MemoryPort(0)))
    assert cost.compute == 8 + 30 + 1 + -(-79 * 5 // 4) + 1 + 11 * 80 + 19 + 2


def test_an_average_of_everything_is_one_row() -> None:
    module = module_named("pooling_8")
    operation = AveragePool((8, 8), np.zeros(64, np.int32), rule(64))
    layer = layer_of(operation, (8, 8, 64))
    cost = module.cost(fields_of(module, layer), ON_CHIP)
    assert cost.compute == FIRST + 2 + 8 * 64 + 1 + 8 * 64 + FETCH + 13 + 1 + PACK + 2
    assert cost.parameters == 5 + 30 + -(-((32 + 8 * 64) // 8 - 1) * 5 // 4)


def test_an_addition_reads_two_tensors() -> None:
    module = module_named("pooling_8")
    layer = layer_of(Addition(AdditionRule(1, 1, 1, 0)), (8, 8, 16))
    cost = module.cost(fields_of(module, layer), ON_CHIP)
    row = 8 * 2 * 4  # an addition takes four cycles a group
    load = 16 + 16
    walks = 8 * row - 3  # the last group is a step, and no other waits for it
    assert cost.compute == FIRST + 2 + load + 1 + walks + FETCH + 13 + 3 + PACK + 2
    assert cost.parameters == 5 + 30 + 4  # four beats of table


def test_rows_that_are_not_aligned_take_one_beat_more_for_each_piece() -> None:
    assert row_beats(0, 4, 8, 8, 32) == 4
    assert row_beats(3, 4, 8, 8, 32) == 5
    assert row_beats(0, 4, 8, 8, 33) == 5
    assert row_beats(0, 4, 8, 16, 64) == 4  # a piece for each pixel
    assert row_beats(0, 4, 8, 20, 80) == 8
    assert row_beats(0, 1, 10, 0, 0) == 2


def test_tiles_cover_the_output_once() -> None:
    """256 outputs of a 1x1 with 64 inputs: two steps a group fit 128 groups of 2x4 lanes."""
    module = module_named("convolution_2x4")
    layer = layer_of(convolution(256, 1, 64, 1, 0), (3, 3, 64))
    tiles = module.tiles(layer)
    assert tiles == tuple(Tile((first, first + 32), (0, 3)) for first in range(0, 256, 32))


def elementwise_cycles(name: str, shape: tuple[int, int, int], ports: Ports) -> int:
    operations: dict[str, Computed] = {
        "scale": AveragePool((1, 1), np.zeros(shape[2], np.int32), rule(shape[2])),
        "add": Addition(AdditionRule(1, 1, 1, 0)),
        "clamp": MaximumPool((1, 1)),
    }
    operation = operations[name.partition("_")[0]]
    module = module_named(name)
    return module.cost(fields_of(module, layer_of(operation, shape)), ports).compute


def test_an_elementwise_module_takes_a_beat_a_cycle() -> None:
    """First beat after 8 cycles and the latency, 64 beats of each operand, pipeline, latency."""
    shape = (4, 8, 16)
    assert elementwise_cycles("scale_8", shape, ON_CHIP) == 8 + 2 + 64 + 13 + 2
    assert elementwise_cycles("add_8", shape, ON_CHIP) == 8 + 2 + 128 + 10 + 2
    assert elementwise_cycles("clamp_8", shape, ON_CHIP) == 8 + 2 + 64 + 4 + 2
    assert elementwise_cycles("clamp_2", shape, ON_CHIP) == 8 + 2 + 256 + 4 + 2
    assert elementwise_cycles("add_2", shape, ON_CHIP) == 8 + 2 + 512 + 10 + 2


def test_bursts_come_later_and_are_stored_whole() -> None:
    """Reading a beat takes 1 cycle more, storing 4; 16 beats fill at 5/4 cycles, then all go."""
    burst = MemoryPort(30, 5, 4, burst_beats=16)
    ports = Ports(burst, burst, burst, burst)
    assert elementwise_cycles("clamp_8", (1, 1, 8), ports) == 8 + 1 + 30 + 1 + 4 + 4 + 30
    fill, store = -(-15 * 5 // 4), 63 * 5 // 4
    expected = 8 + 1 + 30 + 1 + fill + store + 4 + 4 + 30
    assert elementwise_cycles("clamp_8", (4, 8, 16), ports) == expected
