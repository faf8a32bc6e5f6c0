"""The frames of a device, and whose they are, as the configuration-port model reads them.

`configuration_port.v` loads a text file with a line for every column of frames, in the order in
which the device counts. A line is 28 hexadecimal digits, highest first:

    flags 4, beside 4, owner 4, pads 4, frames 4, FAR 8

`FAR` is the address of the column's first frame and `frames` how many it has; `pads` is how many
pad frames follow the column. `owner` has a bit for each partition that the column belongs to, and
`beside` one for each whose partial writes it along: routing that an UltraScale+ partial writes
again as it is. Flag 0 marks the 7-series reset mask, which is no configuration memory; flag 1 that
what follows the column is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fpga_rt.arch.devices import PAD_FRAMES, Device, Row
from fpga_rt.arch.families import SERIES7, FrameAddress
from fpga_rt.arch.floorplan import DECLARED_FRAMES, Partition, cells
from fpga_rt.arch.partials import written_runs
from fpga_rt.bitstream.expand import RESET_MASK, frame_order
from fpga_rt.bitstream.sequence import first_frame

MAX_PARTITIONS = 16
"""The model has a bit for each in a line."""
_MASK_FLAG, _LAST_FLAG = 1, 2


@dataclass(frozen=True)
class Column:
    """A column of frames from the address `far` on; `owner` and `beside` have a bit a partition."""

    far: int
    frames: int
    pads: int = 0
    owner: int = 0
    beside: int = 0
    flags: int = 0

    def __str__(self) -> str:
        """Return the column's line."""
        fields = (self.flags, self.beside, self.owner, self.pads, self.frames)
        return "".join(f"{field:04x}" for field in fields) + f"{self.far:08x}"


def frame_columns(device: Device, partitions: Sequence[Partition]) -> tuple[Column, ...]:
    """Return every column of frames of a device, ascending by address.

    Of a device of unknown geometry these are the stand-in regions of its partitions, see
    `fpga_rt.bitstream.sequence.first_frame`.

    Raises:
        ValueError: There are more partitions than the model has bits for.
    """
    if len(partitions) > MAX_PARTITIONS:
        raise ValueError(f"{len(partitions)} partitions, expected at most {MAX_PARTITIONS}")
    if not device.columns:
        stand_ins = [
            Column(first_frame(device, p), DECLARED_FRAMES, owner=1 << p.index, flags=_LAST_FLAG)
            for p in partitions
        ]
        return tuple(sorted(stand_ins, key=lambda column: column.far))
    owner: dict[int, int] = {}
    written: dict[int, int] = {}
    for partition in partitions:
        order = frame_order(device)
        runs = written_runs(device, cells(device, partition))
        _mark(device, owner, partition, order.partition(partition).tolist())
        _mark(device, written, partition, order.listed(runs).tolist())
    known = [
        Column(
            column.far,
            column.frames,
            column.pads,
            owner.get(column.far, 0),
            written.get(column.far, 0) & ~owner.get(column.far, 0),
        )
        for column in _all_columns(device)
    ]
    return (*known, *_reset_mask(device))


def write_frames(
    path: Path, device: Device, partitions: Sequence[Partition]
) -> dict[str, int | str]:
    """Write the frames of a device to a file, and return the model's parameters for them.

    Raises:
        ValueError: As `frame_columns`.
    """
    columns = frame_columns(device, partitions)
    path.write_text("".join(f"{column}\n" for column in columns), encoding="ascii")
    return model_parameters(device, partitions, path)


def model_parameters(
    device: Device, partitions: Sequence[Partition], path: Path
) -> dict[str, int | str]:
    """Return the parameters of `configuration_port.v` for a device.

    They are numbers by name, and for `FRAMES` the absolute path of what `write_frames` wrote.
    `ICAP` is 2 on the 7-series and 3 since.

    Raises:
        ValueError: As `frame_columns`.
    """
    return {
        "ICAP": 2 if device.family is SERIES7 else 3,
        "IDCODE": device.idcode,
        "FRAME_WORDS": device.family.frame_words,
        "PARTITIONS": len(partitions),
        "COLUMNS": len(frame_columns(device, partitions)),
        "FRAMES": str(path.resolve()),
    }


def _mark(
    device: Device, marks: dict[int, int], partition: Partition, addresses: list[int]
) -> None:
    """Set a partition's bit for every column that some frames lie in."""
    bits = device.family.address.minor[0] + 1
    for far in {address >> bits << bits for address in addresses}:
        marks[far] = marks.get(far, 0) | 1 << partition.index


def _all_columns(device: Device) -> Iterator[Column]:
    """Yield the columns of block type 0 and those of block RAM content, without owners."""
    rows = sorted(device.rows, key=lambda row: (row.bottom, row.row))
    content = [device.family.block_ram_frames] * len(device.block_ram_columns)
    for block_type, frames in ((0, list(device.column_frames)), (1, content)):
        for row in rows:
            yield from _row(device, block_type, row, frames)


def _row(device: Device, block_type: int, row: Row, frames: list[int]) -> Iterator[Column]:
    last = max((column for column, count in enumerate(frames) if count), default=0)
    for column, count in enumerate(frames):
        if count:
            address = FrameAddress(block_type, row.row, column, 0, row.bottom)
            pads = PAD_FRAMES if column == last else 0
            yield Column(device.family.address.encode(address), count, pads)


def _reset_mask(device: Device) -> Iterator[Column]:
    """Yield the place of the 7-series reset mask: a frame for each column and pad of each row."""
    if device.family is SERIES7:
        far = device.family.address.encode(FrameAddress(RESET_MASK, 0, 0))
        frames = len(device.rows) * (len(device.columns) + PAD_FRAMES)
        yield Column(far, frames, flags=_MASK_FLAG | _LAST_FLAG)
