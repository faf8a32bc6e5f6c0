"""Commands in each other's way: which bytes two of them share, and which run at the same time.

Partitions of a program run side by side, and nothing but the waits in their rings keeps a command
from reading what another still writes. Hardware gives any bytes then; the emulator, which executes
commands one after another, gives the right ones, so it has to look for such pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from fpga_rt.contract.command import Operation
from fpga_rt.contract.sequencer import Timeline
from fpga_rt.device.operands import Extent, extent
from fpga_rt.modules.geometry import Fields, is_fused

Place = Callable[[int], int]
"""From the address in a command to where it lies."""
Rings = Mapping[int, Sequence[Fields]]


class Use(NamedTuple):
    """A command in an iteration."""

    partition: int
    command: int
    iteration: int


class Shared(NamedTuple):
    """Bytes that the output of one command (0 or 1) has in common with an operand of the other.

    `address` is the first one's as `Place` gives it, `size_bytes` reach to the last one.
    """

    writer: int
    operand: str
    address: int
    size_bytes: int


def operand_names(fields: Fields) -> tuple[str, ...]:
    """Return the operands in the order in which a command uses them."""
    second = is_fused(fields) or fields["operation"] == Operation.ADDITION
    return ("input", "residual", "output") if second else ("input", "output")


def bytes_of(memory: NDArray[np.bool_], offset: int, where: Extent) -> NDArray[np.bool_]:
    """View the bytes of an extent at an offset."""
    return as_strided(memory[offset:], where.shape, (where.row_pitch, where.pixel_pitch, 1))


def _as_it_is(address: int) -> int:
    return address


def shared_bytes(
    a: Fields, b: Fields, place_a: Place = _as_it_is, place_b: Place = _as_it_is
) -> Iterator[Shared]:
    """Yield the bytes that one command (0: `a`, 1: `b`) writes and the other uses.

    Args:
        a: a command.
        b: another one.
        place_a: where the operands of `a` lie; segments are apart unless given.
        place_b: the same for `b`.

    Raises:
        ValueError: a descriptor has a dimension of zero.
    """
    for number, (writer, at, other, other_at) in enumerate(
        ((a, place_a, b, place_b), (b, place_b, a, place_a))
    ):
        start, written = at(writer["output"]), extent(writer, "output")
        for name in operand_names(other):
            other_start, used = other_at(other[name]), extent(other, name)
            ends = (start + written.span_bytes, other_start + used.span_bytes)
            if min(ends) <= max(start, other_start):
                continue
            first = min(start, other_start)
            masks = np.zeros((2, max(ends) - first), np.bool_)
            bytes_of(masks[0], start - first, written)[...] = True
            bytes_of(masks[1], other_start - first, used)[...] = True
            found = np.flatnonzero(masks.all(axis=0))
            if len(found):
                size_bytes = int(found[-1] - found[0]) + 1
                yield Shared(number, name, first + int(found[0]), size_bytes)


def simultaneous(timeline: Timeline) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """Yield pairs of partitions and what runs at the same time on both.

    Rows are (iteration, command) on the one partition and on the other, in the order of the first.
    """
    for a, b in combinations(sorted(timeline.start), 2):
        count_a, count_b = timeline.start[a].shape[1], timeline.start[b].shape[1]
        start_a, end_a = timeline.start[a].ravel(), timeline.end[a].ravel()
        start_b, end_b = timeline.start[b].ravel(), timeline.end[b].ravel()
        # A ring is in order of time: those of b that overlap one of a lie side by side.
        first = np.searchsorted(end_b, start_a, side="right")
        counts = np.maximum(np.searchsorted(start_b, end_a, side="left") - first, 0)
        of_a = np.repeat(np.arange(len(start_a)), counts)
        behind = np.arange(len(of_a)) - np.repeat(np.cumsum(counts) - counts, counts)
        of_b = np.repeat(first, counts) + behind
        yield a, b, np.stack([*divmod(of_a, count_a), *divmod(of_b, count_b)], axis=1)


def races(rings: Rings, timeline: Timeline) -> list[tuple[Use, Use, Shared]]:
    """Return commands that run at the same time and share bytes of a segment.

    One pair of iterations stands for all of the same distance. Segments count as apart, and
    iterations as if they lay in the same place: whether they do is for who knows the submission.

    Raises:
        ValueError: a descriptor has a dimension of zero.
    """
    found = []
    for a, b, rows in simultaneous(timeline):
        known: dict[tuple[int, int], list[Shared]] = {}
        kinds = np.column_stack([rows[:, 1], rows[:, 3], rows[:, 2] - rows[:, 0]])
        _, first = np.unique(kinds, axis=0, return_index=True)
        for i, k, j, m in rows[np.sort(first)].tolist():
            if (k, m) not in known:
                known[k, m] = list(shared_bytes(rings[a][k], rings[b][m]))
            found += [(Use(a, k, i), Use(b, m, j), shared) for shared in known[k, m]]
    return found
