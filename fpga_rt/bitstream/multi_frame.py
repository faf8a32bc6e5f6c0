"""Multi-frame writes: one frame's contents sent once and written to many addresses.

A compressed stream sends a frame through FDRI, gives the command MFW, and then names the addresses
that get the same contents, each with a write of zeros to MFWR that gives the port the time to do
it. An address costs 7 words on the 7-series (15 for block RAM content) and 20 on UltraScale+ (30),
where a frame costs 101 and 93.

Payload lengths and NOPs are those of files of Vivado 2021.1 and 2025.1. Like those, a group stays
within a row of a block type.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.families import SERIES7, ULTRASCALE, ULTRASCALE_PLUS
from fpga_rt.arch.packets import NOP, Command, Register, type1
from fpga_rt.bitstream.crc import REGISTER_TERM
from fpga_rt.bitstream.placement import Placed, consecutive
from fpga_rt.bitstream.writer import StreamWriter

_RUN_WORDS = 8


class Timing(NamedTuple):
    """What a family wants around multi-frame writes, in words and NOPs.

    `first_payload_words` are written to MFWR for the first address, `payload_words` for the others;
    `repeat_nops` follow the repeated first address, None where it is not repeated.
    """

    command_nops: int
    repeat_nops: int | None
    first_payload_words: int
    payload_words: int
    address_nops: int
    logic_nops: int
    content_nops: int

    def address_words(self, content: bool) -> int:
        """Return the words that a further address costs."""
        nops = self.content_nops if content else self.logic_nops
        return 2 + self.address_nops + 1 + self.payload_words + nops

    def group_words(self, frame_words: int, content: bool) -> int:
        """Return the words of a group with one address."""
        words = _RUN_WORDS + frame_words + 2 + self.command_nops + self.first_payload_words
        if self.repeat_nops is not None:
            words += 2 + self.repeat_nops + 3
        return words + (self.content_nops if content else self.logic_nops)


TIMING = {
    SERIES7.name: Timing(12, None, 8, 4, 0, 0, 8),
    ULTRASCALE.name: Timing(63, 11, 7, 7, 2, 2, 12),
    ULTRASCALE_PLUS.name: Timing(62, 12, 14, 14, 1, 2, 12),
}


class Plan(NamedTuple):
    """How frames are sent: (n,) bool, those in runs; and (k,) index arrays of equal frames."""

    in_runs: NDArray[np.bool_]
    groups: list[NDArray[np.intp]]


def plan(placed: Placed, keep: NDArray[np.bool_] | None = None) -> Plan:
    """Choose which frames go in runs and which in multi-frame writes, so that few words are sent.

    Args:
        placed: The frames, by position.
        keep: (n,) bool, frames that need not be sent since the device holds them; none by default.

    Leaving frames out of the middle of a run costs a second run, with its flush frame; leaving them
    out at its ends costs nothing. Between two frames that must be in the run either all or none of
    the others are left out, so each such stretch is decided by itself.
    """
    kept = np.zeros(len(placed.words), np.bool_) if keep is None else keep
    size, timing = placed.family.frame_words, TIMING[placed.family.name]
    group = _equal_frames(placed)
    address_words = np.where(
        placed.is_content, timing.address_words(True), timing.address_words(False)
    )
    fixed_words = np.where(
        placed.is_content, timing.group_words(size, True), timing.group_words(size, False)
    )
    saved = np.where(kept, size, size - address_words)
    is_open = np.bincount(group[~kept], minlength=len(group)) > 1
    while True:
        may = kept | is_open[group]
        left_out, lost = _left_out(placed.position, may, saved, size + _RUN_WORDS)
        members = left_out & ~kept
        gain = np.bincount(group, (saved - lost) * members, len(group))
        poor = is_open[group] & ~kept & (gain[group] <= fixed_words - address_words)
        if not poor.any():
            break
        is_open[group[poor]] = False
    indices = np.flatnonzero(members)
    ordered = indices[np.argsort(group[indices], kind="stable")]
    breaks = np.flatnonzero(np.diff(group[ordered])) + 1
    return Plan(~left_out, [part for part in np.split(ordered, breaks) if len(part)])


def _equal_frames(placed: Placed) -> NDArray[np.intp]:
    """Return (n,): the same number for frames of one row with equal contents."""
    keyed = np.column_stack([placed.row.astype(np.uint32), placed.words])
    rows = np.ascontiguousarray(keyed).view(np.dtype((np.void, 4 * keyed.shape[1])))
    inverse: NDArray[np.intp] = np.unique(rows.reshape(-1), return_inverse=True)[1]
    return inverse.reshape(-1)


def _left_out(
    position: NDArray[np.int64],
    may: NDArray[np.bool_],
    saved: NDArray[np.int64],
    run_words: int,
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which of the frames that `may` be left out of runs had better be, and their price.

    The price (n,) of a frame is its share of the words of the run that begins after its stretch.
    """
    if not len(position):
        return may, np.zeros(0)
    joined = np.diff(position) == 1
    change = ~joined | (may[1:] != may[:-1])
    starts = np.concatenate([[0], np.flatnonzero(change) + 1])
    stops = np.append(starts[1:], len(position))
    inside = np.zeros(len(starts), np.bool_)
    inside[1:-1] = joined[starts[1:-1] - 1] & joined[stops[1:-1] - 1]
    lost = np.where(inside, run_words, 0)
    lengths = stops - starts
    stretch: NDArray[np.bool_] = np.repeat(np.add.reduceat(saved, starts) > lost, lengths)
    return may & stretch, np.repeat(lost / lengths, lengths)


