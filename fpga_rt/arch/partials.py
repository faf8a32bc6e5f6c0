"""How long a bitstream is: the runs of frames a region needs and what surrounds them.

Ref: Vivado Design Suite User Guide: Dynamic Function eXchange
Document: UG909, Configuring the Device; RESET_AFTER_RECONFIG
Ref: 7 Series FPGAs Configuration User Guide
Document: UG470, Bitstream Composition

A *run* is a block of frames written by one FDRI packet: neighbouring columns of one row. The frame
pipeline is one deep, so every run ends with a zero frame that only pushes the last real one out,
and with two where the run ends a row.

7-series partials for a region that is reset after loading write the region *twice*, close to blank
first and the module second, after a reset mask (block type 2) with one frame per column and two
pads for each row of the whole device. A region therefore costs twice its frames plus a fixed part
that does not shrink with it (92 kB on the XC7Z020).

UltraScale+ partials write the region once. Before and after it they write single frames that
hold and release the clocks of each column: one per CLB column, two per DSP and block RAM column.
Vivado also widens the region by two programmable units on either side, to route through them.

Byte counts are of the stream that enters the configuration port: a `.bit` file has a text header
of about 120 bytes more. They equal real files of Vivado 2017.4 and 2018.3 to the byte: all of the
7-series, and both of UltraScale+ that were at hand (so the widening is inferred from two).
A 7-series run may continue into the next row when it ends one; such runs are counted apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from fpga_rt.arch.devices import PAD_FRAMES, Device, Row
from fpga_rt.arch.families import BRAM, BYTES_PER_WORD, CLB, DSP

ROUTING_UNITS = 2
"""Programmable units that an UltraScale+ partial writes on either side of its region."""

_RUN_WORDS = 8  # CMD WCFG (2), NOP, FAR (2), NOP, FDRI as type 1 and type 2 packet (2)
_PROLOGUE_WORDS = 20  # dummies and bus width (12), sync, NOP, CMD RCRC (2), NOP x2, IDCODE (2)
_MASK_WORDS = _RUN_WORDS
_SHUTDOWN_WORDS = 21  # CRC, CMD SHUTDOWN, NOP, CRC, NOP x4, CMD NULL, MASK and CTL0 twice
_RESTORE_WORDS = 32  # CMD GRESTORE, MASK, CTL0, CMD START, FAR, CRC, CMD DESYNC, NOPs
_FINISH_WORDS = 20  # CRC (2), CMD DESYNC (2), NOP x16

_PLUS_WORDS = 950  # four segments of dummies, sync, NOPs, shutdown and start, without any frame
_PLUS_RUN_WORDS = 7  # as above without the first NOP
_CLOCK_WRITE_WORDS = 6  # FAR (2), CMD WCFG (2), NOP, FDRI as type 1 packet

_FULL_WORDS = 583  # all but frames of a full stream: 400 NOPs at its end, 100 after CMD START
_PLUS_FULL_WORDS = 515  # the same with 20 NOPs after CMD START


@dataclass(frozen=True)
class Run:
    """Frames written in one go: from `address` (FAR) on, `frames` of content and then `pads`."""

    address: int
    frames: int
    pads: int


@dataclass(frozen=True)
class Cell:
    """A column of a clock-region row."""

    row: Row
    column: int


def runs(device: Device, cells: Iterable[Cell]) -> tuple[Run, ...]:
    """Return the runs that write `cells` and the content of their block RAM, in file order.

    Logic comes before block RAM content, and within each the rows in the device's order.
    """
    logic: list[Run] = []
    content: list[Run] = []
    chosen = set(cells)
    for row in device.rows:
        columns = sorted(cell.column for cell in chosen if cell.row == row)
        for first, last in _ranges(columns):
            frames = sum(device.column_frames[first : last + 1])
            pads = PAD_FRAMES if last == len(device.columns) - 1 else 1
            logic.append(Run(device.address(row, first), frames, pads))
        memories = [i for i, c in enumerate(device.block_ram_columns) if c in columns]
        for first, last in _ranges(memories):
            frames = (last - first + 1) * device.family.block_ram_frames
            pads = PAD_FRAMES if last == len(device.block_ram_columns) - 1 else 1
            address = device.block_ram_address(row, device.block_ram_columns[first])
            content.append(Run(address, frames, pads))
    return (*logic, *content)


def written_runs(device: Device, cells: Iterable[Cell]) -> tuple[Run, ...]:
    """Return the runs that a partial for a region of `cells` writes, in file order.

    On UltraScale+ that is more than the region: the routing on either side, without block RAM
    content.
    """
    region = set(cells)
    if not device.family.has_interconnect_columns:
        return runs(device, region)
    logic = [run for run in runs(device, _widened(device, region)) if not _is_content(device, run)]
    content = [run for run in runs(device, region) if _is_content(device, run)]
    return (*logic, *content)


def stream_frames(device: Device, cells: Iterable[Cell]) -> int:
    """Return how many frames the port takes to load a region, pads and repetitions included."""
    region = set(cells)
    written = sum(run.frames + run.pads for run in written_runs(device, region))
    if device.family.has_interconnect_columns:
        return written + 4 * _clock_writes(device, region)  # twice, each with a pad frame
    mask = len(device.rows) * (len(device.columns) + PAD_FRAMES)
    return mask + 2 * written


def stream_bytes(device: Device, cells: Iterable[Cell]) -> int:
    """Return the bytes of a Vivado partial that resets its region (RESET_AFTER_RECONFIG)."""
    region = set(cells)
    count = len(written_runs(device, region))
    if device.family.has_interconnect_columns:
        clocks = 2 * _CLOCK_WRITE_WORDS * _clock_writes(device, region)
        words = _PLUS_WORDS + _PLUS_RUN_WORDS * count + clocks
    else:
        words = _PROLOGUE_WORDS + _MASK_WORDS + _SHUTDOWN_WORDS + _RESTORE_WORDS
        words += 2 * _RUN_WORDS * count
    return stream_frames(device, region) * device.family.frame_bytes + words * BYTES_PER_WORD


def plain_bytes(device: Device, cells: Iterable[Cell]) -> int:
    """Return the bytes of the shortest stream for a region: every frame once and one CRC.

    The old form, and what a region costs whose modules reset themselves.
    """
    region = runs(device, cells)
    frames = sum(run.frames + run.pads for run in region)
    words = _PROLOGUE_WORDS + _RUN_WORDS * len(region) + _FINISH_WORDS
    return frames * device.family.frame_bytes + words * BYTES_PER_WORD


def full_bytes(device: Device) -> int | None:
    """Return the bytes of a full, uncompressed stream; None where the geometry is unknown.

    Ref: 7 Series FPGAs Configuration User Guide
    Document: UG470, Bitstream Length: 32,364,512 bits of an XC7Z020, 16,669,920 of an XC7Z010
    Ref: UltraScale Architecture Configuration
    Document: UG570, Bitstream Length
    """
    if not device.full_stream_frames:
        return None
    words = _PLUS_FULL_WORDS if device.family.has_interconnect_columns else _FULL_WORDS
    return device.full_stream_frames * device.family.frame_bytes + words * BYTES_PER_WORD


def _ranges(columns: list[int]) -> list[tuple[int, int]]:
    """Return sorted numbers as inclusive ranges of neighbours."""
    groups = groupby(enumerate(columns), key=lambda pair: pair[1] - pair[0])
    members = [[column for _, column in group] for _, group in groups]
    return [(group[0], group[-1]) for group in members]


def _is_content(device: Device, run: Run) -> bool:
    return device.family.address.decode(run.address).block_type == 1


def _clock_writes(device: Device, cells: set[Cell]) -> int:
    weight = {CLB: 1, DSP: 2, BRAM: 2}
    return sum(weight.get(device.columns[cell.column], 0) for cell in cells)


def _widened(device: Device, cells: set[Cell]) -> set[Cell]:
    """Return the cells and those of the neighbouring programmable units, where there are any."""
    unit_of = {c: u for u, (first, last) in enumerate(device.units) for c in range(first, last + 1)}
    wide = set(cells)
    for cell in cells:
        home = unit_of[cell.column]
        near = device.units[max(home - ROUTING_UNITS, 0) : home + ROUTING_UNITS + 1]
        wide.update(Cell(cell.row, c) for first, last in near for c in range(first, last + 1))
    return wide
