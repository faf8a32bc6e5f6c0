"""Writes the stream that a module gives to a command's output.

rows -> PieceWalker -+-> requests -> AxiWriter (DRAM)
                     |               ^
output --------- Displacer ----------+-> feature memory (on chip)
"""

from __future__ import annotations

from typing import NamedTuple

from amaranth import Module, Mux, ResetInserter, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hw.blocks.axi import DATA_BITS, axi_write
from hw.blocks.axi_writer import AxiWriter
from hw.blocks.bursts import request_layout
from hw.blocks.realigner import Displacer
from hw.blocks.stream_fifo import StreamFifo
from hw.static_region.feature_memory import feature_write
from hw.static_region.operand import operand, span
from hw.static_region.piece_sizes import PieceSizes
from hw.static_region.piece_walker import PieceWalker
from hw.static_region.resolved_command import ADDRESS_BITS, ResolvedCommand

DONE_CYCLES = 3
"""From the clock in which the last beat is taken to `done`, where nothing holds up the memory."""

_REQUESTS_AHEAD = 16
_BURSTS = 16  # pieces of 2 beats in DRAM hide 30 clocks of latency


class _Stages(NamedTuple):
    """What is between the stream and memory."""

    walker: PieceWalker
    sizes: PieceSizes
    displacer: Displacer
    requests: StreamFifo
    writer: AxiWriter


