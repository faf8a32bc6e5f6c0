"""Convolution: products, accumulators, requantisation, and a residual added behind it."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from fpga_rt.arithmetic.requantise import ACCUMULATOR_BITS, PRE_SHIFT_BITS
from fpga_rt.contract.command import Operation
from fpga_rt.modules.convolution import ADDITION_CYCLES, REQUANTISE_CYCLES
from hw.blocks import addition, requantise
from hw.blocks.pipeline import delay, stage
from hw.modules.convolution import multiplier
from hw.modules.convolution.multiplier import Multiplier
from hw.modules.window.operator import (
    MAX_CHANNELS,
    RESIDUAL_CYCLES,
    SLOTS,
    Channel,
    Offer,
    Operator,
    target_layout,
)

_SUM_BITS = 32
_SCALE_CYCLES = 4
"""From the sums of a group to the first of them before `Requantise`."""


class Parts(wiring.Component):
    """Hold the sums of a group, and give them part by part, a part a clock.

    A part is `results` sums, or `added` where a residual is added.

    Attributes:
        load: In, `sums`, `group` and `to` are those of a group; all parts of the one before are
            through.
        fused: In, stable.
        sums: In.
        lanes: Out, the sums of a part, when `valid`, from the clock behind `load` on.
        part: Out, how many they are, and what ends behind them.
        channel: Out, the number of their first channel.
    """

    def __init__(self, outputs: int, results: int, added: int) -> None:
        """Make it for groups of `outputs`."""
        self._outputs = outputs
        self._results = results
        self._added = added
        super().__init__(
            {
                "load": In(1),
                "fused": In(1),
                "sums": In(data.ArrayLayout(signed(_SUM_BITS), outputs)),
                "group": In(range(MAX_CHANNELS)),
                "to": In(target_layout(outputs)),
                "valid": Out(1),
                "lanes": Out(data.ArrayLayout(signed(_SUM_BITS), results)),
                "part": Out(target_layout(results)),
                "channel": Out(range(MAX_CHANNELS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the sums, which move down to the first lanes, and the count of what is left."""
        m = Module()
        held = Signal.like(self.sums, reset_less=True)
        left = Signal.like(self.to)
        most = Mux(self.fused, self._added, self._results)
        last = left.count <= most
        m.d.comb += [
            self.part.count.eq(Mux(last, left.count, most)),
            self.part.ends.eq(left.ends & last),
            self.part.row_ends.eq(left.row_ends & last),
            *(self.lanes[lane].eq(held[lane]) for lane in range(self._results)),
        ]
        for lane in range(self._outputs):
            whole, few = (
                held[lane + step] if lane + step < self._outputs else held[lane]
                for step in (self._results, self._added)
            )
            m.d.sync += held[lane].eq(Mux(self.load, self.sums[lane], Mux(self.fused, few, whole)))
        with m.If(self.valid):
            m.d.sync += [
                self.valid.eq(~last),
                self.channel.eq(self.channel + most),
                left.count.eq(left.count - most),
            ]
        with m.If(self.load):
            m.d.sync += [
                self.valid.eq(1),
                self.channel.eq(self.group << exact_log2(self._outputs)),
                left.eq(self.to),
            ]
        return m


