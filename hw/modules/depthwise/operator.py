"""Depthwise convolution and average pooling: a multiplier for each channel of a group."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib.memory import Memory
from amaranth.utils import exact_log2

from fpga_rt.contract.command import STREAM_BYTES, Operation
from fpga_rt.modules.depthwise import requantised_a_clock
from hw.blocks.boundary import STREAM_BITS
from hw.blocks.pipeline import delay, stage
from hw.modules.window import scaling
from hw.modules.window.operator import SLOTS, WEIGHT_WORDS, Offer, Operator

SUM_CYCLES = 4
"""Clocks from a step to the sum with it: weights, inputs of the DSP48, product, sum."""

_WHOLE, _ONE, _UPPER, _LOWER = range(4)
"""What of a byte is a weight."""


class Depthwise(Operator):
    """A product a clock for each of `lanes` channels, and an eighth as many results.

    A word of weights is a byte for each lane: a weight, or those of two steps, the even one in the
    low half. Averages multiply with one.
    """

    latency_cycles = SUM_CYCLES + scaling.LATENCY_CYCLES

    def __init__(self, lanes: int) -> None:
        """Make the operator; `lanes` is 2, or a power of two from 8 to 64."""
        self.lanes = self.outputs = lanes
        self.results = requantised_a_clock(lanes)
        self.word_beats = max(1, lanes // STREAM_BYTES)
        least = lanes // self.results
        self.offers = {
            Operation.DEPTHWISE: Offer(True, 1, "steps", True, False, least),
            Operation.AVERAGE_POOL: Offer(True, 1, None, True, False, least),
        }
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        """Return the weights, the lanes, and what requantises their sums."""
        m = Module()
        m.submodules.scaling = scale = scaling.Scaling(self.lanes, self.results)
        header = self.header(m)
        self.refuse(m, header)
        low, high = self.limits(m, header.low, header.high)
        ends = delay(m, self.step_valid & self.step.last, SUM_CYCLES, reset_less=False)
        m.d.comb += [
            scale.table.eq(self.table),
            scale.table_valid.eq(self.table_valid),
            scale.slot.eq(self.slot),
            scale.zero_point.eq(header.zero_point),
            scale.low.eq(low),
            scale.high.eq(high),
            scale.pre_shift.eq(header.pre_shift),
            scale.load.eq(ends),
            scale.group.eq(delay(m, self.step.group, SUM_CYCLES)),
            scale.to.eq(delay(m, self.step.to.as_value(), SUM_CYCLES)),
            self.codes.eq(scale.codes),
            self.codes_count.eq(scale.part.count),
            self.codes_ends.eq(scale.part.ends),
            self.codes_row_ends.eq(scale.part.row_ends),
            self.codes_valid.eq(scale.codes_valid),
        ]
        first = delay(m, self.step.first, SUM_CYCLES - 1)
        for lane, weight in enumerate(self._weights(m)):
            code = delay(m, self.step.codes[lane], 2)
            product = stage(
                m, code.as_signed() * stage(m, weight, f"weight{lane}"), f"product{lane}"
            )
            total = Signal(signed(scaling.SUM_BITS), name=f"sum{lane}", reset_less=True)
            m.d.sync += total.eq(Mux(first, 0, total) + product)
            m.d.comb += scale.sums[lane].eq(total)
        return m

    def _weights(self, m: Module) -> list[Value]:
        """Keep the weights of two commands; return those of a step, a clock later."""
        convolves = self.mode.operation == Operation.DEPTHWISE
        half = Mux(self.step.weight[0], _UPPER, _LOWER)
        kind = Mux(convolves, Mux(self.mode.int4, half, _WHOLE), _ONE)
        part = stage(m, kind, "part")
        word = Mux(self.mode.int4, self.step.weight >> 1, self.step.weight)
        bits, depth_bits = exact_log2(self.word_beats), exact_log2(WEIGHT_WORDS)
        beats = []
        for bank in range(self.word_beats):
            memory = Memory(shape=STREAM_BITS, depth=SLOTS * WEIGHT_WORDS, init=[])
            m.submodules[f"weights{bank}"] = memory
            write, read = memory.write_port(), memory.read_port()
            index = self.weights.index
            m.d.comb += [
                write.addr.eq(Cat(index[bits : bits + depth_bits], self.weights.slot)),
                write.data.eq(self.weights.beat),
                write.en.eq(self.weights_valid & (index[:bits] == bank)),
                read.addr.eq(Cat(word[:depth_bits], self.slot)),
            ]
            beats.append(read.data)
        bytes_ = Cat(*beats)
        return [self._part(m, bytes_.word_select(lane, 8), part) for lane in range(self.lanes)]

    def _part(self, m: Module, byte: Value, part: Signal) -> Signal:
        """Choose a weight from its byte: all of it, its upper or lower half, or one."""
        weight = Signal(signed(8))
        with m.Switch(part):
            with m.Case(_WHOLE):
                m.d.comb += weight.eq(byte)
            with m.Case(_ONE):
                m.d.comb += weight.eq(1)
            with m.Case(_UPPER):
                m.d.comb += weight.eq(byte[4:].as_signed())
            with m.Default():
                m.d.comb += weight.eq(byte[:4].as_signed())
        return weight
