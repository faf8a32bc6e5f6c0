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

Average pooling takes an identity matrix as its weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic.operations import AveragePool, Convolution, Dense
from fpga_rt.contract.command import STREAM_BYTES, Operation
from fpga_rt.contract.sequencer import CommandCost
from fpga_rt.errors import ExecutionError
from fpga_rt.modules.execution import execute, require
from fpga_rt.modules.geometry import (
    Fields,
    Ports,
    ceil_divide,
    is_fused,
    parameter_cycles,
    weight_bits,
)
from fpga_rt.modules.layer import Layer, Tile, split
from fpga_rt.modules.module import Module, OperandMemory
from fpga_rt.modules.parameters import pack_weights, unpack_weights
from fpga_rt.modules.window_cycles import LINE_BYTES, Walk, compute_cycles
from fpga_rt.modules.window_limits import (
    TABLE_CHANNELS,
    WEIGHT_WORDS,
    columns_in_line_memory,
    columns_of_results,
    require_computable,
    window_refusal,
)

REQUANTISE_CYCLES = 2
ADDITION_CYCLES = 4
SCALED_CYCLES = 14
"""From the products of a group to its first results."""
ADDED_CYCLES = 7
"""How much later they come with an addition."""
CHAIN = 4
"""Input lanes whose products add up before they are taken apart."""

_OFFERED = frozenset({Operation.CONVOLUTION, Operation.DENSE, Operation.AVERAGE_POOL})


