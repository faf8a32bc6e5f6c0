"""Builds complete configuration streams from frames.

`build` makes what vendor tools make, in the forms that `Form` lists; `simulation_bitstream` makes a
short one for a simulated device. The same arguments give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import numpy as np

from fpga_rt.arch.devices import Device
from fpga_rt.arch.floorplan import Partition
from fpga_rt.arch.packets import TRAILING_NOPS, Command, Register
from fpga_rt.arch.partials import Cell
from fpga_rt.arch.rules import MULTI_FRAME_BIT, SIMULATION_FRAMES
from fpga_rt.bitstream import full_form, multi_frame, reset_form
from fpga_rt.bitstream.placement import Placed, place
from fpga_rt.bitstream.read import BIT_MAGIC, Frames, identity_words
from fpga_rt.bitstream.sequence import first_frame
from fpga_rt.bitstream.writer import StreamWriter

_FILL_STEP = 0x9E3779B1


class Form(str, Enum):
    """A form of configuration stream.

    `PLAIN`: a partial as older tools wrote it: RCRC, IDCODE, each run of frames once, CRC, DESYNC.
    `COMPRESSED`: a plain partial with multi-frame writes.
    `RESET`: a partial that resets its region (Vivado's RESET_AFTER_RECONFIG); four segments on
    UltraScale+.
    `FULL`: every frame of the device, with what a full stream sets around them.
    `FULL_COMPRESSED`: a full stream with multi-frame writes.
    """

    PLAIN = "plain"
    COMPRESSED = "compressed"
    RESET = "reset"
    FULL = "full"
    FULL_COMPRESSED = "full-compressed"


def build(
    device: Device,
    frames: Frames,
    form: Form | str = Form.PLAIN,
    *,
    region: Iterable[Cell] | None = None,
    background: Frames | None = None,
) -> bytes:
    """Build the stream that writes `frames` to a device, in one of the forms.

    Args:
        device: A device of known geometry.
        frames: What to write, in any order.
        form: How; a `Form` or its value.
        region: What `Form.RESET` resets; by default the columns of `frames`.
        background: Contents of a blank module and of its surroundings, zeros by default. They fill
            the frames that a form writes and `frames` has not, and are the first of the two passes
            of `Form.RESET` on the 7-series. A region with static routes through it needs them.

    Returns:
        Big-endian 32-bit words, as in a .bin file; `bit_file` puts a header before them.

    Raises:
        ArtifactError: The device has no such frame, or its geometry is unknown.
        ValueError: There are no frames, some lie outside `region`, or the form is unknown.
    """
    chosen = Form(form)
    if not len(frames.addresses):
        raise ValueError("no frames to build a stream from")
    if chosen is Form.RESET:
        return reset_form.reset_stream(device, frames, region, background)
    if chosen in (Form.FULL, Form.FULL_COMPRESSED):
        compressed = chosen is Form.FULL_COMPRESSED
        return full_form.full_stream(device, frames, background, compressed)
    return _partial(device, place(device, frames), chosen is Form.COMPRESSED)


def bit_file(stream: bytes, design: str, part: str, partial: bool) -> bytes:
    """Put the header of a .bit file before a stream.

    Args:
        stream: Big-endian words, as `build` returns them.
        design: Name of the design.
        part: The part with package, for example `7z020clg400`.
        partial: Whether the header says PARTIAL=TRUE.
    """
    fields = {
        b"a": f"{design};UserID=0XFFFFFFFF" + (";PARTIAL=TRUE" if partial else ""),
        b"b": part,
        b"c": "1970/01/01",
        b"d": "00:00:00",
    }
    header = [BIT_MAGIC]
    for key, text in fields.items():
        value = text.encode("ascii") + b"\0"
        header.append(key + len(value).to_bytes(2, "big") + value)
    return b"".join([*header, b"e", len(stream).to_bytes(4, "big"), stream])


def simulation_bitstream(device: Device, partition: Partition, module_id: int) -> bytes:
    """Return the stream that puts a module into a partition of a simulated device.

    It has everything that a real partial has, so the configuration controller and its checks are
    the real ones; only the frames are few. The form is the plain one: one run of
    `SIMULATION_FRAMES` frames and a flush frame from the partition's first frame on. The first
    frame starts with `read.identity_words`; the other words are a pattern that differs from module
    to module.

    Args:
        device: The device whose IDCODE and frame size are used.
        partition: Where the frames lie; see `sequence.first_frame` when it has no rectangles.
        module_id: 64-bit identity of the module.

    Returns:
        Big-endian 32-bit words, as in a .bin file.
    """
    identity = identity_words(module_id, partition.index)
    size = SIMULATION_FRAMES * device.family.frame_words
    pattern = np.arange(size, dtype=np.uint64) * _FILL_STEP + identity[-1]
    content = (pattern & 0xFFFFFFFF).astype(np.uint32).reshape(SIMULATION_FRAMES, -1)
    content[0, : len(identity)] = identity
    writer = _plain_begin(device)
    multi_frame.write_run(writer, first_frame(device, partition), content, 1)
    writer.finish(TRAILING_NOPS)
    return writer.to_bytes()


def _partial(device: Device, placed: Placed, compressed: bool) -> bytes:
    """Return a partial with nothing around its frames but RCRC, IDCODE, CRC and DESYNC."""
    writer = _plain_begin(device)
    if compressed:
        bit = MULTI_FRAME_BIT
        writer.control(Register.CTL1, bit, bit)
        multi_frame.write_compressed(writer, placed, multi_frame.plan(placed))
        writer.control(Register.CTL1, bit, 0)
    else:
        multi_frame.write_runs(writer, placed)
    writer.finish(TRAILING_NOPS)
    return writer.to_bytes()


def _plain_begin(device: Device) -> StreamWriter:
    writer = StreamWriter(device.family)
    writer.lead_in()
    writer.nop()
    writer.command(Command.RCRC)
    writer.nop(2)
    writer.write(Register.IDCODE, device.idcode)
    return writer
