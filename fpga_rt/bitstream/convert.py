"""Turns a configuration file into the plain words that a driver or a port takes.

Ref: Linux, drivers/fpga/zynq-fpga.c
Document: "Zynq has the bitstream word-swapped": the driver looks for the sync word 66 55 99 AA

A `.bit` file is a header and big-endian words. `fpga_manager` takes the words alone, each with its
bytes reversed (`little`); a configuration controller that feeds an ICAP takes them as they stand
(`big`). A `.bin` file may have either order and no mark of it but its sync word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fpga_rt.bitstream.read import ConfigurationStream, parse
from fpga_rt.errors import ArtifactError

WordOrder = Literal["little", "big"]
ORDERS: dict[WordOrder, str] = {"little": "<u4", "big": ">u4"}
"""NumPy's names: `little` is what fpga_manager takes, `big` what .bit files and ports have."""


@dataclass(frozen=True)
class Converted:
    """Words without header: `data` in the order asked for, and the form the source had."""

    data: bytes
    had_header: bool
    was: WordOrder


def convert(data: bytes, order: WordOrder = "little") -> Converted:
    """Return the words of a .bit or .bin file without header in a word order.

    Raises:
        ArtifactError: It is no configuration stream, is encrypted, or a CRC in it does not match.
    """
    stream = parse(data)
    check_intact(stream)
    words = stream.words.astype(ORDERS[order])
    was: WordOrder = "little" if stream.swapped else "big"
    return Converted(np.ascontiguousarray(words).tobytes(), stream.origin_bytes > 0, was)


def check_intact(stream: ConfigurationStream) -> None:
    """Check what can be checked without knowing the device: the form, and every CRC there is.

    Raises:
        ArtifactError: It is encrypted, holds no CRC, or one does not match.
    """
    if stream.encrypted:
        raise ArtifactError(
            "the stream is encrypted, so nothing in it can be checked; expected a plain one: build "
            "it without encryption"
        )
    if not stream.crcs:
        raise ArtifactError(
            f"no CRC in the stream at byte {stream.origin_bytes}, expected one or more; build the "
            "bitstream with CRC"
        )
    for crc in stream.crcs:
        if crc.written != crc.computed:
            raise ArtifactError(
                f"CRC at byte {stream.byte(crc.at)}: got 0x{crc.written:08X}, expected "
                f"0x{crc.computed:08X} from the words before it; build or fetch the bitstream again"
            )
