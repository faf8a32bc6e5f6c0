"""The smallest modules: one operation on every element, a beat after the other.

`scale` requantises each channel (an average over windows of one pixel), `add` adds two tensors,
`clamp` saturates (a maximum over windows of one pixel). They share one design, in which the
operation is a parameter. They keep a table and, for `add`, a row of the first operand, take little
of the fabric, and are what a newcomer reads first.
"""

from __future__ import annotations

from fpga_rt.arch.resources import Resources
from fpga_rt.arithmetic.operations import Addition, AveragePool, MaximumPool
from fpga_rt.contract.command import Operation
from fpga_rt.contract.sequencer import CommandCost
from fpga_rt.errors import ExecutionError
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
ROW_BYTES = 4096

_COMPUTED = {
    "scale": (AveragePool, Operation.AVERAGE_POOL),
    "add": (Addition, Operation.ADDITION),
    "clamp": (MaximumPool, Operation.MAXIMUM_POOL),
}


class ElementwiseModule(Module):
    """One operation on `lanes` neighbouring channels at a time."""

    def __init__(self, family: str, lanes: int) -> None:
        """Make the host half of `scale`, `add` or `clamp`."""
        self.family = family
        self.lanes = (lanes,)
        dsp = {"scale": 2, "add": 2, "clamp": 0}[family] * lanes
        self.resources = Resources(lut=600 + 60 * lanes, dsp=dsp, bram36=2)

    def operation(self, layer: Layer) -> Operation:
        """Return the operation code, the same for every layer that is not refused."""
        return _COMPUTED[self.family][1]

    def refusal(self, layer: Layer) -> str | None:
        """Return why the module cannot compute a layer, None when it can."""
        if not isinstance(layer.operation, _COMPUTED[self.family][0]):
            return f"{self.family} does not compute {type(layer.operation).__name__}"
        if layer.addition is not None:
            return f"{self.family} has no fused addition"
        if layer.window != ((1, 1), (1, 1), (0, 0, 0, 0)):
            return f"{self.family} has no window, but the layer's is {layer.window[0]}"
        if layer.input_shape[2] % self.lanes[0]:
            return f"{layer.input_shape[2]} channels are no multiple of {self.lanes[0]} lanes"
        return None

    def tiles(self, layer: Layer) -> tuple[Tile, ...]:
        """Cut by channels to the table, by columns to the row memory."""
        channels = min(TABLE_CHANNELS, layer.output_shape[2])
        return split(layer, channels, ROW_BYTES // channels)

    def pack(self, layer: Layer, tile: Tile) -> bytes:
        """Return no bytes: there are no weights."""
        return b""

    def weights_bytes(self, fields: Fields) -> int:
        """Return zero: there are no weights."""
        return 0

    def cost(self, fields: Fields, ports: Ports) -> CommandCost:
        """Return parameter cycles (the table) and compute cycles."""
        adds = fields["operation"] == Operation.ADDITION
        row = fields["output_width"] * ceil_divide(fields["output_channels"], self.lanes[0])
        compute = row_synchronous_cycles(fields, ports, row, adds)
        return CommandCost(parameter_cycles(fields, ports.parameters), compute)

    def execute(self, fields: Fields, memory: OperandMemory) -> None:
        """Run a command of this module."""
        require(fields, frozenset({_COMPUTED[self.family][1]}), self.name)
        window = tuple(
            fields[name] for name in ("kernel_height", "kernel_width", "stride_y", "stride_x")
        )
        if window != (1, 1, 1, 1) or fields["output_channels"] % self.lanes[0]:
            raise ExecutionError(
                f"module {self.name} got a window of {window} on {fields['output_channels']}"
                f" channels, expected single pixels and a multiple of {self.lanes[0]} channels;"
                " the program was compiled for another module"
            )
        execute(fields, memory, 0, None)


def variants() -> tuple[Module, ...]:
    """Return the variants that a floorplan may choose from, the largest first."""
    return tuple(ElementwiseModule(family, lanes) for family in _COMPUTED for lanes in (8, 2))