class ActivationWriter(Component):
    """Stores each piece of the stream, which starts at byte 0 of a beat, where the command says.

    `command` stays as it is from `start` until `done`. Clocks: beats are taken from 3 after `start`
    on, a row in as many as `fpga_rt.modules.geometry.row_beats` says. On chip, `done` comes
    `DONE_CYCLES` after the last beat was taken (plus the clocks in which another port had the
    bank); in DRAM 1 after the last response. It is one for a clock; 2 after `start` if there is
    nothing to write. Bytes are written in the order of the stream.

    `error` says that a memory refused a beat or that a piece has 16 MiB or more. Beats are still
    taken, and it stays until `abort`. While `abort` is one, beats are taken and dropped and bursts
    that were announced are ended; hold it until `idle` and until the module is silent.
    """

    def __init__(self) -> None:
        """Make a writer."""
        super().__init__(
            {
                "command": In(ResolvedCommand),
                "start": In(1),
                "output": In(stream.Signature(DATA_BITS)),
                "axi": Out(axi_write(ADDRESS_BITS)),
                "features": Out(feature_write()),
                "done": Out(1),
                "idle": Out(1),
                "abort": In(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Make the stages and connect them."""
        m = Module()
        stages = _Stages(
            PieceWalker(),
            PieceSizes(("output",)),
            Displacer(ADDRESS_BITS),
            StreamFifo(request_layout(ADDRESS_BITS), _REQUESTS_AHEAD),
            AxiWriter(ADDRESS_BITS, _BURSTS),
        )
        m.submodules.walker = ResetInserter(self.abort)(stages.walker)
        m.submodules.sizes = stages.sizes
        m.submodules.displacer = ResetInserter(self.abort)(stages.displacer)
        m.submodules.requests, m.submodules.writer = stages.requests, stages.writer
        ended = self._walk(m, stages)
        self._displace(m, stages)
        self._store(m, stages)
        self._control(m, stages, ended)
        return m

    def _walk(self, m: Module, stages: _Stages) -> Signal:
        """Count rows; return whether all were walked."""
        tensor = operand(self.command, "output")
        walker, sizes = stages.walker, stages.sizes
        rows, row_address = Signal(16), Signal(ADDRESS_BITS)
        ended = Signal()
        m.d.comb += [
            sizes.command.eq(self.command),
            sizes.start.eq(self.start),
            walker.pieces[0].eq(tensor.pieces),
            walker.pixel_pitch[0].eq(tensor.pixel_pitch),
            walker.row.payload.address.eq(row_address),
            walker.row.valid.eq(rows != 0),
            ended.eq((rows == 0) & ~walker.piece.valid),
        ]
        with m.If(self.abort):
            m.d.sync += rows.eq(0)
        with m.Elif(self.start):
            m.d.sync += [rows.eq(Mux(tensor.empty, 0, tensor.height)), row_address.eq(tensor.start)]
        with m.Elif(walker.row.valid & walker.row.ready):
            m.d.sync += [rows.eq(rows - 1), row_address.eq(row_address + tensor.row_pitch)]
        return ended

    def _displace(self, m: Module, stages: _Stages) -> None:
        """Bring a piece to its address, and ask DRAM for it once."""
        source, sizes, requests = stages.walker.piece, stages.sizes, stages.requests.input
        piece, address = stages.displacer.piece, source.payload.address
        place = span(sizes.size[0], address, sizes.gap[0], sizes.on_chip[0])
        open_, asked = Signal(), Signal()
        m.d.comb += [
            open_.eq(source.valid & sizes.settled),
            requests.valid.eq(open_ & ~asked & ~sizes.on_chip[0]),
            requests.payload.address[3:].eq(address[3:]),
            requests.payload.beats.eq(place.beats),
            piece.valid.eq(open_ & (asked | sizes.on_chip[0] | requests.ready)),
            piece.payload.address.eq(address),
            piece.payload.rest.eq(sizes.size[0][:3]),
            piece.payload.last.eq(sizes.last[0]),
            piece.payload.gap.eq(sizes.gap[0]),
            piece.payload.tail.eq(place.tail),
            source.ready.eq(piece.ready),
        ]
        m.d.sync += asked.eq(
            (asked | (requests.valid & requests.ready)) & ~piece.ready & ~self.abort
        )

    def _store(self, m: Module, stages: _Stages) -> None:
        """Give beats to the memory that the command says."""
        beat, data, writer = stages.displacer.output, stages.displacer.data, stages.writer
        on_chip = stages.sizes.on_chip[0]
        connect(m, stages.requests.output, writer.request)
        connect(m, writer.axi, flipped(self.axi))
        m.d.comb += [
            data.payload.eq(self.output.payload),
            data.valid.eq(self.output.valid),
            self.output.ready.eq(data.ready | self.abort),
            self.features.address.eq(beat.payload.address),
            self.features.data.eq(beat.payload.data),
            self.features.strobe.eq(beat.payload.strobe),
            self.features.valid.eq(beat.valid & on_chip & ~self.abort),
            writer.data.payload.data.eq(beat.payload.data),
            writer.data.payload.strobe.eq(beat.payload.strobe),
            writer.data.valid.eq(beat.valid & ~on_chip & ~self.abort),
            beat.ready.eq(Mux(on_chip, self.features.ready, writer.data.ready)),
            stages.requests.clear.eq(self.abort),
            writer.abort.eq(self.abort),
        ]

    def _control(self, m: Module, stages: _Stages, ended: Signal) -> None:
        """Tell when everything is written, and what went wrong."""
        active, wrong, quiet, quiet_before = Signal(), Signal(), Signal(), Signal()
        piece, late = stages.displacer.piece, Signal()
        refused = self.features.valid & self.features.ready & self.features.error
        m.d.comb += [
            quiet.eq(
                active
                & ended
                & ~stages.displacer.output.valid
                & stages.writer.idle  # not while it holds a beat, asked for or not
            ),
            # A piece without a tail is stored a clock earlier; `done` does not show it.
            self.done.eq(quiet & (late | quiet_before | ~stages.sizes.on_chip[0])),
            self.idle.eq(~active & stages.writer.idle),
            self.error.eq(wrong | stages.writer.error),
        ]
        with m.If(self.start):
            m.d.sync += late.eq(0)
        with m.Elif(piece.ready):
            m.d.sync += late.eq(piece.payload.tail)
        m.d.sync += [
            quiet_before.eq(quiet & ~self.done),
            active.eq((active | self.start) & ~self.done & ~self.abort),
            wrong.eq((wrong | stages.sizes.too_large | refused) & ~self.abort),
        ]
