"""A parsed configuration stream: its words, its segments, and what kind of stream it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.families import SERIES7, ULTRASCALE, ULTRASCALE_PLUS
from fpga_rt.arch.packets import Command, Register
from fpga_rt.bitstream.segments import CrcCheck, Run, Segment, last_before
from fpga_rt.bitstream.walk import Indices, Packets

ENCRYPTED_BIT = 1 << 6
"""Bit of CTL0 that turns the decryptor on (UG470 table 5-27)."""
PER_FRAME_CRC_BIT = 1 << 21
"""Bit of CTL1 under which every frame is followed by its FAR and a CRC; seen in such files."""

_FAMILIES = {
    **dict.fromkeys((0x36, 0x37), SERIES7.name),
    **dict.fromkeys((0x38, 0x39), ULTRASCALE.name),
    **dict.fromkeys((0x48, 0x4A, 0x4B), ULTRASCALE_PLUS.name),
}
"""Families by bits 27 to 20 of the IDCODE."""
_ONLY_AT_START_UP = (Register.TIMER, Register.WBSTAR, Register.BSPI)


@dataclass(frozen=True, eq=False)
class ConfigurationStream:
    """A parsed file: `words` (n,) uint32 in stream order, and what was found in them.

    `header` holds the fields `a` to `d` of a .bit file and is empty for a .bin; `origin_bytes` is
    where the words start in the file; `swapped` tells that the file has them little-endian.
    `nested` are the streams of further dies that this one hands on, each with its own.
    """

    words: NDArray[np.uint32] = field(repr=False)
    header: dict[str, str]
    origin_bytes: int
    swapped: bool
    segments: tuple[Segment, ...]
    nested: tuple[ConfigurationStream, ...] = ()

    @property
    def idcodes(self) -> tuple[int, ...]:
        """Every IDCODE written, in order."""
        return tuple(idcode for segment in self.segments for idcode in segment.idcodes)

    @property
    def crcs(self) -> tuple[CrcCheck, ...]:
        """Every CRC written, in order."""
        return tuple(crc for segment in self.segments for crc in segment.crcs)

    @property
    def crcs_matched(self) -> int:
        """How many of the CRCs written are right."""
        return sum(segment.crcs_matched for segment in self.segments)

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run of frames, in order."""
        return tuple(run for segment in self.segments for run in segment.runs)

    @property
    def part(self) -> str | None:
        """The part that the header names, None without a header."""
        return self.header.get("b")

    @property
    def family(self) -> str | None:
        """Name of the family, by the IDCODE or a register that only one has; None if unknown."""
        for idcode in self.idcodes:
            if (idcode >> 20 & 0xFF) in _FAMILIES:
                return _FAMILIES[idcode >> 20 & 0xFF]
        return SERIES7.name if self.writes_to(Register.CBC) else None

    @property
    def kind(self) -> Literal["full", "partial"]:
        """Whether it starts a device up or changes a part of a running one.

        By content, since older tools leave `PARTIAL=TRUE` out of the header: what starts a device
        switches its clock or sets a watchdog, a boot address or a flash command.
        """
        switches = any(len(s.packets.commands(Command.SWITCH)) for s in self.segments)
        starts = switches or any(self.writes_to(register) for register in _ONLY_AT_START_UP)
        return "full" if starts else "partial"

    @property
    def compressed(self) -> bool:
        """Whether frames are repeated by multi-frame writes (MFWR)."""
        return self.writes_to(Register.MFWR) > 0

    @property
    def has_frame_crcs(self) -> bool:
        """Whether every frame is followed by its address and a CRC."""
        return any((v & PER_FRAME_CRC_BIT).any() for v in self._values(Register.CTL1))

    @property
    def is_debug(self) -> bool:
        """Whether every frame is followed by its address in LOUT."""
        return self.writes_to(Register.LOUT) > 0

    @cached_property
    def encrypted(self) -> bool:
        """Whether frames are encrypted: what follows the last packet cannot be read."""
        marks = self.writes_to(Register.CIPHERTEXT) + self.writes_to(Register.CBC)
        return marks > 0 or any(_switches_on(s.packets, ENCRYPTED_BIT) for s in self.segments)

    def writes_to(self, register: int) -> int:
        """Return how many packets write to a register."""
        return sum(len(segment.packets.to(register)) for segment in self.segments)

    def byte(self, word: int) -> int:
        """Return where `words[word]` lies in the file."""
        return self.origin_bytes + 4 * word

    def _values(self, register: int) -> list[Indices]:
        return [s.packets.value[s.packets.to(register)] for s in self.segments]


def _switches_on(packets: Packets, bit: int) -> bool:
    """Tell whether a write of CTL0 sets a bit; those outside the MASK before it are left alone."""
    controls = packets.to(Register.CTL0)
    if not len(controls):
        return False
    masks = last_before(packets.to(Register.MASK), len(packets))[controls]
    masked = np.where(masks < 0, 0, packets.value[masks])
    return bool(np.any(packets.value[controls] & masked & bit))
