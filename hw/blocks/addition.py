"""The sum of two int8 tensors, `fpga_rt.arithmetic.requantise.AdditionRule` as a pipeline.

A lane is two DSP48 in cascade, with registers before the product, after it and after the sum:

    P = a * multiplier_a + constant
    Q = b * multiplier_b + P
    y = clamp(Q >> shift, low, high)

The second product runs a clock behind the first, whose sum it takes.

Ref: 7 Series DSP48E1 Slice User Guide
Document: AMD UG479, chapter 2
"""

from __future__ import annotations

from amaranth.hdl import Module, ShapeLike, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fpga_rt.arithmetic.requantise import MULTIPLIER_BITS
from hw.blocks.pipeline import delay, stage
from hw.blocks.requantise import SHIFT_BITS
from hw.blocks.saturate import clamp, narrow_shift

LATENCY_CYCLES = 7
"""Clocks from `valid` to `codes_valid`."""
CONSTANT_BITS = 48


class Addition(wiring.Component):
    """Add `lanes` pairs a clock; what enters leaves `LATENCY_CYCLES` later.

    There is no back-pressure inside: who feeds it makes room for what comes out. `tag` travels
    along. The rule is constant while anything is under way.

    Attributes:
        valid: In, `a`, `b` and `tag` of this clock count.
        tag: In, any bits.
        a: In, the first operand.
        b: In, the second operand.
        multiplier_a: In, 24 bits.
        multiplier_b: In, 24 bits.
        constant: In, 48 bits, signed; no sum with it exceeds them.
        shift: In, 1 to 39.
        low: In, smallest sum, not larger than `high`.
        high: In, largest sum.
        codes_valid: Out, `valid` of `LATENCY_CYCLES` before, and so are `codes_tag` and `codes`.
    """

    def __init__(self, lanes: int, tag: ShapeLike = 0) -> None:
        """Make a pipeline of `lanes` lanes with a tag of a shape."""
        self.lanes = lanes
        codes = data.ArrayLayout(signed(8), lanes)
        super().__init__(
            {
                "valid": In(1),
                "tag": In(tag),
                "a": In(codes),
                "b": In(codes),
                "multiplier_a": In(MULTIPLIER_BITS),
                "multiplier_b": In(MULTIPLIER_BITS),
                "constant": In(signed(CONSTANT_BITS)),
                "shift": In(SHIFT_BITS),
                "low": In(signed(8)),
                "high": In(signed(8)),
                "codes_valid": Out(1),
                "codes_tag": Out(tag),
                "codes": Out(codes),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the lanes, and the delay of what goes along with them."""
        m = Module()
        m.d.comb += self.codes_valid.eq(delay(m, self.valid, LATENCY_CYCLES, reset_less=False))
        m.d.comb += self.codes_tag.eq(delay(m, self.tag, LATENCY_CYCLES))
        for lane in range(self.lanes):
            near = narrow_shift(m, self._cascade(m, lane), self.shift, 8, f"shifted{lane}")
            rounded = stage(m, near, f"rounded{lane}")
            code = stage(m, clamp(rounded, self.low, self.high), f"code{lane}")
            m.d.comb += self.codes[lane].eq(code)
        return m

    def _cascade(self, m: Module, lane: int) -> Value:
        """Add both DSP48 of a lane; return Q, after four clocks."""
        a = stage(m, self.a[lane], f"a{lane}")
        multiplier_a = stage(m, self.multiplier_a, f"multiplier_a{lane}")
        product_a = stage(m, a * multiplier_a, f"product_a{lane}")
        total_a = Signal(signed(CONSTANT_BITS), name=f"sum_a{lane}", reset_less=True)
        m.d.sync += total_a.eq(product_a + self.constant)

        b = delay(m, self.b[lane], 2)
        multiplier_b = stage(m, self.multiplier_b, f"multiplier_b{lane}")
        product_b = stage(m, b * multiplier_b, f"product_b{lane}")
        total = Signal(signed(CONSTANT_BITS), name=f"sum{lane}", reset_less=True)
        m.d.sync += total.eq(product_b + total_a)
        return total
