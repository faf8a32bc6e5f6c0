"""From beats of input to chunks, in which every lane has a value."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fpga_rt.contract.command import STREAM_BYTES
from hw.blocks.boundary import STREAM_BITS
from hw.modules.elementwise.intake import MAX_CHANNELS, Work


def place_layout(lanes: int) -> data.StructLayout:
    """Return where a chunk's result goes: its place in a beat, and whether that ends the beat."""
    return data.StructLayout({"place": range(STREAM_BYTES // lanes), "closes": 1})


def chunk_layout(lanes: int) -> data.StructLayout:
    """Return what an operator gets: a value for each lane, and what they are.

    Attributes of a chunk: `codes`; `group`, their channels divided by the lanes; `first`, whether
    they are of the first operand and another follows; `row_ends`; `to`, where the result goes.
    """
    return data.StructLayout(
        {
            "codes": data.ArrayLayout(signed(8), lanes),
            "group": range(MAX_CHANNELS // lanes),
            "first": 1,
            "row_ends": 1,
            "to": place_layout(lanes),
        }
    )


class Walker(wiring.Component):
    """Walk through rows, pixels and groups of channels, a chunk a clock.

    A row of the first operand, if there are two, comes before the same row of the other.

    Attributes:
        work: In, the command; stable while `running`.
        start: In, begin.
        enable: In, take input.
        room: In, there is room for a beat of results.
        running: Out, input is still to come.
        input: In, beats.
        chunk: Out, when `chunk_valid`.
        reserve: Out, the chunk closes a beat of results.
    """

    def __init__(self, lanes: int, operands: int) -> None:
        """Make the walker of an operation with one or two operands."""
        self._lanes = lanes
        self._operands = operands
        super().__init__(
            {
                "work": In(Work),
                "start": In(1),
                "enable": In(1),
                "room": In(1),
                "running": Out(1),
                "input": In(stream.Signature(STREAM_BITS)),
                "chunk": Out(chunk_layout(lanes)),
                "chunk_valid": Out(1),
                "reserve": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the counters and the choice of a chunk."""
        m = Module()
        chunks = STREAM_BYTES // self._lanes
        source, target = Signal(range(chunks)), Signal(range(chunks))
        source_closes, target_closes = Signal(), Signal()
        enabled, take = Signal(), Signal()
        chunk = self.chunk

        whole = Mux(self._second(chunk), self.work.output_whole, self.work.input_whole)
        pixel_ends = Signal()
        m.d.comb += [
            source_closes.eq((source == chunks - 1) | chunk.row_ends | (pixel_ends & ~whole)),
            target_closes.eq(
                (target == chunks - 1) | chunk.row_ends | (pixel_ends & ~self.work.output_whole)
            ),
            enabled.eq(self.running & self.enable & (chunk.first | self.room)),
            take.eq(enabled & self.input.valid),
            self.input.ready.eq(enabled & source_closes),
            chunk.codes.eq(self.input.payload.word_select(source, 8 * self._lanes)),
            chunk.to.place.eq(target),
            chunk.to.closes.eq(target_closes),
            self.chunk_valid.eq(take),
            self.reserve.eq(take & target_closes & ~chunk.first),
        ]
        with m.If(take):
            m.d.sync += [
                source.eq(Mux(source_closes, 0, source + 1)),
                target.eq(Mux(target_closes, 0, target + 1)),
            ]
        self._count(m, take, pixel_ends)
        return m

    def _count(self, m: Module, take: Value, pixel_ends: Signal) -> None:
        """Count groups upwards, and what is left of groups, columns, operands and rows."""
        chunk, work = self.chunk, self.work
        group, groups = Signal.like(chunk.group), Signal.like(work.groups)
        columns, rows, first = Signal(16), Signal(16), Signal()
        m.d.comb += [
            chunk.group.eq(group),
            chunk.first.eq(first),
            pixel_ends.eq(groups == 0),
            chunk.row_ends.eq(pixel_ends & (columns == 0)),
        ]
        with m.If(take):
            m.d.sync += [group.eq(group + 1), groups.eq(groups - 1)]
            with m.If(pixel_ends):
                m.d.sync += [group.eq(0), groups.eq(work.groups), columns.eq(columns - 1)]
            with m.If(chunk.row_ends):
                m.d.sync += columns.eq(work.columns)
                if self._operands > 1:
                    m.d.sync += first.eq(~first)
                with m.If(~first):
                    m.d.sync += [rows.eq(rows - 1), self.running.eq(rows != 0)]
        with m.If(self.start):
            m.d.sync += [
                self.running.eq(1),
                group.eq(0),
                groups.eq(work.groups),
                columns.eq(work.columns),
                rows.eq(work.rows),
                first.eq(self._operands > 1),
            ]

    def _second(self, chunk: data.View) -> Value:
        """Tell whether a chunk is of the second operand."""
        return ~chunk.first if self._operands > 1 else Const(0)
