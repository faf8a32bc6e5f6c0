"""Depthwise convolution and average pooling: one multiplier for each channel lane.

A window of a group of `lanes` channels takes `kernel_height * kernel_width` cycles; an eighth as
many requantisation lanes need eight. Weights are resident like those of the convolution module;
a layer that exceeds a memory is cut by channels and columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic.operations import AveragePool, DepthwiseConvolution
from fpga_rt.contract.command import STREAM_BYTES, Operation
from fpga_rt.contract.sequencer import CommandCost
from fpga_rt.modules.channel_tiles import channel_refusal, channel_tiles
from fpga_rt.modules.execution import execute, require
from fpga_rt.modules.geometry import (
    Fields,
    Ports,
    ceil_divide,
    parameter_cycles,
    weight_bits,
)
from fpga_rt.modules.layer import Layer, Tile
from fpga_rt.modules.module import Module, OperandMemory
from fpga_rt.modules.parameters import pack_weights, unpack_weights
from fpga_rt.modules.window_cycles import Walk, compute_cycles
from fpga_rt.modules.window_limits import TABLE_CHANNELS, WEIGHT_WORDS, require_computable

REQUANTISE_CYCLES = 8
"""From a group to the next, at least."""
LATENCY_CYCLES = 16
"""From the last step of a group to its first results."""

_OFFERED = frozenset({Operation.DEPTHWISE, Operation.AVERAGE_POOL})


def requantised_a_clock(lanes: int) -> int:
    """Return the results of a group that are requantised, and given, a clock: at most eight."""
    return max(1, lanes // REQUANTISE_CYCLES)


class DepthwiseModule(Module):
    """The depthwise module with a number of channel lanes."""

    family = "depthwise"

    def __init__(self, lanes: int) -> None:
        """Make the host half for a number of lanes."""
        self.lanes = (lanes,)

    @property
    def multipliers(self) -> int:
        """Products of an activation and a weight that it makes in a clock: one a lane."""
        return self.lanes[0]

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
        words = _layer_words(layer)
        if words > WEIGHT_WORDS:
            return f"one channel group needs {words} weight words of {WEIGHT_WORDS}"
        return channel_refusal(layer, self.lanes[0])

    def tiles(self, layer: Layer) -> tuple[Tile, ...]:
        """Cut by channels to the table and the weights, by both to line and row memory."""
        groups = WEIGHT_WORDS // max(1, _layer_words(layer))
        (lanes,) = self.lanes
        return channel_tiles(layer, lanes, min(TABLE_CHANNELS, groups * lanes))

    def pack(self, layer: Layer, tile: Tile) -> bytes:
        """Return weights ordered [group][word][lane][step of a word], padded with zeros.

        A word is a byte for each lane, of one step of a window or of two if they are int4.
        """
        operation = layer.operation
        if not isinstance(operation, DepthwiseConvolution):
            return b""
        weights = operation.weights[:, :, tile.channels[0] : tile.channels[1]]
        steps, channels = weights.shape[0] * weights.shape[1], weights.shape[2]
        together = 8 // operation.weight_bits
        (lanes,) = self.lanes
        words, groups = ceil_divide(steps, together), ceil_divide(channels, lanes)
        padded = np.zeros((words * together, groups * lanes), np.int8)
        padded[:steps, :channels] = weights.reshape(steps, channels)
        ordered = padded.reshape(words, together, groups, lanes).transpose(2, 0, 3, 1)
        filled = np.zeros((groups, words, _word_bytes(lanes), together), np.int8)
        filled[:, :, :lanes] = ordered
        return pack_weights(filled, operation.weight_bits)

    def cost(self, fields: Fields, ports: Ports) -> CommandCost:
        """Return parameter cycles (table, then weights) and compute cycles."""
        compute = compute_cycles(fields, ports, self._walk(fields))
        return CommandCost(parameter_cycles(fields, ports.parameters), compute)

    def _walk(self, fields: Fields) -> Walk:
        (lanes,) = self.lanes
        results = requantised_a_clock(lanes)
        steps = fields["kernel_height"] * fields["kernel_width"]
        return Walk(steps, lanes // results, lanes, results, LATENCY_CYCLES, False)

    def execute(self, fields: Fields, memory: OperandMemory) -> None:
        """Run a command of this module."""
        require(fields, _OFFERED, self.name)
        require_computable(fields, self.name, words=self._words(fields))
        execute(fields, memory, self.weights_bytes(fields), self._unpack)

    def weights_bytes(self, fields: Fields) -> int:
        """Return the length of the packed weights that a command takes."""
        return self._words(fields) * _word_bytes(self.lanes[0])

    def _words(self, fields: Fields) -> int:
        """Return the words of weights of a command."""
        if fields["operation"] == Operation.AVERAGE_POOL:
            return 0
        groups = ceil_divide(fields["output_channels"], self.lanes[0])
        steps = fields["kernel_height"] * fields["kernel_width"]
        return groups * ceil_divide(steps * weight_bits(fields), 8)

    def _unpack(self, data: bytes, key: tuple[tuple[str, int], ...]) -> NDArray[np.int8]:
        fields = dict(key)
        rows, columns = fields["kernel_height"], fields["kernel_width"]
        (lanes,) = self.lanes
        groups = ceil_divide(fields["output_channels"], lanes)
        together = 8 // weight_bits(fields)
        flat = unpack_weights(data, weight_bits(fields))
        words = flat.reshape(groups, -1, _word_bytes(lanes), together)[:, :, :lanes]
        steps = words.transpose(1, 3, 0, 2).reshape(-1, groups * lanes)
        planes = steps[: rows * columns, : fields["output_channels"]]
        return np.ascontiguousarray(planes).reshape(rows, columns, -1)


def _word_bytes(lanes: int) -> int:
    """Return the bytes of a word of weights: whole beats."""
    return max(lanes, STREAM_BYTES)


def _layer_words(layer: Layer) -> int:
    """Return the words of weights of one channel group, zero for an average."""
    operation = layer.operation
    if not isinstance(operation, DepthwiseConvolution):
        return 0
    (kernel_y, kernel_x), _, _ = layer.window
    return ceil_divide(kernel_y * kernel_x * operation.weight_bits, 8)


def variants() -> tuple[Module, ...]:
    """Return the variants that a floorplan may choose from, the largest first."""
    return tuple(DepthwiseModule(lanes) for lanes in (64, 32, 16, 8, 2))
