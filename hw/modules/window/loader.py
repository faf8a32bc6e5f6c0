"""The input stream on its way into the line memory and the row of the residual."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fpga_rt.contract.command import STREAM_BYTES
from fpga_rt.modules.window_cycles import OUTPUT_ROW_BEATS
from hw.blocks.boundary import STREAM_BITS
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
        """Return the counters of rows and beats."""
        m = Module()
        work = self.work
        rows_left, output_rows = Signal(16), Signal(16)
        rows = Signal(16)
        left = Signal(range(LINE_BEATS + 1))
        with m.FSM() as fsm:
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += [
                        rows_left.eq(work.input_rows),
                        output_rows.eq(work.rows),
                        self.line_address.eq(0),
                        self.residual_address.eq(0),
                    ]
                    m.next = "FIRST"
            with m.State("FIRST"):
                m.d.sync += rows.eq(_lesser(rows_left, work.first_rows))
                m.next = "BEGIN"
            with m.State("NEXT"):
                m.d.sync += rows.eq(_lesser(rows_left, work.stride_y))
                m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.sync += [rows_left.eq(rows_left - rows), left.eq(work.row_beats)]
                m.next = "ROWS"
                with m.If(rows == 0):
                    self._after_rows(m, left)
            with m.State("ROWS"):
                self._row(m, rows, left)
            with m.State("RESIDUAL"):
                m.d.comb += [self.input.ready.eq(1), self.residual_write.eq(self.input.valid)]
                with m.If(self.input.valid):
                    m.d.sync += self.residual_address.eq(self.residual_address + 1)
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 1):
                        m.d.sync += self.loaded.eq(1)
                        m.next = "LOADED"
            with m.State("LOADED"):
                with m.If(self.row_begins):
                    m.d.sync += [self.loaded.eq(0), output_rows.eq(output_rows - 1)]
                    m.next = "NEXT"
                    with m.If(output_rows == 0):
                        m.next = "IDLE"
        m.d.comb += self.beat.eq(self._defined(m, fsm.ongoing("RESIDUAL")))
        return m

    def _row(self, m: Module, rows: Signal, left: Signal) -> None:
        """Write beats of the input, row behind row."""
        work = self.work
        m.d.comb += [self.input.ready.eq(1), self.line_write.eq(self.input.valid)]
        with m.If(self.input.valid):
            wraps = work.wraps & (self.line_address == work.ring - 1)
            m.d.sync += self.line_address.eq(Mux(wraps, 0, self.line_address + 1))
            m.d.sync += left.eq(left - 1)
            with m.If(left == 1):
                m.d.sync += [rows.eq(rows - 1), left.eq(work.row_beats)]
                with m.If(rows == 1):
                    self._after_rows(m, left)

    def _after_rows(self, m: Module, left: Signal) -> None:
        """Go on when the rows of the input are in."""
        with m.If(self.work.residual):
            m.d.sync += left.eq(self.work.result_beats)
            m.next = "RESIDUAL"
        with m.Else():
            m.d.sync += self.loaded.eq(1)
            m.next = "LOADED"

    def _defined(self, m: Module, of_residual: Value) -> Value:
        """Return the beat with zeros above the bytes of a piece of a row of the input."""
        left, last = Signal(range(LINE_BEATS + 1)), Signal()
        with m.If(self.row_begins | self.start | (self.line_write & last)):
            m.d.sync += [left.eq(self.work.piece_beats), last.eq(self.work.piece_beats == 1)]
        with m.Elif(self.line_write):
            m.d.sync += [left.eq(left - 1), last.eq(left == 2)]
        cut = last & ~of_residual
        return Cat(
            Mux(cut & ~self.work.kept[byte], 0, self.input.payload.word_select(byte, 8))
            for byte in range(STREAM_BYTES)
        )


def _lesser(a: Value, b: Value) -> Value:
    return Mux(a < b, a, b)