class ConvolutionModule(Module):
    """The convolution module with `output x input` lanes."""

    family = "convolution"

    def __init__(self, output_lanes: int, input_lanes: int) -> None:
        """Make the host half for a number of lanes; `input_lanes` is a multiple of the other."""
        self.lanes = (output_lanes, input_lanes)

    @property
    def multipliers(self) -> int:
        """Products of an activation and a weight that it makes in a clock: one a lane."""
        return self.lanes[0] * self.lanes[1]

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
        words = self._group_words(layer)
        if not isinstance(operation, AveragePool) and words > WEIGHT_WORDS:
            return f"one output channel group needs {words} weight words of {WEIGHT_WORDS}"
        if self._columns(layer) < 1:
            return f"its rows exceed the line memory of {LINE_BYTES} bytes"
        return window_refusal(layer)

    def tiles(self, layer: Layer) -> tuple[Tile, ...]:
        """Cut by output channels to the weight memory, by columns to line memory and output."""
        groups = TABLE_CHANNELS // self.lanes[0]
        if not isinstance(layer.operation, AveragePool):
            groups = min(groups, WEIGHT_WORDS // self._group_words(layer))
        channels = min(groups * self.lanes[0], layer.output_shape[2])
        return split(layer, channels, min(self._columns(layer), columns_of_results(channels)))

    def pack(self, layer: Layer, tile: Tile) -> bytes:
        """Return words of weights ordered [group][step], padded with zeros.

        A word is [pair of outputs][chain][lane of the chain][output of the pair]; of int4 it holds
        two steps, [pair of outputs][chain][step][lane of the chain][output of the pair].
        """
        operation = layer.operation
        if isinstance(operation, AveragePool):
            return _words(_identity(self.lanes), 8)
        if not isinstance(operation, (Convolution, Dense)):
            return b""
        weights = operation.weights[tile.channels[0] : tile.channels[1]]
        weights = weights.reshape(len(weights), *layer.window[0], -1)
        return _words(_arrange(weights, self.lanes), operation.weight_bits)

    def cost(self, fields: Fields, ports: Ports) -> CommandCost:
        """Return parameter cycles (table, then weights) and compute cycles."""
        compute = compute_cycles(fields, ports, self._walk(fields))
        return CommandCost(parameter_cycles(fields, ports.parameters), compute)

    def _walk(self, fields: Fields) -> Walk:
        output_lanes, input_lanes = self.lanes
        fused = is_fused(fields)
        least = ADDITION_CYCLES if fused else REQUANTISE_CYCLES
        latency = latency_cycles(input_lanes) + (ADDED_CYCLES if fused else 0)
        results = max(1, output_lanes // least)
        return Walk(self._steps(fields), least, output_lanes, results, latency, fused)

    def execute(self, fields: Fields, memory: OperandMemory) -> None:
        """Run a command of this module."""
        require(fields, _OFFERED, self.name)
        pools = fields["operation"] == Operation.AVERAGE_POOL
        if pools and weight_bits(fields) != 8:
            raise ExecutionError(
                f"module {self.name} got an average of int4 weights, expected int8"
            )
        channels = fields["input_channels"]
        fold = 1 if pools else _fold(fields["kernel_width"], channels, self.lanes[1])
        require_computable(
            fields,
            self.name,
            words=self._words(fields),
            fold=fold,
            per_channel=pools,
            fuses=True,
        )
        if pools:
            self._require_identity(memory.block(fields["weights"], self.weights_bytes(fields)))
        execute(fields, memory, self.weights_bytes(fields), self._unpack)

    def _require_identity(self, weights: bytes) -> None:
        """Refuse an average whose weights are others: the gateware would sum other channels."""
        if weights != _words(_identity(self.lanes), 8):
            raise ExecutionError(
                f"module {self.name} got an average whose weights are no identity matrix; its"
                " parameters were overwritten, or the command points elsewhere"
            )

    def _steps(self, fields: Fields) -> int:
        kernel = (fields["kernel_height"], fields["kernel_width"])
        if fields["operation"] == Operation.AVERAGE_POOL:
            return kernel[0] * kernel[1] * self._identity_words
        return _steps(kernel, fields["input_channels"], self.lanes[1])

    @property
    def _identity_words(self) -> int:
        return ceil_divide(*self.lanes)

    def _words(self, fields: Fields) -> int:
        """Return the words of weights of a command."""
        if fields["operation"] == Operation.AVERAGE_POOL:
            return self._identity_words
        groups = ceil_divide(fields["output_channels"], self.lanes[0])
        return groups * ceil_divide(self._steps(fields), 8 // weight_bits(fields))

    def _group_words(self, layer: Layer) -> int:
        steps = _steps(layer.window[0], layer.input_shape[2], self.lanes[1])
        return ceil_divide(steps, 8 // getattr(layer.operation, "weight_bits", 8))

    def _columns(self, layer: Layer) -> int:
        """Output columns for which the rows of a window fit the line memory."""
        channels = layer.input_shape[2]
        if isinstance(layer.operation, AveragePool):
            channels = ceil_divide(min(channels, TABLE_CHANNELS), STREAM_BYTES) * STREAM_BYTES
        return columns_in_line_memory(layer, channels)

    def weights_bytes(self, fields: Fields) -> int:
        """Return the length of the packed weights that a command takes."""
        output_lanes, input_lanes = self.lanes
        return self._words(fields) * output_lanes * max(CHAIN, input_lanes)

    def _unpack(self, data: bytes, key: tuple[tuple[str, int], ...]) -> NDArray[np.int8]:
        fields = dict(key)
        kernel = (fields["kernel_height"], fields["kernel_width"])
        shape = (fields["output_channels"], *kernel, fields["input_channels"])
        bits = weight_bits(fields)
        weights = _restore(_steps_of(data, bits, self.lanes), shape, self.lanes)
        least = 1 - (1 << (bits - 1))
        if weights.min(initial=0) < least:
            raise ExecutionError(
                f"module {self.name} got the weight {least - 1}, expected {least} or more: two"
                " share a multiplier; its parameters were overwritten, or the command points"
                " elsewhere"
            )
        return weights


def latency_cycles(input_lanes: int) -> int:
    """Return the clocks from the last step of a group to its first results.

    Weights and codes, product, cascade and split; the adder tree; sum, hold, bias, shift;
    requantisation and output.
    """
    links = min(CHAIN, input_lanes)
    return 5 + links + (max(1, input_lanes // CHAIN) - 1).bit_length() + SCALED_CYCLES


def _fold(kernel_width: int, channels: int, lanes: int) -> int:
    return max(1, min(kernel_width, lanes // channels)) if 0 < 2 * channels <= lanes else 1


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


def _identity(lanes: tuple[int, ...]) -> NDArray[np.int8]:
    """Return the weights of an average: each output is the input of its own number."""
    output_lanes, input_lanes = lanes
    steps = ceil_divide(output_lanes, input_lanes)
    inputs: NDArray[np.int8] = np.eye(output_lanes, steps * input_lanes, dtype=np.int8)
    return np.moveaxis(inputs.reshape(1, output_lanes, steps, input_lanes), 2, 1)


def _words(steps: NDArray[np.int8], bits: int) -> bytes:
    """Pack [group][step][output lane][input lane]."""
    groups, count, output_lanes, input_lanes = steps.shape
    links = min(CHAIN, input_lanes)
    per_word = 8 // bits
    padded = np.zeros(
        (groups, ceil_divide(count, per_word) * per_word, output_lanes // 2,
         input_lanes // links, CHAIN, 2), np.int8,
    )  # fmt: skip
    chained = steps.reshape(groups, count, output_lanes // 2, 2, -1, links)
    padded[:, :count, ..., :links, :] = chained.transpose(0, 1, 2, 4, 5, 3)
    words = padded.reshape(groups, -1, per_word, *padded.shape[2:])
    return pack_weights(words.transpose(0, 1, 3, 4, 2, 5, 6), bits)


def _steps_of(data: bytes, bits: int, lanes: tuple[int, ...]) -> NDArray[np.int8]:
    """Undo `_words`, but for the groups and the step that fills a word up."""
    output_lanes, input_lanes = lanes
    links = min(CHAIN, input_lanes)
    shape = (-1, output_lanes // 2, input_lanes // links, 8 // bits, CHAIN, 2)
    words = unpack_weights(data, bits).reshape(shape)[..., :links, :]
    steps = words.transpose(0, 3, 1, 5, 2, 4)
    return np.reshape(steps, (-1, output_lanes, input_lanes))


def _restore(
    flat: NDArray[np.int8], shape: tuple[int, ...], lanes: tuple[int, ...]
) -> NDArray[np.int8]:
    """Undo `_arrange`; a step may follow those of each group."""
    output_lanes, input_lanes = lanes
    outputs, rows, columns, channels = shape
    fold = _fold(columns, channels, input_lanes)
    groups, column_steps = ceil_divide(outputs, output_lanes), ceil_divide(columns, fold)
    steps = _steps((rows, columns), channels, input_lanes)
    words = flat.reshape(groups, -1, output_lanes, input_lanes)[:, :steps].transpose(0, 2, 1, 3)
    if fold > 1:
        words = words[..., : fold * channels]
    merged = words.reshape(groups * output_lanes, rows, column_steps * fold, -1)
    return np.ascontiguousarray(merged[:outputs, :, :columns, :channels])


def variants() -> tuple[Module, ...]:
    """Return the variants that a floorplan may choose from, the largest first."""
    sizes = ((16, 32), (16, 16), (16, 8), (8, 16), (4, 16), (4, 8), (4, 4), (2, 4), (2, 2))
    return tuple(ConvolutionModule(*lanes) for lanes in sizes)
