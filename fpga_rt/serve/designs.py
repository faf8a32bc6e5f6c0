"""Designs that the simulated board knows: a bitstream, and the addresses its .hwh names.

A download is recognised by the digest of its words, so neither names nor headers matter. One design
comes with the board: this project's static region, as a full bitstream with no logic in it and a
.hwh that PYNQ makes an `Overlay` of.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.boards import Board
from fpga_rt.bitstream.build import Form, bit_file, build
from fpga_rt.bitstream.expand import Frames, frame_order
from fpga_rt.bitstream.read import parse
from fpga_rt.deployment.atomic_file import write_atomically
from fpga_rt.errors import ArtifactError
from fpga_rt.serve.hwh import (
    AddressRange,
    check_regions,
    read_hwh,
    static_region_range,
    write_hwh,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Design:
    """What a bitstream brings.

    Attributes:
        name: of its file, without suffix.
        digest: SHA-256 of its words in big-endian order.
        partial: whether it is for a region of another design.
        ranges: where its IP answers; of a partial design from each interface of the region on.
        region: instance that a partial design goes into; empty: the one with its interfaces.
    """

    name: str
    digest: str
    partial: bool
    ranges: tuple[AddressRange, ...]
    region: str = ""


def digest_of(words: NDArray[np.uint32]) -> str:
    """Return the digest that a design is recognised by."""
    return hashlib.sha256(np.ascontiguousarray(words, ">u4").tobytes()).hexdigest()


def read_design(argument: str) -> Design:
    """Read a design from `FILE.bit` or `FILE.bit@REGION`, with the .hwh beside it.

    Raises:
        ArtifactError: a file is missing, or not what its name says.
    """
    place, _, region = argument.partition("@")
    path = Path(place)
    hwh = path.with_suffix(".hwh")
    try:
        stream = parse(path.read_bytes())
        text = hwh.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        where = getattr(error, "filename", None) or hwh
        raise ArtifactError(
            f"{where} cannot be read ({reason}); a design is a .bit with its .hwh beside it"
        ) from error
    ranges = read_hwh(text, str(hwh))
    try:
        check_regions(text, str(hwh))
    except ArtifactError as error:
        _log.warning("a client will not get far with this design: %s", error)
    return Design(path.stem, digest_of(stream.words), stream.kind == "partial", ranges, region)


@lru_cache(maxsize=8)
def static_region_stream(board: Board) -> bytes:
    """Return a full bitstream that stands for the static region of a board; it holds no logic.

    Raises:
        ArtifactError: the geometry of the device is unknown.
    """
    order = frame_order(board.device)
    words = np.zeros((1, board.device.family.frame_words), np.uint32)
    mark = hashlib.sha256(f"fpga_rt static region {board.name}".encode()).digest()[:8]
    words[0, 2:4] = np.frombuffer(mark, ">u4")
    first = order.partition(board.partitions[0])[:1]
    return build(board.device, Frames(first, words), Form.FULL_COMPRESSED)


def static_region_design(board: Board) -> Design:
    """Return the design of the static region.

    Raises:
        ArtifactError: the geometry of the device is unknown, so no bitstream can stand for it.
    """
    stream = parse(static_region_stream(board))
    return Design(
        overlay_name(board), digest_of(stream.words), False, (static_region_range(board),)
    )


def overlay_name(board: Board) -> str:
    """Return the name of a board's overlay files, without suffix."""
    return f"fpga_rt_{board.name.replace('-', '_')}"


def write_overlay(board: Board, folder: Path) -> tuple[Path, Path]:
    """Write the overlay of a board's static region for PYNQ, and return its .bit and .hwh.

    Raises:
        ArtifactError: the geometry of the device is unknown, or a file cannot be written.
    """
    name = overlay_name(board)
    part = board.device.name.removeprefix("xc")
    bit, hwh = folder / f"{name}.bit", folder / f"{name}.hwh"
    write_atomically(bit, [bit_file(static_region_stream(board), name, part, partial=False)])
    text = write_hwh(board, [static_region_range(board)], name)
    write_atomically(hwh, [text.encode()])
    return bit, hwh
