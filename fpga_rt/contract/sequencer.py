"""When commands run: the sequencer's timing rule, exact in compute-clock cycles.

A module holds two parameter buffers. The stream into one fills while the other computes, so for
command k of a ring (P: parameters are in, C: computing ends)

    P[k] = max(P[k-1], C[k-2]) + parameters[k], with C[k-1] if command k-1 streams its weights
    C[k] = max(P[k], C[k-1] + DISPATCH, waits + SYNC) + compute[k]

`waits` are the ends of the commands of other rings that the descriptor names, and the end of the
iteration `depth` before this one. P[-1] is when the first descriptor of the ring is in: the header
is read, then a descriptor for each ring in turn. Planner, emulator and gateware checks all use
this rule. It leaves out that descriptors are prefetched, which is too slow for rings of many
commands that are all shorter than reading a descriptor for every ring, and that a memory of less
than 18 cycles of latency does not start the first ring earlier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fpga_rt.contract.command import COMMAND_BYTES, STREAM_BYTES
from fpga_rt.contract.submission import HEADER
from fpga_rt.errors import ExecutionError

HEADER_CYCLES = 7
"""Doorbell to the first descriptor's request, besides reading the header as far as it is used."""
DESCRIPTOR_CYCLES = 3
"""A descriptor's request to its first use, besides reading it."""
PARAMETER_CYCLES = 5
"""A free parameter buffer to its use, besides reading the parameters."""
DISPATCH_CYCLES = 4
"""From a command's end to the next one's start."""
SYNC_CYCLES = 4
"""From one partition's completion to another partition's start."""
COMPLETION_CYCLES = 12
"""From the end of the last command to the interrupt."""
NEVER = np.iinfo(np.int64).max
"""Start and end of a command that a deadlock keeps from running."""
REGISTER_CYCLES = 20
"""One AXI4-Lite access by the host; times of a program begin where that of the doorbell ends."""


class Memory(Protocol):
    """What the static region reads from: cycles to the first beat, and for beats that flow."""

    @property
    def latency_cycles(self) -> int:
        """Return the cycles from an address to its beat."""

    def cycles(self, beats: int) -> int:
        """Return the cycles that some beats of 8 bytes take."""


def read_cycles(memory: Memory, beats: int) -> int:
    """Return the cycles from an address to the last of some beats."""
    return memory.latency_cycles + memory.cycles(max(beats - 1, 0))


def header_cycles(memory: Memory) -> int:
    """Return the cycles from the doorbell to the first descriptor's request."""
    words = 1 + max(field.word for field in HEADER.fields)
    return HEADER_CYCLES + read_cycles(memory, -(-4 * words // STREAM_BYTES))


def ring_cycles(memory: Memory, rank: int) -> int:
    """Return the cycles from the doorbell until a ring with `rank` others before it has begun."""
    beats = (rank + 1) * COMMAND_BYTES // STREAM_BYTES
    return header_cycles(memory) + DESCRIPTOR_CYCLES + read_cycles(memory, beats)


def parameter_cycles(memory: Memory, beats: int) -> int:
    """Return the cycles from a free parameter buffer until `beats` of parameters can be used."""
    return PARAMETER_CYCLES + read_cycles(memory, beats)


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


class DeadlockError(ExecutionError):
    """Waits that can never be over: the first of the rings that stand still, and where it does.

    `timeline` has what runs before; the start of a command that never does is `NEVER`.
    """

    def __init__(self, message: str, partition: int, command: int, timeline: Timeline) -> None:
        """Keep what the sequencer's error registers name."""
        super().__init__(message)
        self.partition = partition
        self.command = command
        self.timeline = timeline


class _RingState:
    """Progress of one ring through its iterations."""

    def __init__(self, costs: Sequence[CommandCost], repeat: int, origin: int) -> None:
        shape = (repeat, len(costs))
        self.costs = costs
        self.start = np.full(shape, NEVER, np.int64)
        self.end = np.full(shape, NEVER, np.int64)
        self.parameters_end = np.full(shape, NEVER, np.int64)
        self.iteration = 0
        self.index = 0
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
    costs: Mapping[int, Sequence[CommandCost]], memory: Memory, repeat: int = 1, depth: int = 1
) -> Timeline:
    """Schedule every command of `repeat` iterations of the rings.

    Args:
        costs: for each partition its commands in ring order.
        memory: where header and descriptors lie.
        repeat: iterations.
        depth: iterations whose feature maps exist at a time.

    Raises:
        DeadlockError: the waits can never be over.
    """
    used = sorted(partition for partition, ring in costs.items() if ring)
    rings = {
        partition: _RingState(costs[partition], repeat, ring_cycles(memory, rank))
        for rank, partition in enumerate(used)
    }
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
            first = min(pending)
            raise DeadlockError(
                f"deadlock: {where} wait for each other; recompile the program",
                first,
                rings[first].index,
                _placed(rings, memory),
            )
    return _placed(rings, memory)


def _placed(rings: Mapping[int, _RingState], memory: Memory) -> Timeline:
    """Return when the commands run that were scheduled."""
    nothing = header_cycles(memory)
    ends = [int(ring.end[ring.end != NEVER].max(initial=nothing)) for ring in rings.values()]
    return Timeline(
        {p: ring.start for p, ring in rings.items()},
        {p: ring.end for p, ring in rings.items()},
        {p: ring.parameters_end for p, ring in rings.items()},
        max(ends, default=nothing) + COMPLETION_CYCLES,
    )
