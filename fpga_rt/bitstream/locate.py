"""Finds where the frames of a bitstream lie: columns, rows and partitions of a board.

UltraScale+ partials write more than their partition, the routing on either side of it. Such frames
count as outside, but the partition is still the *home* of the stream: what it may be loaded into.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.boards import Board
from fpga_rt.arch.devices import Device, device, devices
from fpga_rt.arch.families import FrameAddress
from fpga_rt.arch.floorplan import Partition, Rectangle, cells
from fpga_rt.arch.partials import Cell, written_runs
from fpga_rt.arch.rules import IDCODE_MASK
from fpga_rt.bitstream.read import ConfigurationStream
from fpga_rt.bitstream.sequence import FrameOrder
from fpga_rt.bitstream.size import rectangles_of
from fpga_rt.errors import ArtifactError, DeviceError

_CONTENT = 1
"""Block type of block RAM content."""


@dataclass(frozen=True)
class Touched:
    """How much of a partition a stream writes, in frames."""

    partition: str
    frames: int
    of_frames: int

    @property
    def whole(self) -> bool:
        """Whether every frame of the partition is written."""
        return self.frames == self.of_frames


@dataclass(frozen=True)
class Location:
    """Where the frames of a stream lie.

    Attributes:
        frames: frames written, of each address one.
        rectangles: the columns and rows they lie in, block RAM content under its column.
        partitions: the partitions of the board it touches, by index.
        outside_frames: frames in none of them.
        home: the partition that it may be loaded into: the only one it touches, with nothing
            outside but what partials for it write; see `fpga_rt.arch.partials.written_runs`.
    """

    frames: int
    rectangles: tuple[Rectangle, ...]
    partitions: tuple[Touched, ...]
    outside_frames: int
    home: str | None


def device_named(idcode: int) -> Device | None:
    """Return the device with an IDCODE, of whichever revision; None when no data file has it."""
    known = {device(name).idcode & IDCODE_MASK: name for name in devices()}
    name = known.get(idcode & IDCODE_MASK)
    return None if name is None else device(name)


def device_of(stream: ConfigurationStream, expected: Device | None = None) -> Device:
    """Return the device that a stream is for; its geometry is known.

    Raises:
        ArtifactError: The stream is encrypted, has no or several IDCODEs, or one that is not the
            expected device's or no device's whose geometry is known.
    """
    if stream.encrypted:
        raise ArtifactError(
            "the bitstream is encrypted: its frames cannot be read; build it without encryption"
        )
    got = sorted({idcode & IDCODE_MASK for idcode in stream.idcodes})
    found = device_named(got[0]) if len(got) == 1 else None
    texts = ", ".join(f"0x{idcode:08X}" for idcode in got) or "none"
    if found:
        texts += f" ({found.name})"
    if expected is not None and found is not expected:
        raise ArtifactError(
            f"IDCODE: got {texts}, expected 0x{expected.idcode:08X} ({expected.name}); build the "
            f"bitstream for {expected.name} or name its own device"
        )
    if found is None or not found.columns:
        names = ", ".join(name for name in devices() if device(name).columns)
        step = "`fpga-rt geometry learn` derives it from a compressed full bitstream"
        if stream.nested:
            step = "no geometry can be learned of a device with several dies, as this one has"
        raise ArtifactError(
            f"IDCODE: got {texts}, expected that of a device with known geometry: {names}; {step}"
        )
    return found


def partition_of(board: Board, name: str) -> Partition:
    """Return a partition of a board by name.

    Raises:
        DeviceError: The board has none of that name.
    """
    for partition in board.partitions:
        if partition.name == name:
            return partition
    known = ", ".join(partition.name for partition in board.partitions)
    raise DeviceError(f"board {board.name} has no partition {name!r}, expected one of {known}")


def locate(
    device: Device, addresses: NDArray[np.int64], partitions: Iterable[Partition] = ()
) -> Location:
    """Return where frames lie.

    Args:
        device: The device, with its geometry.
        addresses: (n,) int64 frame addresses, as `read.frames` gives them.
        partitions: Those of the board; one whose geometry is unknown is left out.

    Raises:
        ArtifactError: The device has no frame of such an address.
    """
    order = FrameOrder(device)
    known = [partition for partition in partitions if not partition.is_estimate]
    found, free = [], np.ones(len(addresses), bool)
    for partition in known:
        own = order.partition(partition)
        inside = np.isin(addresses, own)
        free &= ~inside
        if inside.any():
            found.append(Touched(partition.name, int(inside.sum()), len(own)))
    touched = touched_cells(device, addresses)
    return Location(
        frames=len(addresses),
        rectangles=rectangles_of(device, touched),
        partitions=tuple(found),
        outside_frames=int(free.sum()),
        home=_home(device, touched, found, known),
    )


def touched_cells(device: Device, addresses: NDArray[np.int64]) -> frozenset[Cell]:
    """Return the columns of rows that frames lie in.

    Raises:
        ArtifactError: The device has no frame of such an address.
    """
    fields = device.family.address
    shift = fields.column[1]
    rows = {(row.row, row.bottom): row for row in device.rows}
    touched = set()
    for prefix in np.unique(addresses >> shift):
        at = fields.decode(int(prefix) << shift)
        columns = _columns(device, at)
        row = rows.get((at.row, at.bottom))
        if row is None or at.column >= len(columns):
            raise ArtifactError(
                f"frame address 0x{int(prefix) << shift:08X}: {device.name} has no such column; "
                f"use the device that the bitstream was built for"
            )
        touched.add(Cell(row, columns[at.column]))
    return frozenset(touched)


def _columns(device: Device, at: FrameAddress) -> Sequence[int]:
    """Return the columns that the column number of an address counts."""
    if at.block_type == _CONTENT:
        return device.block_ram_columns
    return range(len(device.columns)) if at.block_type == 0 else ()


def _home(
    device: Device,
    touched: frozenset[Cell],
    found: Sequence[Touched],
    partitions: Iterable[Partition],
) -> str | None:
    """Return the only partition touched, when nothing lies outside what its partials write."""
    if len(found) != 1:
        return None
    partition = next(p for p in partitions if p.name == found[0].partition)
    region = cells(device, partition)
    return partition.name if touched <= _written(device, region) else None


def _written(device: Device, region: frozenset[Cell]) -> frozenset[Cell]:
    """Return the cells that a partial for a region writes: on UltraScale+ more than its own."""
    order = FrameOrder(device)
    runs = written_runs(device, region)
    return region.union(*(touched_cells(device, order.run(r.address, r.frames)) for r in runs))
