"""Partials that reset the region they load: what Vivado writes with RESET_AFTER_RECONFIG.

Command for command what Vivado 2017.4 to 2018.3 wrote for an XC7Z020 and an XCZU7EV; sizes are
those of `arch.partials.stream_bytes`.

7-series: a *reset mask* of one frame a column and two pads a row for the whole device, at block
type 2; columns that are reset have a frame of zeros there. Then the region's frames twice, close to
blank first and the module second.

UltraScale+: four segments, each from sync to DESYNC. The first holds the clocks of each column by
writing one frame (a CLB column) or two (DSP, block RAM), the second shuts down, the third writes
the region and what lies beside it, the fourth releases the clocks by the same frames again. The
first and the third write these frames without the bits that release clocks; their ECC comes from
the background, since how it is computed is not known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import PAD_FRAMES, Device
from fpga_rt.arch.families import SERIES7, ULTRASCALE, FrameAddress
from fpga_rt.arch.packets import TRAILING_NOPS, Command, Register
from fpga_rt.arch.partials import Cell, written_runs
from fpga_rt.arch.rules import CLOCK_BIT, DEFAULT_OPTIONS, NO_RESET
from fpga_rt.bitstream.clocks import CLOCK_MINORS, PLUS_ECC_WORDS, released_by
from fpga_rt.bitstream.expand import RESET_MASK, Frames, frame_order
from fpga_rt.bitstream.multi_frame import write_runs
from fpga_rt.bitstream.placement import (
    Placed,
    consecutive,
    contents,
    device_addresses,
    overlay,
)
from fpga_rt.bitstream.writer import StreamWriter
from fpga_rt.errors import ArtifactError

_SYNC_NOPS = 132
_RESTORE_BIT, _HOLD_BIT = 0x100, 0x400
"""Bits of CTL0 around a reset: 8 lets GRESTORE act on the region only, 10 is set during a load."""


def reset_stream(
    device: Device, frames: Frames, region: Iterable[Cell] | None, background: Frames | None
) -> bytes:
    """Build a partial that resets `region`, by default the columns of `frames`.

    Raises:
        ArtifactError: The device has no such frame, its geometry is unknown, or its family has no
            such form.
        ValueError: A frame lies outside what the form writes for the region.
    """
    if device.family is ULTRASCALE:
        raise ArtifactError(
            f"no reset form is known for {device.family}, the family of {device.name}; build the "
            "plain form"
        )
    cells = columns_of(device, frames) if region is None else set(region)
    addresses = written_addresses(device, cells)
    stray = frames.addresses[~np.isin(frames.addresses, addresses)]
    if len(stray):
        raise ValueError(f"frame address 0x{int(stray[0]):08X} lies outside the region")
    blank = overlay(device, addresses, *([] if background is None else [background]))
    module = blank._replace(words=contents(blank, frames))
    writer = StreamWriter(device.family)
    write = _series7 if device.family is SERIES7 else _plus
    write(writer, device, cells, (blank, module))
    return writer.to_bytes()


def columns_of(device: Device, frames: Frames) -> set[Cell]:
    """Return the cells whose logic frames (block type 0) are among `frames`."""
    fields = device.family.address
    row_of = {(row.bottom, row.row): row for row in device.rows}
    column_bits = frames.addresses >> fields.column[1] << fields.column[1]
    decoded = [fields.decode(int(word)) for word in np.unique(column_bits)]
    return {Cell(row_of[a.bottom, a.row], a.column) for a in decoded if a.block_type == 0}


def reset_mask(device: Device, cells: Collection[Cell]) -> NDArray[np.uint32]:
    """Return (rows * (columns + 2), frame words) uint32: the 7-series reset mask of a region.

    Rows come in counting order. Zeros stand for the region's columns, for programmable units that
    are wholly without fabric in a row, and for the pads.
    """
    width = len(device.columns)
    rows = sorted(device.rows, key=lambda row: (row.bottom, row.row))
    mask = np.zeros((len(rows), width + PAD_FRAMES, device.family.frame_words), np.uint32)
    word, value = NO_RESET
    for index, row in enumerate(rows):
        for unit in device.units:
            if any(row.has_fabric(column) for column in unit):
                mask[index, list(unit), word] = value
    for cell in cells:
        mask[rows.index(cell.row), cell.column] = 0
    return mask.reshape(-1, device.family.frame_words)


def written_addresses(device: Device, cells: Collection[Cell]) -> NDArray[np.int64]:
    """Return every FAR that the form writes for a region, the reset mask left out.

    Raises:
        ArtifactError: The geometry of the device is unknown.
    """
    sequence = device_addresses(device)
    listed = frame_order(device).listed(written_runs(device, cells))
    return sequence[np.isin(sequence, listed)]


def _series7(
    writer: StreamWriter, device: Device, cells: Collection[Cell], passes: tuple[Placed, Placed]
) -> None:
    writer.lead_in()
    writer.nop()
    writer.command(Command.RCRC)
    writer.nop(2)
    writer.write(Register.IDCODE, device.idcode)
    writer.command(Command.WCFG)
    writer.nop()
    writer.write(Register.FAR, device.family.address.encode(FrameAddress(RESET_MASK, 0, 0)))
    writer.nop()
    writer.run(reset_mask(device, cells), 0)
    writer.crc()
    writer.command(Command.SHUTDOWN)
    writer.nop()
    writer.crc()
    writer.nop(4)
    writer.command(Command.NULL)
    writer.control(Register.CTL0, _RESTORE_BIT, _RESTORE_BIT)
    writer.control(Register.CTL0, _HOLD_BIT, _HOLD_BIT)
    for placed in passes:
        write_runs(writer, placed)
    writer.command(Command.GRESTORE)
    writer.nop()
    writer.control(Register.CTL0, _RESTORE_BIT, 0)
    writer.command(Command.START)
    writer.nop()
    writer.write(Register.FAR, device.family.end_address)
    writer.finish(TRAILING_NOPS)


def _plus(
    writer: StreamWriter,
    device: Device,
    cells: Collection[Cell],
    passes: tuple[Placed, Placed],
) -> None:
    blank, module = passes
    clocks = _is_clock(device, cells, module.addresses)
    held = module._replace(words=_held(device, module, blank, clocks))
    _plus_clocks(writer, device, held.take(clocks))
    _plus_shutdown(writer, device)
    writer.command(Command.AGHIGH)
    writer.nop(100)
    _plus_finish(writer)
    _plus_shutdown(writer, device)
    _plus_frames(writer, held)
    _plus_finish(writer)
    _plus_clocks(writer, device, module.take(clocks))


def _held(
    device: Device, module: Placed, blank: Placed, clocks: NDArray[np.bool_]
) -> NDArray[np.uint32]:
    """Return (n, frame words) uint32: the module, with clocks held in the frames `clocks` marks.

    Bits that the background has set too are left.
    """
    words: NDArray[np.uint32] = module.words.copy()
    for index in np.flatnonzero(clocks).tolist():
        words[index] &= blank.words[index] | ~released_by(device, int(module.addresses[index]))
        words[index, PLUS_ECC_WORDS] = blank.words[index, PLUS_ECC_WORDS]
    return words


def _is_clock(
    device: Device, cells: Collection[Cell], addresses: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return (n,) bool: which frames hold and release the clocks of a region's columns."""
    minors = [(cell, CLOCK_MINORS.get(device.columns[cell.column], ())) for cell in cells]
    clocks = [device.address(cell.row, cell.column, m) for cell, chosen in minors for m in chosen]
    return np.isin(addresses, clocks)


