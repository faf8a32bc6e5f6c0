"""How long the modules with a sliding window compute, as their gateware does it.

Modules are row-synchronous. An output row begins when

- what it needs of the input, and its row of the residual, are in the module,
- the row before has been walked, a step a clock,
- the output buffer holds nothing of the row before that one.

While it is walked comes what the next row adds. Each of these is a clock, so the time of a command
is a recurrence over its rows; rows in the middle repeat, and are taken at once.

Exact with all tensors on chip, while no other partition uses the feature memory, and results in
whole rows or in pieces that the writer stores as fast as they come. In DRAM it leaves out what a
descriptor does not show, a few clocks a command (as `elementwise_cycles` does).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fpga_rt.arch.boards import MemoryPort
from fpga_rt.contract.command import STREAM_BYTES
from fpga_rt.modules.elementwise_cycles import (
    FIRST_BEAT_CYCLES,
    FIRST_BURST_CYCLES,
    LAST_BURST_CYCLES,
)
from fpga_rt.modules.geometry import (
    Fields,
    Ports,
    ceil_divide,
    input_row_beats,
    output_row_beats,
    rows_after,
)

LINE_BYTES = 16384
"""Of the line memory, which holds the input rows of a window."""
OUTPUT_ROW_BEATS = 256
"""Most beats of an output row; the output buffer holds two rows."""

LOAD_CYCLES = 3
"""From the beginning of a row to the first beat that the next one adds."""
WALK_CYCLES = 1
"""From the beginning of a row to its first step, and from its last step to the next beginning."""
FETCH_CYCLES = 6
"""From a step to its bytes."""
PACK_CYCLES = 3
"""From the results that close a beat to the beat."""
STREAM_AHEAD_BEATS = 3
"""Beats between the reader's realigner and the module: they wait while the module does."""
BURST_AHEAD_BEATS = 256
"""The same in DRAM, where the reader is ahead."""
WRITE_BEHIND_BEATS = 32
"""Beats that the writer holds for DRAM."""


@dataclass(frozen=True)
class Walk:
    """How a module walks a command.

    Attributes:
        steps: of a group.
        least_cycles: from the first step of a group to that of the next, at least.
        outputs: channels of a group.
        results: results a clock.
        latency_cycles: from the last step of a group to its first results.
        residual: a second operand is read, a row for each output row.
    """

    steps: int
    least_cycles: int
    outputs: int
    results: int
    latency_cycles: int
    residual: bool

    @property
    def group_cycles(self) -> int:
        """Return the cycles from a group to the next."""
        return max(self.steps, self.least_cycles)

    def results_after(self, fields: Fields, results: int) -> int:
        """Return the cycles from the first step of a row to its results numbered `results` - 1."""
        channels = fields["output_channels"]
        pixel, channel = divmod(results - 1, channels)
        group, lane = divmod(channel, self.outputs)
        groups = pixel * ceil_divide(channels, self.outputs) + group
        walked = groups * self.group_cycles + self.steps - 1
        return walked + FETCH_CYCLES + self.latency_cycles + lane // self.results

    def parted(self, size: int, channels: int) -> int:
        """Return 1 if the last results of a piece are of two beats, which come one by one."""
        last = (channels - 1) % self.outputs % self.results + 1
        return int((size - last) % STREAM_BYTES + last > STREAM_BYTES)


@dataclass(frozen=True)
class _Source:
    """Rows of an operand that is read.

    Attributes:
        port: of its memory.
        beats: of a row at the module.
        pieces: of a row.
        paced: beats of a row as it is read: misaligned pieces take a clock more.
    """

    port: MemoryPort
    beats: int
    pieces: int
    paced: int

    @property
    def first_beat(self) -> int:
        """Clock of the first beat at the module."""
        bursts = self.port.burst_beats > 1
        return self.port.latency_cycles + FIRST_BEAT_CYCLES + FIRST_BURST_CYCLES * bursts


