"""Pooling (maximum, average) and the addition of two tensors, on channel lanes without weights.

A window of a group of `lanes` channels takes `kernel_height * kernel_width` cycles, at least two;
an addition takes four. A layer that exceeds a memory is cut by channels and columns.
"""

from __future__ import annotations

from fpga_rt.arithmetic.operations import Addition, AveragePool, MaximumPool
from fpga_rt.contract.command import Operation
from fpga_rt.contract.sequencer import CommandCost
from fpga_rt.modules.channel_tiles import channel_refusal, channel_tiles
from fpga_rt.modules.execution import execute, require
from fpga_rt.modules.geometry import (
    Fields,
    Ports,
    parameter_cycles,
)
from fpga_rt.modules.layer import Layer, Tile
from fpga_rt.modules.module import Module, OperandMemory
from fpga_rt.modules.window_cycles import Walk, compute_cycles
from fpga_rt.modules.window_limits import TABLE_CHANNELS, require_computable

REQUANTISE_CYCLES = 2
ADDITION_CYCLES = 4
"""From a group to the next, at least."""
LATENCY_CYCLES = 13
"""From the last step of a group to its first results, whatever the operation."""

_OPERATIONS = {
    AveragePool: Operation.AVERAGE_POOL,
    MaximumPool: Operation.MAXIMUM_POOL,
    Addition: Operation.ADDITION,
}
_OFFERED = frozenset(_OPERATIONS.values())


def requantised_a_clock(lanes: int) -> int:
    """Return the results of a group that are requantised, and given, a clock."""
    return max(1, lanes // REQUANTISE_CYCLES)


def added_a_clock(lanes: int) -> int:
    """Return the codes of a group that are added to a residual a clock."""
    return max(1, lanes // ADDITION_CYCLES)


class PoolingModule(Module):
    """The pooling module with a number of channel lanes."""

    family = "pooling"

    def __init__(self, lanes: int) -> None:
        """Make the host half for a number of lanes."""
        self.lanes = (lanes,)

    def operation(self, layer: Layer) -> Operation:
        """Return the operation code for a layer."""
        return next(code for kind, code in _OPERATIONS.items() if isinstance(layer.operation, kind))

    def refusal(self, layer: Layer) -> str | None:
        """Return why the module cannot compute a layer, None when it can."""
        if not isinstance(layer.operation, tuple(_OPERATIONS)):
            return f"{self.family} does not compute {type(layer.operation).__name__}"
        if layer.addition is not None:
            return f"{self.family} has no fused addition"
        return channel_refusal(layer, self.lanes[0])

    def tiles(self, layer: Layer) -> tuple[Tile, ...]:
        """Cut by channels to the table, by channels and columns to line and row memory."""
        return channel_tiles(layer, self.lanes[0], TABLE_CHANNELS)

    def pack(self, layer: Layer, tile: Tile) -> bytes:
        """Return no bytes: there are no weights."""
        return b""

    def weights_bytes(self, fields: Fields) -> int:
        """Return zero: there are no weights."""
        return 0

    def cost(self, fields: Fields, ports: Ports) -> CommandCost:
        """Return parameter cycles (the table) and compute cycles."""
        compute = compute_cycles(fields, ports, self._walk(fields))
        return CommandCost(parameter_cycles(fields, ports.parameters), compute)

    def _walk(self, fields: Fields) -> Walk:
        (lanes,) = self.lanes
        adds = fields["operation"] == Operation.ADDITION
        results = added_a_clock(lanes) if adds else requantised_a_clock(lanes)
        steps = fields["kernel_height"] * fields["kernel_width"]
        return Walk(steps, lanes // results, lanes, results, LATENCY_CYCLES, adds)

    def execute(self, fields: Fields, memory: OperandMemory) -> None:
        """Run a command of this module."""
        require(fields, _OFFERED, self.name)
        adds = fields["operation"] == Operation.ADDITION
        require_computable(fields, self.name, residual=adds)
        execute(fields, memory, 0, None)


def variants() -> tuple[Module, ...]:
    """Return the variants that a floorplan may choose from, the largest first."""
    return tuple(PoolingModule(lanes) for lanes in (8, 2))
