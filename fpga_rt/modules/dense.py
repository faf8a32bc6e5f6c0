"""Fully connected layers: weights stream past the input and are used at once.

The input vector stays in the module; every beat brings eight weights of one output channel. There
is no weight memory, so an input of any length up to `INPUT_BYTES` fits, and the parameter stream
sets the speed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.resources import Resources
from fpga_rt.arithmetic.operations import Dense
from fpga_rt.contract.command import STREAM_BYTES, Operation
from fpga_rt.contract.sequencer import CommandCost
from fpga_rt.modules.execution import execute, require
from fpga_rt.modules.geometry import (
    PIPELINE_CYCLES,
    START_CYCLES,
    Fields,
    Ports,
    ceil_divide,
    input_row_beats,
    output_row_beats,
    parameter_cycles,
    weight_bits,
)
from fpga_rt.modules.layer import Layer, Tile, split
from fpga_rt.modules.module import Module, OperandMemory
from fpga_rt.modules.parameters import pack_weights, unpack_weights

TABLE_CHANNELS = 512
INPUT_BYTES = 32768

_OFFERED = frozenset({Operation.DENSE})


class DenseModule(Module):
    """The dense module; its lanes are the weights that one beat brings."""

    family = "dense"
    streams_weights = True

    def __init__(self, lanes: int) -> None:
        """Make the host half for a number of lanes, at most `STREAM_BYTES`."""
        self.lanes = (lanes,)
        self.resources = Resources(lut=1600 + 60 * lanes, dsp=lanes + 2, bram36=12)

    def operation(self, layer: Layer) -> Operation:
        """Return the operation code for a layer."""
        return Operation.DENSE

    def refusal(self, layer: Layer) -> str | None:
        """Return why the module cannot compute a layer, None when it can."""
        if not isinstance(layer.operation, Dense):
            return f"{self.family} does not compute {type(layer.operation).__name__}"
        if layer.addition is not None:
            return f"{self.family} has no fused addition"
        length = layer.input_shape[2]
        if length > INPUT_BYTES:
            return f"its {length} inputs exceed the vector memory of {INPUT_BYTES} bytes"
        return None

    def tiles(self, layer: Layer) -> tuple[Tile, ...]:
        """Cut by output channels to the table memory."""
        return split(layer, TABLE_CHANNELS, 1)

    def pack(self, layer: Layer, tile: Tile) -> bytes:
        """Return weights row by row, each row padded with zeros to whole lanes."""
        operation = layer.operation
        if not isinstance(operation, Dense):
            return b""
        weights = operation.weights[tile.channels[0] : tile.channels[1]]
        length = ceil_divide(weights.shape[1], self.lanes[0]) * self.lanes[0]
        padded = np.zeros((len(weights), length), np.int8)
        padded[:, : weights.shape[1]] = weights
        return pack_weights(padded, operation.weight_bits)

    def cost(self, fields: Fields, ports: Ports) -> CommandCost:
        """Return parameter cycles (the table) and compute cycles (input, then weights)."""
        words = self._words(fields)
        beats = ceil_divide(self.weights_bytes(fields), STREAM_BYTES)
        store = ports.output.cycles(output_row_beats(fields))
        compute = (
            START_CYCLES
            + ports.input.latency_cycles
            + ports.input.cycles(input_row_beats(fields))
            + ports.parameters.latency_cycles
            + max(words, ports.parameters.cycles(beats), store)
            + PIPELINE_CYCLES
            + ports.output.latency_cycles
        )
        return CommandCost(parameter_cycles(fields, ports.parameters), compute, streamed=True)

    def execute(self, fields: Fields, memory: OperandMemory) -> None:
        """Run a command of this module."""
        require(fields, _OFFERED, self.name)
        execute(fields, memory, self.weights_bytes(fields), self._unpack)

    def _words(self, fields: Fields) -> int:
        return fields["output_channels"] * ceil_divide(fields["input_channels"], self.lanes[0])

    def weights_bytes(self, fields: Fields) -> int:
        """Return the length of the packed weights that a command takes."""
        return self._words(fields) * self.lanes[0] * weight_bits(fields) // 8

    def _unpack(self, data: bytes, key: tuple[tuple[str, int], ...]) -> NDArray[np.int8]:
        fields = dict(key)
        rows = unpack_weights(data, weight_bits(fields)).reshape(fields["output_channels"], -1)
        rows = rows[:, : fields["input_channels"]]
        return np.ascontiguousarray(rows).reshape(len(rows), 1, 1, -1)


def variants() -> tuple[Module, ...]:
    """Return the variants that a floorplan may choose from, the largest first."""
    return (DenseModule(STREAM_BYTES), DenseModule(2))
