"""Reads a command's input, and its residual, into the stream that a module takes.

    RowOrder -> PieceWalker -+-> order of pieces ----------------------+
                             +-> requests -> FeatureFetcher (on chip) -+-> Realigner -> input
                             +-> requests -> AxiReader (DRAM) ---------+

The order on the stream is fixed by the first queue; both memories are asked as far ahead as their
queues of requests go, so neither waits for the other.
"""

from __future__ import annotations

from typing import NamedTuple

from amaranth import Module, Mux, ResetInserter, Signal
from amaranth.lib import stream
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hw.blocks.axi import DATA_BITS, axi_read
from hw.blocks.axi_reader import AxiReader
from hw.blocks.bursts import request_layout
from hw.blocks.realigner import Realigner
from hw.blocks.register_slice import RegisterSlice
from hw.blocks.stream_fifo import StreamFifo
from hw.static_region.feature_fetcher import FeatureFetcher
from hw.static_region.feature_memory import feature_read
from hw.static_region.operand import BYTE_BITS, has_tail, operand
from hw.static_region.piece_sizes import PieceSizes
from hw.static_region.piece_walker import PLACE, PieceWalker
from hw.static_region.resolved_command import ADDRESS_BITS, ResolvedCommand
from hw.static_region.row_order import RowOrder

FIRST_REQUEST_CYCLES = 4
"""From `start` to the clock in which the feature memory is asked for the first beat."""
FIRST_BEAT_CYCLES = 9
"""From `start` to the clock in which the first beat from the feature memory is on `input`."""

_TENSORS = ("input", "residual")
_PIECES_AHEAD = 64
_REQUESTS_AHEAD = 32
_BURSTS = 16  # pieces of 2 beats from DRAM hide 30 clocks of latency
_ORDER = StructLayout({"residual": 1, "offset": BYTE_BITS, "tail": 1})
_CHOSEN = ("on_chip", "gap", "short")
_HEAD = StructLayout({"place": _ORDER, **dict.fromkeys(_CHOSEN, 1)})


class _Stages(NamedTuple):
    """What is between a command and the stream."""

    rows: RowOrder
    row: RegisterSlice
    walker: PieceWalker
    sizes: PieceSizes
    pieces: StreamFifo
    head: RegisterSlice  # the oldest of them
    requests: tuple[StreamFifo, StreamFifo]  # to DRAM, on chip
    reader: AxiReader
    fetcher: FeatureFetcher
    realigner: Realigner


