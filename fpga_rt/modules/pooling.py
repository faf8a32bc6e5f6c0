"""Pooling (maximum, average) and the addition of two tensors, on channel lanes without weights.

A window of a group of `lanes` channels takes `kernel_height * kernel_width` cycles, at least two;
an addition takes four.
"""

from __future__ import annotations

from fpga_rt.arch.resources import Resources
from fpga_rt.arithmetic.operations import Addition, AveragePool, MaximumPool
from fpga_rt.contract.command import Operation
from fpga_rt.contract.sequencer import CommandCost
from fpga_rt.modules.execution import execute, require
from fpga_rt.modules.geometry import (
    Fields,
    Ports,
    ceil_divide,
    parameter_cycles,
    row_synchronous_cycles,
)
from fpga_rt.modules.layer import Layer, Tile, split
from fpga_rt.modules.module import Module, OperandMemory

TABLE_CHANNELS = 256
LINE_BYTES = 16384
REQUANTISE_CYCLES = 2
ADDITION_CYCLES = 4

_OPERATIONS = {
    AveragePool: Operation.AVERAGE_POOL,
    MaximumPool: Operation.MAXIMUM_POOL,
    Addition: Operation.ADDITION,
}
_OFFERED = frozenset(_OPERATIONS.values())


class PoolingModule(Module):
    """The pooling module with a number of channel lanes."""

    family = "pooling"

    def __init__(self, lanes: int) -> None:
        """Make the host half for a number of lanes."""
        self.lanes = (lanes,)
        requantise = ceil_divide(lanes, REQUANTISE_CYCLES)
        self.resources = Resources(lut=1200 + 90 * lanes, dsp=3 * requantise, bram36=6)

    def operation(self, layer: Layer) -> Operation:
        """Return the operation code for a layer."""
        return next(code for kind, code in _OPERATIONS.items() if isinstance(layer.operation, kind))

    def refusal(self, layer: Layer) -> str | None:
        """Return why the module cannot compute a layer, None when it can."""
        if not isinstance(layer.operation, tuple(_OPERATIONS)):
            return f"{self.family} does not compute {type(layer.operation).__name__}"
        if layer.addition is not None:
            return f"{self.family} has no fused addition"
        if self._groups(layer) < 1:
            return f"its window exceeds the line memory of {LINE_BYTES} bytes"
        return None

    def tiles(self, layer: Layer) -> tuple[Tile, ...]:
        """Cut by channels to the line memory."""
        channels = min(self._groups(layer) * self.lanes[0], TABLE_CHANNELS)
        return split(layer, channels, layer.output_shape[1])

    def pack(self, layer: Layer, tile: Tile) -> bytes:
        """Return no bytes: there are no weights."""
        return b""

    def weights_bytes(self, fields: Fields) -> int:
        """Return zero: there are no weights."""
        return 0

    def cost(self, fields: Fields, ports: Ports) -> CommandCost:
        """Return parameter cycles (the table) and compute cycles."""
        groups = ceil_divide(fields["output_channels"], self.lanes[0])
        window = fields["kernel_height"] * fields["kernel_width"]
        residual = fields["operation"] == Operation.ADDITION
        after = ADDITION_CYCLES if residual else REQUANTISE_CYCLES
        row = fields["output_width"] * groups * max(window, after)
        compute = row_synchronous_cycles(fields, ports, row, residual)
        return CommandCost(parameter_cycles(fields, ports.parameters), compute)

    def execute(self, fields: Fields, memory: OperandMemory) -> None:
        """Run a command of this module."""
        require(fields, _OFFERED, self.name)
        execute(fields, memory, 0, None)

    def _groups(self, layer: Layer) -> int:
        (kernel_y, _), (stride_y, _), _ = layer.window
        height, width, _ = layer.input_shape
        rows = min(height, kernel_y + stride_y if layer.output_shape[0] > 1 else kernel_y)
        return LINE_BYTES // (rows * width * self.lanes[0])


def variants() -> tuple[Module, ...]:
    """Return the variants that a floorplan may choose from, the largest first."""
    return tuple(PoolingModule(lanes) for lanes in (8, 2))
