"""Streams for the tests of the configuration port, whole and broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import Device
from fpga_rt.arch.floorplan import Partition
from fpga_rt.arch.packets import NOP, SYNC, Command, Opcode, Register, type1
from fpga_rt.bitstream.read import identity_words
from fpga_rt.bitstream.writer import StreamWriter

Words = NDArray[np.uint32]


def words_of(stream: bytes) -> Words:
    """Return (n,) uint32: the words of a .bin file."""
    return np.frombuffer(stream, ">u4").astype(np.uint32)


def contents(
    device: Device, count: int, identity: tuple[int, int] | None = None, seed: int = 1
) -> Words:
    """Return (count, frame words) random frames; the first names (module, partition) if given."""
    generator = np.random.default_rng(seed)
    shape = (count, device.family.frame_words)
    frames = generator.integers(0, 1 << 32, shape, np.uint64).astype(np.uint32)
    if identity is not None:
        frames[0, :6] = identity_words(*identity)
    return frames


def stream(
    device: Device, body: Callable[[StreamWriter], None], idcode: int | None = None
) -> Words:
    """Return a stream: sync, RCRC, IDCODE, what `body` writes, DESYNC; without a CRC."""
    writer = StreamWriter(device.family)
    writer.lead_in()
    writer.command(Command.RCRC)
    writer.write(Register.IDCODE, device.idcode if idcode is None else idcode)
    body(writer)
    writer.command(Command.DESYNC)
    return writer.words()


def load(device: Device, address: int, frames: Words, crc: bool = True) -> Words:
    """Return a stream that writes frames from an address on."""

    def body(writer: StreamWriter) -> None:
        write(writer, address, frames)
        if crc:
            writer.crc()

    return stream(device, body)


def write(writer: StreamWriter, address: int, frames: Words) -> None:
    """Write frames from an address on, and a flush frame."""
    writer.command(Command.WCFG)
    writer.write(Register.FAR, address)
    writer.run(frames, 1)


def read_request(register: int, count: int = 1) -> list[int]:
    """Return the words after which a register can be read."""
    return [SYNC, NOP, type1(register, count, Opcode.READ), NOP, NOP]


def desync() -> list[int]:
    """Return the words that end a read."""
    return [type1(Register.CMD, 1), Command.DESYNC, NOP, NOP]


def owner_frames(device: Device, partition: Partition, order: Iterable[int]) -> list[int]:
    """Return those of the addresses `order` that lie in the partition's rectangles."""
    fields = device.family.address
    inside = {
        (device.row_of[name].bottom, device.row_of[name].row, column)
        for rectangle in partition.rectangles
        for name in rectangle.rows
        for column in range(rectangle.columns[0], rectangle.columns[1] + 1)
    }
    memories = {index: column for index, column in enumerate(device.block_ram_columns)}
    found = []
    for address in order:
        place = fields.decode(address)
        column = place.column if place.block_type == 0 else memories[place.column]
        if (place.bottom, place.row, column) in inside:
            found.append(address)
    return found
