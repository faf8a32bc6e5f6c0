"""Writes the stream that a module gives to a command's output.

rows -> PieceWalker -+-> requests -> AxiWriter (DRAM)
                     |               ^
output --------- Displacer ----------+-> feature memory (on chip)
"""

from __future__ import annotations

from typing import NamedTuple

from amaranth import Module, Mux, ResetInserter, Signal
from amaranth.lib import stream
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hw.blocks.axi import DATA_BITS, axi_write
from hw.blocks.axi_writer import AxiWriter
from hw.blocks.bursts import request_layout
from hw.blocks.realigner import Displacer
from hw.blocks.register_slice import RegisterSlice
from hw.blocks.stream_fifo import StreamFifo
from hw.static_region.feature_memory import feature_write
from hw.static_region.operand import BYTE_BITS, has_tail, operand
from hw.static_region.piece_sizes import PieceSizes
from hw.static_region.piece_walker import PieceWalker
from hw.static_region.resolved_command import ADDRESS_BITS, ResolvedCommand

DONE_CYCLES = 4
"""From the clock in which the last beat is taken to `done`, where nothing holds up the memory."""

_SIZES = ("rest", "beats", "one", "gap")
_PIECE = StructLayout({"address": ADDRESS_BITS, "tail": 1})
_REQUESTS_AHEAD = 16
_BURSTS = 16  # pieces of 2 beats in DRAM hide 30 clocks of latency


class _Stages(NamedTuple):
    """What is between the stream and memory."""

    walker: PieceWalker
    head: RegisterSlice
    sizes: PieceSizes
    displacer: Displacer
    requests: StreamFifo
    writer: AxiWriter


class ActivationWriter(Component):
    """Stores each piece of the stream, which starts at byte 0 of a beat, where the command says.

    `command` stays as it is from two clocks before `start` until `done`. Clocks: beats are taken
    from 3 after `start` on, a row in as many as `fpga_rt.modules.geometry.row_beats` says. On chip,
    `done` comes `DONE_CYCLES` after the last beat was taken (plus the clocks in which another port
    had the bank); in DRAM 1 after the last response. It is one for a clock; 3 after `start` if
    there is nothing to write on chip. Bytes are written in the order of the stream.

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
            PieceWalker(1),
            RegisterSlice(_PIECE),
            PieceSizes(("output",)),
            Displacer(ADDRESS_BITS),
            StreamFifo(request_layout(ADDRESS_BITS), _REQUESTS_AHEAD),
            AxiWriter(ADDRESS_BITS, _BURSTS),
        )
        m.submodules.walker = ResetInserter(self.abort)(stages.walker)
        m.submodules.sizes, m.submodules.head = stages.sizes, stages.head
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
        empty, some, ended = Signal(), Signal(), Signal()
        m.d.sync += empty.eq(tensor.empty)
        m.d.comb += [
            sizes.command.eq(self.command),
            walker.tensors[0].eq(sizes.tensors[0]),
            walker.pixel_pitch[0].eq(tensor.pixel_pitch),
            walker.row.payload.address.eq(row_address),
            walker.row.valid.eq(some),
            ended.eq(~some & ~walker.piece.valid & ~stages.head.output.valid),
        ]
        with m.If(self.start):
            m.d.sync += [rows.eq(tensor.height), row_address.eq(tensor.start), some.eq(~empty)]
        with m.Elif(walker.row.valid & walker.row.ready):
            m.d.sync += [rows.eq(rows - 1), row_address.eq(row_address + tensor.row_pitch)]
            m.d.sync += some.eq(rows != 1)
        with m.If(self.abort):
            m.d.sync += some.eq(0)
        return ended

    def _displace(self, m: Module, stages: _Stages) -> None:
        """Bring a piece to its address, and ask DRAM for it once."""
        source, size, requests = stages.walker.piece, stages.sizes.tensors[0], stages.requests.input
        address, ahead, head = source.payload.address, stages.head.input, stages.head.output
        piece, tail, go = stages.displacer.piece, has_tail(size, address), Signal()
        m.d.comb += [
            go.eq(source.valid & ahead.ready & (size.on_chip | requests.ready)),
            source.ready.eq(go),
            requests.valid.eq(go & ~size.on_chip),
            requests.payload.address[BYTE_BITS:].eq(address[BYTE_BITS:]),
            requests.payload.beats.eq(Mux(tail, size.beats_and_tail, size.beats)),
            ahead.valid.eq(go),
            ahead.payload.address.eq(address),
            ahead.payload.tail.eq(tail),
            stages.head.clear.eq(self.abort),
            piece.valid.eq(head.valid),
            head.ready.eq(piece.ready),
            piece.payload.address.eq(head.payload.address),
            piece.payload.tail.eq(head.payload.tail),
            *(piece.payload[name].eq(size[name]) for name in _SIZES),
        ]

    def _store(self, m: Module, stages: _Stages) -> None:
        """Give beats to the memory that the command says."""
        beat, data, writer = stages.displacer.output, stages.displacer.data, stages.writer
        on_chip = stages.sizes.tensors[0].on_chip
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
        active, known, wrong = (Signal() for _ in range(3))
        drained, drained_before, stored, given = (Signal() for _ in range(4))
        on_chip = stages.sizes.tensors[0].on_chip
        piece, late = stages.displacer.piece, Signal()
        refused = self.features.valid & self.features.ready & self.features.error
        m.d.comb += [
            drained.eq(active & ended & ~stages.displacer.output.valid),
            # The writer is not idle while it holds a beat, asked for or not.
            self.done.eq(active & (stored | (given & stages.writer.idle))),
            self.idle.eq(~active & stages.writer.idle),
            self.error.eq(wrong | stages.writer.error),
        ]
        with m.If(self.start):
            m.d.sync += late.eq(0)
        with m.Elif(piece.ready):
            m.d.sync += late.eq(piece.payload.tail)
        m.d.sync += [
            drained_before.eq(drained),
            # A piece without a tail is stored a clock earlier; `done` does not show it.
            stored.eq(drained & on_chip & (late | drained_before)),
            given.eq(drained & ~on_chip),
            active.eq((active | self.start) & ~self.done & ~self.abort),
            known.eq(active),
            wrong.eq((wrong | (known & active & stages.sizes.too_large) | refused) & ~self.abort),
        ]
