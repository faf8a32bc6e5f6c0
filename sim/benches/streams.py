"""Streams of the bench's modules, good and broken, and what a controller has to find in them."""

from __future__ import annotations

from random import Random

import numpy as np

from fpga_rt.arch.boards import Board
from fpga_rt.bitstream.build import Form, build
from fpga_rt.bitstream.read import Frames, identity_words
from fpga_rt.bitstream.sequence import first_frame
from fpga_rt.contract.static_region import ConfigurationError
from fpga_rt.modules.module import Module
from sim.benches.tops import small_board
from sim.reconfiguration import CORRUPTIONS, words_of
from sim.reconfiguration.corruption import moved

_FILL = np.uint32(0x9E3779B1)
ERRORS = {
    "flipped-bit": frozenset({ConfigurationError.CRC}),
    "swapped-words": frozenset({ConfigurationError.CRC}),
    "wrong-crc": frozenset({ConfigurationError.CRC}),
    "other-device": frozenset({ConfigurationError.IDCODE}),
    "no-sync": frozenset({ConfigurationError.INCOMPLETE}),
    "truncated": frozenset({ConfigurationError.INCOMPLETE}),
    "no-desync": frozenset({ConfigurationError.INCOMPLETE}),
    "no-crc": frozenset({ConfigurationError.CRC}),
    "wrong-partition": frozenset({ConfigurationError.PARTITION}),
}
"""What a controller may call each of `CORRUPTIONS`, and a stream for another partition."""


def stream_of(module: Module, partition: int, board: Board | None = None, frames: int = 1) -> bytes:
    """Return a short bitstream that puts a module into a partition.

    It is like `simulation_bitstream`, whose frames take most of the time of a bench.
    """
    board = board or small_board()
    device, place = board.device, board.partitions[partition]
    identity = identity_words(module.module_id, place.index)
    content = np.arange(frames * device.family.frame_words, dtype=np.uint32) * _FILL + identity[-1]
    content[: len(identity)] = identity
    addresses = first_frame(device, place) + np.arange(frames, dtype=np.int64)
    return build(device, Frames(addresses, content.reshape(frames, -1)), Form.PLAIN)


def broken_stream(
    name: str, module: Module, partition: int, random: Random, board: Board | None = None
) -> tuple[bytes, frozenset[ConfigurationError]]:
    """Return a stream that must not load, and the errors that a controller may find in it.

    Args:
        name: One of `ERRORS`.
        module: What it would have loaded.
        partition: Where.
        random: Chooses where it is broken.
        board: The small board of the 7-series unless it is another one.
    """
    board = board or small_board()
    words = words_of(stream_of(module, partition, board))
    if name == "wrong-partition":
        other = board.partitions[1 - partition]
        broken = moved(words, first_frame(board.device, other))
    else:
        chosen = next(corruption for corruption in CORRUPTIONS if corruption.name == name)
        broken = chosen.apply(words, random)
    return broken.astype(">u4").tobytes(), ERRORS[name]
