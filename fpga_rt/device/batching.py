"""Which iterations of a program may run together, command by command, without changing a byte.

Hardware runs iterations one behind the other; NumPy is many times faster on batches. Iterations
run as a batch where nobody can tell: each stays within its own stride of every segment, nothing
writes where others read, and the order of the commands is the same in all of them. Where feature
maps are written before they are read in every iteration, each iteration gets feature memory of
its own for as long as it runs, so the batch need not be as small as the real feature memory.

(A program that writes into the middle of its own parameter blocks is not noticed.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpga_rt.contract.command import Segment, split_address
from fpga_rt.contract.memory_map import align
from fpga_rt.contract.sequencer import Timeline
from fpga_rt.contract.submission import Placement, Submission
from fpga_rt.device.conflicts import Shared, Use, bytes_of, operand_names, races, shared_bytes
from fpga_rt.device.memory import BusError, ByteMemory, Bytes
from fpga_rt.device.operands import extent
from fpga_rt.modules.geometry import Fields

SCRATCH_BASE = 1 << 40
"""Where private feature memory lies: no address of a program can reach it."""
SCRATCH_BYTES = 2 << 20
"""A batch whose feature maps stay in the caches is fastest."""
MOST_ITERATIONS = 64


class _Span(NamedTuple):
    """Bytes of a segment or block that all iterations together use."""

    start: int
    end: int
    written: bool


class _Reach(NamedTuple):
    """How far commands go into a segment, and whether they write there."""

    end: int
    written: bool


class _NotSeparable(Exception):
    """Iterations are in each other's way, or might be."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """Decoded rings and when their commands run."""

    commands: Mapping[int, tuple[Fields, ...]]
    timeline: Timeline

    @cached_property
    def order(self) -> tuple[tuple[int, int], ...] | None:
        """Partition and index of the commands by start in an iteration.

        None if two commands that share bytes swap places between iterations.
        """
        names = [(p, index) for p, ring in self.commands.items() for index in range(len(ring))]
        if not names:
            return ()
        starts = np.concatenate([self.timeline.start[p] for p in self.commands], axis=1)
        orders = np.argsort(starts, axis=1, kind="stable")
        for a, b in _swapped(orders):
            if any(shared_bytes(self._fields(names[a]), self._fields(names[b]))):
                return None
        return tuple(names[position] for position in orders[0])

    def _fields(self, name: tuple[int, int]) -> Fields:
        return self.commands[name[0]][name[1]]

    @cached_property
    def reaches(self) -> Mapping[int, _Reach] | None:
        """What the commands use of each segment, None if a descriptor makes no sense."""
        found: dict[int, _Reach] = {}
        try:
            for fields in (fields for ring in self.commands.values() for fields in ring):
                for name in operand_names(fields):
                    segment, offset = split_address(fields[name])
                    before = found.get(segment, _Reach(0, False))
                    end = max(before.end, offset + extent(fields, name).span_bytes)
                    found[segment] = _Reach(end, before.written or name == "output")
        except ValueError:
            return None
        return found

    @cached_property
    def races(self) -> Sequence[tuple[Use, Use, Shared]]:
        """Commands that run at the same time and share bytes of a segment (see `conflicts`)."""
        return () if self.reaches is None else races(self.commands, self.timeline)

    @cached_property
    def parameters(self) -> frozenset[int]:
        """Addresses of all parameter blocks."""
        rings = self.commands.values()
        return frozenset(f[name] for ring in rings for f in ring for name in ("weights", "table"))

    @cached_property
    def features_written(self) -> NDArray[np.bool_] | None:
        """The bytes of FEATURES an iteration writes, None if it reads one before it wrote it."""
        reaches = self.reaches or {}
        mask = np.zeros(reaches.get(Segment.FEATURES, _Reach(0, False)).end, np.bool_)
        for fields in map(self._fields, self.order or ()):
            for name in operand_names(fields):
                segment, offset = split_address(fields[name])
                if segment != Segment.FEATURES:
                    continue
                part = bytes_of(mask, offset, extent(fields, name))
                if name == "output":
                    part[...] = True
                elif not part.all():
                    return None
        return mask


