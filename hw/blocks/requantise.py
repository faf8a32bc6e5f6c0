"""From accumulators back to int8, `fpga_rt.arithmetic.requantise` as a pipeline.

A lane is two DSP48 in cascade, with registers before the product, after it and after the sum:

    P = accumulator * multiplier[0:17]
    Q = accumulator * multiplier[17:24] + (P >> 17)
    t = Q >> (shift - 18)
    y = clamp((t >> 1) + (t & 1) + zero_point, low, high)

This equals the rule, whose constant 48 bits do not hold at the largest shift: a floor within a
floor changes nothing, to add a half before a floor is to add the bit that it cuts off, and a whole
number may be added behind it. The second product runs a clock behind the first, whose sum it takes.

Ref: 7 Series DSP48E1 Slice User Guide
Document: AMD UG479, chapter 2
"""

from __future__ import annotations

from amaranth.hdl import Module, ShapeLike, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fpga_rt.arithmetic.requantise import ACCUMULATOR_BITS, MULTIPLIER_BITS, SHIFTS
from hw.blocks.pipeline import delay, stage
from hw.blocks.saturate import clamp, narrow_shift

LATENCY_CYCLES = 8
"""Clocks from `valid` to `codes_valid`."""
SHIFT_BITS = 6
_CASCADE_CYCLES = 4
_DISTANCE_BITS = 5
_SPLIT = 17
"""Bits that a DSP48 shifts its neighbour's sum by."""
_SUM_BITS = ACCUMULATOR_BITS + 1 + MULTIPLIER_BITS - _SPLIT
"""Of Q."""
_WHOLE_BITS = 9
"""Enough that the saturated value plus any zero point is right or beyond both limits."""


class Requantise(wiring.Component):
    """Requantise `lanes` accumulators a clock; what enters leaves `LATENCY_CYCLES` later.

    There is no back-pressure inside: who feeds it makes room for what comes out, and may feed it
    from somewhere else each clock. `tag` travels along.

    Attributes:
        valid: In, the inputs of this clock count.
        tag: In, any bits.
        accumulators: In, bias added and shifted right by `pre_shift`; 25 bits, signed, a lane.
        multipliers: In, 24 bits a lane.
        shifts: In, 18 to 44 a lane.
        zero_point: In, of the output; constant while anything is under way, as are `low` and
            `high`, of which `low` is not the larger.
        codes_valid: Out, `valid` of `LATENCY_CYCLES` before, and so are `codes_tag` and `codes`.
    """

    def __init__(self, lanes: int, tag: ShapeLike = 0) -> None:
        """Make a pipeline of `lanes` lanes with a tag of a shape."""
        self.lanes = lanes
        super().__init__(
            {
                "valid": In(1),
                "tag": In(tag),
                "accumulators": In(data.ArrayLayout(signed(ACCUMULATOR_BITS + 1), lanes)),
                "multipliers": In(data.ArrayLayout(MULTIPLIER_BITS, lanes)),
                "shifts": In(data.ArrayLayout(SHIFT_BITS, lanes)),
                "zero_point": In(signed(8)),
                "low": In(signed(8)),
                "high": In(signed(8)),
                "codes_valid": Out(1),
                "codes_tag": Out(tag),
                "codes": Out(data.ArrayLayout(signed(8), lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the lanes, and the delay of what goes along with them."""
        m = Module()
        m.d.comb += self.codes_valid.eq(delay(m, self.valid, LATENCY_CYCLES, reset_less=False))
        m.d.comb += self.codes_tag.eq(delay(m, self.tag, LATENCY_CYCLES))
        for lane in range(self.lanes):
            m.d.comb += self.codes[lane].eq(self._lane(m, lane))
        return m

    def _lane(self, m: Module, lane: int) -> Value:
        """Add a lane; return its code."""
        total = self._cascade(m, lane)
        distance = delay(m, self.shifts[lane] - SHIFTS[0], _CASCADE_CYCLES)[:_DISTANCE_BITS]
        near = narrow_shift(m, total, distance, _WHOLE_BITS + 1, f"shifted{lane}")
        whole = stage(m, near[1:].as_signed(), f"whole{lane}")
        half = stage(m, near[0], f"half{lane}")
        moved = stage(m, whole + self.zero_point + half, f"moved{lane}")
        return stage(m, clamp(moved, self.low, self.high), f"code{lane}")

    def _cascade(self, m: Module, lane: int) -> Signal:
        """Add both DSP48 of a lane; return Q."""
        multiplier = self.multipliers[lane]
        accumulator = stage(m, self.accumulators[lane], f"accumulator{lane}")
        low = stage(m, multiplier[:_SPLIT], f"multiplier_low{lane}")
        product_low = stage(m, accumulator * low, f"product_low{lane}")
        sum_low = stage(m, product_low, f"sum_low{lane}")

        behind = stage(m, accumulator, f"accumulator_behind{lane}")
        high = delay(m, multiplier[_SPLIT:], 2)
        product = stage(m, behind * high, f"product_high{lane}")
        total = Signal(signed(_SUM_BITS), name=f"sum{lane}", reset_less=True)
        m.d.sync += total.eq(product + (sum_low >> _SPLIT))
        return total
