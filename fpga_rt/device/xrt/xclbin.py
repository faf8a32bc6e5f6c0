"""The container that XRT loads, as far as it is looked at before a card is given it.

Ref: XRT, src/runtime_src/core/include/xclbin.h
Document: struct axlf, axlf_header and axlf_section_header; AXLF section kind 0 is BITSTREAM

All numbers are little-endian. Offsets are those of the packed structures: 304 bytes before the
header (magic, signature, key block, unique id), 152 of header, 40 for each section.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from uuid import UUID

from fpga_rt.errors import ArtifactError

MAGIC = b"xclbin2\0"
BITSTREAM = 0
HEADER = struct.Struct("<Q24s16s64s16s16sI4x")
"""Length, time stamps and versions, interface, platform, UUID, name of debug data, sections."""
HEADER_OFFSET = 304
SECTION = struct.Struct("<I16s4xQQ")
"""Kind, name, offset, size."""
_MOST_SECTIONS = 1024


@dataclass(frozen=True, eq=False)
class Xclbin:
    """What an xclbin says of itself.

    Attributes:
        platform: vendor, card and shell, for example `xilinx_u200_gen3x16_xdma_2_202110_1`.
        uuid: of the file's content, as XRT knows it.
        bitstream: of the User partition, empty where there is none.
    """

    platform: str
    uuid: UUID
    bitstream: bytes

    @property
    def card(self) -> str:
        """Vendor and card: what the name of a platform begins with."""
        return card_of(self.platform)


def card_of(platform: str) -> str:
    """Return vendor and card of the name of a platform: `xilinx_u200`."""
    return "_".join(platform.split("_")[:2])


def parse(data: bytes, where: str) -> Xclbin:
    """Read an xclbin.

    Args:
        data: the file's content.
        where: its name, for messages.

    Raises:
        ArtifactError: it is none, cut short, or a section lies outside of it.
    """
    if data[: len(MAGIC)] != MAGIC or len(data) < HEADER_OFFSET + HEADER.size:
        raise ArtifactError(
            f"{where} is no xclbin (got {data[:8]!r}, expected {MAGIC!r}): is this a bitstream?"
            " XRT loads what `v++ --link` makes"
        )
    length, _, _, platform, uuid, _, count = HEADER.unpack_from(data, HEADER_OFFSET)
    if length != len(data) or count > _MOST_SECTIONS:
        raise ArtifactError(
            f"{where}: got {len(data):,} bytes with {count} sections, expected the {length:,} bytes"
            f" that its header says and at most {_MOST_SECTIONS} sections; copy it again"
        )
    name = platform.split(b"\0")[0].decode("ascii", "replace").replace(":", "_")
    return Xclbin(name, UUID(bytes=uuid), _bitstream(data, count, where))


def _bitstream(data: bytes, count: int, where: str) -> bytes:
    start = HEADER_OFFSET + HEADER.size
    if start + count * SECTION.size > len(data):
        raise ArtifactError(f"{where}: its {count} section headers do not fit; copy it again")
    for number in range(count):
        kind, _, offset, size = SECTION.unpack_from(data, start + number * SECTION.size)
        if offset + size > len(data):
            raise ArtifactError(
                f"{where}: section {number} of kind {kind} ends at {offset + size:,}, expected"
                f" within {len(data):,} bytes; copy it again"
            )
        if kind == BITSTREAM:
            return data[offset : offset + size]
    return b""
