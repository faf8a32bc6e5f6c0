"""Fully connected layers: weights stream past the input and are used at once.

The input vector stays in the module, which computes one output channel after the other. A beat of
parameters is eight weights of one channel, or sixteen of four bits; a channel's weights are padded
with zeros to whole beats, whatever the lanes, so that a beat is never of two channels. There is no
weight memory, so an input of any length up to `INPUT_BYTES` fits. On eight lanes the parameter
stream sets the speed.

Cycles are exact with tensors on chip, while no other partition uses the feature memory and the
command waits for nothing but its table: weights come from the table on, so those of a command that
waits longer are there sooner than assumed. With output in DRAM a few cycles are left out: segments
are taken to start on whole bursts, and bursts not to wait for each other, which they do where a
channel has a beat of weights or two.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.boards import MemoryPort
from fpga_rt.arithmetic.operations import Dense
from fpga_rt.contract.command import STREAM_BYTES, CommandFlag, Operation
from fpga_rt.contract.sequencer import CommandCost
from fpga_rt.errors import ExecutionError
from fpga_rt.modules.elementwise_cycles import (
    FIRST_BEAT_CYCLES,
    FIRST_BURST_CYCLES,
    LAST_BURST_CYCLES,
)
from fpga_rt.modules.execution import execute, require
from fpga_rt.modules.geometry import (
    Fields,
    Ports,
    ceil_divide,
    input_row_beats,
    is_fused,
    output_row_beats,
    parameter_cycles,
    weight_bits,
)
from fpga_rt.modules.layer import Layer, Tile, split
from fpga_rt.modules.module import Module, OperandMemory
from fpga_rt.modules.parameters import pack_weights, unpack_weights

TABLE_CHANNELS = 512
INPUT_BYTES = 32768

LATENCY_CYCLES = {2: 17, 4: 18, 8: 19}
"""By lanes: from the last step of a beat of results to that beat; sums of a step are a tree."""
WEIGHTS_CYCLES = 1
"""From start to the step whose weights would have come with the last beat of the table."""

_OFFERED = frozenset({Operation.DENSE})
_FIXED = {
    "kernel_height": 1,
    "kernel_width": 1,
    "stride_y": 1,
    "stride_x": 1,
    "pad_top": 0,
    "pad_left": 0,
    "input_height": 1,
    "input_width": 1,
    "output_height": 1,
    "output_width": 1,
}


class DenseModule(Module):
    """The dense module; its lanes are the weights that one beat brings."""

    family = "dense"
    streams_weights = True

    def __init__(self, lanes: int) -> None:
        """Make the host half for a number of lanes, at most `STREAM_BYTES`."""
        self.lanes = (lanes,)

    @property
    def multipliers(self) -> int:
        """Products of an activation and a weight that it makes in a clock: one a lane."""
        return self.lanes[0]

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
        """Return weights channel by channel, each padded with zeros to whole beats."""
        operation = layer.operation
        if not isinstance(operation, Dense):
            return b""
        weights = operation.weights[tile.channels[0] : tile.channels[1]]
        beat = 8 * STREAM_BYTES // operation.weight_bits
        padded = np.zeros((len(weights), beat * ceil_divide(weights.shape[1], beat)), np.int8)
        padded[:, : weights.shape[1]] = weights
        return pack_weights(padded, operation.weight_bits)

    def weights_bytes(self, fields: Fields) -> int:
        """Return the length of the packed weights that a command takes."""
        return STREAM_BYTES * fields["output_channels"] * _channel_beats(fields)

    def cost(self, fields: Fields, ports: Ports) -> CommandCost:
        """Return parameter cycles (the table) and compute cycles (input and weights)."""
        compute = (
            self._last_step_cycles(fields, ports)
            + LATENCY_CYCLES[self.lanes[0]]
            + _store_cycles(fields, ports.output)
        )
        return CommandCost(parameter_cycles(fields, ports.parameters), compute, streamed=True)

    def _last_step_cycles(self, fields: Fields, ports: Ports) -> int:
        """Return the cycles from start to the last step, a step being a weight for each lane.

        A step needs its beat of weights and its beat of input, which comes a clock before it; the
        first of both that are late, or the last, make all of them late.
        """
        steps = ceil_divide(fields["input_channels"], self.lanes[0])
        total = fields["output_channels"] * steps
        port = ports.input
        lost = input_row_beats(fields) - ceil_divide(fields["input_channels"], STREAM_BYTES)
        per_beat = STREAM_BYTES // self.lanes[0]
        first = FIRST_BEAT_CYCLES + port.latency_cycles
        first += FIRST_BURST_CYCLES * (port.burst_beats > 1) + 1
        rest = (steps - 1) // per_beat
        beats, held = _channel_beats(fields), per_beat * 8 // weight_bits(fields)
        last = fields["output_channels"] * beats - 1
        return max(
            first + port.cycles(lost) + total,
            first + port.cycles(lost + rest) + total - rest * per_beat,
            _weights_cycles(fields, ports.parameters, 0) + total,
            _weights_cycles(fields, ports.parameters, last) + steps - (beats - 1) * held,
        )

    def execute(self, fields: Fields, memory: OperandMemory) -> None:
        """Run a command of this module."""
        require(fields, _OFFERED, self.name)
        reason = _objection(fields)
        if reason:
            raise ExecutionError(
                f"module {self.name} got {reason}; the program was compiled for another module"
            )
        execute(fields, memory, self.weights_bytes(fields), self._unpack)

    def _unpack(self, data: bytes, key: tuple[tuple[str, int], ...]) -> NDArray[np.int8]:
        fields = dict(key)
        rows = unpack_weights(data, weight_bits(fields)).reshape(fields["output_channels"], -1)
        rows = rows[:, : fields["input_channels"]]
        return np.ascontiguousarray(rows).reshape(len(rows), 1, 1, -1)


def _channel_beats(fields: Fields) -> int:
    """Return the beats that a channel's weights fill."""
    return ceil_divide(fields["input_channels"] * weight_bits(fields), 8 * STREAM_BYTES)


