"""Random commands, and what NumPy says of the bytes that they read and write."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from fpga_rt.contract.command import CommandFlag, Operation
from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE, on_chip
from fpga_rt.modules.geometry import input_row_beats, output_row_beats, rows_after
from tests.hw.blocks.axi_memory import BASE

DRAM_BYTES = 3 * 4096
CHIP_BYTES = 4096

Bytes = NDArray[np.uint8]


def _random_bytes(seed: int, size: int) -> bytearray:
    return bytearray(random.Random(seed).randbytes(size))


@dataclass
class Memories:
    """Both memories, as bytes."""

    dram: bytearray = field(default_factory=lambda: _random_bytes(1, DRAM_BYTES))
    chip: bytearray = field(default_factory=lambda: _random_bytes(2, CHIP_BYTES))

    def tensor(self, fields: Mapping[str, int], name: str) -> Bytes:
        """Return a view of one tensor of a command, [row, pixel, channel]."""
        side = "input" if name == "input" else "output"
        start = fields[name]
        memory, base = (self.chip, FEATURE_MEMORY_BASE) if on_chip(start) else (self.dram, BASE)
        shape = tuple(fields[f"{side}_{axis}"] for axis in ("height", "width", "channels"))
        strides = (fields[f"{side}_row_pitch"], fields[f"{side}_pixel_pitch"], 1)
        reach = sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        data: Bytes = np.frombuffer(memory, np.uint8)
        assert 0 <= start - base
        assert start - base + reach < len(data), "the test's tensor leaves the memory"
        return as_strided(data[start - base :], shape, strides)


def pieces(row: Bytes, pixel_pitch: int) -> list[bytes]:
    """Cut a row [pixel, channel] into pieces of contiguous bytes."""
    width, channels = row.shape
    if width == 1 or pixel_pitch == channels:
        return [row.tobytes()]
    return [pixel.tobytes() for pixel in row]


def adds(fields: Mapping[str, int]) -> bool:
    """Return whether a command reads a residual."""
    fused = bool(fields["flags"] & CommandFlag.FUSED_ADDITION)
    return fused or fields["operation"] == Operation.ADDITION


def read_pieces(memories: Memories, fields: Mapping[str, int]) -> list[bytes]:
    """Return the pieces that a command reads, in the order of the stream."""
    source, loaded, found = memories.tensor(fields, "input"), 0, []
    for y, after in enumerate(rows_after(fields)):
        for row in source[loaded:after]:
            found += pieces(row, fields["input_pixel_pitch"])
        loaded = after
        if adds(fields):
            row = memories.tensor(fields, "residual")[y]
            found += pieces(row, fields["output_pixel_pitch"])
    return found


def read_beats(fields: Mapping[str, int]) -> int:
    """Return the beats that reading takes, by the formula of the modules."""
    rows = rows_after(fields)
    total = (rows[-1] if rows else 0) * input_row_beats(fields)
    return total + (len(rows) * output_row_beats(fields, "residual") if adds(fields) else 0)


def in_beats(data: bytes) -> list[tuple[int, int]]:
    """Return the beats of a piece: value, and a mask of the bits that mean something."""
    parts = [data[at : at + 8] for at in range(0, len(data), 8)]
    return [(int.from_bytes(part, "little"), (1 << 8 * len(part)) - 1) for part in parts]


def _side(chooser: random.Random, side: str, height: int) -> dict[str, int]:
    width = chooser.choice([1, 1, 2, 3, 5, 8])
    channels = chooser.choice([1, 2, 3, 7, 8, 8, 9, 16, 16, 20, 24])
    pixel = channels + chooser.choice([0, 0, 0, 1, 3, 8 - channels % 8, 16])
    row = (width - 1) * pixel + channels + chooser.choice([0, 0, 1, 5, 8])
    if chooser.random() < 0.3:
        row = -(-row // 8) * 8
    return {
        f"{side}_height": height,
        f"{side}_width": width,
        f"{side}_channels": channels,
        f"{side}_pixel_pitch": 0 if width == 1 and chooser.random() < 0.5 else pixel,
        f"{side}_row_pitch": 0 if height == 1 else row,
    }


def _place(chooser: random.Random, fields: dict[str, int], name: str, chip: bool) -> int:
    side = "input" if name == "input" else "output"
    spread = fields[f"{side}_height"] * fields[f"{side}_row_pitch"] + 8 * 40 + 8
    base, size = (FEATURE_MEMORY_BASE, CHIP_BYTES) if chip else (BASE, DRAM_BYTES)
    at = chooser.randrange(size - spread)
    if chooser.random() < 0.2:  # up to the last byte
        at = size - (
            (fields[f"{side}_height"] - 1) * fields[f"{side}_row_pitch"]
            + (fields[f"{side}_width"] - 1) * fields[f"{side}_pixel_pitch"]
            + fields[f"{side}_channels"]
        )
    return base + (at if chooser.random() < 0.6 else at & ~7)


def random_fields(chooser: random.Random, chip: bool | None = None) -> dict[str, int]:
    """Return a command of small tensors; `chip` says where all lie, None draws it for each."""
    kernel, stride = chooser.randrange(1, 5), chooser.randrange(1, 4)
    top = chooser.randrange(kernel)
    height = chooser.choice([1, 2, 3, 4, 6])
    fields = {
        "operation": chooser.choice([Operation.CONVOLUTION, Operation.ADDITION]),
        "flags": chooser.choice([0, CommandFlag.FUSED_ADDITION]),
        "kernel_height": kernel,
        "stride_y": stride,
        "pad_top": top,
        **_side(chooser, "input", height),
        **_side(chooser, "output", chooser.choice([1, 2, 3, 5])),
    }
    for name in ("input", "residual", "output"):
        where = chooser.random() < 0.5 if chip is None else chip
        fields[name] = _place(chooser, fields, name, where)
    return fields