def _swapped(orders: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Return the pairs of commands whose order is not that of the first row in every row."""
    first = orders[0]
    found: set[tuple[int, int]] = set()
    for other in np.unique(orders, axis=0):
        rank = np.empty_like(other)
        rank[other] = np.arange(len(other))
        ranks = rank[first]  # ascending where the order is the same
        for i in np.flatnonzero(np.minimum.accumulate(ranks[::-1])[::-1] < ranks):
            later = np.flatnonzero(ranks[i + 1 :] < ranks[i]) + i + 1
            found |= {(int(first[i]), int(first[j])) for j in later}
    return sorted(found)


def is_separable(schedule: Schedule, submission: Submission, group: int, private: bool) -> bool:
    """Tell whether `group` iterations can run command by command.

    Args:
        schedule: the commands.
        submission: where their segments lie.
        group: iterations that run together.
        private: every iteration has feature memory of its own.
    """
    if schedule.reaches is None or schedule.order is None:
        return False
    try:
        spans = _segment_spans(schedule.reaches, submission, group, private)
        spans += _parameter_spans(schedule.parameters, submission)
    except _NotSeparable:
        return False
    return not _any_meet(spans)


def _segment_spans(
    reaches: Mapping[int, _Reach], submission: Submission, group: int, private: bool
) -> list[_Span]:
    spans = []
    for segment, reach in reaches.items():
        if segment not in submission.segments:
            raise _NotSeparable
        place = submission.segments[Segment(segment)]
        depth = min(place.depth, submission.repeat)
        shared = reach.written and depth < group and not (private and segment == Segment.FEATURES)
        if shared or (depth > 1 and reach.end > place.stride):
            raise _NotSeparable
        end = place.base + (depth - 1) * place.stride + reach.end
        spans.append(_Span(place.base, end, reach.written))
    return spans


def _parameter_spans(parameters: frozenset[int], submission: Submission) -> list[_Span]:
    spans = []
    for value in parameters - {0}:
        segment, offset = split_address(value)
        if segment not in (Segment.WEIGHTS, Segment.TABLES):
            raise _NotSeparable
        place = submission.segments[Segment(segment)]
        if place.depth > 1 and place.stride:
            raise _NotSeparable
        spans.append(_Span(place.base + offset, place.base + offset + 1, False))
    return spans


def _any_meet(spans: Sequence[_Span]) -> bool:
    """Tell whether a span that is written shares a byte with another."""
    end, written_end = 0, 0
    for span in sorted(spans):
        if span.start < written_end or (span.written and span.start < end):
            return True
        end = max(end, span.end)
        written_end = max(written_end, span.end if span.written else 0)
    return False


class PrivateFeatures:
    """Memory in which every iteration of a batch has feature maps of its own."""

    def __init__(
        self, memory: ByteMemory, submission: Submission, written: NDArray[np.bool_]
    ) -> None:
        """Make room for as many iterations as run together best.

        Raises:
            BusError: the real feature maps are outside of the memory.
        """
        self._memory = memory
        self._written = written
        self._submission = submission
        self._place = submission.segments[Segment.FEATURES]
        for iteration in range(min(self._place.depth, submission.repeat)):
            self._real(iteration)
        stride = align(max(len(written), 1))
        self.iterations = max(1, min(submission.repeat, MOST_ITERATIONS, SCRATCH_BYTES // stride))
        self._data = np.zeros(self.iterations * stride, np.uint8)
        self._private = Placement(SCRATCH_BASE, stride, self.iterations)

    @property
    def segments(self) -> Mapping[Segment, Placement]:
        """The submission's segments with private feature maps."""
        return {**self._submission.segments, Segment.FEATURES: self._private}

    def window(self, address: int, size_bytes: int, who: str) -> Bytes:
        """Return a view of private or real memory (see `ByteMemory.window`)."""
        if address < SCRATCH_BASE:
            return self._memory.window(address, size_bytes, who)
        start = address - SCRATCH_BASE
        return self._data[start : start + size_bytes]

    def write_back(self, iterations: Sequence[int]) -> None:
        """Leave in the real feature maps what the last iterations leave there."""
        for iteration in iterations:
            if iteration >= self._submission.repeat - self._place.depth:
                private = self._private.at(iteration) - SCRATCH_BASE
                values = self._data[private : private + len(self._written)]
                np.copyto(self._real(iteration), values, where=self._written)

    def _real(self, iteration: int) -> Bytes:
        address = self._place.at(iteration)
        return self._memory.window(address, len(self._written), "private feature maps")


def private_features(
    memory: ByteMemory, schedule: Schedule, submission: Submission
) -> PrivateFeatures | None:
    """Return private feature maps for a program, None if it could tell the difference."""
    if not is_separable(schedule, submission, 1, private=True):
        return None
    written = schedule.features_written
    if written is None:
        return None
    try:
        features = PrivateFeatures(memory, submission, written)
    except BusError:
        return None
    fits = is_separable(schedule, submission, features.iterations, private=True)
    return features if fits else None