class ActivationReader(Component):
    """Streams what a command reads, one piece of contiguous bytes after another, from byte 0 on.

    `command` stays as it is from two clocks before `start` until `done`. Clocks: a row takes the
    beats that `fpga_rt.modules.geometry.row_beats` says, and rows follow each other; on chip the
    first beat is on `input` in clock `FIRST_BEAT_CYCLES` after `start`, one later if it is
    misaligned. DRAM is asked in clock 5, and a beat of the bus is on `input` 2 clocks later. `done`
    is one for a clock, 1 after the last beat was taken; 2 after `start` if there is nothing to
    read.

    `error` says that a memory refused a beat or that a piece has 16 MiB or more. Beats flow on, and
    it stays until `abort`. While `abort` is one, everything is forgotten, an offered beat as well,
    and what memory still sends is dropped; hold it until `idle`.
    """

    def __init__(self) -> None:
        """Make a reader."""
        super().__init__(
            {
                "command": In(ResolvedCommand),
                "start": In(1),
                "axi": Out(axi_read(ADDRESS_BITS)),
                "features": Out(feature_read()),
                "input": Out(stream.Signature(DATA_BITS)),
                "done": Out(1),
                "idle": Out(1),
                "abort": In(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Make the stages and connect them."""
        m = Module()
        request = request_layout(ADDRESS_BITS)
        stages = _Stages(
            RowOrder(),
            RegisterSlice(PLACE),
            PieceWalker(len(_TENSORS)),
            PieceSizes(_TENSORS),
            StreamFifo(_ORDER, _PIECES_AHEAD),
            RegisterSlice(_HEAD),
            (StreamFifo(request, _REQUESTS_AHEAD), StreamFifo(request, _REQUESTS_AHEAD)),
            AxiReader(ADDRESS_BITS, _BURSTS),
            FeatureFetcher(),
            Realigner(),
        )
        m.submodules.sizes = stages.sizes
        m.submodules.rows, m.submodules.row = stages.rows, stages.row
        m.submodules.walker = ResetInserter(self.abort)(stages.walker)
        m.submodules.pieces, m.submodules.head = stages.pieces, stages.head
        m.submodules.requests_axi, m.submodules.requests_features = stages.requests
        m.submodules.reader, m.submodules.fetcher = stages.reader, stages.fetcher
        m.submodules.realigner = ResetInserter(self.abort)(stages.realigner)
        self._walk(m, stages)
        self._dispatch(m, stages)
        self._fetch(m, stages)
        self._realign(m, stages)
        self._control(m, stages)
        return m

    def _walk(self, m: Module, stages: _Stages) -> None:
        """Connect rows and pieces."""
        connect(m, stages.rows.row, stages.row.input)
        connect(m, stages.row.output, stages.walker.row)
        for part in (stages.rows, stages.sizes):
            m.d.comb += part.command.eq(self.command)
        m.d.comb += [stages.rows.start.eq(self.start), stages.row.clear.eq(self.abort)]
        for i, name in enumerate(_TENSORS):
            m.d.comb += [
                stages.walker.tensors[i].eq(stages.sizes.tensors[i]),
                stages.walker.pixel_pitch[i].eq(operand(self.command, name).pixel_pitch),
            ]

    def _dispatch(self, m: Module, stages: _Stages) -> None:
        """Give each piece a place in the order and a request to its memory."""
        piece, sizes, order = stages.walker.piece, stages.sizes.tensors, stages.pieces.input
        residual, address = piece.payload.residual, piece.payload.address
        tail = Mux(residual, *(has_tail(size, address) for size in reversed(list(sizes))))
        on_chip = Mux(residual, sizes[1].on_chip, sizes[0].on_chip)
        to_dram, to_chip = (queue.input for queue in stages.requests)
        go = Signal()
        m.d.comb += [
            go.eq(piece.valid & order.ready & Mux(on_chip, to_chip.ready, to_dram.ready)),
            piece.ready.eq(go),
            order.valid.eq(go),
            order.payload.residual.eq(residual),
            order.payload.offset.eq(address[:BYTE_BITS]),
            order.payload.tail.eq(tail),
            to_dram.valid.eq(go & ~on_chip),
            to_chip.valid.eq(go & on_chip),
        ]
        whole, more = (
            Mux(residual, sizes[1][name], sizes[0][name]) for name in ("beats", "beats_and_tail")
        )
        for target in (to_dram, to_chip):
            m.d.comb += [
                target.payload.address[BYTE_BITS:].eq(address[BYTE_BITS:]),
                target.payload.beats.eq(Mux(tail, more, whole)),
            ]

    def _fetch(self, m: Module, stages: _Stages) -> None:
        """Connect both memories."""
        to_dram, on_chip = stages.requests
        connect(m, to_dram.output, stages.reader.request)
        connect(m, on_chip.output, stages.fetcher.request)
        connect(m, stages.reader.axi, flipped(self.axi))
        connect(m, stages.fetcher.features, flipped(self.features))
        for part in (stages.reader, stages.fetcher):
            m.d.comb += part.abort.eq(self.abort)
        for queue in (stages.pieces, *stages.requests):
            m.d.comb += queue.clear.eq(self.abort)

    def _realign(self, m: Module, stages: _Stages) -> None:
        """Take the beats of the oldest piece from its memory."""
        realigner, sizes = stages.realigner, stages.sizes.tensors
        oldest, ahead, head = stages.pieces.output, stages.head.input, stages.head.output
        piece, data = realigner.piece, realigner.data
        m.d.comb += [
            ahead.valid.eq(oldest.valid),
            oldest.ready.eq(ahead.ready),
            ahead.payload.place.eq(oldest.payload),
            *(
                ahead.payload[name].eq(Mux(oldest.payload.residual, sizes[1][name], sizes[0][name]))
                for name in _CHOSEN
            ),
        ]
        place, on_chip = head.payload.place, head.payload.on_chip
        last = Mux(place.residual, sizes[1].last, sizes[0].last)
        dram, chip = stages.reader.data, stages.fetcher.data
        m.d.comb += [
            stages.head.clear.eq(self.abort),
            piece.valid.eq(head.valid),
            head.ready.eq(piece.ready),
            piece.payload.offset.eq(place.offset),
            piece.payload.tail.eq(place.tail),
            piece.payload.last.eq(last),
            piece.payload.short.eq(head.payload.short),
            piece.payload.gap.eq(head.payload.gap),
            data.payload.eq(Mux(on_chip, chip.payload, dram.payload)),
            data.valid.eq(Mux(on_chip, chip.valid, dram.valid)),
            chip.ready.eq(data.ready & on_chip),
            dram.ready.eq(data.ready & ~on_chip),
        ]
        connect(m, realigner.output, flipped(self.input))

    def _control(self, m: Module, stages: _Stages) -> None:
        """Tell when everything was delivered, and what went wrong."""
        active, known, wrong, asked = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            stages.rows.active.eq(active),
            self.done.eq(active & asked & ~stages.realigner.output.valid),
            self.idle.eq(~active & stages.fetcher.idle & stages.reader.idle),
            self.error.eq(wrong | stages.fetcher.error | stages.reader.error),
        ]
        m.d.sync += [
            active.eq((active | self.start) & ~self.done & ~self.abort),
            asked.eq(
                active
                & stages.rows.ended
                & ~stages.row.output.valid
                & ~stages.walker.piece.valid
                & ~stages.pieces.output.valid
                & ~stages.head.output.valid
            ),
            known.eq(active),
            wrong.eq((wrong | (known & active & stages.sizes.too_large)) & ~self.abort),
        ]
