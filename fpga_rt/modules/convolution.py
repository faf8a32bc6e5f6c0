"""Convolution: KxK and 1x1, dense layers and average pooling, with a fused residual addition.

Lanes are `output x input` channels: every cycle the module multiplies `input` activations with
`output x input` weights, so a window takes

    steps = kernel_height * ceil(kernel_width / fold) * ceil(input_channels / input_lanes)

cycles for each group of `output` channels. When the input channels fill half of the lanes or
less, `fold` neighbouring kernel columns share a step (they are neighbours in memory). Two output
channels share an activation, hence one DSP48 for two products; half as many requantisation lanes
as output lanes need two cycles for a group, four with an addition. Weights are resident: one half
of the weight memory computes while the other fills, and a layer that exceeds a half is cut by
output channels. Input rows sit in a line memory and are read once a command.

Average pooling uses no weight memory: the module feeds itself an identity matrix.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.resources import Resources
from fpga_rt.arithmetic.operations import AveragePool, Convolution, Dense
from fpga_rt.contract.command import STREAM_BYTES, Operation
from fpga_rt.contract.sequencer import CommandCost
from fpga_rt.modules.execution import execute, require
from fpga_rt.modules.geometry import (
    Fields,
    Ports,
    ceil_divide,
    is_fused,
    parameter_cycles,
    row_synchronous_cycles,
    weight_bits,
)
from fpga_rt.modules.layer import Layer, Tile, split
from fpga_rt.modules.module import Module, OperandMemory
from fpga_rt.modules.parameters import pack_weights, unpack_weights

WEIGHT_WORDS = 256
"""Words of one half of the weight memory; a word holds a weight for every lane pair."""
TABLE_CHANNELS = 256
LINE_BYTES = 16384
RESIDUAL_ROW_BYTES = 4096
REQUANTISE_CYCLES = 2
ADDITION_CYCLES = 4

_OFFERED = frozenset({Operation.CONVOLUTION, Operation.DENSE, Operation.AVERAGE_POOL})


class ConvolutionModule(Module):
    """The convolution module with `output x input` lanes."""

    family = "convolution"

    def __init__(self, output_lanes: int, input_lanes: int) -> None:
        """Make the host half for a number of lanes; `input_lanes` is a multiple of the other."""
        self.lanes = (output_lanes, input_lanes)
        self.resources = _resources(output_lanes, input_lanes)

    def operation(self, layer: Layer) -> Operation:
        """Return the operation code for a layer."""
        if isinstance(layer.operation, Dense):
            return Operation.DENSE
        pooling = isinstance(layer.operation, AveragePool)
        return Operation.AVERAGE_POOL if pooling else Operation.CONVOLUTION

    def refusal(self, layer: Layer) -> str | None:
        """Return why the module cannot compute a layer, None when it can."""
        operation = layer.operation
        if not isinstance(operation, (Convolution, Dense, AveragePool)):
            return f"{self.family} does not compute {type(operation).__name__}"
        steps = self._layer_steps(layer)
        if not isinstance(operation, AveragePool) and steps > WEIGHT_WORDS:
            return f"one output channel group needs {steps} weight words of {WEIGHT_WORDS}"
        if self._columns(layer) < 1:
            return f"its rows exceed the line memory of {LINE_BYTES} bytes"
        return None

    def tiles(self, layer: Layer) -> tuple[Tile, ...]:
        """Cut by output channels to the weight memory, by columns to the line memory."""
        groups = TABLE_CHANNELS // self.lanes[0]
        if not isinstance(layer.operation, AveragePool):
            groups = min(groups, WEIGHT_WORDS // self._layer_steps(layer))
        columns = self._columns(layer)
        channels = groups * self.lanes[0]
        if layer.has_residual:
            columns = min(columns, max(1, RESIDUAL_ROW_BYTES // layer.output_shape[2]))
        return split(layer, channels, columns)

    def pack(self, layer: Layer, tile: Tile) -> bytes:
        """Return weights ordered [group][step][output lane][input lane], padded with zeros."""
        operation = layer.operation
        if not isinstance(operation, (Convolution, Dense)):
            return b""
        weights = operation.weights[tile.channels[0] : tile.channels[1]]
        weights = weights.reshape(len(weights), *layer.window[0], -1)
        return pack_weights(_arrange(weights, self.lanes), operation.weight_bits)

    def cost(self, fields: Fields, ports: Ports) -> CommandCost:
        """Return parameter cycles (table, then weights) and compute cycles."""
        output_lanes, _ = self.lanes
        groups = ceil_divide(fields["output_channels"], output_lanes)
        after = ADDITION_CYCLES if is_fused(fields) else REQUANTISE_CYCLES
        group_cycles = max(self._steps(fields), after, ceil_divide(output_lanes, STREAM_BYTES))
        row = fields["output_width"] * groups * group_cycles
        compute = row_synchronous_cycles(fields, ports, row, is_fused(fields))
        return CommandCost(parameter_cycles(fields, ports.parameters), compute)

    def execute(self, fields: Fields, memory: OperandMemory) -> None:
        """Run a command of this module."""
        require(fields, _OFFERED, self.name)
        execute(fields, memory, self.weights_bytes(fields), self._unpack)

    def _steps(self, fields: Fields) -> int:
        kernel = (fields["kernel_height"], fields["kernel_width"])
        if fields["operation"] == Operation.AVERAGE_POOL:
            return kernel[0] * kernel[1]
        return _steps(kernel, fields["input_channels"], self.lanes[1])

    def _layer_steps(self, layer: Layer) -> int:
        return _steps(layer.window[0], layer.input_shape[2], self.lanes[1])

    def _columns(self, layer: Layer) -> int:
        """Output columns for which the rows of a window fit the line memory."""
        (kernel_y, kernel_x), (stride_y, stride_x), _ = layer.window
        height, width, channels = layer.input_shape
        rows = min(height, kernel_y + stride_y if layer.output_shape[0] > 1 else kernel_y)
        lanes = self.lanes[1]
        pixel = channels if channels * 2 <= lanes else ceil_divide(channels, lanes) * lanes
        available = LINE_BYTES // (rows * pixel)
        if available >= width:
            return layer.output_shape[1]
        return max(0, (available - kernel_x) // stride_x + 1)

    def weights_bytes(self, fields: Fields) -> int:
        """Return the length of the packed weights that a command takes."""
        if fields["operation"] == Operation.AVERAGE_POOL:
            return 0
        groups = ceil_divide(fields["output_channels"], self.lanes[0])
        words = groups * self._steps(fields)
        return words * self.lanes[0] * self.lanes[1] * weight_bits(fields) // 8

    def _unpack(self, data: bytes, key: tuple[tuple[str, int], ...]) -> NDArray[np.int8]:
        fields = dict(key)
        kernel = (fields["kernel_height"], fields["kernel_width"])
        shape = (fields["output_channels"], *kernel, fields["input_channels"])
        return _restore(unpack_weights(data, weight_bits(fields)), shape, self.lanes)


def _fold(kernel_width: int, channels: int, lanes: int) -> int:
    return max(1, min(kernel_width, lanes // channels)) if channels * 2 <= lanes else 1


def _steps(kernel: tuple[int, int], channels: int, lanes: int) -> int:
    fold = _fold(kernel[1], channels, lanes)
    return kernel[0] * ceil_divide(kernel[1], fold) * ceil_divide(channels, lanes)


def _arrange(weights: NDArray[np.int8], lanes: tuple[int, ...]) -> NDArray[np.int8]:
    """Order (OC, KH, KW, IC) as [group][step][output lane][input lane]."""
    output_lanes, input_lanes = lanes
    outputs, rows, columns, channels = weights.shape
    fold = _fold(columns, channels, input_lanes)
    groups, column_steps = ceil_divide(outputs, output_lanes), ceil_divide(columns, fold)
    depth_steps = ceil_divide(channels, input_lanes)
    padded_channels = channels if fold > 1 else depth_steps * input_lanes
    padded = np.zeros((groups * output_lanes, rows, column_steps * fold, padded_channels), np.int8)
    padded[:outputs, :, :columns, :channels] = weights
    merged = padded.reshape(groups, output_lanes, rows * column_steps * depth_steps, -1)
    words = np.zeros((*merged.shape[:3], input_lanes), np.int8)
    words[..., : merged.shape[3]] = merged
    return np.ascontiguousarray(words.transpose(0, 2, 1, 3))


def _restore(
    flat: NDArray[np.int8], shape: tuple[int, ...], lanes: tuple[int, ...]
) -> NDArray[np.int8]:
    """Undo `_arrange`."""
    output_lanes, input_lanes = lanes
    outputs, rows, columns, channels = shape
    fold = _fold(columns, channels, input_lanes)
    groups, column_steps = ceil_divide(outputs, output_lanes), ceil_divide(columns, fold)
    words = flat.reshape(groups, -1, output_lanes, input_lanes).transpose(0, 2, 1, 3)
    if fold > 1:
        words = words[..., : fold * channels]
    merged = words.reshape(groups * output_lanes, rows, column_steps * fold, -1)
    return np.ascontiguousarray(merged[:outputs, :, :columns, :channels])


def _resources(output_lanes: int, input_lanes: int) -> Resources:
    """Estimate the fabric a variant takes; synthesis replaces the LUT figure."""
    products = output_lanes * input_lanes
    requantise = ceil_divide(output_lanes, REQUANTISE_CYCLES)
    weight_memory = ceil_divide(products * 8, 64)
    line_memory = max(ceil_divide(LINE_BYTES, 4096), ceil_divide(input_lanes * 8, 64))
    return Resources(
        lut=2000 + 24 * products,
        dsp=ceil_divide(products, 2) + 3 * requantise,
        bram36=weight_memory + line_memory + 3,
    )


def variants() -> tuple[Module, ...]:
    """Return the variants that a floorplan may choose from, the largest first."""
    sizes = ((16, 32), (16, 16), (8, 16), (4, 16), (4, 8), (4, 4), (2, 4))
    return tuple(ConvolutionModule(*lanes) for lanes in sizes)
