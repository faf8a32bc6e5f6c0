"""Where in the frames of a device the bitstreams for a partition may write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from fpga_rt.arch.devices import PAD_FRAMES, Device
from fpga_rt.arch.families import SERIES7, FrameAddress
from fpga_rt.arch.floorplan import DECLARED_FRAMES, Partition, cells, declared_start
from fpga_rt.arch.packets import TYPE2_MAX_WORDS
from fpga_rt.arch.partials import Run, written_runs

_RESET_MASK_BLOCK = 2


class FarWindow(NamedTuple):
    """Frame addresses from `low` to `high`, both included.

    `words` is the most frame data that `low` may be given, flush and pad frames included; every
    address above has `frame_words` less than the one before. 0 words: it may be named only.
    """

    low: int
    high: int
    words: int = TYPE2_MAX_WORDS
    frame_words: int = 0


def far_windows(device: Device, partition: Partition) -> tuple[FarWindow, ...]:
    """Return the frame addresses that bitstreams for a partition may write, column by column.

    Those are its runs (on UltraScale+ with the routing on either side), the address past every
    frame that ends a stream, and the start of the 7-series reset mask.
    """
    family = device.family
    size = family.frame_words
    if partition.is_estimate:
        low, frames = declared_start(device, partition), DECLARED_FRAMES
        windows = [FarWindow(low, low + frames - 1, (frames + 1) * size, size)]
    else:
        windows = _run_windows(device, written_runs(device, cells(device, partition)))
    if family is SERIES7 and device.rows:
        mask = family.address.encode(FrameAddress(_RESET_MASK_BLOCK, 0, 0))
        frames = len(device.rows) * (len(device.columns) + PAD_FRAMES)
        windows.append(FarWindow(mask, mask, frames * size))
    return (*windows, FarWindow(family.end_address, family.end_address, 0))


def _run_windows(device: Device, runs: Iterable[Run]) -> list[FarWindow]:
    """Return a window for each column of the runs.

    A run that ends a row goes on into the next one, if that is written from its first column on.
    """
    found: list[FarWindow] = []
    last = None
    for run in sorted(runs, key=lambda run: run.address, reverse=True):
        first = device.family.address.decode(run.address)
        goes_on = run.pads == PAD_FRAMES and last is not None and last.column == 0
        left = run.frames + run.pads
        if goes_on and last is not None and last.block_type == first.block_type:
            left += found[0].words // device.family.frame_words
        found = [*_column_windows(device, first, run.frames, left), *found]
        last = first
    return found


def _column_windows(
    device: Device, first: FrameAddress, frames: int, left: int
) -> Iterator[FarWindow]:
    """Yield the columns of a run of `frames`, which has `left` with its pads and what follows."""
    encode, size = device.family.address.encode, device.family.frame_words
    content = [device.family.block_ram_frames] * len(device.block_ram_columns)
    columns: Sequence[int] = content if first.block_type == 1 else device.column_frames
    column = first.column
    while frames:
        low = encode(replace(first, column=column))
        yield FarWindow(low, low + columns[column] - 1, left * size, size)
        frames -= columns[column]
        left -= columns[column]
        column += 1
