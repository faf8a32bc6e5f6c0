"""From steps to codes: products, their sum over a channel, requantisation.

Products are added in pairs, `P = A * B` and then `P = A * B + PCIN`, so both DSP48 of a pair have
registers before the product, behind it and behind the sum; a tree adds the pairs.

Ref: 7 Series DSP48E1 Slice User Guide
Document: AMD UG479, chapter 2
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from fpga_rt.arithmetic.requantise import ACCUMULATOR_BITS, PRE_SHIFT_BITS
from fpga_rt.contract.table import HEADER
from fpga_rt.modules.dense import TABLE_CHANNELS
from hw.blocks import requantise
from hw.blocks.boundary import STREAM_BITS
from hw.blocks.pipeline import delay, stage
from hw.blocks.record import record
from hw.modules.dense.intake import HEADER_BEATS, SLOTS, TableWrite
from hw.modules.dense.walker import step_layout
from hw.modules.elementwise.walker import place_layout

SUM_BITS = 33
"""Of 32768 products of int8 and a bias of 32 bits."""

_PAIR_CYCLES = 4
_CHANNEL_READ_CYCLES = 2
_Channel = data.StructLayout({"bias": signed(32), "multiplier": 24, "shift": 6, "unused": 2})


class Neuron(wiring.Component):
    """Compute a step a clock; a channel's code follows `latency_cycles` behind its last step.

    Attributes:
        latency_cycles: clocks from a step to its code.
        table: In, a beat of a table to keep, when `table_valid`.
        slot: In, the table that counts; settles in two clocks.
        step: In, when `step_valid`.
        code: Out, when `code_valid`, and in `to` where it goes.
        refused: Out, it cannot compute with the table that counts.
    """

    def __init__(self, lanes: int) -> None:
        """Make a neuron of `lanes` lanes, a power of two from 2 on."""
        self._lanes = lanes
        self._sum_cycles = _PAIR_CYCLES + exact_log2(lanes) - 1
        self.latency_cycles = self._sum_cycles + 2 + requantise.LATENCY_CYCLES
        super().__init__(
            {
                "table": In(TableWrite),
                "table_valid": In(1),
                "slot": In(1),
                "step": In(step_layout(lanes)),
                "step_valid": In(1),
                "code": Out(signed(8)),
                "code_valid": Out(1),
                "to": Out(place_layout(1)),
                "refused": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the sum of a step, that of a channel, and the requantisation."""
        m = Module()
        m.submodules.requantise = pipeline = requantise.Requantise(1, place_layout(1))
        header = self._header(m)
        channel = self._channel(m)
        first = delay(m, self.step.first, self._sum_cycles)
        valid = delay(m, self.step_valid, self._sum_cycles, reset_less=False)
        products, total = self._sum(m), Signal(signed(SUM_BITS), reset_less=True)
        with m.If(valid):
            m.d.sync += total.eq(Mux(first, channel.bias, total) + products)
        shifted = (total >> header.pre_shift[:PRE_SHIFT_BITS])[: ACCUMULATOR_BITS + 1]
        ends = self.step_valid & self.step.last
        m.d.comb += [
            pipeline.valid.eq(delay(m, ends, self._sum_cycles + 2, reset_less=False)),
            pipeline.tag.eq(delay(m, self.step.to.as_value(), self._sum_cycles + 2)),
            pipeline.accumulators[0].eq(stage(m, shifted.as_signed(), "shifted")),
            pipeline.multipliers[0].eq(delay(m, channel.multiplier, 2)),
            pipeline.shifts[0].eq(delay(m, channel.shift, 2)),
            pipeline.zero_point.eq(header.zero_point),
            # Limits in order: where they are not, `high` is the only output.
            pipeline.low.eq(
                stage(m, Mux(header.low > header.high, header.high, header.low), "low")
            ),
            pipeline.high.eq(stage(m, header.high, "high")),
            self.code.eq(pipeline.codes[0]),
            self.code_valid.eq(pipeline.codes_valid),
            self.to.eq(pipeline.codes_tag),
            self.refused.eq(header.pre_shift[PRE_SHIFT_BITS:].any()),
        ]
        return m

    def _sum(self, m: Module) -> Value:
        """Return the sum of a step's products, `_sum_cycles` later."""
        sums = [self._pair(m, lane) for lane in range(0, self._lanes, 2)]
        while len(sums) > 1:
            sums = [stage(m, a + b, "sum") for a, b in zip(sums[0::2], sums[1::2], strict=True)]
        return sums[0]

    def _pair(self, m: Module, lane: int) -> Value:
        """Return the sum of two neighbouring lanes' products; the second runs a clock behind."""
        total: Value | int = 0
        for index in (lane, lane + 1):
            late = index - lane
            code = delay(m, self.step.codes[index], late)
            weight = delay(m, self.step.weights[index], late)
            product = stage(m, stage(m, code, "code") * stage(m, weight, "weight"), "product")
            total = stage(m, product + total, "pair")
        return total

    def _header(self, m: Module) -> data.View:
        """Keep the headers; return the one that counts."""
        kept = [Signal(record(HEADER), name=f"header{slot}") for slot in range(SLOTS)]
        for slot, header in enumerate(kept):
            chosen = self.table_valid & self.table.header & (self.table.slot == slot)
            for beat in range(HEADER_BEATS):
                with m.If(chosen & (self.table.index == beat)):
                    part = header.as_value()[beat * STREAM_BITS : (beat + 1) * STREAM_BITS]
                    m.d.sync += part.eq(self.table.beat)
        current = Signal(record(HEADER), name="header")
        m.d.sync += current.eq(Mux(self.slot, kept[1].as_value(), kept[0].as_value()))
        return current

    def _channel(self, m: Module) -> data.View:
        """Keep the channels of both tables; return that of a step when its sum is there."""
        memory = Memory(shape=STREAM_BITS, depth=SLOTS * TABLE_CHANNELS, init=[])
        m.submodules.channels = memory
        write, read = memory.write_port(), memory.read_port()
        channel = delay(m, self.step.channel, self._sum_cycles - _CHANNEL_READ_CYCLES)
        m.d.comb += [
            write.addr.eq(Cat(self.table.index, self.table.slot)),
            write.data.eq(self.table.beat),
            write.en.eq(self.table_valid & ~self.table.header),
            read.addr.eq(Cat(channel, self.slot)),
        ]
        return data.View(_Channel, stage(m, read.data, "channel"))
