"""Frames in the order in which a device counts through them, ready to be written as runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import PAD_FRAMES, Device
from fpga_rt.arch.families import Family
from fpga_rt.bitstream.expand import Frames, frame_order
from fpga_rt.bitstream.sequence import PAD
from fpga_rt.errors import ArtifactError


class Placed(NamedTuple):
    """Frames of a device in counting order.

    Attributes:
        family: The device's family.
        addresses: (n,) int64 FARs.
        words: (n, frame words) uint32 contents.
        position: (n,) int64, where each stands in the full stream of the device; pads count.
        row: (n,) int64, a number for each (block type, row).
        is_content: (n,) bool, block RAM content.
        ends_row: (n,) bool, the last frame of a row of its block type.
    """

    family: Family
    addresses: NDArray[np.int64]
    words: NDArray[np.uint32]
    position: NDArray[np.int64]
    row: NDArray[np.int64]
    is_content: NDArray[np.bool_]
    ends_row: NDArray[np.bool_]

    def pads(self, last: int) -> int:
        """Return how many frames of zeros follow a run whose last frame has index `last`."""
        return PAD_FRAMES if self.ends_row[last] else 1

    def take(self, chosen: NDArray[np.bool_]) -> Placed:
        """Return the frames that are `chosen`: (n,) bool."""
        return Placed(
            self.family,
            self.addresses[chosen],
            self.words[chosen],
            self.position[chosen],
            self.row[chosen],
            self.is_content[chosen],
            self.ends_row[chosen],
        )


def device_addresses(device: Device) -> NDArray[np.int64]:
    """Return (full stream frames,) int64: every FAR in counting order, `PAD` for pad frames.

    Raises:
        ArtifactError: The geometry of the device is unknown.
    """
    if not device.columns:
        raise ArtifactError(
            f"the frames of {device.name} are unknown: its data file has no columns; use a device "
            "with geometry"
        )
    order = frame_order(device)
    return order.run(0, order.length)


def place(device: Device, frames: Frames) -> Placed:
    """Put frames into the order of the device.

    Raises:
        ArtifactError: An address is not one of the device, or the geometry is unknown.
        ValueError: The arrays do not fit together, or an address occurs twice.
    """
    size, count = device.family.frame_words, len(frames.addresses)
    if frames.words.shape != (count, size):
        raise ValueError(f"{count} frames of {size} words expected, got {frames.words.shape}")
    sequence = device_addresses(device)
    position = frame_order(device).positions(frames.addresses)
    unknown = np.flatnonzero(position == len(sequence))
    if len(unknown):
        raise ArtifactError(
            f"frame address 0x{int(frames.addresses[unknown[0]]):08X}: {device.name} has no such "
            "frame; take the frames from a stream for this device"
        )
    order = np.argsort(position, kind="stable")
    position = position[order]
    if (np.diff(position) == 0).any():
        raise ValueError("a frame address occurs twice")
    return _placed(device, position, np.asarray(frames.words, np.uint32)[order])


def _placed(device: Device, position: NDArray[np.int64], words: NDArray[np.uint32]) -> Placed:
    sequence = device_addresses(device)
    addresses = sequence[position]
    high, low = device.family.address.block_type
    block_type = addresses >> low & ((1 << (high - low + 1)) - 1)
    ends_row = sequence[np.minimum(position + 1, len(sequence) - 1)] == PAD
    row = np.cumsum(sequence == PAD)[position]
    return Placed(device.family, addresses, words, position, row, block_type == 1, ends_row)


def consecutive(
    placed: Placed, chosen: NDArray[np.bool_] | None = None
) -> Iterator[NDArray[np.intp]]:
    """Yield the indices of each run: neighbours in one row, among those `chosen` ((n,) bool)."""
    mask = np.ones(len(placed.position), np.bool_) if chosen is None else chosen
    indices = np.flatnonzero(mask)
    breaks = np.flatnonzero(np.diff(placed.position[indices]) != 1) + 1
    for run in np.split(indices, breaks):
        if len(run):
            yield run


def overlay(device: Device, addresses: NDArray[np.int64], *sources: Frames) -> Placed:
    """Return the frames at `addresses`: (n,) FARs; contents from the last source that has them.

    What no source has is zero; what a source has elsewhere is left out.

    Raises:
        ArtifactError: An address is not one of the device, or the geometry is unknown.
    """
    size = device.family.frame_words
    placed = place(device, Frames(addresses, np.zeros((len(addresses), size), np.uint32)))
    for source in sources:
        placed = placed._replace(words=contents(placed, source))
    return placed


def contents(placed: Placed, source: Frames) -> NDArray[np.uint32]:
    """Return (n, frame words): the contents of `placed`, replaced where `source` has the frame."""
    words: NDArray[np.uint32] = placed.words.copy()
    _, here, there = np.intersect1d(placed.addresses, source.addresses, return_indices=True)
    words[here] = source.words[there]
    return words
