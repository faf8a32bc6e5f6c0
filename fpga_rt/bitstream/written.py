"""What the frames of a stream have to keep: be in a region, fill columns, agree with each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import PAD_FRAMES, Device
from fpga_rt.arch.families import SERIES7, FrameAddress
from fpga_rt.arch.packets import Register
from fpga_rt.arch.partials import Cell, runs
from fpga_rt.arch.rules import MULTI_FRAME_BIT, NO_RESET, REBUILD
from fpga_rt.bitstream.clocks import PLUS_ECC_WORDS, released_by
from fpga_rt.bitstream.expand import (
    RESET_MASK,
    Frames,
    FrameWrites,
    frame_order,
    frames_at,
    last_written,
    segment_writes,
)
from fpga_rt.bitstream.segments import Run
from fpga_rt.bitstream.sequence import PAD
from fpga_rt.bitstream.stream import ConfigurationStream
from fpga_rt.bitstream.walk import Indices
from fpga_rt.errors import ArtifactError


def refuse(what: str, at_byte: int, got: str, expected: str, step: str = REBUILD) -> NoReturn:
    """Refuse a stream.

    Raises:
        ArtifactError: Always.
    """
    raise ArtifactError(f"{what} at byte {at_byte}: got {got}, expected {expected}; {step}")


@dataclass(frozen=True, eq=False)
class WrittenFrames:
    """The frames of a stream: what each segment writes, and what is there in the end."""

    stream: ConfigurationStream
    device: Device

    @cached_property
    def parts(self) -> list[FrameWrites]:
        """What each segment writes.

        Raises:
            ArtifactError: As `expand.frame_writes`.
        """
        order = frame_order(self.device)
        return [segment_writes(self.stream, segment, order) for segment in self.stream.segments]

    @cached_property
    def all(self) -> FrameWrites:
        """What all segments write."""
        columns = zip(*self.parts, strict=True)
        return FrameWrites(*(np.concatenate(column) for column in columns))

    @cached_property
    def last(self) -> Frames:
        """What the frames hold in the end."""
        return last_written(self.stream, self.all, self.device.family.frame_words)

    @property
    def masks(self) -> list[Run]:
        """The runs that hold a reset mask."""
        fields = self.device.family.address
        return [r for r in self.stream.runs if fields.decode(r.far).block_type == RESET_MASK]

    def check_inside(self, name: str, allowed: Indices) -> None:
        """Check that every frame is among the FARs `allowed`, those of what is called `name`.

        Raises:
            ArtifactError: One is not.
        """
        self._check_among(allowed, self.all.addresses, self.all.at, name)
        fars, starts = self._named
        self._check_among(allowed, fars, starts, name)

    def check_addresses(self) -> None:
        """Check that the device has a frame wherever frame data begins, written there or not.

        Raises:
            ArtifactError: It has none; a device of unknown geometry is not asked.
        """
        order = frame_order(self.device)
        if not order.length:
            return
        fars, starts = self._named
        nowhere = np.flatnonzero(order.positions(fars) == order.length)
        if len(nowhere):
            at = self.stream.byte(int(starts[nowhere[0]]))
            expected = f"one of {self.device.name}"
            refuse("frame data", at, f"frame address 0x{fars[nowhere[0]]:08X}", expected)

    @property
    def _named(self) -> tuple[Indices, Indices]:
        """(n,) each: the FAR that frame data is sent to, reset masks left out, and its first word.

        Frame data that multi-frame writes repeat need not be written there, but may be.
        """
        segments = self.stream.segments
        fars = np.concatenate([part.frame_addresses[part.data] for part in segments])
        starts = np.concatenate([part.packets.start[part.data] for part in segments])
        high, low = self.device.family.address.block_type
        named = fars >> low & ((1 << (high - low + 1)) - 1) != RESET_MASK
        return fars[named], starts[named]

    def _check_among(self, allowed: Indices, addresses: Indices, at: Indices, name: str) -> None:
        outside = np.flatnonzero(~np.isin(addresses, np.append(allowed, PAD)))
        if len(outside):
            refuse(
                f"frame 0x{addresses[outside[0]]:08X}",
                self.stream.byte(int(at[outside[0]])),
                "a frame outside the partition",
                f"frames of {name} of {self.device.name}",
                "use the bitstream of that partition",
            )

    def check_once(self) -> None:
        """Check that no segment writes a frame again; for a region that is reset, a third time.

        Raises:
            ArtifactError: One does.
        """
        most = 2 if self.masks else 1
        count = np.count_nonzero(self.all.addresses != PAD)
        if most == 1 and count == len(self.last.addresses):
            return
        for part in self.parts:
            written = part.addresses != PAD
            addresses, at = part.addresses[written], part.at[written]
            order = np.argsort(addresses, kind="stable")
            ordered = addresses[order]
            again = order[most:][ordered[most:] == ordered[:-most]]
            if len(again):
                index = int(again.min())
                refuse(
                    f"frame 0x{addresses[index]:08X}",
                    self.stream.byte(int(at[index])),
                    "a frame that was written before",
                    "one that was not" if most == 1 else "each frame in two passes at most",
                )

    def check_pads(self) -> None:
        """Check that the pad frames between rows are zero.

        Raises:
            ArtifactError: One is not.
        """
        pads = self.all.contents[self.all.addresses == PAD]
        contents = frames_at(self.stream.words, pads, self.device.family.frame_words)
        spoiled = np.flatnonzero(contents.any(axis=1))
        if len(spoiled):
            at = self.stream.byte(int(pads[spoiled[0]]))
            refuse("pad frame", at, "other words", "zeros")

    def check_columns(self) -> None:
        """Check that every column that is written is written whole.

        Raises:
            ArtifactError: One is not.
        """
        order = frame_order(self.device)
        if not self.device.columns:
            return
        columns, counts = np.unique(order.columns(self.last.addresses), return_counts=True)
        known, sizes = order.column_frames
        due = sizes[np.searchsorted(known, columns)]
        part = np.flatnonzero(counts != due)
        if not len(part):
            return
        column = int(columns[part[0]])
        there = order.columns(self.all.addresses) == column
        refuse(
            f"column of frame address 0x{column:08X}",
            self.stream.byte(int(self.all.at[there].min())),
            f"{int(counts[part[0]])} of its {int(due[part[0]])} frames",
            "all, since a column is configured as a whole",
            "load a difference stream over its base only",
        )

    def check_masks(self, cells: frozenset[Cell] | None) -> None:
        """Check that a reset mask names the columns of `cells`, or for None those that are written.

        Columns without fabric are left alone: Vivado marks those of some rows.

        Raises:
            ArtifactError: It does not.
        """
        for mask in self.masks:
            self._check_mask(mask, self._marked(cells))

    def check_reset(self, cells: frozenset[Cell] | None) -> None:
        """Check that a partial that resets a region writes all of it, on the 7-series twice.

        The region are `cells`, or for None, on the 7-series, the columns that are written.

        Raises:
            ArtifactError: It does not.
        """
        if not self.masks and len(self.parts) == 1:
            return
        if self.masks:
            self._check_passes()
            cells = self._written_cells if cells is None else cells
        order = frame_order(self.device)
        if cells is None or not order.length:
            return
        due = order.listed(runs(self.device, cells))
        missing = due[~np.isin(due, self.last.addresses)]
        if len(missing):
            refuse(
                f"frame 0x{int(missing[0]):08X}",
                self.stream.byte(int(self.all.at[-1])),
                f"{len(missing):,} of {len(due):,} frames of the region left as they are",
                "all written, since the region is reset",
                "load a difference stream over its base only",
            )

    def _check_passes(self) -> None:
        """Check that every frame is written twice: close to blank first, the module second.

        Frames with the same contents in both passes may be left out of the second one where
        multi-frame writes are announced: `shrink` leaves them out.
        """
        written = self.all.addresses != PAD
        addresses, at = self.all.addresses[written], self.all.at[written]
        frames, firsts = np.unique(addresses, return_index=True)
        again = np.ones(len(addresses), np.bool_)
        again[firsts] = False
        end = int(again.argmax()) if again.any() else len(addresses)
        second = len(addresses) - end
        controls = [s.packets.value[s.packets.to(Register.CTL1)] for s in self.stream.segments]
        if np.any(np.concatenate(controls) & MULTI_FRAME_BIT):
            whole = end == len(frames) and second > 0
        else:
            whole = np.array_equal(addresses[:end], addresses[end:])
        if not whole:
            refuse(
                "frames of a region that is reset",
                self.stream.byte(int(at[min(end, len(at) - 1)])),
                f"{end:,} in a first pass and {second:,} after it of {len(frames):,}",
                "each in both passes, close to blank first and the module second",
                "load a stream of one pass as a difference only",
            )

    @property
    def _written_cells(self) -> frozenset[Cell]:
        """The columns with fabric of which a logic frame is written."""
        marked, rows = self._marked(None), self.device.rows
        found = [Cell(rows[row], column) for row, column in np.argwhere(marked).tolist()]
        return frozenset(cell for cell in found if cell.row.has_fabric(cell.column))

    def _marked(self, cells: frozenset[Cell] | None) -> NDArray[np.bool_]:
        """Return (rows, columns) bool: which columns a reset mask has to mark."""
        device = self.device
        marked = np.zeros((len(device.rows), len(device.columns)), np.bool_)
        written = frame_order(device).columns(self.last.addresses)
        for index, row in enumerate(device.rows):
            if cells is None:
                addresses = [device.address(row, c) for c in range(len(device.columns))]
                marked[index] = np.isin(addresses, written)
            else:
                marked[index, [cell.column for cell in cells if cell.row == row]] = True
        return marked

    def _check_mask(self, mask: Run, marked: NDArray[np.bool_]) -> None:
        device, size = self.device, self.device.family.frame_words
        rows, columns = marked.shape
        width = columns + PAD_FRAMES
        due = device.family.address.encode(FrameAddress(RESET_MASK, 0, 0))
        at, count = self.stream.byte(mask.start), (mask.stop - mask.start) // size
        if device.family is not SERIES7 or mask.far != due or count != rows * width:
            got = f"{count} frames at frame address 0x{mask.far:08X}"
            expected = f"{rows * width} at 0x{due:08X}, one for each column and pad of a row"
            refuse("reset mask", at, got, expected)
        words = self.stream.words[mask.start : mask.stop].reshape(rows, width, size)
        zero = ~np.any(words, axis=2)
        kept = np.zeros(size, np.uint32)
        kept[NO_RESET[0]] = NO_RESET[1]
        odd = np.argwhere(~zero & np.any(words != kept, axis=2))
        if len(odd):
            row, column = map(int, odd[0])
            where = at + 4 * size * (row * width + column)
            refuse(
                "frame of the reset mask",
                where,
                "other words",
                f"zeros, or 0x{NO_RESET[1]:08X} in word {NO_RESET[0]}",
            )
        fabric = [[row.has_fabric(column) for column in range(columns)] for row in device.rows]
        wrong = np.argwhere((zero[:, :columns] != marked) & np.array(fabric))
        if len(wrong):
            row, column = map(int, wrong[0])
            refuse(
                f"reset mask of column {column} in row {device.rows[row].name}",
                at + 4 * size * (row * width + column),
                "a column that is reset" if zero[row, column] else "one that is not",
                "the columns of the partition and no others",
                "use the bitstream of that partition",
            )
        if not zero[:, columns:].all():
            row, pad = map(int, np.argwhere(~zero[:, columns:])[0])
            where = at + 4 * size * (row * width + columns + pad)
            refuse("pad frame of the reset mask", where, "other words", "zeros")

    def check_clocks(self) -> None:
        """Check that what holds and releases the clocks of an UltraScale+ partial belongs to it.

        The first segment holds clocks with frames that the third writes again; the fourth sets the
        bits of the same frames that release them, see `clocks`.

        Raises:
            ArtifactError: It does not.
        """
        if len(self.parts) == 1:
            return
        held, _, main, released = self.parts
        if not np.array_equal(held.addresses, released.addresses):
            at = self.stream.byte(int(released.at[0]))
            refuse("released clocks", at, "other frame addresses", "those that were held")
        self._check_clocks("held clocks", held, self._differ(held, main))
        self._check_clocks("released clocks", released, self._spoiled(held, released))

    def _check_clocks(self, what: str, part: FrameWrites, wrong: NDArray[np.bool_]) -> None:
        if wrong.any():
            index = int(np.flatnonzero(wrong)[0])
            got = f"frame 0x{part.addresses[index]:08X} with other contents"
            at = self.stream.byte(int(part.at[index]))
            refuse(what, at, got, "what the main segment writes, with clock bits set when released")

    def _differ(self, held: FrameWrites, main: FrameWrites) -> NDArray[np.bool_]:
        """Return (n,): which frames the main segment does not write with the same contents."""
        size = self.device.family.frame_words
        loaded = last_written(self.stream, main, size)
        place = np.searchsorted(loaded.addresses, held.addresses)
        there = np.append(loaded.addresses, PAD)[place] == held.addresses
        contents = np.append(loaded.words, np.zeros((1, size), np.uint32), axis=0)[place]
        before = frames_at(self.stream.words, held.contents, size)
        differ: NDArray[np.bool_] = ~there | np.any(before != contents, axis=1)
        return differ

    def _spoiled(self, held: FrameWrites, released: FrameWrites) -> NDArray[np.bool_]:
        """Return (n,): in which frames more changes than bits set that release clocks, and ECC."""
        size = self.device.family.frame_words
        before = frames_at(self.stream.words, held.contents, size)
        after = frames_at(self.stream.words, released.contents, size)
        allowed = [released_by(self.device, far) for far in held.addresses.tolist()]
        may_set = np.array(allowed, np.uint32).reshape(-1, size)
        wrong = (before & ~after) | (after & ~before & ~may_set)
        wrong[:, PLUS_ECC_WORDS] = 0
        found: NDArray[np.bool_] = np.any(wrong, axis=1)
        return found
