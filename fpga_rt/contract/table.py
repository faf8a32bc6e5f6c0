"""The requantisation table of a command: a 32-byte header, then 8 bytes a channel.

It holds every number that comes from quantisation, so replacing a table (a parameter update that
touches no weight) needs no other change. The meaning of the numbers is in `fpga_rt.arithmetic`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fpga_rt.contract.layout import Field, Layout

HEADER = Layout(
    "table_header",
    8,
    (
        Field("zero_point", 0, 0, 8, True, "of the output"),
        Field("low", 0, 8, 8, True, "smallest output"),
        Field("high", 0, 16, 8, True, "largest output"),
        Field("pre_shift", 0, 24, 8, False, "right shift of the accumulator, floor; at most 15"),
        Field("pad_value", 1, 0, 8, True, "read outside the input"),
        Field("add_shift", 1, 8, 8, False, "right shift of the addition"),
        Field("add_low", 1, 16, 8, True, "smallest sum"),
        Field("add_high", 1, 24, 8, True, "largest sum"),
        Field("add_multiplier_a", 2, 0, 32, False, "24 bits; of the first operand"),
        Field("add_multiplier_b", 3, 0, 32, False, "24 bits; of the second operand"),
        Field("add_constant", 4, 0, 64, True, "48 bits; rounding and all zero points"),
        Field("reserved", 6, 0, 64, False, "zero"),
    ),
)
HEADER_BYTES = HEADER.size_bytes
CHANNEL_BYTES = 8
MULTIPLIER_BITS = 24
_CHANNEL = np.dtype([("bias", "<i4"), ("scale", "<u4")])


@dataclass(frozen=True, eq=False)
class Table:
    """A decoded table: header fields, and per channel bias (int32), multiplier and shift."""

    header: dict[str, int]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    shift: NDArray[np.int32]

    def encode(self) -> bytes:
        """Pack to `HEADER_BYTES + CHANNEL_BYTES * channels` bytes."""
        channels = np.empty(len(self.bias), _CHANNEL)
        channels["bias"] = self.bias
        channels["scale"] = self.multiplier | (self.shift << 24)
        return HEADER.encode(self.header) + channels.tobytes()

    def channels(self, start: int, stop: int) -> Table:
        """Return the table of channels `start` to `stop` with the same header."""
        part = slice(start, stop)
        return replace(
            self, bias=self.bias[part], multiplier=self.multiplier[part], shift=self.shift[part]
        )

    @staticmethod
    def decode(data: bytes) -> Table:
        """Unpack what `encode` made (bits outside a field are ignored, as the gateware does)."""
        channels = np.frombuffer(data[HEADER_BYTES:], _CHANNEL)
        scale = channels["scale"]
        return Table(
            HEADER.decode(data[:HEADER_BYTES]),
            channels["bias"].astype(np.int32),
            (scale & ((1 << MULTIPLIER_BITS) - 1)).astype(np.int32),
            ((scale >> 24) & 0x3F).astype(np.int32),
        )
