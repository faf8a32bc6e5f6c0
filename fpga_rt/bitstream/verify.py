"""Decides whether a bitstream may be loaded into a device, or into a partition of one.

The hardware does not check that a partial fits the design that is running (UG909, "Design Revision
Checks"), and a configuration port notices a bad CRC only after the frames are written. So all of it
is checked here, before a word is sent: only known words in a known order, one device, one
partition, every write under a CRC that matches.

What is accepted is a list of what streams need (`fpga_rt.arch.rules`), not everything that a
device understands. Forms that cannot be vouched for are refused: encrypted; debug; with a CRC per
frame, where two streams spliced at a frame would match; for several dies.

Frames of a partial have to lie in its region, and fill every column that they touch. UltraScale+
partials also write the routing on either side (`arch.partials.written_runs`); simulation
bitstreams, whose frames carry an identity, do not, and may be short. A 7-series partial that resets
its region names the columns in a mask, which has to agree with the region. The four segments of an
UltraScale+ partial have to agree: the first holds clocks with frames that the third writes again,
and the fourth only sets the bits of these frames that release clocks, beside their ECC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import Device
from fpga_rt.arch.families import ULTRASCALE_PLUS
from fpga_rt.arch.floorplan import Partition, cells
from fpga_rt.arch.packets import BUS_WIDTH, DUMMY, NOP, TRAILING_NOPS
from fpga_rt.arch.partials import Cell, runs, written_runs
from fpga_rt.arch.rules import IDCODE_MASK, MOST_CRCS, SIMULATION_FRAMES, rules_of
from fpga_rt.bitstream.checks import refusal
from fpga_rt.bitstream.expand import Frames, frame_order
from fpga_rt.bitstream.forms import departure, is_plain
from fpga_rt.bitstream.parts import names_device
from fpga_rt.bitstream.read import identity, parse
from fpga_rt.bitstream.sequence import FrameOrder
from fpga_rt.bitstream.stream import ConfigurationStream
from fpga_rt.bitstream.walk import Indices
from fpga_rt.bitstream.written import WrittenFrames, refuse
from fpga_rt.errors import ArtifactError

__all__ = ["IDCODE_MASK", "Verified", "verify", "verify_partial"]


@dataclass(frozen=True, eq=False)
class Verified:
    """A bitstream that may be loaded.

    Attributes:
        digest: SHA-256 of the file, hexadecimal.
        kind: whether it starts the device up or changes a part of it.
        words: (n,) uint32, the whole stream in the order in which a port takes it.
        frames: What it writes, without flush and pad frames.
        module_id: Identity of the module, None when the frames carry none.
        coverage: Which share of the frames of its region a partial writes, 0 to 1; None for a full
            stream, or where no region was named.
    """

    digest: str
    kind: Literal["full", "partial"]
    words: NDArray[np.uint32] = field(repr=False)
    frames: Frames = field(repr=False)
    module_id: int | None
    coverage: float | None = None


@dataclass(frozen=True, eq=False)
class _Region:
    """Where frames may lie: `name` for messages, `inside` without and `written` with routing.

    `cells` is None where the geometry is unknown.
    """

    name: str
    inside: Indices
    written: Indices
    cells: frozenset[Cell] | None


def verify_partial(
    data: bytes, device: Device, partition: Partition, whole_columns: bool = True
) -> Verified:
    """Check every word of a partial bitstream (.bit or .bin) for one partition of one device.

    Args:
        data: The file.
        device: What it is to be loaded into.
        partition: Where its frames have to lie.
        whole_columns: Whether it has to write all frames of a column that it touches. A difference
            stream does not; it may be loaded over its base only.

    Raises:
        ArtifactError: It must not be loaded; one reason, with its byte offset in `data`.
    """
    region = _region_of(device, partition)
    stream = parse(data, MOST_CRCS)
    written = _checked(stream, device, region, whole_columns)
    inside = np.isin(written.addresses, region.inside)  # routing beside a region comes before it
    found = identity(written.words[inside])
    if found is not None and found[1] != partition.index:
        refuse(
            "identity in the frames",
            stream.byte(stream.runs[0].start),
            f"partition {found[1]}",
            f"partition {partition.index}, {partition.name!r}",
            "use the bitstream of that partition",
        )
    return _verified(data, stream, written, found, region)


def verify(
    data: bytes,
    device: Device,
    region: Collection[Cell] | None = None,
    whole_columns: bool = True,
) -> Verified:
    """Check every word of a full or partial bitstream (.bit or .bin) for a device.

    Args:
        data: The file.
        device: What it is to be loaded into; its geometry has to be known.
        region: Where the frames of a partial have to lie, anywhere by default. A full stream is
            refused for a region.
        whole_columns: As for `verify_partial`.

    Raises:
        ArtifactError: It must not be loaded; one reason, with its byte offset in `data`.
    """
    stream = parse(data, MOST_CRCS)
    if not device.columns:
        dies = "no geometry can be learned of a device with several dies, as this stream is for"
        learn = "learn it from a compressed full bitstream, if it has one die"
        raise ArtifactError(
            f"the geometry of {device.name} is unknown, expected frame addresses to check against; "
            f"{dies if stream.nested else learn}"
        )
    chosen = None if region is None else _region(frame_order(device), region, "the region")
    if region is None and stream.kind == "full":
        written = _checked_full(stream, device)
    else:
        written = _checked(stream, device, chosen, whole_columns)
    return _verified(data, stream, written, identity(written.words), chosen)


def _verified(
    data: bytes,
    stream: ConfigurationStream,
    written: Frames,
    found: tuple[int, int] | None,
    region: _Region | None,
) -> Verified:
    digest = hashlib.sha256(data).hexdigest()
    module_id = None if found is None else found[0]
    coverage = None if region is None else float(np.isin(region.inside, written.addresses).mean())
    return Verified(digest, stream.kind, stream.words, written, module_id, coverage)


@lru_cache(maxsize=64)
def _region_of(device: Device, partition: Partition) -> _Region:
    """Return where the frames of a partition may lie."""
    order = frame_order(device)
    name = f"partition {partition.name!r}"
    if partition.is_estimate:
        inside = order.partition(partition)
        return _Region(name, inside, inside, None)
    return _region(order, cells(device, partition), name)


def _region(order: FrameOrder, chosen: Collection[Cell], name: str) -> _Region:
    inside = order.listed(runs(order.device, chosen))
    written = order.listed(written_runs(order.device, chosen))
    return _Region(name, inside, np.concatenate([inside, written]), frozenset(chosen))


def _check_packets(stream: ConfigurationStream, device: Device, full: bool) -> None:
    """Check all that can be checked without frame addresses."""
    if stream.encrypted:
        raise ArtifactError(
            "the frames of this stream are encrypted, expected plain frame data; they cannot be "
            "read or verified: build the bitstream without encryption"
        )
    _check_part(stream, device)
    _check_surroundings(stream, 1 if full or device.family is not ULTRASCALE_PLUS else None)
    rules = rules_of(device.family, full)
    for segment in stream.segments:
        fault = refusal(stream, segment, device, rules)
        if fault is not None:
            where = stream.byte(fault.word)
            refuse(fault.what, where, fault.got, fault.expected, fault.step)


def _check_part(stream: ConfigurationStream, device: Device) -> None:
    """Check that the header, if there is one, names the device that the IDCODE is of.

    Another IDCODE is left to the check of the packets.
    """
    alien = any((idcode ^ device.idcode) & IDCODE_MASK for idcode in stream.idcodes)
    if stream.part is None or alien or names_device(stream.part, device):
        return
    refuse(
        "part in the .bit header",
        0,
        repr(stream.part),
        f"one of {device.name}, since IDCODE 0x{device.idcode:08X} in the stream is that of it",
        f"the file was put together from two: build the bitstream for {device.name}",
    )


def _check_surroundings(stream: ConfigurationStream, segments: int | None) -> None:
    """Check what lies outside the packets: lead-ins, DESYNC, NOPs; how many segments there are."""
    words = stream.words
    _check_lead_in(stream, 0, stream.segments[0].start - 1)
    for index, segment in enumerate(stream.segments):
        if not segment.desynced:
            at = stream.byte(segment.stop)
            refuse("end of the stream", at, "no DESYNC", "DESYNC before the end")
        last = index + 1 == (segments or len(stream.segments))
        end = len(words) if last else stream.segments[index + 1].start - 1
        tail = words[segment.stop : end]
        filler = _first(tail != NOP)
        if not last:
            _check_lead_in(stream, segment.stop + filler, end)
            continue
        odd = _first((tail != NOP) & (tail != DUMMY))
        if odd < len(tail):
            at = segment.stop + odd
            refuse("word after DESYNC", stream.byte(at), f"0x{words[at]:08X}", "only NOP or dummy")
        if len(tail) < TRAILING_NOPS:
            refuse(
                "end of the stream",
                stream.byte(len(words)),
                f"{len(tail)} words after DESYNC",
                f"at least {TRAILING_NOPS}, the last are cut off",
            )
        return


def _first(wrong: NDArray[np.bool_]) -> int:
    """Return the first index that is true, the length where none is; it stops there."""
    return int(wrong.argmax()) if wrong.any() else len(wrong)


def _check_lead_in(stream: ConfigurationStream, start: int, stop: int) -> None:
    """Check the words before a sync word."""
    lead_in = stream.words[start:stop]
    odd = _first(lead_in != DUMMY)
    if tuple(lead_in[odd : odd + 2]) == BUS_WIDTH:
        odd += 2 + _first(lead_in[odd + 2 :] != DUMMY)
    if odd < len(lead_in):
        refuse(
            "word before the sync word",
            stream.byte(start + odd),
            f"0x{lead_in[odd]:08X}",
            "dummy words and at most one bus width pattern",
        )


def _check_form(stream: ConfigurationStream, device: Device, full: bool) -> None:
    """Check that a stream does what it does in the order of a known form."""
    found = departure(stream, device.family, full)
    if found is not None:
        refuse("order of the stream", stream.byte(found.word), found.got, found.expected)


def _checked_full(stream: ConfigurationStream, device: Device) -> Frames:
    """Check a full stream and return its frames."""
    _check_packets(stream, device, full=True)
    written = WrittenFrames(stream, device)
    written.check_addresses()
    written.check_pads()
    count = len(written.last.addresses)
    if count != device.total_frames:
        expected = f"all {device.total_frames:,} of {device.name}"
        refuse("full stream", stream.byte(0), f"{count:,} frames", expected)
    _check_form(stream, device, full=True)
    written.check_once()
    return written.last


def _is_simulated(
    stream: ConfigurationStream, device: Device, region: _Region | None, last: Frames
) -> bool:
    """Tell whether a stream is a simulation bitstream of the region, or for None of any.

    It carries an identity, is plain and is one run of so many frames from the region's first on.
    """
    if identity(last.words) is None or len(stream.segments) != 1 or len(stream.runs) != 1:
        return False
    (run,) = stream.runs
    frames, rest = divmod(run.stop - run.start, device.family.frame_words)
    starts = region is None or run.far in region.inside[:1]
    sized = (frames, rest) == (SIMULATION_FRAMES + 1, 0)
    return starts and sized and is_plain(stream, device.family)


def _checked(
    stream: ConfigurationStream, device: Device, region: _Region | None, whole_columns: bool
) -> Frames:
    """Check a partial stream and return its frames."""
    _check_packets(stream, device, full=False)
    written = WrittenFrames(stream, device)
    if not len(written.last.addresses):
        got = "a reset mask" if written.masks else "no frame data"
        refuse("stream", stream.byte(0), got, "frames of the partition and nothing else")
    simulated = _is_simulated(stream, device, region, written.last)
    written.check_addresses()
    if region is not None:
        written.check_inside(region.name, region.inside if simulated else region.written)
    written.check_pads()
    if whole_columns and not simulated:
        written.check_columns()
    chosen = None if region is None else region.cells
    written.check_masks(chosen)
    _check_form(stream, device, full=False)
    written.check_once()
    if whole_columns:
        written.check_reset(chosen)
    written.check_clocks()
    return written.last
