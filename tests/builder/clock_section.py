"""Puts a section of clocks into an xclbin, by the structures of XRT's xclbin.h."""

from __future__ import annotations

import ctypes
from typing import Any

KIND = 11
UNUSED, DATA, KERNEL, SYSTEM = range(4)
"""`enum CLOCK_TYPE`."""
_SECTIONS_AT = 304 + 152
_LENGTH_AT, _COUNT_AT = 304, 304 + 144


class _Clock(ctypes.LittleEndianStructure):
    """`struct clock_freq`."""

    _pack_ = 1
    _fields_ = (
        ("mhz", ctypes.c_uint16),
        ("kind", ctypes.c_uint8),
        ("unused", ctypes.c_uint8 * 5),
        ("name", ctypes.c_char * 128),
    )


class _Section(ctypes.LittleEndianStructure):
    """`struct axlf_section_header`."""

    _pack_ = 1
    _fields_ = (
        ("kind", ctypes.c_uint32),
        ("name", ctypes.c_char * 16),
        ("reserved", ctypes.c_ubyte * 4),
        ("offset", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
    )


def topology(*clocks: tuple[int, int]) -> bytes:
    """Return `struct clock_freq_topology` of MHz and types."""
    entries = (bytes(_Clock(mhz, kind, name=b"clock")) for mhz, kind in clocks)
    return len(clocks).to_bytes(2, "little") + b"".join(entries)


def with_clocks(xclbin: bytes, section: bytes) -> bytes:
    """Return an xclbin with one section more, its content behind everything else."""
    grown = ctypes.sizeof(_Section)
    count = _number(xclbin, _COUNT_AT, ctypes.c_uint32)
    end = _SECTIONS_AT + count * grown
    there = (_Section * count).from_buffer_copy(xclbin, _SECTIONS_AT)
    for each in there:
        each.offset += grown
    added = _Section(KIND, b"clocks", offset=len(xclbin) + grown, size=len(section))
    head = bytearray(xclbin[:_SECTIONS_AT])
    head[_COUNT_AT : _COUNT_AT + 4] = (count + 1).to_bytes(4, "little")
    length = len(xclbin) + grown + len(section)
    head[_LENGTH_AT : _LENGTH_AT + 8] = length.to_bytes(8, "little")
    return bytes(head) + bytes(there) + bytes(added) + xclbin[end:] + section


def _number(data: bytes, at: int, kind: Any) -> int:  # noqa: ANN401 - a type of ctypes
    return int(kind.from_buffer_copy(data, at).value)
