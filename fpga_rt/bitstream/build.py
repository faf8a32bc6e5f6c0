"""Builds simulation bitstreams: short, but complete configuration streams.

They have everything that a real partial has (sync, IDCODE, frame address, frame data, flush frame,
CRC, desync), so the configuration controller and its checks are the real ones; only the frames are
few. The first frame of the partition carries the module's identity, which tells a simulator what
to put into the partition.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import Device
from fpga_rt.arch.families import SERIES7, Family
from fpga_rt.arch.floorplan import Partition
from fpga_rt.bitstream.crc import crc_of_writes
from fpga_rt.bitstream.packets import (
    BUS_WIDTH,
    DUMMY,
    NOP,
    SYNC,
    TRAILING_NOPS,
    Command,
    Register,
    type1,
    type2,
    write,
)
from fpga_rt.bitstream.read import identity_words
from fpga_rt.bitstream.sequence import first_frame

SIMULATION_FRAMES = 4
"""Frames that a simulation bitstream writes, without the flush frame."""
_FILL_STEP = 0x9E3779B1


def simulation_bitstream(device: Device, partition: Partition, module_id: int) -> bytes:
    """Return the stream that puts a module into a partition of a simulated device.

    The form is the plain one of older tools: RCRC, IDCODE, then one run of `SIMULATION_FRAMES`
    frames and a flush frame from the partition's first frame on, CRC and DESYNC. The first frame
    starts with `read.identity_words`; the other words are a pattern that differs from module to
    module. Same arguments, same bytes.

    Args:
        device: The device whose IDCODE and frame size are used.
        partition: Where the frames lie; see `sequence.first_frame` when it has no rectangles.
        module_id: 64-bit identity of the module.

    Returns:
        Big-endian 32-bit words, as in a .bin file.
    """
    content = _content(device.family, identity_words(module_id, partition.index))
    idcode, wcfg, far = writes = (
        (Register.IDCODE, device.idcode),
        (Register.CMD, Command.WCFG),
        (Register.FAR, first_frame(device, partition)),
    )
    values = np.concatenate([np.array([value for _, value in writes], np.uint32), content])
    registers = [*(register for register, _ in writes), *[Register.FDRI] * len(content)]
    before = (
        *_lead_in(device.family),
        *(NOP, *write(Register.CMD, Command.RCRC), NOP, NOP, *write(*idcode)),
        *(*write(*wcfg), NOP, *write(*far), NOP),
        *(type1(Register.FDRI, 0), type2(len(content))),
    )
    after = (
        *write(Register.CRC, crc_of_writes(values, np.array(registers))),
        *write(Register.CMD, Command.DESYNC),
        *(NOP,) * TRAILING_NOPS,
    )
    words = np.concatenate([np.array(before, np.uint32), content, np.array(after, np.uint32)])
    return words.astype(">u4").tobytes()


def _lead_in(family: Family) -> tuple[int, ...]:
    """Return what tools write before the first packet, sync word included."""
    dummies = 8 if family is SERIES7 else 16
    return (*(DUMMY,) * dummies, *BUS_WIDTH, DUMMY, DUMMY, SYNC)


def _content(family: Family, identity: tuple[int, ...]) -> NDArray[np.uint32]:
    """Return the frame data: pattern, identity at its start, flush frame of zeros at its end."""
    size = SIMULATION_FRAMES * family.frame_words
    content = np.zeros(size + family.frame_words, np.uint32)
    content[:size] = (np.arange(size, dtype=np.uint64) * _FILL_STEP + identity[-1]) & 0xFFFFFFFF
    content[: len(identity)] = identity
    return content
