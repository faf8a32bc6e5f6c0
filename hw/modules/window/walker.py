"""Rows, pixels, groups and steps: where the bytes of every step are."""

from __future__ import annotations

from typing import NamedTuple

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.pipeline import stage
from hw.modules.window.loop import Loop, loop
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


class Ends(NamedTuple):
    """What ends with a step.

    Attributes:
        row_begins: there is no step, an output row begins.
        kernel_column: the bytes of a step across the kernel.
        kernel_row: a row of the kernel.
        window: the steps of a group.
        pixel: all groups of an output pixel.
        row: an output row.
    """

    row_begins: Value
    kernel_column: Value
    kernel_row: Value
    window: Value
    pixel: Value
    row: Value


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
        depth = loop(m, "depth", work.depth, self.start, step)
        kernel_row, window = self._kernel(m, step, depth)
        group_ended, pixel_ended, row_ended = Signal(), Signal(), Signal()
        groups = loop(m, "group", work.groups, self.start, group_ended)
        columns = loop(m, "column", work.columns, self.start, pixel_ended)
        last_group, row_closes = groups.last, Signal(reset_less=True)
        with m.If(self.start | group_ended):
            m.d.sync += row_closes.eq(groups.coming & columns.after(self.start | pixel_ended))
        ends = Ends(
            self.row_begins,
            depth.last,
            kernel_row,
            window,
            window & last_group,
            window & row_closes,
        )
        m.d.sync += [
            group_ended.eq(step & ends.window),
            pixel_ended.eq(step & ends.pixel),
            row_ended.eq(step & ends.row),
        ]
        command_closes = loop(m, "row", work.rows, self.start, row_ended).last
        group = Signal(range(MAX_CHANNELS))
        m.d.comb += [
            self.place_valid.eq(step),
            place.first.eq(first),
            place.last.eq(window),
            place.group.eq(group),
            place.to.count.eq(Mux(last_group, work.last_count, self._outputs)),
            place.to.ends.eq((last_group & ~work.output_whole) | row_closes),
            place.to.row_ends.eq(row_closes),
        ]
        with m.If(step):
            m.d.sync += first.eq(window)
            with m.If(ends.row):
                m.d.sync += [walking.eq(0), self.running.eq(~command_closes)]
        with m.If(group_ended):
            m.d.sync += group.eq(Mux(last_group, 0, group + 1))
        with m.If(self.row_begins):
            m.d.sync += walking.eq(1)
        with m.If(self.start):
            m.d.sync += self.running.eq(1)
        self._positions(m, step, ends)
        self._rows(m, step, ends)
        self._weights(m, step, ends)
        return m

    def _kernel(self, m: Module, step: Value, depth: Loop) -> tuple[Signal, Signal]:
        """Count across and down the kernel; return whether its row and the window end."""
        work, start = self.work, self.start
        kernel_row, window = Signal(reset_less=True), Signal(reset_less=True)
        columns = loop(m, "kernel_column", work.kernel_columns, start, step & depth.last)
        rows = loop(m, "kernel_row", work.kernel_rows, start, step & kernel_row)
        row_coming = depth.coming & columns.after(start | depth.last)
        with m.If(start | step):
            m.d.sync += kernel_row.eq(row_coming)
            m.d.sync += window.eq(row_coming & rows.after(start | kernel_row))
        return kernel_row, window

    def _paced(self, m: Module, begins: Value) -> Signal:
        """Return whether enough clocks have passed since a group began, as a register."""
        left, passed = Signal.like(self.work.least), Signal(init=1)
        with m.If(begins):
            m.d.sync += [left.eq(self.work.least), passed.eq(self.work.least == 0)]
        with m.Elif(~passed):
            m.d.sync += [left.eq(left - 1), passed.eq(left == 1)]
        return passed

    def _positions(self, m: Module, step: Value, ends: Ends) -> None:
        """Move along a row: within a pixel, across the kernel, to the next group and pixel.

        Where each of these began is kept; all go on by one sum.
        """
        work, bits = self.work, POSITION_BITS
        now = Signal(signed(bits), reset_less=True)
        across, window, pixel = (
            Signal(bits, name=name, reset_less=True) for name in ("across", "window", "pixel")
        )
        base, more = Signal(bits), Signal(bits)
        group = Mux(work.per_channel, self._outputs, 0)
        with m.If(ends.row_begins | ends.pixel):
            m.d.comb += [base.eq(pixel), more.eq(Mux(ends.row_begins, work.start, work.pixel))]
        with m.Elif(ends.kernel_row):
            m.d.comb += [base.eq(window), more.eq(Mux(ends.window, group, 0))]
        with m.Elif(ends.kernel_column):
            m.d.comb += [base.eq(across), more.eq(work.column)]
        with m.Else():
            m.d.comb += [base.eq(now), more.eq(self._lanes)]
        place = (base + more)[:bits]
        m.d.comb += self.place.position.eq(now)
        for register, moves in (
            (now, 1),
            (across, ends.kernel_column),
            (window, ends.window),
            (pixel, ends.pixel),
        ):
            with m.If(ends.row_begins | (step & moves)):
                m.d.sync += register.eq(place)
        with m.If(self.start | (step & ends.row)):
            m.d.sync += pixel.eq(0)

    def _rows(self, m: Module, step: Value, ends: Ends) -> None:
        """Move down the rows of the kernel, and from window row to window row."""
        work = self.work
        place = Signal(range(LINE_BEATS), reset_less=True)
        number = Signal(signed(_ROW_BITS), reset_less=True)
        top, top_number = Signal.like(place), Signal.like(number)
        m.d.comb += [
            self.place.row.eq(place),
            self.place.inside.eq((number >= 0) & (number < work.input_rows)),
        ]
        following = self._moved(m, place, work.row_beats)
        with m.If(ends.row_begins | (step & ends.window)):
            m.d.sync += [place.eq(top), number.eq(top_number)]
        with m.Elif(step & ends.kernel_row):
            m.d.sync += [place.eq(following), number.eq(number + 1)]
        lower = self._moved(m, top, work.down)
        with m.If(self.start):
            m.d.sync += [top.eq(work.top), top_number.eq(-work.pad_top)]
        with m.Elif(step & ends.row):
            m.d.sync += [top.eq(lower), top_number.eq(top_number + work.stride_y)]

    def _moved(self, m: Module, place: Value, beats: Value) -> Value:
        """Return a place in the ring of rows, moved on."""
        back = stage(m, beats - self.work.ring, "back")
        wrapped = place + back
        return Mux(self.work.wraps & (wrapped >= 0), wrapped, place + beats)

    def _weights(self, m: Module, step: Value, ends: Ends) -> None:
        """Count words of weights."""
        work = self.work
        weight = Signal.like(self.place.weight)
        m.d.comb += self.place.weight.eq(weight)
        following = weight + 1
        even = following + (following[0] & work.mode.int4)
        with m.If(step):
            m.d.sync += weight.eq(Mux(ends.window, even, following))
            with m.If(ends.pixel | (work.by_depth & ends.kernel_column)):
                m.d.sync += weight.eq(0)
