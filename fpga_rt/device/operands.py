"""Byte memory as a command sees it: operands by segment, offset and pitches.

Several iterations are one strided view, so a batch costs one NumPy call and no copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from fpga_rt.contract.command import Segment, split_address
from fpga_rt.contract.submission import Placement
from fpga_rt.device.memory import BusError, Bytes

Codes = NDArray[np.int8]


class Memory(Protocol):
    """Bytes by address."""

    def window(self, address: int, size_bytes: int, who: str) -> Bytes:
        """Return a view, or raise `BusError`."""


class Extent(NamedTuple):
    """A tensor in memory as a descriptor gives it: shape, pitches in bytes, bytes spanned."""

    shape: tuple[int, int, int]
    row_pitch: int
    pixel_pitch: int

    @property
    def span_bytes(self) -> int:
        """Bytes from the first to the last."""
        rows, pixels, channels = self.shape
        return (rows - 1) * self.row_pitch + (pixels - 1) * self.pixel_pitch + channels

    @property
    def overlaps_itself(self) -> bool:
        """Tell whether two elements share a byte, so that the order of writing matters."""
        rows, pixels, channels = self.shape
        row_bytes = (pixels - 1) * self.pixel_pitch + channels
        return (pixels > 1 and self.pixel_pitch < channels) or (
            rows > 1 and self.row_pitch < row_bytes
        )


def extent(fields: Mapping[str, int], name: str) -> Extent:
    """Return the extent of a command's `input`, `residual` or `output`.

    Raises:
        ValueError: a dimension is zero.
    """
    side = "input" if name == "input" else "output"
    shape = (fields[f"{side}_height"], fields[f"{side}_width"], fields[f"{side}_channels"])
    if 0 in shape:
        raise ValueError(f"its {name} has the shape {shape}, expected at least 1 of each")
    return Extent(shape, fields[f"{side}_row_pitch"], fields[f"{side}_pixel_pitch"])


class SegmentMemory:
    """The operand memory of one command in some iterations (see `modules.module`)."""

    def __init__(
        self,
        memory: Memory,
        placements: Mapping[Segment, Placement],
        iterations: Sequence[int],
        who: str,
    ) -> None:
        """Bind segments to memory; `who` names the command in bus errors."""
        self._memory = memory
        self._placements = placements
        self._iterations = iterations
        self._who = who

    def read(self, fields: Mapping[str, int], name: str) -> Codes:
        """Return the tensor `input` or `residual`, int8 (iterations, H, W, C).

        Raises:
            BusError: it leaves the memory.
        """
        where, views = extent(fields, name), []
        for start, count, stride in self._runs(fields[name]):
            views.append(self._view(start, count, stride, where, f"reading its {name}"))
        return views[0] if len(views) == 1 else np.concatenate(views)

    def write(self, fields: Mapping[str, int], codes: Codes) -> None:
        """Store the output, int8 (iterations, H, W, C).

        Raises:
            BusError: it leaves the memory.
            ValueError: `codes` has another shape than the descriptor.
        """
        where, first = extent(fields, "output"), 0
        if codes.shape != (len(self._iterations), *where.shape):
            raise ValueError(
                f"its output has the shape {codes.shape[1:]}, the descriptor says {where.shape}"
            )
        for start, count, stride in self._runs(fields["output"]):
            part = codes[first : first + count]
            first += count
            if where.overlaps_itself or (count > 1 and stride < where.span_bytes):
                self._write_in_order(start, stride, part, where)
            else:
                self._view(start, count, stride, where, "writing its output")[...] = part

    def block(self, address: int, size_bytes: int) -> bytes:
        """Return a parameter block; it is the same for all iterations.

        Raises:
            BusError: it leaves the memory.
        """
        start = self._runs(address)[0][0]
        return self._memory.window(start, size_bytes, f"{self._who} reading parameters").tobytes()

    def _runs(self, address: int) -> list[tuple[int, int, int]]:
        """Return start, number and stride of the runs of iterations that are evenly spaced."""
        segment, offset = split_address(address)
        if segment not in self._placements:
            raise BusError(
                f"bus error: {self._who} uses address {address:#010x} in segment {segment},"
                f" expected 0..{max(Segment)}; the program is corrupt"
            )
        place = self._placements[Segment(segment)]
        starts = [place.at(i) + offset for i in self._iterations]
        runs: list[tuple[int, int, int]] = []
        for start in starts:
            if runs and start == runs[-1][0] + runs[-1][1] * place.stride:
                runs[-1] = (runs[-1][0], runs[-1][1] + 1, place.stride)
            else:
                runs.append((start, 1, place.stride))
        return runs

    def _view(self, start: int, count: int, stride: int, where: Extent, doing: str) -> Codes:
        size = (count - 1) * stride + where.span_bytes
        window: Bytes = self._memory.window(start, size, f"{self._who} {doing}")
        return as_strided(
            window.view(np.int8),
            (count, *where.shape),
            (stride, where.row_pitch, where.pixel_pitch, 1),
        )

    def _write_in_order(self, start: int, stride: int, codes: Codes, where: Extent) -> None:
        """Write pixel by pixel, the way the hardware does, so that later bytes win."""
        self._view(start, len(codes), stride, where, "writing its output")
        pixel = Extent((1, 1, where.shape[2]), 0, 0)
        for iteration, row, column in np.ndindex(codes.shape[:3]):
            at = start + iteration * stride + row * where.row_pitch + column * where.pixel_pitch
            view = self._view(at, 1, 0, pixel, "writing its output")
            view[0, 0, 0] = codes[iteration, row, column]
