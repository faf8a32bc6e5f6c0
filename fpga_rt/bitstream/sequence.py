"""The order in which a device counts through its frames, and the frames of a partition.

Frame data names its first frame only; the device counts on by itself: minors, columns, rows, block
types. Two pad frames that belong to no address follow every row of a block type (checked on full
streams of the XC7Z020: 9,996 frames and 12 pads).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import PAD_FRAMES, Device
from fpga_rt.arch.families import FrameAddress
from fpga_rt.arch.floorplan import DECLARED_FRAMES, Partition, cells, declared_start
from fpga_rt.arch.partials import Run, runs
from fpga_rt.errors import ArtifactError

PAD = -1
"""Stands for a pad frame where addresses are listed."""


def first_frame(device: Device, partition: Partition) -> int:
    """Return the FAR of the first frame of a partition.

    A partition without rectangles (a device of unknown geometry) is given a stand-in region, see
    `arch.floorplan.declared_start`.
    """
    if partition.is_estimate:
        return declared_start(device, partition)
    return runs(device, cells(device, partition))[0].address


class FrameOrder:
    """The frames of one device in counting order."""

    def __init__(self, device: Device, sequence: NDArray[np.int64] | None = None) -> None:
        """List the frames.

        Args:
            device: Whose frames they are.
            sequence: (n,) int64, every FAR in counting order with `PAD` for pad frames, for a
                device whose rows differ; computed from the columns and rows by default. A device
                of unknown geometry has none to list.
        """
        self.device = device
        self._sequence = _sequence(device) if sequence is None else sequence
        self._order = np.argsort(self._sequence, kind="stable")
        self._sorted = self._sequence[self._order]

    def run(self, far: int, count: int) -> NDArray[np.int64]:
        """Return (count,) int64: the FARs of `count` frames from `far` on, `PAD` for pad frames.

        Where the geometry is unknown, the frames are taken to lie in one column.

        Raises:
            ArtifactError: The device has no frame at `far`, or fewer than `count` from there on.
        """
        return self.runs(np.array([far]), np.array([count]))

    def runs(self, fars: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (sum of counts,) int64: the FARs of several runs, one after the other; see `run`.

        Raises:
            ArtifactError: The device has no such frames.
        """
        times = counts.astype(np.intp, copy=False)  # what repeat takes, on 32-bit machines too
        within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, times)
        if not self.length:
            return np.repeat(fars, times) + within
        there = len(self._sequence) - self.positions(fars)
        short = np.flatnonzero(there < counts)
        if len(short):
            far, count = int(fars[short[0]]), int(counts[short[0]])
            raise ArtifactError(
                f"{count:,} frames from frame address 0x{far:08X} on: {self.device.name} has "
                f"{int(there[short[0]]):,} there; build the stream for {self.device.name}"
            )
        found: NDArray[np.int64] = self._sequence[
            np.repeat(len(self._sequence) - there, times) + within
        ]
        return found

    def positions(self, addresses: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (n,) int64: where FARs stand in counting order; past the end where nowhere."""
        place = np.searchsorted(self._sorted, addresses)
        found = np.append(self._sorted, PAD)[place] == addresses
        return np.where(found & (addresses != PAD), np.append(self._order, 0)[place], self.length)

    def columns(self, addresses: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (n,) int64: the FAR of minor 0 of the column that each frame lies in."""
        bits = self.device.family.address.minor[0] + 1
        columns: NDArray[np.int64] = addresses >> bits << bits
        return columns

    @cached_property
    def column_frames(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Every column by the FAR of its minor 0, ascending, and how many frames it has."""
        there = self._sequence[self._sequence != PAD]
        columns, counts = np.unique(self.columns(there), return_counts=True)
        return columns, counts.astype(np.int64)

    @property
    def length(self) -> int:
        """How many frames there are, pads included."""
        return len(self._sequence)

    def partition(self, partition: Partition) -> NDArray[np.int64]:
        """Return (n,) int64: the FAR of every frame of a partition; see `first_frame`."""
        if partition.is_estimate:
            return first_frame(self.device, partition) + np.arange(DECLARED_FRAMES)
        return self.listed(runs(self.device, cells(self.device, partition)))

    def listed(self, region: Iterable[Run]) -> NDArray[np.int64]:
        """Return (n,) int64: the FAR of every frame of some runs, without their pads."""
        found = [self.run(run.address, run.frames) for run in region]
        return np.concatenate([np.zeros(0, np.int64), *found])


def _sequence(device: Device) -> NDArray[np.int64]:
    """Return every FAR of the device in counting order, with the pads."""
    content = [device.family.block_ram_frames] * len(device.block_ram_columns)
    rows = sorted(device.rows, key=lambda row: (row.bottom, row.row))
    parts = [np.zeros(0, np.int64)]
    for block_type, columns in ((0, device.column_frames), (1, content)):
        row_frames = _row_frames(device, columns)
        for row in rows:
            address = FrameAddress(block_type, row.row, 0, 0, row.bottom)
            parts.append(device.family.address.encode(address) + row_frames)
            parts.append(np.full(PAD_FRAMES, PAD))
    return np.concatenate(parts)


def _row_frames(device: Device, column_frames: Sequence[int]) -> NDArray[np.int64]:
    """Return the column and minor fields of the FARs of a row whose columns have so many frames."""
    counts = np.array(column_frames, np.int64)
    ends = np.cumsum(counts)
    starts = ends - counts
    columns = np.arange(len(ends)) << device.family.address.column[1]
    minors = np.arange(ends[-1] if len(ends) else 0)
    fields: NDArray[np.int64] = minors + np.repeat(columns - starts, column_frames)
    return fields
