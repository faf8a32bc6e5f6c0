"""Rows, pixels, groups and steps: where the bytes of every step are."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.pipeline import stage
from hw.modules.window.operator import MAX_CHANNELS, WEIGHT_WORDS, target_layout
from hw.modules.window.work import LINE_BEATS, POSITION_BITS, work_layout

_ROW_BITS = 18
"""Of the signed number of an input row."""


def place_layout(outputs: int) -> data.StructLayout:
    """Return where the bytes of a step are, and what the step is.

    `position` is the first byte in the row, possibly outside of it; `row` the place of the row in
    the line memory; `inside` tells whether there is such a row. For the rest see `step_layout`.
    """
    return data.StructLayout(
        {
            "position": signed(POSITION_BITS),
            "row": range(LINE_BEATS),
            "inside": 1,
            "first": 1,
            "last": 1,
            "group": range(MAX_CHANNELS),
            "weight": range(2 * WEIGHT_WORDS),
            "to": target_layout(outputs),
        }
    )


class Walker(wiring.Component):
    """Walk through the windows of a command, a step a clock.

    A row begins when it is `loaded`, there is `room` for its results and the row before was walked.

    Attributes:
        work: In, the command; stable while `running`.
        start: In, begin.
        loaded: In, everything that the next row needs is in.
        room: In, its results find room.
        row_begins: Out, strobe.
        running: Out, rows are still to be walked.
        place: Out, of a step, when `place_valid`.
    """

    def __init__(self, lanes: int, outputs: int) -> None:
        """Make the walker of a module that reads `lanes` bytes for `outputs` channels."""
        self._lanes = lanes
        self._outputs = outputs
        super().__init__(
            {
                "work": In(work_layout(outputs)),
                "start": In(1),
                "loaded": In(1),
                "room": In(1),
                "row_begins": Out(1),
                "running": Out(1),
                "place": Out(place_layout(outputs)),
                "place_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the loops, from the inside out: depth, kernel, groups, columns, rows.

        Groups begin at least two clocks apart, so the outer loops may go on a clock late.
        """
        m = Module()
        work, place = self.work, self.place
        walking, first = Signal(), Signal(init=1)
        step = Signal()
        m.d.comb += [
            step.eq(walking & (~first | self._paced(m, step & first))),
            self.row_begins.eq(self.running & ~walking & self.loaded & self.room),
        ]
        last_depth = self._loop(m, "depth", work.depth, step)
        column = self._loop(m, "kernel_column", work.kernel_columns, step & last_depth)
        last_column = last_depth & column
        row = self._loop(m, "kernel_row", work.kernel_rows, step & last_column)
        last_step = last_column & row
        group_ended, pixel_ended, row_ended = Signal(), Signal(), Signal()
        last_group = self._loop(m, "group", work.groups, group_ended)
        pixel_ends = last_step & last_group
        row_closes = self._loop(m, "column", work.columns, pixel_ended)
        row_ends = pixel_ends & row_closes
        m.d.sync += [
            group_ended.eq(step & last_step),
            pixel_ended.eq(step & pixel_ends),
            row_ended.eq(step & row_ends),
        ]
        last_row = self._loop(m, "row", work.rows, row_ended)
        group = Signal(range(MAX_CHANNELS))
        m.d.comb += [
            self.place_valid.eq(step),
            place.first.eq(first),
            place.last.eq(last_step),
            place.group.eq(group),
            place.to.count.eq(Mux(last_group, work.last_count, self._outputs)),
            place.to.ends.eq(last_group & (~work.output_whole | row_closes)),
            place.to.row_ends.eq(last_group & row_closes),
        ]
        with m.If(step):
            m.d.sync += first.eq(last_step)
            with m.If(row_ends):
                m.d.sync += [walking.eq(0), self.running.eq(~last_row)]
        with m.If(group_ended):
            m.d.sync += group.eq(Mux(last_group, 0, group + 1))
        with m.If(self.row_begins):
            m.d.sync += walking.eq(1)
        with m.If(self.start):
            m.d.sync += self.running.eq(1)
        self._positions(m, step, last_depth, last_column, last_step, pixel_ends)
        self._rows(m, step, last_column, last_step, row_ended)
        self._weights(m, step, last_depth, last_step, pixel_ends)
        return m

    def _loop(self, m: Module, name: str, most: Value, advance: Value) -> Signal:
        """Count from 0 to `most` and again; return whether it is there, as a register."""
        left, last = Signal.like(most, name=f"{name}_left"), Signal(name=f"{name}_last")
        with m.If(self.start | (advance & last)):
            m.d.sync += [left.eq(most), last.eq(most == 0)]
        with m.Elif(advance):
            m.d.sync += [left.eq(left - 1), last.eq(left == 1)]
        return last

    def _paced(self, m: Module, begins: Value) -> Signal:
        """Return whether enough clocks have passed since a group began, as a register."""
        left, passed = Signal.like(self.work.least), Signal(init=1)
        with m.If(begins):
            m.d.sync += [left.eq(self.work.least), passed.eq(self.work.least == 0)]
        with m.Elif(~passed):
            m.d.sync += [left.eq(left - 1), passed.eq(left == 1)]
        return passed

    def _positions(
        self,
        m: Module,
        step: Value,
        last_depth: Value,
        last_column: Value,
        last_step: Value,
        pixel_ends: Value,
    ) -> None:
        """Move along a row: within a pixel, across the kernel, to the next group and pixel."""
        work = self.work
        now = Signal(signed(POSITION_BITS))
        across, window, pixel = Signal.like(now), Signal.like(now), Signal.like(now)
        next_pixel, next_window = pixel + work.pixel, window + self._group_bytes()
        next_across = across + work.column
        m.d.comb += self.place.position.eq(now)
        with m.If(self.row_begins):
            start = (-work.left)[:POSITION_BITS].as_signed()
            m.d.sync += [now.eq(start), across.eq(start), window.eq(start), pixel.eq(start)]
        with m.Elif(step):
            m.d.sync += now.eq(now + self._lanes)
            with m.If(pixel_ends):
                m.d.sync += [register.eq(next_pixel) for register in (now, across, window, pixel)]
            with m.Elif(last_step):
                m.d.sync += [register.eq(next_window) for register in (now, across, window)]
            with m.Elif(last_column):
                m.d.sync += [now.eq(window), across.eq(window)]
            with m.Elif(last_depth):
                m.d.sync += [now.eq(next_across), across.eq(next_across)]

    def _group_bytes(self) -> Value:
        return Mux(self.work.per_channel, self._outputs, 0)

    def _rows(
        self, m: Module, step: Value, last_column: Value, last_step: Value, row_ended: Value
    ) -> None:
        """Move down the rows of the kernel, and from window row to window row."""
        work = self.work
        place, top = Signal(range(LINE_BEATS)), Signal(range(LINE_BEATS))
        number, top_number = Signal(signed(_ROW_BITS)), Signal(signed(_ROW_BITS))
        m.d.comb += [
            self.place.row.eq(place),
            self.place.inside.eq((number >= 0) & (number < work.input_rows)),
        ]
        following = self._moved(m, place, work.row_beats)
        lower = self._moved(m, top, work.down)
        with m.If(step):
            with m.If(last_step):
                m.d.sync += [place.eq(top), number.eq(top_number)]
            with m.Elif(last_column):
                m.d.sync += [place.eq(following), number.eq(number + 1)]
        with m.If(row_ended):
            lower_number = top_number + work.stride_y
            m.d.sync += [top.eq(lower), place.eq(lower)]
            m.d.sync += [top_number.eq(lower_number), number.eq(lower_number)]
        with m.If(self.start):
            start = -work.pad_top
            m.d.sync += [top.eq(work.top), place.eq(work.top)]
            m.d.sync += [top_number.eq(start), number.eq(start)]

    def _moved(self, m: Module, place: Value, beats: Value) -> Value:
        """Return a place in the ring of rows, moved on."""
        back = stage(m, beats - self.work.ring, "back")
        wrapped = place + back
        return Mux(self.work.wraps & (wrapped >= 0), wrapped, place + beats)

    def _weights(
        self, m: Module, step: Value, last_depth: Value, last_step: Value, pixel_ends: Value
    ) -> None:
        """Count words of weights."""
        work = self.work
        weight = Signal.like(self.place.weight)
        m.d.comb += self.place.weight.eq(weight)
        following = weight + 1
        even = following + (following[0] & work.mode.int4)
        with m.If(step):
            m.d.sync += weight.eq(Mux(last_step, even, following))
            with m.If(pixel_ends | (work.by_depth & last_depth)):
                m.d.sync += weight.eq(0)
