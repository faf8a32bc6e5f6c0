"""From the sums of a group to its results, a part of them a clock."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from fpga_rt.arithmetic.requantise import ACCUMULATOR_BITS, PRE_SHIFT_BITS
from hw.blocks import requantise
from hw.blocks.pipeline import delay, stage
from hw.modules.window.operator import (
    MAX_CHANNELS,
    SLOTS,
    Channel,
    TableWrite,
    target_layout,
)

SUM_BITS = 24
"""Of a sum, signed: 65,025 codes, or 256 products of a weight in [-127, 127] and a code."""
LATENCY_CYCLES = 4 + requantise.LATENCY_CYCLES
"""Clocks from the sums to their first results."""
_UNIT_SHIFT = 18
"""A multiplier of two to this power leaves a sum as it is."""


class Parts(wiring.Component):
    """Cut groups into parts of `results` neighbouring lanes, a part a clock.

    A group may come when all parts of the one before are through, in the clock of the last.

    Attributes:
        to: In, where the results of a group go, when `load`.
        valid: Out, from the clock behind `load` on: `part` counts, whose number is `place`.
    """

    def __init__(self, lanes: int, results: int) -> None:
        """Make it for groups of `lanes` (a power of two, more than `results`)."""
        self._lanes = lanes
        self._results = results
        super().__init__(
            {
                "to": In(target_layout(lanes)),
                "load": In(1),
                "place": Out(range(lanes // results)),
                "part": Out(target_layout(results)),
                "valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the count of what is left."""
        m = Module()
        left = Signal.like(self.to)
        last = Signal()
        m.d.comb += [
            last.eq(left.count <= self._results),
            self.part.count.eq(Mux(last, left.count, self._results)),
            self.part.ends.eq(left.ends & last),
            self.part.row_ends.eq(left.row_ends & last),
        ]
        with m.If(self.valid):
            m.d.sync += [
                self.valid.eq(~last),
                self.place.eq(self.place + 1),
                left.count.eq(left.count - self._results),
            ]
        with m.If(self.load):
            m.d.sync += [self.valid.eq(1), self.place.eq(0), left.eq(self.to)]
        return m


class Scaling(wiring.Component):
    """Requantise sums group by group, `results` neighbouring lanes a clock.

    Attributes:
        table: In, a beat of a table to keep, when `table_valid`; here those of channels.
        slot: In, the table that counts.
        zero_point: In, of the output; stable like `low`, `high`, `pre_shift` and `unscaled`.
        unscaled: In, only limit the sums; the table counts for nothing.
        sums: In, when `load`, of the channels of `group`; where their results go is in `to`.
        codes: Out, when `codes_valid`; `part` tells how many count.
    """

    def __init__(self, lanes: int, results: int) -> None:
        """Make it for groups of `lanes` sums; both numbers are powers of two."""
        self._lanes = lanes
        self._results = results
        super().__init__(
            {
                "table": In(TableWrite),
                "table_valid": In(1),
                "slot": In(1),
                "zero_point": In(signed(8)),
                "low": In(signed(8)),
                "high": In(signed(8)),
                "pre_shift": In(PRE_SHIFT_BITS),
                "unscaled": In(1),
                "sums": In(data.ArrayLayout(signed(SUM_BITS), lanes)),
                "group": In(range(MAX_CHANNELS)),
                "to": In(target_layout(lanes)),
                "load": In(1),
                "codes": Out(data.ArrayLayout(signed(8), results)),
                "part": Out(target_layout(results)),
                "codes_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return what holds a group, the tables of the channels, and the pipeline."""
        m = Module()
        m.submodules.parts = parts = Parts(self._lanes, self._results)
        m.submodules.requantise = pipeline = requantise.Requantise(
            self._results, target_layout(self._results)
        )
        held = Signal.like(self.sums, reset_less=True)
        group = Signal.like(self.group, reset_less=True)
        with m.If(self.load):
            m.d.sync += [held.eq(self.sums), group.eq(self.group)]
        m.d.comb += [
            parts.to.eq(self.to),
            parts.load.eq(self.load),
            pipeline.valid.eq(delay(m, parts.valid, 3, reset_less=False)),
            pipeline.tag.eq(delay(m, parts.part.as_value(), 3)),
            pipeline.zero_point.eq(Mux(self.unscaled, 0, self.zero_point)),
            pipeline.low.eq(self.low),
            pipeline.high.eq(self.high),
            self.codes.eq(pipeline.codes),
            self.part.eq(pipeline.codes_tag),
            self.codes_valid.eq(pipeline.codes_valid),
        ]
        pre_shift = Mux(self.unscaled, 0, self.pre_shift)
        channels = self._channels(m, Cat(parts.place, group))
        for lane, channel in enumerate(channels):
            total = Signal(signed(SUM_BITS), name=f"total{lane}", reset_less=True)
            own = [held[at] for at in range(lane, self._lanes, self._results)]
            m.d.sync += total.eq(
                data.View(data.ArrayLayout(signed(SUM_BITS), len(own)), Cat(*own))[parts.place]
            )
            bias = Mux(self.unscaled, 0, channel.bias)
            biased = stage(m, total + bias, f"biased{lane}")
            shifted = _shifted(biased, pre_shift)
            multiplier = Mux(self.unscaled, 1 << _UNIT_SHIFT, channel.multiplier)
            m.d.comb += [
                pipeline.accumulators[lane].eq(stage(m, shifted, f"shifted{lane}")),
                pipeline.multipliers[lane].eq(delay(m, multiplier, 2)),
                pipeline.shifts[lane].eq(
                    delay(m, Mux(self.unscaled, _UNIT_SHIFT, channel.shift), 2)
                ),
            ]
        return m

    def _channels(self, m: Module, address: Value) -> Sequence[data.View]:
        """Keep the channels of both tables; return those at an address, a clock later."""
        bits = exact_log2(self._results)
        depth = MAX_CHANNELS // self._results
        rows = []
        for lane in range(self._results):
            memory = Memory(shape=Channel, depth=SLOTS * depth, init=[])
            m.submodules[f"channels{lane}"] = memory
            write, read = memory.write_port(), memory.read_port()
            index = self.table.index
            m.d.comb += [
                write.addr.eq(Cat(index[bits:], self.table.slot)),
                write.data.eq(self.table.beat),
                write.en.eq(self.table_valid & ~self.table.header & (index[:bits] == lane)),
                read.addr.eq(Cat(address[: exact_log2(depth)], self.slot)),
            ]
            rows.append(read.data)
        return rows


def _shifted(value: Value, distance: Value) -> Value:
    """Shift right by up to 15 to the accumulator's bits, four ways at a time as tables do it."""
    for unit, by in ((4, distance[2:]), (1, distance[:2])):
        ways = [value >> unit * number for number in range(4)]
        chosen = Mux(by[1], Mux(by[0], ways[3], ways[2]), Mux(by[0], ways[1], ways[0]))
        value = chosen[: ACCUMULATOR_BITS + unit].as_signed()
    return value
