"""The vocabulary of configuration streams: words, headers, registers and commands.

A stream is a sequence of big-endian 32-bit words. After the sync word it is packets: a type 1
header names a register and up to 2,047 payload words; a type 2 header gives the register of the
header before it a longer payload.

    type 1   31..29 = 1   28..27 opcode   26..18 = 0   17..13 register   12..11 = 0   10..0 count
    type 2   31..29 = 2   28..27 opcode   26..0 count

Sources: UG470 (7 Series Configuration) tables 5-19 to 5-25, UG570 (UltraScale Configuration)
chapter 9. The three families share all of it; `CTL1` bit 17 and the nested-die register are
UltraScale's own.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

DUMMY = 0xFFFFFFFF
SYNC = 0xAA995566
NOP = 0x20000000
BUS_WIDTH = (0x000000BB, 0x11220044)
"""Bus width detection pattern: recognised by the parallel ports, ignored by ICAP and PCAP."""
TRAILING_NOPS = 16
"""NOPs that tools write after DESYNC at the end of a partial: they flush the port's pipeline."""
TYPE1_MAX_WORDS = (1 << 11) - 1
TYPE2_MAX_WORDS = (1 << 27) - 1


class Opcode(IntEnum):
    """What a header asks for (UG470 table 5-20)."""

    NOP = 0
    READ = 1
    WRITE = 2


class Register(IntEnum):
    """Configuration registers (UG470 table 5-23)."""

    CRC = 0x00
    FAR = 0x01
    FDRI = 0x02
    FDRO = 0x03
    CMD = 0x04
    CTL0 = 0x05
    MASK = 0x06
    STAT = 0x07
    LOUT = 0x08
    COR0 = 0x09
    MFWR = 0x0A
    CBC = 0x0B
    IDCODE = 0x0C
    AXSS = 0x0D
    COR1 = 0x0E
    WBSTAR = 0x10
    TIMER = 0x11
    RESERVED_13 = 0x13
    """Not in the guides; full streams write 0 to it."""
    BOOTSTS = 0x16
    CTL1 = 0x18
    CIPHERTEXT = 0x1A
    """Length of an encrypted part; not in the guides, seen in encrypted files."""
    NESTED = 0x1E
    """Carries the stream of the next die of a multi-die device; seen in such files."""
    BSPI = 0x1F


class Command(IntEnum):
    """Values of the CMD register (UG470 table 5-25)."""

    NULL = 0
    WCFG = 1
    MFW = 2
    LFRM = 3
    RCFG = 4
    START = 5
    RCAP = 6
    RCRC = 7
    AGHIGH = 8
    SWITCH = 9
    GRESTORE = 10
    SHUTDOWN = 11
    GCAPTURE = 12
    DESYNC = 13
    IPROG = 15
    CRCC = 16
    LTIMER = 17
    BSPI_READ = 18
    FALL_EDGE = 19


class Packet(NamedTuple):
    """One packet; positions are word indices into the stream it was read from.

    `register` and `opcode` are plain numbers, since a corrupt stream may hold any. A type 2 packet
    has the register of the header before it. Type 0 are the bare zero words of a debug stream:
    frame data without a header.
    """

    at: int
    type: int
    opcode: int
    register: int
    start: int
    stop: int


def type1(register: int, count: int, opcode: int = Opcode.WRITE) -> int:
    """Make a type 1 header.

    Raises:
        ValueError: `count` does not fit its 11 bits.
    """
    if not 0 <= count <= TYPE1_MAX_WORDS:
        raise ValueError(f"a type 1 packet carries 0 to {TYPE1_MAX_WORDS} words, not {count}")
    return 1 << 29 | opcode << 27 | register << 13 | count


def type2(count: int, opcode: int = Opcode.WRITE) -> int:
    """Make a type 2 header.

    Raises:
        ValueError: `count` does not fit its 27 bits.
    """
    if not 0 <= count <= TYPE2_MAX_WORDS:
        raise ValueError(f"a type 2 packet carries 0 to {TYPE2_MAX_WORDS} words, not {count}")
    return 2 << 29 | opcode << 27 | count


def write(register: int, *values: int) -> tuple[int, ...]:
    """Return the words that write `values` to `register` with a type 1 packet."""
    return (type1(register, len(values)), *values)
