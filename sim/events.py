"""What a program has done, from the strobes of the static region."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from fpga_rt.contract.sequencer import Timeline
from fpga_rt.contract.submission import Submission

EVENT = np.dtype([("time_ps", np.uint64), ("kind", np.uint32), ("partition", np.uint32)])
"""An event: when, its `EventKind`, and of which partition."""


class EventKind(IntEnum):
    """What a strobe says."""

    START = 0
    """A command has begun to compute, in the clock before."""
    END = 1
    """A command has ended, in the clock before."""
    PARAMETERS = 2
    """The parameters of a command are in: from this clock on it can compute."""


def strobes(partitions: int) -> dict[str, tuple[int, int]]:
    """Return the strobes of a static region by name, each with its kind and partition."""
    return {
        f"event_{kind.name.lower()}_{partition}": (kind, partition)
        for partition in range(partitions)
        for kind in EventKind
    }


def busy_ps(
    events: NDArray[np.void], submission: Submission, clock_ps: int
) -> dict[int, tuple[int, int]]:
    """Return when the first command of each ring started and the last one ended."""
    busy = {}
    for partition in submission.rings:
        starts = _times_ps(events, EventKind.START, partition, clock_ps)
        ends = _times_ps(events, EventKind.END, partition, clock_ps)
        if len(starts) and len(ends):
            busy[partition] = (int(starts[0]), int(ends[-1]))
    return busy


def timeline(
    events: NDArray[np.void], submission: Submission, begin_end_ps: tuple[int, int], clock_ps: int
) -> Timeline | None:
    """Return every command of a program in clocks since its doorbell.

    Args:
        events: of the program, oldest first, as `EVENT`.
        submission: what ran.
        begin_end_ps: when the doorbell rang and when the interrupt came.
        clock_ps: period of the compute clock.

    Returns:
        None when a command has not all of its events: the program did not run to its end.
    """
    begin_ps, end_ps = begin_end_ps

    def table(kind: EventKind) -> Mapping[int, NDArray[np.int64]]:
        return {
            partition: (
                (_times_ps(events, kind, partition, clock_ps) - begin_ps) // clock_ps
            ).reshape(submission.repeat, ring.commands)
            for partition, ring in submission.rings.items()
        }

    try:
        start, end, parameters_end = (table(kind) for kind in EventKind)
    except ValueError:  # not as many events as commands
        return None
    return Timeline(start, end, parameters_end, (end_ps - begin_ps) // clock_ps)


def _times_ps(
    events: NDArray[np.void], kind: EventKind, partition: int, clock_ps: int
) -> NDArray[np.int64]:
    chosen = (events["kind"] == kind) & (events["partition"] == partition)
    times: NDArray[np.int64] = events["time_ps"][chosen].astype(np.int64)
    return times - clock_ps * (kind is not EventKind.PARAMETERS)
