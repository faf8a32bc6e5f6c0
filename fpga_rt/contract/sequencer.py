"""When commands run: the sequencer's timing rule, exact in compute-clock cycles.

A module holds two parameter buffers. The stream into one fills while the other computes, so for
command k of a ring (P: parameters are in, C: computing ends)

    P[k] = max(P[k-1], C[k-2]) + parameter_cycles[k], with C[k-1] if command k-1 streams its weights
    C[k] = max(P[k], C[k-1] + DISPATCH, waits + SYNC) + compute_cycles[k]

`waits` are the ends of the commands of other rings that the descriptor names, and the end of the
iteration `depth` before this one. Planner, emulator and gateware checks all use this function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpga_rt.errors import ExecutionError

HEADER_CYCLES = 60
"""Doorbell to the first descriptor request: one memory latency and the beats of the header."""
DESCRIPTOR_CYCLES = 40
"""First descriptor of a ring: latency, eight beats, decode; later ones are prefetched."""
DISPATCH_CYCLES = 4
SYNC_CYCLES = 4
"""From one partition's completion to another partition's start."""
COMPLETION_CYCLES = 12
"""Last write accepted, completion record written, interrupt raised."""
REGISTER_CYCLES = 20
"""One AXI4-Lite access by the host, as seen by the device."""


@dataclass(frozen=True)
class CommandCost:
    """Cycles of one command, and how many commands of each partition must have completed."""

    parameters: int
    compute: int
    waits: tuple[int, ...] = (0, 0, 0, 0)
    streamed: bool = False
    """Its weights come while it computes, so the next command's parameters wait for its end."""


@dataclass(frozen=True, eq=False)
class Timeline:
    """Cycle at which each command computes, from the doorbell on: arrays [repeat, commands]."""

    start: Mapping[int, NDArray[np.int64]]
    end: Mapping[int, NDArray[np.int64]]
    parameters_end: Mapping[int, NDArray[np.int64]]
    total: int

    def released(self, partition: int) -> int:
        """Cycle at which a partition has nothing left to do."""
        return int(self.end[partition].max(initial=0))


class _RingState:
    """Progress of one ring through its iterations."""

    def __init__(self, costs: Sequence[CommandCost], repeat: int) -> None:
        shape = (repeat, len(costs))
        self.costs = costs
        self.start = np.zeros(shape, np.int64)
        self.end = np.zeros(shape, np.int64)
        self.parameters_end = np.zeros(shape, np.int64)
        self.iteration = 0
        self.index = 0
        origin = HEADER_CYCLES + DESCRIPTOR_CYCLES
        self.last_parameters = origin
        self.last_ends = (origin - DISPATCH_CYCLES, 0)  # C[k-1], C[k-2]
        self.last_streamed = False

    def completed(self, iteration: int) -> int:
        """Commands of `iteration` that have been scheduled so far."""
        if iteration < self.iteration:
            return len(self.costs)
        return self.index if iteration == self.iteration else 0

    def schedule(self, ready: int) -> None:
        """Place the next command, whose waits are over at cycle `ready`."""
        cost, at = self.costs[self.index], (self.iteration, self.index)
        previous, before = self.last_ends
        released = previous if self.last_streamed else before
        parameters = max(self.last_parameters, released) + cost.parameters
        start = max(parameters, previous + DISPATCH_CYCLES, ready)
        self.start[at], self.end[at] = start, start + cost.compute
        self.parameters_end[at] = self.last_parameters = parameters
        self.last_ends = (start + cost.compute, previous)
        self.last_streamed = cost.streamed
        self.index += 1
        if self.index == len(self.costs):
            self.iteration, self.index = self.iteration + 1, 0


def _waits_over(rings: Mapping[int, _RingState], ring: _RingState, depth: int) -> int | None:
    """Cycle at which the next command of `ring` may start, None while it is not known."""
    ready = 0
    for partition, count in enumerate(ring.costs[ring.index].waits):
        if count == 0:
            continue
        other = rings.get(partition)
        if other is None or other.completed(ring.iteration) < count:
            return None
        ready = max(ready, int(other.end[ring.iteration, count - 1]) + SYNC_CYCLES)
    gate = ring.iteration - depth
    if ring.index == 0 and gate >= 0:
        for other in rings.values():
            if other.iteration <= gate:
                return None
            ready = max(ready, int(other.end[gate, -1]) + SYNC_CYCLES)
    return ready


def timeline(
    costs: Mapping[int, Sequence[CommandCost]], repeat: int = 1, depth: int = 1
) -> Timeline:
    """Schedule every command of `repeat` iterations of the rings.

    Args:
        costs: for each partition its commands in ring order.
        repeat: iterations.
        depth: iterations whose feature maps exist at a time.

    Raises:
        ExecutionError: the waits can never be over.
    """
    rings = {p: _RingState(c, repeat) for p, c in costs.items() if c}
    pending = set(rings)
    while pending:
        progressed = False
        for partition in sorted(pending):
            ring = rings[partition]
            while ring.iteration < repeat:
                ready = _waits_over(rings, ring, depth)
                if ready is None:
                    break
                ring.schedule(ready)
                progressed = True
        pending = {p for p in pending if rings[p].iteration < repeat}
        if pending and not progressed:
            where = ", ".join(f"partition {p} command {rings[p].index}" for p in sorted(pending))
            raise ExecutionError(f"deadlock: {where} wait for each other; recompile the program")
    last = max((int(ring.end.max(initial=0)) for ring in rings.values()), default=HEADER_CYCLES)
    return Timeline(
        {p: ring.start for p, ring in rings.items()},
        {p: ring.end for p, ring in rings.items()},
        {p: ring.parameters_end for p, ring in rings.items()},
        last + COMPLETION_CYCLES,
    )