def _weights_cycles(fields: Fields, port: MemoryPort, beat: int) -> int:
    """Return the cycles from start until a beat of weights is there; they follow the table."""
    table = fields["table_beats"]
    return WEIGHTS_CYCLES + port.cycles(table + beat) - port.cycles(table - 1)


def _store_cycles(fields: Fields, port: MemoryPort) -> int:
    """Return the cycles to store the last results: beats that are stored together wait for them."""
    beats = output_row_beats(fields)
    lost = beats - ceil_divide(fields["output_channels"], STREAM_BYTES)
    end = fields["output"] // STREAM_BYTES + beats
    burst = min((end - 1) % port.burst_beats + 1, beats)
    flow = (burst - 1) * port.numerator // port.denominator
    more = (LAST_BURST_CYCLES + lost) * (port.burst_beats > 1)
    return flow + more + port.latency_cycles


def _objection(fields: Fields) -> str | None:
    """Return what of a descriptor the gateware refuses, None when it takes it."""
    for name, value in _FIXED.items():
        if fields[name] != value:
            return f"{name} {fields[name]}, expected {value}: it computes vectors"
    if is_fused(fields):
        return "a fused addition, expected none"
    if not fields["flags"] & CommandFlag.STREAMED_WEIGHTS:
        return "weights that are not streamed: it has no memory for them"
    for name, most in (("input_channels", INPUT_BYTES), ("output_channels", TABLE_CHANNELS)):
        if not 1 <= fields[name] <= most:
            return f"{name} {fields[name]}, expected 1..{most}"
    return None


def variants() -> tuple[Module, ...]:
    """Return the variants that a floorplan may choose from, the largest first."""
    return (DenseModule(STREAM_BYTES), DenseModule(2))
