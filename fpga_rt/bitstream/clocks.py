"""Which frames and bits of an UltraScale+ partial hold the clocks of columns, and release them.

The first segment of such a partial writes these frames with the bits clear, the fourth with them
set. Seen in every column of the public partials of an XCZU7EV: in each frame the same bits are set,
once or more for a CLB or interconnect tile of the clock region, and the ECC changes with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import Device
from fpga_rt.arch.families import BRAM, CLB, DSP, ULTRASCALE_PLUS

CLOCK_MINORS = {CLB: (13,), DSP: (0, 5), BRAM: (0, 5)}
"""The frames of a column that hold and release its clocks."""
PLUS_ECC_WORDS = (45, 46)
"""Words of an UltraScale+ frame that hold its ECC (seen to change whenever another word does)."""

_MIDDLE_WORDS = (45, 46, 47)
"""The clock row in the middle of a frame; tiles lie above and below it."""
_COLUMN_WORDS = (4, 19, 34, 52, 67, 82)
_UPPER_WORDS = (12, 27, 42, 60, 75, 90)
"""Words of the second frame of a DSP or block RAM column; six of them have the lowest bit set."""


def released_by(device: Device, address: int) -> NDArray[np.uint32]:
    """Return (93,) uint32: the bits that release clocks in the frame at a FAR of a device."""
    frame = device.family.address.decode(address)
    if frame.block_type != 0 or frame.column >= len(device.columns):
        return release_bits("", 0)
    return release_bits(device.columns[frame.column], frame.minor)


@cache
def release_bits(kind: str, minor: int) -> NDArray[np.uint32]:
    """Return (93,) uint32: the bits of a frame that release the clocks of its column.

    Args:
        kind: What the column holds, as `arch.families` names it.
        minor: The frame within the column. None but those of `CLOCK_MINORS` have such bits.
    """
    bits = np.zeros(ULTRASCALE_PLUS.frame_words, np.uint32)
    if minor not in CLOCK_MINORS.get(kind, ()):
        return bits
    if minor == 5:
        _set(bits, _COLUMN_WORDS, 0x10000)
        _set(bits, _UPPER_WORDS, 1)
        return bits
    low = 0x40 if kind == CLB else 0x100
    words = [word for word in range(len(bits)) if word not in _MIDDLE_WORDS]
    _set(bits, (word for word in words if word % 3 == 0), low << 16)
    _set(bits, (word for word in words if word % 3 == 2), low)
    return bits


def _set(bits: NDArray[np.uint32], words: Iterable[int], value: int) -> None:
    bits[list(words)] = value
