"""How long the elementwise modules compute, as their gateware does it.

Reader, module and writer work at once, so the slowest of them sets the pace, and the others add
what they take before its first and behind its last beat. A chunk is a value for each lane; the
module computes one a clock, and loses none between pieces, rows or operands. `add` takes a row of
the input, then the same row of the residual, and gives results during the second.

Exact with all tensors on chip, while no other partition uses the feature memory. In DRAM it leaves
out what a descriptor does not show or what hardly matters, a few clocks a command: segments are
taken to start on whole bursts, and every burst but the first and the last to be full.
`add` on two lanes also takes longer where rows of one operand lie in misaligned pieces of less than
a beat, and rows of the other do not.
"""

from __future__ import annotations

from dataclasses import dataclass

from fpga_rt.arch.boards import MemoryPort
from fpga_rt.contract.command import STREAM_BYTES
from fpga_rt.modules.geometry import Fields, Ports, ceil_divide, row_beats

LATENCY_CYCLES = {"scale": 13, "add": 10, "clamp": 4}
"""From the last chunk of a beat of results to that beat."""
FIRST_BEAT_CYCLES = 8
"""From start to the first beat at the module, besides the memory's latency."""
FIRST_BURST_CYCLES = 1
"""What the first beat of a burst takes more."""
LAST_BURST_CYCLES = 4
"""Announcing a burst, and its response, besides the memory's latency."""
BURST_REQUEST_CYCLES = 2
"""The engines begin a burst of another piece this often."""

_AHEAD = MemoryPort(0)
"""How fast beats come that were read ahead."""


