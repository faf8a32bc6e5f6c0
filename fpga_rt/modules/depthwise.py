"""Depthwise convolution and average pooling: one multiplier for each channel lane.

A window of a group of `lanes` channels takes `kernel_height * kernel_width` cycles; an eighth as
many requantisation lanes need eight. Weights are resident like those of the convolution module;
a layer that exceeds a memory is cut by channels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.resources import Resources
from fpga_rt.arithmetic.operations import AveragePool, DepthwiseConvolution
from fpga_rt.contract.command import Operation
from fpga_rt.contract.sequencer import CommandCost
from fpga_rt.modules.execution import execute, require
from fpga_rt.modules.geometry import (
    Fields,
    Ports,
    ceil_divide,
    parameter_cycles,
    row_synchronous_cycles,
    weight_bits,
)
from fpga_rt.modules.layer import Layer, Tile, split
from fpga_rt.modules.module import Module, OperandMemory
from fpga_rt.modules.parameters import pack_weights, unpack_weights

WEIGHT_WORDS = 256
TABLE_CHANNELS = 256
LINE_BYTES = 16384
REQUANTISE_CYCLES = 8

_OFFERED = frozenset({Operation.DEPTHWISE, Operation.AVERAGE_POOL})


class DepthwiseModule(Module):
    """The depthwise module with a number of channel lanes."""

    family = "depthwise"

    def __init__(self, lanes: int) -> None:
        """Make the host half for a number of lanes."""
        self.lanes = (lanes,)
        self.resources = Resources(
            lut=1500 + 40 * lanes,
            dsp=lanes + 2 * ceil_divide(lanes, REQUANTISE_CYCLES),
            bram36=2 * ceil_divide(lanes * 8, 64) + 3,
        )

    def operation(self, layer: Layer) -> Operation:
        """Return the operation code for a layer."""
        pooling = isinstance(layer.operation, AveragePool)
        return Operation.AVERAGE_POOL if pooling else Operation.DEPTHWISE

    def refusal(self, layer: Layer) -> str | None:
        """Return why the module cannot compute a layer, None when it can."""
        if not isinstance(layer.operation, (DepthwiseConvolution, AveragePool)):
            return f"{self.family} does not compute {type(layer.operation).__name__}"
        if layer.addition is not None:
            return f"{self.family} has no fused addition"
        if self._groups(layer) < 1:
            return f"its window exceeds the line memory of {LINE_BYTES} bytes or the weight memory"
        return None

    def tiles(self, layer: Layer) -> tuple[Tile, ...]:
        """Cut by channels to the weight and line memories."""
        groups = min(self._groups(layer), max(1, TABLE_CHANNELS // self.lanes[0]))
        return split(layer, groups * self.lanes[0], layer.output_shape[1])

    def pack(self, layer: Layer, tile: Tile) -> bytes:
        """Return weights ordered [group][kernel row][kernel column][lane], padded with zeros."""
        operation = layer.operation
        if not isinstance(operation, DepthwiseConvolution):
            return b""
        weights = operation.weights[:, :, tile.channels[0] : tile.channels[1]]
        rows, columns, channels = weights.shape
        groups = ceil_divide(channels, self.lanes[0])
        padded = np.zeros((rows, columns, groups * self.lanes[0]), np.int8)
        padded[:, :, :channels] = weights
        ordered = padded.reshape(rows, columns, groups, -1).transpose(2, 0, 1, 3)
        return pack_weights(ordered, operation.weight_bits)

    def cost(self, fields: Fields, ports: Ports) -> CommandCost:
        """Return parameter cycles (table, then weights) and compute cycles."""
        groups = ceil_divide(fields["output_channels"], self.lanes[0])
        window = fields["kernel_height"] * fields["kernel_width"]
        row = fields["output_width"] * groups * max(window, REQUANTISE_CYCLES)
        compute = row_synchronous_cycles(fields, ports, row, False)
        return CommandCost(parameter_cycles(fields, ports.parameters), compute)

    def execute(self, fields: Fields, memory: OperandMemory) -> None:
        """Run a command of this module."""
        require(fields, _OFFERED, self.name)
        execute(fields, memory, self.weights_bytes(fields), self._unpack)

    def _groups(self, layer: Layer) -> int:
        """Channel groups that fit both memories."""
        (kernel_y, kernel_x), (stride_y, _), _ = layer.window
        height, width, _ = layer.input_shape
        rows = min(height, kernel_y + stride_y if layer.output_shape[0] > 1 else kernel_y)
        in_lines = LINE_BYTES // (rows * width * self.lanes[0])
        if isinstance(layer.operation, AveragePool):
            return in_lines
        return min(in_lines, WEIGHT_WORDS // (kernel_y * kernel_x))

    def weights_bytes(self, fields: Fields) -> int:
        """Return the length of the packed weights that a command takes."""
        if fields["operation"] == Operation.AVERAGE_POOL:
            return 0
        groups = ceil_divide(fields["output_channels"], self.lanes[0])
        window = fields["kernel_height"] * fields["kernel_width"]
        return groups * window * self.lanes[0] * weight_bits(fields) // 8

    def _unpack(self, data: bytes, key: tuple[tuple[str, int], ...]) -> NDArray[np.int8]:
        fields = dict(key)
        rows, columns = fields["kernel_height"], fields["kernel_width"]
        words = unpack_weights(data, weight_bits(fields)).reshape(-1, rows, columns, *self.lanes)
        planes = words.transpose(1, 2, 0, 3).reshape(rows, columns, -1)
        return np.ascontiguousarray(planes[:, :, : fields["output_channels"]])


def variants() -> tuple[Module, ...]:
    """Return the variants that a floorplan may choose from, the largest first."""
    return tuple(DepthwiseModule(lanes) for lanes in (64, 32, 16, 8, 2))