class _Read(NamedTuple):
    """Beats that came to the module.

    Attributes:
        could: clock in which the last one could be there.
        taken: clocks in which the last `STREAM_AHEAD_BEATS` were taken, in order.
    """

    could: int
    taken: tuple[int, ...]

    @staticmethod
    def until(could: int, last: int) -> _Read:
        """Return beats of which the last could have come in a clock, and was taken in one."""
        return _Read(could, tuple(last - before for before in reversed(range(STREAM_AHEAD_BEATS))))

    def take(self, opens: int, source: _Source, rows: int) -> _Read:
        """Return the beats of some rows, at least one, that the module takes from `opens` on.

        On chip `STREAM_AHEAD_BEATS` are between the reader's realigner and the module, at most:
        they wait while it takes none. Once they flow they follow each other as fast as the
        realigner gives them, so that the clock which it loses before a misaligned piece is lost.
        """
        total, port = rows * source.beats, source.port
        if port.burst_beats > 1 or port.numerator > port.denominator:
            ahead = BURST_AHEAD_BEATS if port.burst_beats > 1 else STREAM_AHEAD_BEATS
            paced = rows * source.paced
            could = self.could + port.cycles(paced)
            could = max(could, opens - 1 + port.cycles(max(0, paced - ahead)))
            return _Read.until(could, max(opens - 1 + total, could))
        piece, lost = source.beats // source.pieces, int(source.paced != source.beats)
        could, taken = self
        for beat in range(min(total, STREAM_AHEAD_BEATS)):
            could = max(could + 1, taken[0] + STREAM_AHEAD_BEATS) + lost * (beat % piece == 0)
            taken = (*taken[1:], max(taken[-1] + 1, could, opens))
        if total > STREAM_AHEAD_BEATS:
            before, at = STREAM_AHEAD_BEATS - 1, taken[-1]
            taken += tuple(
                at + beat - before + lost * (beat // piece - before // piece)
                for beat in range(max(before + 1, total - STREAM_AHEAD_BEATS), total)
            )
            could, taken = taken[-1], taken[-STREAM_AHEAD_BEATS:]
        return _Read(could, taken)


class _Rows(NamedTuple):
    """The clocks of the latest row.

    Attributes:
        begins: it begins.
        walked: its last step.
        gone: its last beat is taken; `gone_before` that of the row before.
        stored: the writer could have done with it.
        could: its last beat of input or residual could be at the module.
        taken: the last beats of these were taken.
    """

    begins: int
    walked: int
    gone: int
    gone_before: int
    stored: int
    could: int
    taken: tuple[int, ...]

    @property
    def clocks(self) -> tuple[int, ...]:
        """Return all of them."""
        return (*self[:-1], *self.taken)

    def later(self, clocks: int) -> _Rows:
        """Return a row some clocks behind this one."""
        taken = tuple(at + clocks for at in self.taken)
        return _Rows._make([*(at + clocks for at in self[:-1]), taken])


@dataclass(frozen=True)
class _Target:
    """Rows of the output.

    Attributes:
        port: of its memory.
        paced: beats of a row as it is stored: misaligned pieces take a clock more.
        lost: 1 where they do.
        first_burst: beats that are stored together, at the start.
        last_burst: the same at the end.
    """

    port: MemoryPort
    paced: int
    lost: int
    first_burst: int
    last_burst: int

    @staticmethod
    def of(fields: Fields, port: MemoryPort) -> _Target:
        """Return the output of a command."""
        paced, beats = output_row_beats(fields), _result_beats(fields)
        piece = beats // _result_pieces(fields)
        start = fields["output"] // STREAM_BYTES
        pixel = (fields["output_width"] - 1) * fields["output_pixel_pitch"]
        row = (fields["output_height"] - 1) * fields["output_row_pitch"]
        last = fields["output"] + row + (pixel if _result_pieces(fields) > 1 else 0)
        return _Target(
            port,
            paced,
            int(paced != beats),
            min(port.burst_beats - start % port.burst_beats, piece),
            min((last // STREAM_BYTES + piece - 1) % port.burst_beats + 1, piece),
        )

    def store(self, beats: int) -> int:
        """Return the cycles to store beats that are there; a port that waited is not late."""
        return 1 + (beats - 1) * self.port.numerator // self.port.denominator

    @property
    def behind(self) -> int:
        """Cycles that the writer may be behind the module."""
        if self.port.burst_beats == 1:
            return self.lost
        return self.port.cycles(WRITE_BEHIND_BEATS)


@dataclass(frozen=True)
class _Command:
    """What all rows of a command have in common, and how one follows another."""

    walk: Walk
    input: _Source
    residual: _Source | None
    target: _Target
    walk_cycles: int
    first_beats_cycles: int
    last_beat_cycles: int

    @staticmethod
    def of(fields: Fields, ports: Ports, walk: Walk) -> _Command:
        """Return what a descriptor says."""
        target = _Target.of(fields, ports.output)
        size, channels = _result_sizes(fields)
        groups = fields["output_width"] * ceil_divide(channels, walk.outputs)
        width, depth = fields["input_width"], fields["input_channels"]
        whole = width == 1 or fields["input_pixel_pitch"] == depth
        pieces, piece = (1, width * depth) if whole else (width, depth)
        beats = pieces * ceil_divide(piece, STREAM_BYTES)
        residual = None
        if walk.residual:
            paced = output_row_beats(fields, "residual")
            residual = _Source(ports.residual, _result_beats(fields), _result_pieces(fields), paced)
        opening = min(size, target.first_burst * STREAM_BYTES)
        return _Command(
            walk,
            _Source(ports.input, beats, pieces, input_row_beats(fields)),
            residual,
            target,
            (groups - 1) * walk.group_cycles + walk.steps - 1,
            walk.results_after(fields, opening) + PACK_CYCLES,
            walk.results_after(fields, fields["output_width"] * channels)
            + PACK_CYCLES
            + walk.parted(size, channels),
        )

    def first(self, rows: int) -> _Rows:
        """Return the first row, which adds rows of input, and for which nothing was read ahead."""
        begins = self.input.first_beat - 1
        read = _Read.until(begins, begins).take(0, self.input, rows)
        if self.residual:
            if self.residual.port != self.input.port:
                start = max(read.could, self.residual.first_beat - 1)
                read = read._replace(could=start)
            read = read.take(0, self.residual, 1)
        loaded = read.taken[-1] + 1
        return self._walked(None, loaded, loaded + WALK_CYCLES, read)

    def next(self, rows: _Rows, adds: int) -> _Rows:
        """Return the row behind another one, which adds rows of input."""
        loaded = rows.begins + LOAD_CYCLES
        read = _Read(rows.could, rows.taken)
        if adds:
            read = read.take(loaded, self.input, adds)
            loaded = read.taken[-1] + 1
        if self.residual:
            read = read.take(loaded, self.residual, 1)
            loaded = read.taken[-1] + 1
        begins = max(loaded, rows.walked + WALK_CYCLES, rows.gone_before + 1)
        group = rows.walked - (self.walk.steps - 1) + self.walk.group_cycles
        first_step = max(begins + WALK_CYCLES, group)
        return self._walked(rows, begins, first_step, read)

    def _walked(self, before: _Rows | None, begins: int, first_step: int, read: _Read) -> _Rows:
        """Return a row that begins, with its first step, in a clock."""
        opened = first_step + self.first_beats_cycles - 1
        stored = max(before.stored, opened) if before else opened
        stored += self.target.port.cycles(self.target.paced)
        gone = max(first_step + self.last_beat_cycles, stored - self.target.behind)
        walked = first_step + self.walk_cycles
        return _Rows(begins, walked, gone, before.gone if before else 0, stored, *read)

    def end(self, rows: _Rows) -> int:
        """Return the clock in which everything is stored, from that of the last row."""
        port = self.target.port
        if port.burst_beats == 1:
            return rows.gone + 1 + port.latency_cycles
        last = rows.gone + self.target.store(self.target.last_burst) + self.target.lost
        return max(rows.stored, last) + port.latency_cycles + LAST_BURST_CYCLES


def compute_cycles(fields: Fields, ports: Ports, walk: Walk) -> int:
    """Return the cycles of a command from its start to its end."""
    command = _Command.of(fields, ports, walk)
    rows = rows_after(fields)
    adds = [after - before for before, after in zip(rows, rows[1:], strict=False)]  # noqa: RUF007
    state, at = command.first(rows[0]), 0
    moved: tuple[int, ...] = ()
    while at < len(adds):
        following = command.next(state, adds[at])
        delta = tuple(b - a for a, b in zip(state.clocks, following.clocks, strict=True))
        at += 1
        if delta == moved and len(set(delta)) == 1:
            alike = _alike(adds, at)
            following = following.later(alike * delta[0])
            at += alike
        state, moved = following, delta
    return command.end(state)


def _alike(adds: list[int], at: int) -> int:
    """Return how many rows from `at` on add as many rows as the one before."""
    ends = at
    while ends < len(adds) and adds[ends] == adds[at - 1]:
        ends += 1
    return ends - at


def _result_sizes(fields: Fields) -> tuple[int, int]:
    """Return the bytes of a piece of results, and of a pixel."""
    channels = fields["output_channels"]
    return fields["output_width"] * channels // _result_pieces(fields), channels


def _result_pieces(fields: Fields) -> int:
    width = fields["output_width"]
    whole = width == 1 or fields["output_pixel_pitch"] == fields["output_channels"]
    return 1 if whole else width


def _result_beats(fields: Fields) -> int:
    return _result_pieces(fields) * ceil_divide(_result_sizes(fields)[0], STREAM_BYTES)