class Convolution(Operator):
    """`outputs x inputs` products a clock.

    Half of the outputs are requantised a clock, and a residual is added to half of these.

    Averages are products with an identity, which comes as weights.
    """

    folds = True

    def __init__(self, outputs: int, inputs: int) -> None:
        """Make the operator; both numbers are powers of two, of the outputs at least two."""
        self.lanes, self.outputs = inputs, outputs
        self.results = outputs // REQUANTISE_CYCLES
        self.residual_lanes = max(1, outputs // ADDITION_CYCLES)
        self.word_beats = multiplier.chains(outputs, inputs)
        self.latency_cycles = (
            multiplier.latency_cycles(inputs) + 2 + _SCALE_CYCLES + requantise.LATENCY_CYCLES
        )
        self.fused_latency_cycles = self.latency_cycles + addition.LATENCY_CYCLES
        resident = Offer(False, None, "steps", True, False, REQUANTISE_CYCLES, ADDITION_CYCLES)
        depth = -(-outputs // inputs)
        average = Offer(True, depth, "depth", True, False, REQUANTISE_CYCLES, ADDITION_CYCLES)
        self.offers = {
            Operation.CONVOLUTION: resident,
            Operation.DENSE: resident,
            Operation.AVERAGE_POOL: average,
        }
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        """Return multiplier, accumulators, and the pipelines behind them."""
        m = Module()
        m.submodules.multiplier = products = Multiplier(self.outputs, self.lanes)
        m.submodules.parts = parts = Parts(self.outputs, self.results, self.residual_lanes)
        m.d.comb += [
            products.weights.eq(self.weights),
            products.weights_valid.eq(self.weights_valid),
            products.slot.eq(self.slot),
            products.int4.eq(self.mode.int4),
            products.codes.eq(self.step.codes),
            products.weight.eq(self.step.weight),
            parts.fused.eq(self.mode.fused),
        ]
        self._accumulate(m, products, parts)
        header = self.header(m)
        self.refuse(m, header)
        scaled = self._scale(m, parts, header)
        sums = self._add(m, scaled, header)
        self._give(m, scaled, sums)
        return m

    def _accumulate(self, m: Module, products: Multiplier, parts: Parts) -> None:
        """Add the sums of the steps of a group."""
        cycles = multiplier.latency_cycles(self.lanes)
        first = delay(m, self.step.first, cycles)
        for lane in range(self.outputs):
            total = Signal(signed(_SUM_BITS), name=f"sum{lane}", reset_less=True)
            m.d.sync += total.eq(Mux(first, 0, total) + products.sums[lane])
            m.d.comb += parts.sums[lane].eq(total)
        last = self.step_valid & self.step.last
        m.d.comb += [
            parts.load.eq(delay(m, last, cycles + 1, reset_less=False)),
            parts.group.eq(delay(m, self.step.group, cycles + 1)),
            parts.to.eq(delay(m, self.step.to.as_value(), cycles + 1)),
        ]

    def _scale(self, m: Module, parts: Parts, header: data.View) -> requantise.Requantise:
        """Requantise the sums of a part; return what does."""
        m.submodules.requantise = pipeline = requantise.Requantise(
            self.results, target_layout(self.results)
        )
        low, high = self.limits(m, header.low, header.high)
        m.d.comb += [
            pipeline.valid.eq(delay(m, parts.valid, _SCALE_CYCLES - 1, reset_less=False)),
            pipeline.tag.eq(delay(m, parts.part.as_value(), _SCALE_CYCLES - 1)),
            pipeline.zero_point.eq(header.zero_point),
            pipeline.low.eq(low),
            pipeline.high.eq(high),
        ]
        for lane, channel in enumerate(self._channels(m, parts.channel)):
            total = stage(m, parts.lanes[lane], f"total{lane}")
            biased = stage(m, total + channel.bias, f"biased{lane}")
            shifted = (biased >> header.pre_shift[:PRE_SHIFT_BITS])[: ACCUMULATOR_BITS + 1]
            m.d.comb += [
                pipeline.accumulators[lane].eq(stage(m, shifted.as_signed(), f"shifted{lane}")),
                pipeline.multipliers[lane].eq(delay(m, channel.multiplier, 2)),
                pipeline.shifts[lane].eq(delay(m, channel.shift, 2)),
            ]
        return pipeline

    def _channels(self, m: Module, first: Value) -> list[data.View]:
        """Keep the channels of both tables; return those from `first` on, a clock later."""
        bits = exact_log2(self.results)
        depth_bits = exact_log2(MAX_CHANNELS) - bits
        kept = []
        for lane in range(self.results):
            memory = Memory(shape=Channel, depth=SLOTS << depth_bits, init=[])
            m.submodules[f"channels{lane}"] = memory
            write, read = memory.write_port(), memory.read_port()
            index = self.table.index
            m.d.comb += [
                write.addr.eq(Cat(index[bits : bits + depth_bits], self.table.slot)),
                write.data.eq(self.table.beat),
                write.en.eq(self.table_valid & ~self.table.header & (index[:bits] == lane)),
                read.addr.eq(Cat(first[bits:], self.slot)),
            ]
            kept.append(read.data)
        if self.residual_lanes == self.results:
            return kept
        upper = stage(m, first[bits - 1], "upper")
        return [
            data.View(
                Channel,
                Mux(upper, kept[lane + self.residual_lanes].as_value(), kept[lane].as_value()),
            )
            if lane < self.residual_lanes
            else kept[lane]
            for lane in range(self.results)
        ]

    def _add(
        self, m: Module, scaled: requantise.Requantise, header: data.View
    ) -> addition.Addition:
        """Add the residual to what was requantised; return what does."""
        m.submodules.addition = pipeline = addition.Addition(
            self.residual_lanes, target_layout(self.results)
        )
        low, high = self.limits(m, header.add_low, header.add_high)
        ahead = requantise.LATENCY_CYCLES - RESIDUAL_CYCLES
        m.d.comb += [
            self.residual_take.eq(
                delay(m, scaled.valid & self.mode.fused, ahead, reset_less=False)
            ),
            self.residual_count.eq(delay(m, scaled.tag.count, ahead)),
            self.residual_ends.eq(delay(m, scaled.tag.ends, ahead)),
            pipeline.valid.eq(scaled.codes_valid & self.mode.fused),
            pipeline.tag.eq(scaled.codes_tag),
            *(pipeline.a[lane].eq(scaled.codes[lane]) for lane in range(self.residual_lanes)),
            pipeline.b.eq(self.residual),
            pipeline.multiplier_a.eq(header.add_multiplier_a),
            pipeline.multiplier_b.eq(header.add_multiplier_b),
            pipeline.constant.eq(header.add_constant),
            pipeline.shift.eq(header.add_shift),
            pipeline.low.eq(low),
            pipeline.high.eq(high),
        ]
        return pipeline

    def _give(self, m: Module, scaled: requantise.Requantise, sums: addition.Addition) -> None:
        """Give sums if a residual is added, else what was requantised."""
        fused = self.mode.fused
        m.d.sync += self.codes_valid.eq(Mux(fused, sums.codes_valid, scaled.codes_valid))
        tag = data.View(
            target_layout(self.results),
            stage(m, Mux(fused, sums.codes_tag.as_value(), scaled.codes_tag.as_value()), "tag"),
        )
        m.d.comb += [
            self.codes_count.eq(tag.count),
            self.codes_ends.eq(tag.ends),
            self.codes_row_ends.eq(tag.row_ends),
        ]
        plain, added = Cat(*scaled.codes), Cat(*sums.codes)
        m.d.comb += self.codes.eq(stage(m, Mux(fused, added, plain), "codes"))
