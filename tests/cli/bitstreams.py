"""Configuration files that the project builds, for tests of the command line."""

from __future__ import annotations

from pathlib import Path

from fpga_rt.arch.boards import board
from fpga_rt.bitstream.build import bit_file, simulation_bitstream

MODULE_ID = 0x0123456789ABCDEF


def partial(name: str = "pynq-z2", partition: int = 1, module_id: int = MODULE_ID) -> bytes:
    """Return a partial for a partition of a board: plain words."""
    target = board(name)
    return simulation_bitstream(target.device, target.partitions[partition], module_id)


def bit(stream: bytes, part: str = "7z020clg400") -> bytes:
    """Return a stream as a .bit file."""
    return bit_file(stream, "top", part, True)


def swapped(stream: bytes) -> bytes:
    """Return words with their bytes reversed, by slices."""
    turned = bytearray(len(stream))
    for byte in range(4):
        turned[byte::4] = stream[3 - byte :: 4]
    return bytes(turned)


def put(folder: Path, name: str, data: bytes) -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(data)
    return path
