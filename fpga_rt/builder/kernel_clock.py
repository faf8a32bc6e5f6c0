"""Which clock an xclbin says that its kernels run at.

Ref: XRT, src/runtime_src/core/include/xclbin.h
Document: struct clock_freq_topology and clock_freq; AXLF section kind 11 is CLOCK_FREQ_TOPOLOGY

XRT sets the card's clocks to what this section says as it loads the file, and its profiler takes
the first data clock for that of the kernels. A platform that makes the clock in the User partition
itself may list here what it makes it from: so it is shown, and nothing is refused for it.
"""

from __future__ import annotations

import struct

from fpga_rt.device.xrt.xclbin import HEADER, HEADER_OFFSET, SECTION
from fpga_rt.errors import ArtifactError

_KIND = 11
_COUNT = struct.Struct("<h")
_CLOCK = struct.Struct("<HB5x128s")
"""MHz, type, name."""
_DATA = 1
"""CT_DATA: the type of the clock that a kernel's `ap_clk` is."""


def data_clock_mhz(data: bytes, where: str) -> int | None:
    """Return the frequency of the data clock in MHz, None where the file states none.

    Args:
        data: content of an xclbin that `fpga_rt.device.xrt.xclbin.parse` takes.
        where: its name, for messages.

    Raises:
        ArtifactError: the section is cut short.
    """
    sections = HEADER.unpack_from(data, HEADER_OFFSET)[-1]
    first = HEADER_OFFSET + HEADER.size
    for number in range(sections):
        kind, _, offset, size = SECTION.unpack_from(data, first + number * SECTION.size)
        if kind == _KIND:
            return _data_clock(data[offset : offset + size], where)
    return None


def _data_clock(topology: bytes, where: str) -> int | None:
    count = _COUNT.unpack_from(topology)[0] if len(topology) >= _COUNT.size else 0
    expected = _COUNT.size + count * _CLOCK.size
    if len(topology) < max(expected, _COUNT.size):
        raise ArtifactError(
            f"{where}: got a section of clocks of {len(topology)} bytes, expected {expected} for"
            f" {count} clocks; copy it again"
        )
    for number in range(count):
        mhz, kind, _ = _CLOCK.unpack_from(topology, _COUNT.size + number * _CLOCK.size)
        if kind == _DATA:
            return int(mhz)
    return None
