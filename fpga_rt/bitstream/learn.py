"""Learns the frame map of a device from one compressed full bitstream.

A compressed full stream names nearly every frame: each multi-frame write gives one address, and
each run begins at one. Every frame is written once, so a run of n frames ends where the next named
frame begins. Within a column that is a check; across the end of a column it gives the column's
number of frames. Where a run covers whole columns, only their sum is known; the same columns of
other rows tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.families import FAMILIES, Family, FrameAddress
from fpga_rt.arch.packets import Command, Register
from fpga_rt.bitstream.convert import check_intact
from fpga_rt.bitstream.read import parse
from fpga_rt.bitstream.segments import Segment
from fpga_rt.bitstream.stream import ConfigurationStream
from fpga_rt.errors import ArtifactError


class RowKey(NamedTuple):
    """A row of a block type; `bottom` is the half of a 7-series device."""

    block_type: int
    bottom: bool
    row: int


@dataclass(frozen=True)
class FrameMap:
    """The frames of each column, from column 0 on, of each row of a block type."""

    family: Family
    idcode: int
    rows: Mapping[RowKey, tuple[int, ...]] = field(hash=False)

    @property
    def total_frames(self) -> int:
        """Frames of the device, without pads."""
        return sum(map(sum, self.rows.values()))


class _Item(NamedTuple):
    """Frames written from a column and minor on."""

    column: int
    minor: int
    frames: int


class _Sum(NamedTuple):
    """Columns `first` to `stop` of a row have so many frames together, the first one `at_least`.

    `stop` is None for the last sum of a row: where the row ends is not told.
    """

    first: int
    stop: int | None
    frames: int
    at_least: int


def learn(data: bytes) -> FrameMap:
    """Derive the frame map of a device from a compressed full stream (.bit or .bin) for it.

    Raises:
        ArtifactError: The stream is corrupt, no compressed full one for a single die, of an unknown
            family, or does not name enough frames to tell the columns apart.
    """
    stream = parse(data)
    check_intact(stream)
    if stream.kind != "full" or not stream.compressed or stream.nested:
        got = f"{'compressed' if stream.compressed else 'plain'} {stream.kind}"
        raise ArtifactError(
            f"the stream is {got}{' of several dies' if stream.nested else ''}, expected a "
            "compressed full one of a single die; build it with compression"
        )
    if stream.family is None:
        raise ArtifactError(
            f"unknown family of IDCODE 0x{stream.idcodes[0]:08X}, expected one of "
            f"{', '.join(FAMILIES)}; use a stream for such a device"
        )
    family = FAMILIES[stream.family]
    addresses, counts = _named(stream, family)
    sums = {key: _sums(key, items) for key, items in _items(family, addresses, counts).items()}
    return FrameMap(family, stream.idcodes[0], _solve(sums))


def _named(
    stream: ConfigurationStream, family: Family
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (n,) FARs and (n,) how many frames are written from each on."""
    parts = [_named_in(stream, segment, family.frame_words) for segment in stream.segments]
    addresses = np.concatenate([part[0] for part in parts])
    counts = np.concatenate([part[1] for part in parts])
    return addresses[counts > 0], counts[counts > 0]


