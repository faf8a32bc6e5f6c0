"""The input stream on its way into the line memory and the row of the residual."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fpga_rt.contract.command import STREAM_BYTES
from fpga_rt.modules.window_cycles import OUTPUT_ROW_BEATS
from hw.blocks.boundary import STREAM_BITS
from hw.modules.window.loop import loop
from hw.modules.window.work import LINE_BEATS, work_layout

RESIDUAL_BEATS = 2 * OUTPUT_ROW_BEATS
"""Of the residual, two rows are kept."""


class Loader(wiring.Component):
    """Take what an output row adds: rows of the input, then the row of the residual.

    What a row adds is taken when the row before has begun.

    Attributes:
        work: In, the command; stable while it runs.
        start: In, begin with the first row.
        input: In, beats.
        loaded: Out, everything that the next output row needs is in.
        row_begins: In, the row that was `loaded` begins.
        line_write: Out, `beat` goes to `line_address` of the line memory.
        residual_write: Out, `beat` goes to `residual_address` of the residual's memory.
    """

    def __init__(self, outputs: int) -> None:
        """Make the loader of a module with `outputs` channels a group."""
        super().__init__(
            {
                "work": In(work_layout(outputs)),
                "start": In(1),
                "input": In(stream.Signature(STREAM_BITS)),
                "loaded": Out(1),
                "row_begins": In(1),
                "beat": Out(STREAM_BITS),
                "line_write": Out(1),
                "line_address": Out(range(LINE_BEATS)),
                "residual_write": Out(1),
                "residual_address": Out(range(RESIDUAL_BEATS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the states, and the counters of rows and beats."""
        m = Module()
        work = self.work
        first, exhausted = Signal(), Signal()
        begin, done, last_beat, last_output = Signal(), Signal(), Signal(), Signal()
        last_residual = Signal()
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [first.eq(1), exhausted.eq(0), self.residual_address.eq(0)]
                with m.If(self.start):
                    m.next = "NEXT"
            with m.State("NEXT"):
                m.d.sync += begin.eq(1)
                m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.sync += begin.eq(0)
                m.next = "ROWS"
                with m.If(exhausted):
                    self._after_rows(m)
            with m.State("ROWS"):
                m.d.comb += [self.input.ready.eq(1), self.line_write.eq(self.input.valid)]
                with m.If(self.input.valid & last_beat & done):
                    self._after_rows(m)
            with m.State("RESIDUAL"):
                m.d.comb += [self.input.ready.eq(1), self.residual_write.eq(self.input.valid)]
                with m.If(self.input.valid):
                    m.d.sync += self.residual_address.eq(self.residual_address + 1)
                    with m.If(last_residual):
                        m.d.sync += self.loaded.eq(1)
                        m.next = "LOADED"
            with m.State("LOADED"):
                with m.If(self.row_begins):
                    m.d.sync += [self.loaded.eq(0), first.eq(0)]
                    m.next = "NEXT"
                    with m.If(last_output):
                        m.next = "IDLE"

        row_taken = self.line_write & last_beat
        added = Mux(first, work.first_rows, work.stride_y)
        enough = loop(m, "added_row", added, begin, row_taken).last
        last_row = loop(m, "input_row", work.input_rows, self.start, row_taken).last
        with m.If(row_taken & last_row):
            m.d.sync += exhausted.eq(1)
        residual = loop(m, "residual_beat", work.result_beats, begin, self.residual_write)
        m.d.comb += [
            done.eq(enough | last_row),
            last_beat.eq(loop(m, "beat", work.row_beats, begin, self.line_write).last),
            last_residual.eq(residual.last),
            last_output.eq(loop(m, "output_row", work.rows, self.start, self.row_begins).last),
        ]
        self._write(m)
        return m

    def _after_rows(self, m: Module) -> None:
        """Go on when the rows of the input are in."""
        with m.If(self.work.residual):
            m.next = "RESIDUAL"
        with m.Else():
            m.d.sync += self.loaded.eq(1)
            m.next = "LOADED"

    def _write(self, m: Module) -> None:
        """Count addresses, and give beats with zeros above the bytes of a piece of the input."""
        work = self.work
        last_line = loop(m, "line", work.ring, self.start, self.line_write).last
        with m.If(self.start | (self.line_write & last_line)):
            m.d.sync += self.line_address.eq(0)
        with m.Elif(self.line_write):
            m.d.sync += self.line_address.eq(self.line_address + 1)
        cut = loop(m, "piece", work.piece_beats, self.start, self.line_write).last
        m.d.comb += self.beat.eq(
            Cat(
                Mux(
                    cut & self.line_write & ~work.kept[byte],
                    0,
                    self.input.payload.word_select(byte, 8),
                )
                for byte in range(STREAM_BYTES)
            )
        )
