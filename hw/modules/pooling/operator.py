"""Pooling and the addition of two tensors: a sum or a maximum for each channel of a group."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data

from fpga_rt.arithmetic.requantise import INT8_LOW
from fpga_rt.contract.command import Operation
from fpga_rt.modules.pooling import added_a_clock, requantised_a_clock
from hw.blocks import addition
from hw.blocks.pipeline import delay, stage
from hw.modules.window import scaling
from hw.modules.window.operator import RESIDUAL_CYCLES, Offer, Operator, target_layout

SUM_CYCLES = 1
"""Clocks from a step to the sum or the maximum with it."""


class Pooling(Operator):
    """A code a clock for each of `lanes` channels.

    A maximum is limited by the pipeline that requantises an average. An addition, whose window is a
    pixel, waits in the sums until the residual has come.
    """

    latency_cycles = SUM_CYCLES + scaling.LATENCY_CYCLES

    def __init__(self, lanes: int) -> None:
        """Make the operator; `lanes` is 2 or 8."""
        self.lanes = self.outputs = lanes
        self.results = requantised_a_clock(lanes)
        self.residual_lanes = added_a_clock(lanes)
        least, adding = lanes // self.results, lanes // self.residual_lanes
        self.offers = {
            Operation.AVERAGE_POOL: Offer(True, 1, None, True, False, least),
            Operation.MAXIMUM_POOL: Offer(True, 1, None, False, False, least),
            Operation.ADDITION: Offer(True, 1, None, False, True, adding),
        }
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        """Return the sums, what requantises them, and what adds them to a residual."""
        m = Module()
        header = self.header(m)
        operation = self.mode.operation
        adds = stage(m, operation == Operation.ADDITION, "adds")
        asked = operation == Operation.MAXIMUM_POOL
        maximum = stage(m, asked, "maximum")
        sums = self._sums(m, maximum)
        low, high = self.limits(
            m, Mux(adds, header.add_low, header.low), Mux(adds, header.add_high, header.high)
        )
        m.submodules.scaling = scale = scaling.Scaling(self.lanes, self.results)
        ends = self.step_valid & self.step.last
        self.refuse(m, header, asked & (header.pad_value != INT8_LOW))
        m.d.comb += [
            scale.table.eq(self.table),
            scale.table_valid.eq(self.table_valid),
            scale.slot.eq(self.slot),
            scale.zero_point.eq(header.zero_point),
            scale.low.eq(low),
            scale.high.eq(high),
            scale.pre_shift.eq(header.pre_shift),
            scale.unscaled.eq(maximum),
            scale.sums.eq(sums),
            scale.group.eq(delay(m, self.step.group, SUM_CYCLES)),
            scale.to.eq(delay(m, self.step.to.as_value(), SUM_CYCLES)),
            scale.load.eq(delay(m, ends & ~adds, SUM_CYCLES, reset_less=False)),
        ]
        added = self._add(m, sums, ends & adds, header, (low, high))
        part = Mux(adds, added.codes_tag.as_value(), scale.part.as_value())
        part_view = data.View(target_layout(self.results), part)
        m.d.comb += [
            self.codes_count.eq(part_view.count),
            self.codes_ends.eq(part_view.ends),
            self.codes_row_ends.eq(part_view.row_ends),
            self.codes_valid.eq(scale.codes_valid | added.codes_valid),
        ]
        for lane in range(self.results):
            code = scale.codes[lane]
            if lane < self.residual_lanes:
                code = Mux(adds, added.codes[lane], code)
            m.d.comb += self.codes[lane].eq(code)
        return m

    def _sums(self, m: Module, maximum: Signal) -> data.View:
        """Return the sum of each lane, or its maximum: the largest code begins the sum anew."""
        sums = Signal(
            data.ArrayLayout(signed(scaling.SUM_BITS), self.lanes), reset_less=True, name="sums"
        )
        for lane in range(self.lanes):
            code, total = self.step.codes[lane], sums[lane]
            larger = code > total[:8].as_signed()
            with m.If(self.step_valid & (self.step.first | ~maximum | larger)):
                m.d.sync += total.eq(Mux(self.step.first | maximum, 0, total) + code)
        return sums

    def _add(
        self,
        m: Module,
        sums: data.View,
        load: Signal,
        header: data.View,
        limits: tuple[Signal, Signal],
    ) -> addition.Addition:
        """Take the residual for the parts of a group, and add them; return the pipeline."""
        lanes = self.residual_lanes
        layout = target_layout(self.results)
        m.submodules.parts = parts = scaling.Parts(self.lanes, lanes)
        m.submodules.addition = pipeline = addition.Addition(lanes, layout)
        tag = Signal(layout)
        low, high = limits
        m.d.comb += [
            parts.to.eq(self.step.to),
            parts.load.eq(load),
            self.residual_take.eq(parts.valid),
            self.residual_count.eq(parts.part.count),
            self.residual_ends.eq(parts.part.ends),
            tag.count.eq(parts.part.count),
            tag.ends.eq(parts.part.ends),
            tag.row_ends.eq(parts.part.row_ends),
            pipeline.valid.eq(delay(m, parts.valid, RESIDUAL_CYCLES, reset_less=False)),
            pipeline.tag.eq(delay(m, tag.as_value(), RESIDUAL_CYCLES)),
            pipeline.b.eq(self.residual),
            pipeline.multiplier_a.eq(header.add_multiplier_a),
            pipeline.multiplier_b.eq(header.add_multiplier_b),
            pipeline.constant.eq(header.add_constant),
            pipeline.shift.eq(header.add_shift),
            pipeline.low.eq(low),
            pipeline.high.eq(high),
        ]
        for lane in range(lanes):
            own = [sums[at][:8] for at in range(lane, self.lanes, lanes)]
            code = Cat(*own).word_select(parts.place, 8)
            m.d.comb += pipeline.a[lane].eq(delay(m, code, RESIDUAL_CYCLES))
        return pipeline