def write_compressed(writer: StreamWriter, placed: Placed, chosen: Plan) -> None:
    """Write frames as planned: runs first, then groups.

    The caller sets `MULTI_FRAME_BIT` of CTL1 before and clears it after.
    """
    write_runs(writer, placed, chosen.in_runs)
    for group in chosen.groups:
        write_group(writer, placed, group)


def write_runs(
    writer: StreamWriter, placed: Placed, chosen: NDArray[np.bool_] | None = None
) -> None:
    """Write those of the frames that are `chosen` ((n,) bool), or all, run by run."""
    for run in consecutive(placed, chosen):
        first, last = int(run[0]), int(run[-1])
        write_run(writer, int(placed.addresses[first]), placed.words[run], placed.pads(last))


def write_run(writer: StreamWriter, address: int, contents: NDArray[np.uint32], pads: int) -> None:
    """Write (n, frame words) contents to the frames from `address` on, and pads after them."""
    writer.command(Command.WCFG)
    writer.nop()
    writer.write(Register.FAR, address)
    writer.nop()
    writer.run(contents, pads)


def write_group(writer: StreamWriter, placed: Placed, group: NDArray[np.intp]) -> None:
    """Write the frames at the indices `group`, which have equal contents, at once."""
    timing = TIMING[placed.family.name]
    first = int(placed.addresses[group[0]])
    is_content = bool(placed.is_content[group[0]])
    after = timing.content_nops if is_content else timing.logic_nops
    writer.command(Command.WCFG)
    writer.nop()
    writer.write(Register.FAR, first)
    writer.nop()
    writer.run(placed.words[group[:1]], 0, long=False)
    writer.command(Command.MFW)
    writer.nop(timing.command_nops)
    if timing.repeat_nops is not None:
        writer.write(Register.FAR, first)
        writer.nop(timing.repeat_nops)
    writer.write(Register.MFWR, *(0,) * timing.first_payload_words)
    writer.nop(after)
    _write_addresses(writer, placed.addresses[group[1:]], timing, after)
    if timing.repeat_nops is not None:
        writer.command(Command.NULL)
        writer.nop()


def _write_addresses(
    writer: StreamWriter, addresses: NDArray[np.int64], timing: Timing, nops_after: int
) -> None:
    """Write the contents in the frame register to more addresses: (n,) FARs, all at once."""
    pattern = (
        *(type1(Register.FAR, 1), 0, *(NOP,) * timing.address_nops),
        *(type1(Register.MFWR, timing.payload_words), *(0,) * timing.payload_words),
        *(NOP,) * nops_after,
    )
    words = np.tile(np.array(pattern, np.uint32), (len(addresses), 1))
    words[:, 1] = addresses
    terms = np.full((len(addresses), 1 + timing.payload_words), REGISTER_TERM[Register.MFWR])
    terms[:, 0] = words[:, 1] ^ REGISTER_TERM[Register.FAR]
    writer.block(words.reshape(-1), terms.reshape(-1))
