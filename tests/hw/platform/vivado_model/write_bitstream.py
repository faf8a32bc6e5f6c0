"""Writes what `write_bitstream` would, by this project's own builder, for the model of Vivado.

    write_bitstream.py BOARD full all CONTENTS USR_ACCESS FILE
    write_bitstream.py BOARD partial PARTITION MODULE USR_ACCESS FILE

The contents are random and mean nothing. FPGA_RT_SPOIL makes one file wrong: `FILE_STEM=HOW`, where
HOW is `missing`, `device`, `partition`, `access` or `truncated`.
"""

from __future__ import annotations

import os
import sys
import zlib
from pathlib import Path

import numpy as np

from fpga_rt.arch.boards import Board, board
from fpga_rt.arch.devices import Device, device
from fpga_rt.arch.floorplan import Partition, cells
from fpga_rt.arch.packets import Register
from fpga_rt.bitstream.build import Form, bit_file, build
from fpga_rt.bitstream.expand import Frames, frame_order
from fpga_rt.bitstream.read import parse

_DESIGN = "top;UserID=0XFFFFFFFF;Version=2022.1"
_PARTS = {"xc7z020": "7z020clg400", "xc7z010": "7z010clg400", "xck26": "xck26-sfvc784-2LV-c"}
_OTHER = {"xc7z020": "xc7z010", "xck26": "xczu3eg"}
_WRITE_AXSS = 0x30000001 | Register.AXSS << 13


def partial(chip: Device, partition: Partition, seed: str) -> bytes:
    """Return a partial of a partition's frames that carries no identity, as a vendor's has none."""
    region = cells(chip, partition)
    addresses = np.sort(frame_order(chip).partition(partition))
    random = np.random.default_rng(zlib.crc32(seed.encode()))
    words = random.integers(0, 1 << 16, (len(addresses), chip.family.frame_words), np.uint32)
    return build(chip, Frames(addresses, words), Form.RESET, region=region)


def full(chip: Device, partition: Partition, usr_access: int | None) -> bytes:
    """Return a full stream that sets USR_ACCESS, its CRCs right."""
    first = np.sort(frame_order(chip).partition(partition))[:1]
    contents = np.full((1, chip.family.frame_words), 7, np.uint32)
    stream = build(chip, Frames(first, contents), Form.FULL)
    if usr_access is None:
        return stream
    words = np.frombuffer(stream, ">u4").astype(np.uint32)
    at = int(np.flatnonzero(words == (0x30000001 | Register.IDCODE << 13))[0])
    words = np.insert(words, at, np.array([_WRITE_AXSS, usr_access], np.uint32))
    for segment in parse(words.astype(">u4").tobytes()).segments:
        for crc in segment.crcs:
            words[crc.at] = crc.computed
    return words.astype(">u4").tobytes()


def _spoiled(name: str) -> str:
    wanted, _, how = os.environ.get("FPGA_RT_SPOIL", "").partition("=")
    return how if wanted == name else ""


def main(arguments: list[str]) -> None:
    """Write the file."""
    name, kind, place, module, access, file = arguments
    target: Board = board(name)
    how = _spoiled(f"{place}/{module.partition('-')[0]}" if kind == "partial" else "base")
    chip = target.device
    if how == "missing":
        return
    if how == "device":
        chip = device(_OTHER[chip.name])
        target = board("zybo-z7-10")
        place = target.partitions[0].name
    if how == "partition":
        place = next(p.name for p in target.partitions if p.name != place)
    if kind == "full":
        stamped = int(access, 16) ^ (how == "access")
        stream = full(chip, target.partitions[0], stamped)
        data = bit_file(stream, _DESIGN, _PARTS[chip.name], partial=False)
    else:
        (partition,) = (p for p in target.partitions if p.name == place)
        stream = partial(chip, partition, f"{place} {module}")
        data = bit_file(stream, f"{_DESIGN}", _PARTS[chip.name], partial=True)
    Path(file).write_bytes(data[: len(data) // 2] if how == "truncated" else data)


if __name__ == "__main__":
    main(sys.argv[1:])
