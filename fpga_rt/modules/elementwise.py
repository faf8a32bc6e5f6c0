"""The smallest modules: one operation on every element, a beat after the other.

`scale` requantises each channel (an average over windows of one pixel), `add` adds two tensors,
`clamp` saturates (a maximum over windows of one pixel). They share one design, in which the
operation is a parameter. They keep a table and, for `add`, a row of the first operand, take little
of the fabric, and are what a newcomer reads first.
"""

from __future__ import annotations

from fpga_rt.arithmetic.operations import Addition, AveragePool, MaximumPool
from fpga_rt.contract.command import Operation
from fpga_rt.contract.sequencer import CommandCost
from fpga_rt.errors import ExecutionError
from fpga_rt.modules.elementwise_cycles import compute_cycles
from fpga_rt.modules.execution import execute, require
from fpga_rt.modules.geometry import Fields, Ports, is_fused, parameter_cycles
from fpga_rt.modules.layer import Layer, Tile, split
from fpga_rt.modules.module import Module, OperandMemory

TABLE_CHANNELS = 256
ROW_BYTES = 4096

_COMPUTED = {
    "scale": (AveragePool, Operation.AVERAGE_POOL),
    "add": (Addition, Operation.ADDITION),
    "clamp": (MaximumPool, Operation.MAXIMUM_POOL),
}
_FIXED = {
    "kernel_height": 1,
    "kernel_width": 1,
    "stride_y": 1,
    "stride_x": 1,
    "pad_top": 0,
    "pad_left": 0,
}


class ElementwiseModule(Module):
    """One operation on `lanes` neighbouring channels at a time."""

    def __init__(self, family: str, lanes: int) -> None:
        """Make the host half of `scale`, `add` or `clamp`."""
        self.family = family
        self.lanes = (lanes,)

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
        """Cut by channels to the table; an addition by columns, too, to the row memory."""
        _, width, channels = layer.output_shape
        channels = min(TABLE_CHANNELS, channels)
        return split(layer, channels, ROW_BYTES // channels if self.family == "add" else width)

    def pack(self, layer: Layer, tile: Tile) -> bytes:
        """Return no bytes: there are no weights."""
        return b""

    def weights_bytes(self, fields: Fields) -> int:
        """Return zero: there are no weights."""
        return 0

    def cost(self, fields: Fields, ports: Ports) -> CommandCost:
        """Return parameter cycles (the table) and compute cycles."""
        compute = compute_cycles(fields, ports, self.family, self.lanes[0])
        return CommandCost(parameter_cycles(fields, ports.parameters), compute)

    def execute(self, fields: Fields, memory: OperandMemory) -> None:
        """Run a command of this module."""
        require(fields, frozenset({_COMPUTED[self.family][1]}), self.name)
        reason = self._objection(fields)
        if reason:
            raise ExecutionError(
                f"module {self.name} got {reason}; the program was compiled for another module"
            )
        execute(fields, memory, 0, None)

    def _objection(self, fields: Fields) -> str | None:
        """Return what of a descriptor the gateware refuses, None when it takes it."""
        for name, value in _FIXED.items():
            if fields[name] != value:
                return f"{name} {fields[name]}, expected {value}: it has no window"
        sizes = tuple(fields[f"output_{name}"] for name in ("height", "width", "channels"))
        source = tuple(fields[f"input_{name}"] for name in ("height", "width", "channels"))
        if source != sizes:
            return f"an input of {source}, expected the output's {sizes}"
        if is_fused(fields):
            return "a fused addition, expected none"
        channels = sizes[2]
        if 0 in sizes or channels > TABLE_CHANNELS or channels % self.lanes[0]:
            return (
                f"an output of {sizes}, expected 1..{TABLE_CHANNELS} channels in a multiple of"
                f" {self.lanes[0]}"
            )
        if self.family == "add" and sizes[1] * channels > ROW_BYTES:
            return f"a row of {sizes[1] * channels} bytes, expected at most {ROW_BYTES}"
        return None


def variants() -> tuple[Module, ...]:
    """Return the variants that a floorplan may choose from, the largest first."""
    return tuple(ElementwiseModule(family, lanes) for family in _COMPUTED for lanes in (8, 2))