def _named_in(
    stream: ConfigurationStream, segment: Segment, size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """As `_named`, of a segment.

    The last frame of a run stays in the buffer. It is a flush frame, or what multi-frame writes
    repeat; then UltraScale names its address again and the 7-series has counted on to it.
    """
    packets, data = segment.packets, segment.data
    repeats = packets.to(Register.MFWR)
    fars, sources = packets.to(Register.FAR), packets.commands(Command.MFW)
    is_source = np.isin(data + 1, sources)
    first_repeat = repeats[np.minimum(np.searchsorted(repeats, data), len(repeats) - 1)]
    last_far = np.append(fars, -1)[np.searchsorted(fars, first_repeat) - 1]
    implied = is_source & (last_far < data)
    frames = (packets.stop[data] - packets.start[data]) // size
    counts = frames - ~implied
    at_row_end = np.array(
        [_has_two_pads(stream, stop, size) for stop in packets.stop[data].tolist()], np.bool_
    )
    counts = counts - (at_row_end & ~is_source)
    repeats = repeats[~np.isin(repeats, first_repeat[implied])]
    addresses = segment.frame_addresses[np.concatenate([data, repeats])]
    return addresses, np.concatenate([counts, np.ones(len(repeats), np.int64)])


def _has_two_pads(stream: ConfigurationStream, stop: int, size: int) -> bool:
    """Tell whether the last two frames before the word `stop` are zeros, as at the end of a row."""
    return not stream.words[stop - 2 * size : stop].any()


def _items(
    family: Family, addresses: NDArray[np.int64], counts: NDArray[np.int64]
) -> dict[RowKey, list[_Item]]:
    """Return what is written in each row, by column and minor."""
    low = family.address.column[1]
    rows: dict[RowKey, list[_Item]] = {}
    order = np.argsort(addresses, kind="stable")
    unit = np.unique(addresses >> low, return_inverse=True)
    places = [family.address.decode(int(value) << low) for value in unit[0]]
    minors = addresses & ((1 << low) - 1)
    for index in order.tolist():
        place: FrameAddress = places[unit[1].reshape(-1)[index]]
        key = RowKey(place.block_type, place.bottom, place.row)
        item = _Item(place.column, int(minors[index]), int(counts[index]))
        rows.setdefault(key, []).append(item)
    return rows


def _sums(key: RowKey, items: list[_Item]) -> list[_Sum]:
    """Return what neighbouring items tell about the columns of a row.

    Raises:
        ArtifactError: Frames are missing or written twice.
    """
    sums: list[_Sum] = []
    before = _Item(0, 0, 0)
    for item in items:
        frames = before.minor + before.frames - item.minor
        if item.column > before.column:
            sums.append(_Sum(before.column, item.column, frames, before.minor + 1))
        if frames < 1 if item.column > before.column else frames:
            raise ArtifactError(
                f"column {item.column} of row {key.row} of block type {key.block_type}: what comes "
                f"before frame {item.minor} is missing or written twice; use a full stream"
            )
        before = item
    return [*sums, _Sum(before.column, None, before.minor + before.frames, before.minor + 1)]


def _solve(sums: dict[RowKey, list[_Sum]]) -> dict[RowKey, tuple[int, ...]]:
    """Return the columns of every row.

    Raises:
        ArtifactError: Some columns cannot be told apart.
    """
    found: dict[RowKey, dict[int, int]] = {key: {} for key in sums}
    left = [(key, total) for key, totals in sums.items() for total in totals]
    left.sort(key=lambda entry: entry[1].stop is None)
    while left:
        unsolved = [entry for entry in left if not _solved(found, *entry)]
        if len(unsolved) == len(left):
            key, total = left[0]
            raise ArtifactError(
                f"columns from {total.first} on of row {key.row} of block type {key.block_type} "
                f"have {total.frames} frames together, but no row tells how many each has; use a "
                "stream of another design"
            )
        left = unsolved
    return {key: tuple(columns[c] for c in sorted(columns)) for key, columns in found.items()}


def _solved(found: dict[RowKey, dict[int, int]], key: RowKey, total: _Sum) -> bool:
    """Enter the columns of one sum into `found`, if they are told by now."""
    elsewhere: dict[int, int] = {}
    for other, columns in found.items():
        if other.block_type == key.block_type:
            elsewhere.update(columns)
    if total.stop is None:
        found[key].update(_last_columns(total, elsewhere))
        return True
    covered = range(total.first, total.stop)
    known = {c: elsewhere[c] for c in covered if c in elsewhere and len(covered) > 1}
    rest = total.frames - sum(known.values())
    unknown = len(covered) - len(known)
    if unknown > 1 or (unknown == 1) != (rest > 0) or rest < 0:
        return False
    found[key].update({c: known.get(c, rest) for c in covered})
    return True


def _last_columns(total: _Sum, elsewhere: dict[int, int]) -> dict[int, int]:
    """Return the columns of the last item of a row: as many as its frames fill elsewhere."""
    columns, column, frames, least = {}, total.first, total.frames, total.at_least
    while least <= elsewhere.get(column, frames) < frames:
        columns[column] = elsewhere[column]
        frames -= elsewhere[column]
        column, least = column + 1, 1
    return {**columns, column: frames}
