"""Addresses for intermediate tensors: lifetimes, and first fit by size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fpga_rt.contract.command import Segment
from fpga_rt.contract.memory_map import align
from fpga_rt.planner.layers import Layers, PlannedLayer


@dataclass(frozen=True)
class Extent:
    """Where a tensor lies within its segment."""

    segment: Segment
    offset: int
    size_bytes: int

    def overlaps(self, other: Extent) -> bool:
        """Tell whether two tensors share a byte."""
        return (
            self.segment == other.segment
            and self.offset < other.offset + other.size_bytes
            and other.offset < self.offset + self.size_bytes
        )


def allocate(plan: Layers) -> tuple[Mapping[str, Extent], int]:
    """Return an extent for every tensor, and the bytes of one image's intermediate tensors."""
    sizes = _sizes(plan.layers)
    extents = {
        plan.input: Extent(Segment.INPUT, 0, sizes[plan.input]),
        plan.output: Extent(Segment.OUTPUT, 0, sizes[plan.output]),
    }
    lives = _lifetimes(plan.layers)
    placed: list[tuple[int, int, Extent]] = []
    for name in sorted(lives.keys() - extents.keys(), key=lambda n: (-sizes[n], lives[n])):
        first, last = lives[name]
        neighbours = sorted(
            (e.offset, e.offset + align(e.size_bytes))
            for begin, end, e in placed
            if begin <= last and first <= end
        )
        offset = 0
        for start, stop in neighbours:
            if offset + align(sizes[name]) <= start:
                break
            offset = max(offset, stop)
        extents[name] = Extent(Segment.FEATURES, offset, sizes[name])
        placed.append((first, last, extents[name]))
    total = max((e.offset + align(e.size_bytes) for _, _, e in placed), default=0)
    return extents, total


def _sizes(layers: Sequence[PlannedLayer]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for item in layers:
        height, width, channels = item.layer.input_shape
        sizes.setdefault(item.input, height * width * channels)
        height, width, channels = item.layer.output_shape
        sizes[item.output] = height * width * channels
        if item.residual is not None:
            sizes.setdefault(item.residual, height * width * channels)
    return sizes


def _lifetimes(layers: Sequence[PlannedLayer]) -> dict[str, tuple[int, int]]:
    """Return for each tensor the layer that writes it and the last one that reads it."""
    lives: dict[str, tuple[int, int]] = {}
    for index, item in enumerate(layers):
        lives[item.output] = (index, index)
        for name in item.reads:
            first, _ = lives.get(name, (0, 0))
            lives[name] = (first, index)
    return lives