def _plus_begin(writer: StreamWriter, device: Device) -> None:
    writer.lead_in()
    writer.nop(_SYNC_NOPS)
    writer.command(Command.RCRC)
    writer.nop(2)
    writer.write(Register.IDCODE, device.idcode)


def _plus_finish(writer: StreamWriter) -> None:
    writer.write(Register.FAR, writer.family.end_address)
    writer.finish(TRAILING_NOPS)


def _plus_clocks(writer: StreamWriter, device: Device, placed: Placed) -> None:
    """Write the first or fourth segment: single frames, each with its flush frame."""
    _plus_begin(writer, device)
    writer.command(Command.NULL)
    writer.control(Register.CTL0, _RESTORE_BIT | _HOLD_BIT, _HOLD_BIT)
    writer.control(Register.CTL1, CLOCK_BIT, CLOCK_BIT)
    for address, words in zip(placed.addresses, placed.words, strict=True):
        writer.write(Register.FAR, int(address))
        writer.command(Command.WCFG)
        writer.nop()
        writer.run(words[np.newaxis], 1, long=False)
    writer.control(Register.CTL1, CLOCK_BIT, 0)
    _plus_finish(writer)


def _plus_shutdown(writer: StreamWriter, device: Device) -> None:
    _plus_begin(writer, device)
    writer.write(Register.COR0, DEFAULT_OPTIONS[device.family.name][0])
    writer.command(Command.SHUTDOWN)
    writer.nop()
    writer.crc()
    writer.nop(20)


def _plus_frames(writer: StreamWriter, placed: Placed) -> None:
    writer.command(Command.NULL)
    writer.control(Register.CTL0, _RESTORE_BIT | _HOLD_BIT, _RESTORE_BIT | _HOLD_BIT)
    writer.control(Register.CTL1, CLOCK_BIT, 0)
    for run in consecutive(placed):
        writer.write(Register.FAR, int(placed.addresses[run[0]]))
        writer.command(Command.WCFG)
        writer.nop()
        writer.run(placed.words[run], placed.pads(int(run[-1])))
    writer.command(Command.GRESTORE)
    writer.nop()
    writer.control(Register.CTL0, _RESTORE_BIT, 0)
    writer.command(Command.LFRM)
    writer.nop(20)
    writer.command(Command.START)
    writer.nop()
