"""Full streams: every frame of a device, and what a full stream sets around them.

Command for command what Vivado 2018.3 wrote for an XC7Z020 and 2021.1 and 2025.1 for compressed
UltraScale and UltraScale+ devices. CMD SWITCH and the registers TIMER and WBSTAR are what tells a
full stream from a partial one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fpga_rt.arch.devices import Device
from fpga_rt.arch.families import SERIES7, ULTRASCALE
from fpga_rt.arch.packets import Command, Register
from fpga_rt.arch.rules import DEFAULT_OPTIONS, MULTI_FRAME_BIT
from fpga_rt.bitstream.expand import Frames
from fpga_rt.bitstream.multi_frame import plan, write_compressed
from fpga_rt.bitstream.placement import Placed, device_addresses, overlay
from fpga_rt.bitstream.sequence import PAD
from fpga_rt.bitstream.writer import StreamWriter

_END_NOPS = 400


class _Settings(NamedTuple):
    """Register values of a family: options, control bits before and after, NOPs after LFRM."""

    cor0: int
    cor1: int
    mask_before: int
    control_before: int
    control_after: int
    restore_nops: int
    start_nops: int


_SERIES7 = _Settings(*DEFAULT_OPTIONS[SERIES7.name], 0x401, 0x501, 0x501, 1, 100)
_ULTRASCALE = _Settings(*DEFAULT_OPTIONS[ULTRASCALE.name], 1, 0x101, 0x101, 2, 20)


def full_stream(
    device: Device, frames: Frames, background: Frames | None, compressed: bool
) -> bytes:
    """Build a full stream; frames that `frames` has not come from `background`, else are zero.

    Raises:
        ArtifactError: The device has no such frame, or its geometry is unknown.
    """
    settings = _SERIES7 if device.family is SERIES7 else _ULTRASCALE
    writer = StreamWriter(device.family)
    _begin(writer, device, settings, compressed)
    everything = device_addresses(device)
    sources = [frames] if background is None else [background, frames]
    placed = overlay(device, everything[everything != PAD], *sources)
    if compressed:
        write_compressed(writer, placed, plan(placed))
    else:
        _write_all(writer, device, placed)
    _end(writer, settings, compressed)
    return writer.to_bytes()


def _begin(writer: StreamWriter, device: Device, settings: _Settings, compressed: bool) -> None:
    is_series7 = device.family is SERIES7
    writer.lead_in()
    writer.nop(1 if is_series7 else 2)
    writer.write(Register.TIMER, 0)
    writer.write(Register.WBSTAR, 0)
    writer.command(Command.NULL)
    writer.nop()
    writer.command(Command.RCRC)
    writer.nop(2)
    if not is_series7:
        writer.write(Register.FAR, 0)
    writer.write(Register.RESERVED_13, 0)
    writer.write(Register.COR0, settings.cor0)
    writer.write(Register.COR1, settings.cor1)
    writer.write(Register.IDCODE, device.idcode)
    writer.command(Command.SWITCH)
    writer.nop()
    writer.control(Register.CTL0, settings.mask_before, settings.control_before)
    bit = MULTI_FRAME_BIT if compressed else 0
    writer.control(Register.CTL1, bit, bit)
    writer.nop(8)


def _write_all(writer: StreamWriter, device: Device, placed: Placed) -> None:
    """Write all frames and the pads of every row as one run; the last pad is its flush frame."""
    words = np.zeros((device.full_stream_frames, device.family.frame_words), np.uint32)
    words[placed.position] = placed.words
    writer.write(Register.FAR, int(placed.addresses[0]))
    writer.command(Command.WCFG)
    writer.nop()
    writer.run(words, 0)


def _end(writer: StreamWriter, settings: _Settings, compressed: bool) -> None:
    writer.crc()
    writer.nop(2)
    writer.command(Command.GRESTORE)
    writer.nop(settings.restore_nops)
    writer.command(Command.LFRM)
    if compressed:
        writer.control(Register.CTL1, MULTI_FRAME_BIT, 0)
    writer.nop(settings.start_nops)
    writer.command(Command.START)
    writer.nop()
    writer.write(Register.FAR, writer.family.end_address)
    writer.control(Register.CTL0, settings.control_after, settings.control_after)
    writer.crc()
    writer.nop(2)
    writer.command(Command.DESYNC)
    writer.nop(_END_NOPS)
