"""What happened, as it happened: swaps, programs and requests, in device time (picoseconds)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fpga_rt.contract.sequencer import Timeline

SWAP_PHASES = (
    "queue",
    "quiesce",
    "decouple",
    "load",
    "reset",
    "identify",
    "recouple",
    "parameters",
    "first_result",
)
"""In order. `parameters` and `first_result` belong to the first program after the swap."""

Span = tuple[int, int]
Outcome = Literal["loaded", "failed", "restored"]


@dataclass
class SwapRecord:
    """One load of a module into a partition.

    Attributes:
        partition: index.
        module: what was loaded.
        replaced: the last good module before, None for an empty partition.
        ahead: begun before a job waited for it.
        started_ps: decouple begins.
        ended_ps: the module is coupled again.
        size_bytes: of the bitstream.
        outcome: `loaded`; `failed`; or `restored`, the last good module loaded back afterwards.
        phases_ps: time by phase, see `SWAP_PHASES`.
    """

    partition: int
    module: str
    replaced: str | None
    ahead: bool
    started_ps: int
    ended_ps: int = 0
    size_bytes: int = 0
    phases_ps: dict[str, int] = field(default_factory=dict)
    outcome: Outcome = "loaded"

    @property
    def initial(self) -> bool:
        """Whether it filled an empty partition: such a load is not a swap."""
        return self.replaced is None and self.outcome == "loaded"

    @property
    def span(self) -> Span:
        """Start and end."""
        return self.started_ps, self.ended_ps


@dataclass(frozen=True, eq=False)
class CommandCycles:
    """Cycles of every command of a ring, summed over the images: arrays [commands].

    Attributes:
        computing: from a command's start to its end.
        waiting: before its start, since the command before it ended (or since the doorbell): for
            parameters, for other partitions, for the sequencer.
    """

    computing: NDArray[np.int64]
    waiting: NDArray[np.int64]


def command_cycles(
    timeline: Timeline, places: Mapping[int, int] | None = None
) -> dict[int, CommandCycles]:
    """Return the cycles of every command by the partition that its ring was compiled for.

    Args:
        timeline: of a program.
        places: where the rings ran, by the partition they were compiled for; there by default.
    """
    found = {}
    for home, partition in (places or {p: p for p in timeline.start}).items():
        start, end = timeline.start[partition], timeline.end[partition]
        before = np.concatenate([[0], end.ravel()[:-1]]).reshape(end.shape)
        found[home] = CommandCycles((end - start).sum(axis=0), (start - before).sum(axis=0))
    return found


@dataclass(frozen=True)
class ProgramRecord:
    """One launch over one batch.

    Attributes:
        model: name of the network.
        request: number of the request.
        launch: index of the launch.
        started_ps: doorbell.
        ended_ps: completion.
        busy_ps: by partition, first start and last end of its commands.
        bank: parameter bank it read.
        images: of the batch.
        commands: cycles by the partition that a ring was compiled for, where the device knows them.
        places: where the rings ran, by the partition they were compiled for.
    """

    model: str
    request: int
    launch: int
    started_ps: int
    ended_ps: int
    busy_ps: Mapping[int, Span]
    bank: int
    images: int = 1
    commands: Mapping[int, CommandCycles] | None = None
    places: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RequestRecord:
    """One batch from its first doorbell (or the load before it) to its last completion."""

    model: str
    request: int
    images: int
    started_ps: int
    ended_ps: int
    bank: int


@dataclass
class Log:
    """Everything a runtime did since it was last cleared."""

    swaps: list[SwapRecord] = field(default_factory=list)
    programs: list[ProgramRecord] = field(default_factory=list)
    """One after the other: a device runs one program at a time."""
    requests: list[RequestRecord] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Loads ahead that failed; they were tried again when a job needed the module."""
    reused: int = 0
    parameter_bytes: int = 0

    def hidden_ps(self, swap: SwapRecord) -> int:
        """Return how much of a swap ran while a program computed on another partition."""
        hidden = 0
        first = bisect_right(self.programs, swap.started_ps, key=lambda p: p.ended_ps)
        for program in islice(self.programs, first, None):
            if program.started_ps >= swap.ended_ps:
                break
            start = max(swap.started_ps, program.started_ps)
            hidden += min(swap.ended_ps, program.ended_ps) - start
        return hidden

    def exposed_ps(self, swap: SwapRecord) -> int:
        """Return how much of a swap nothing computed beside."""
        return swap.ended_ps - swap.started_ps - self.hidden_ps(swap)
