"""The boundary of a reconfigurable module: every wire that crosses into its partition.

One clock, the compute clock, is routed beside these wires. Streams are 64 bits wide and follow
`valid`/`ready`: a beat moves in a cycle in which both are one, and an offered beat stays as it is
until it moves. Everything on the static side is registered.

For each command of its ring, in order, a module takes

1. the descriptor, eight beats of `command`, lowest words first (its addresses mean nothing here);
2. `table_beats` and then `weights_beats` beats of `parameters`;
3. `start`, one cycle: compute the oldest command that was not started;
4. beats of `input`: for each output row first the rows of the input that this row adds, then the
   row of the residual, if there is one;
5. and gives beats of `output`, row by row.

A row is one piece of contiguous bytes, or a piece for each pixel where the pixel pitch differs from
the channels. A piece starts at the lowest byte of a beat; the last beat of a piece may be partial,
and what its upper bytes hold means nothing. The module takes steps 1 and 2 of the next command
while it computes one; of the command after that only when one has ended.

`error` says that a command cannot be computed (an unknown operation, a shape that does not fit);
it stays until `reset`. `module_id` never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from fpga_rt.contract.command import STREAM_BYTES

_STREAM_BITS = 8 * STREAM_BYTES


class Direction(Enum):
    """Which side drives a wire, seen from the module."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True)
class Wire:
    """A wire or bus of the boundary."""

    name: str
    width: int
    direction: Direction


def _stream(name: str, data: Direction) -> tuple[Wire, ...]:
    back = Direction.OUTPUT if data is Direction.INPUT else Direction.INPUT
    return (
        Wire(f"{name}_data", _STREAM_BITS, data),
        Wire(f"{name}_valid", 1, data),
        Wire(f"{name}_ready", 1, back),
    )


BOUNDARY = (
    Wire("reset", 1, Direction.INPUT),
    Wire("start", 1, Direction.INPUT),
    *_stream("command", Direction.INPUT),
    *_stream("parameters", Direction.INPUT),
    *_stream("input", Direction.INPUT),
    *_stream("output", Direction.OUTPUT),
    Wire("error", 1, Direction.OUTPUT),
    Wire("module_id", 64, Direction.OUTPUT),
)
"""Every wire but the clock."""