@dataclass(frozen=True)
class _Tensor:
    """The rows of an operand: pieces of contiguous bytes, and the memory that they lie in.

    Attributes:
        port: of the memory.
        lost: clocks that a piece takes more because it is misaligned, 0 or 1.
        beats: of a row.
        pieces: of a row.
        chunks: of a piece.
        start: address of its first byte in a segment.
        end: address of its last piece.
        full: chunks of a full beat.
    """

    port: MemoryPort
    lost: int
    beats: int
    pieces: int
    chunks: int
    start: int
    end: int
    full: int

    @staticmethod
    def of(fields: Fields, name: str, lanes: int, port: MemoryPort) -> _Tensor:
        """Return the `input`, `residual` or `output` of a command."""
        side = "input" if name == "input" else "output"
        width, channels = fields["output_width"], fields["output_channels"]
        pixel_pitch, row_pitch = fields[f"{side}_pixel_pitch"], fields[f"{side}_row_pitch"]
        whole = width == 1 or pixel_pitch == channels
        pitch = 0 if whole else pixel_pitch
        start, pieces = fields[name], 1 if whole else width
        return _Tensor(
            port,
            int((start | row_pitch | pitch) % STREAM_BYTES != 0),
            row_beats(start, width, channels, pixel_pitch, row_pitch),
            pieces,
            width * channels // (lanes * pieces),
            start,
            start + (fields["output_height"] - 1) * row_pitch + (width - 1) * pitch,
            STREAM_BYTES // lanes,
        )

    @property
    def last_chunks(self) -> int:
        """Chunks of the last beat."""
        return (self.chunks - 1) % self.full + 1

    @property
    def first_burst(self) -> int:
        """Beats that are stored as soon as the last of them is there, at the start."""
        most = self.port.burst_beats
        return min(most - self.start // STREAM_BYTES % most, self.beats // self.pieces)

    @property
    def last_burst(self) -> int:
        """Beats that are stored as soon as the last of them is there, at the end."""
        piece = self.beats // self.pieces
        end = self.end // STREAM_BYTES + piece
        return min((end - 1) % self.port.burst_beats + 1, piece)

    def holding(self, chunks: int) -> int:
        """Return the beats that have to be read for so many chunks."""
        if chunks <= self.chunks:
            return self.lost + ceil_divide(chunks, self.full)
        return ceil_divide(chunks * self.beats, self.chunks * self.pieces)

    def read(self, beats: int) -> int:
        """Return the cycles from the first of some beats to the last, both included."""
        return 1 + max(self.port.cycles(beats - 1), self._requests(beats))

    def store(self, beats: int) -> int:
        """Return the cycles to store beats that are there; a port that waited is not late."""
        flow = (beats - 1) * self.port.numerator // self.port.denominator
        return 1 + max(flow, self._requests(beats))

    def _requests(self, beats: int) -> int:
        if self.port.burst_beats == 1:
            return 0
        return BURST_REQUEST_CYCLES * (ceil_divide(beats * self.pieces, self.beats) - 1)


def compute_cycles(fields: Fields, ports: Ports, family: str, lanes: int) -> int:
    """Return the cycles of a command of `scale`, `add` or `clamp` from its start to its end."""
    source = _Tensor.of(fields, "input", lanes, ports.input)
    target = _Tensor.of(fields, "output", lanes, ports.output)
    begins = _first_beat(ports.input)
    if family == "add":
        residual = _Tensor.of(fields, "residual", lanes, ports.residual)
        if ports.residual != ports.input:
            late = residual.read(residual.beats) - residual.beats - source.beats
            begins = max(begins, _first_beat(ports.residual) + late)
        flow = _flow_of_two(source, residual, target, fields["output_height"])
    else:
        flow = _flow_of_one(source, target, fields["output_height"])
    ends = ports.output.latency_cycles + LAST_BURST_CYCLES * (ports.output.burst_beats > 1)
    return begins + flow + LATENCY_CYCLES[family] + ends


def _first_beat(port: MemoryPort) -> int:
    return port.latency_cycles + FIRST_BEAT_CYCLES + FIRST_BURST_CYCLES * (port.burst_beats > 1)


def _flow_of_one(source: _Tensor, target: _Tensor, height: int) -> int:
    """Return the cycles from the first beat of input to the last that is stored."""
    begins = source.port.cycles(source.lost)
    row = source.chunks * source.pieces
    opening = min(target.chunks, target.first_burst * target.full)
    opened = max(begins + opening, source.read(source.holding(opening)))
    computed = max(
        begins + height * row, source.read(height * source.beats) + source.last_chunks - 1
    )
    return max(
        opened - 1 + _stored(target, height * target.beats),
        computed - 1 + target.store(target.last_burst) + _flushed(target),
    )


def _flow_of_two(source: _Tensor, residual: _Tensor, target: _Tensor, height: int) -> int:
    """Return the same for an addition, which ends with the last row of its second operand."""
    row = source.chunks * source.pieces
    opening = min(target.chunks, target.first_burst * target.full)
    pace = residual.port if residual.port == source.port else _AHEAD
    second = pace.cycles(residual.lost)
    begins = source.port.cycles(source.lost)
    reads = _read_both(source, residual, height, height - 1)
    taken = max(begins + (2 * height - 1) * row, reads + source.last_chunks - 1)
    opened = max(
        max(taken, reads + second) + opening,
        reads + pace.cycles(residual.holding(opening)),
    )
    first = max(
        begins + row + opening,
        source.read(source.beats) + pace.cycles(residual.holding(opening)),
    )
    computed = max(
        max(taken, reads + second) + row,
        _read_both(source, residual, height, height) + residual.last_chunks - 1,
    )
    return max(
        first - 1 + _stored(target, height * target.beats),
        opened - 1 + _stored(target, target.beats),
        computed - 1 + target.store(target.last_burst) + _flushed(target),
    )


def _read_both(source: _Tensor, residual: _Tensor, rows: int, residual_rows: int) -> int:
    """Return the cycles to read rows of both operands; of two memories each reads ahead."""
    beats, others = rows * source.beats, residual_rows * residual.beats
    if source.port != residual.port:
        late = source.read(source.beats) - source.beats
        return max(beats + others + late, source.read(beats), residual.port.cycles(others))
    if source.beats == residual.beats:
        return source.read(beats + others)
    return source.read(beats) + residual.port.cycles(others)


def _flushed(target: _Tensor) -> int:
    """Return the clock in which the end of a misaligned piece joins its burst."""
    return target.lost * (target.port.burst_beats > 1)


def _stored(target: _Tensor, beats: int) -> int:
    """Return the cycles to store beats; on chip the clock that the last piece loses is not seen."""
    return target.store(beats) - target.lost * (target.port.burst_beats == 1)
