"""From a descriptor to the work it comes to: products by a small serial multiplier."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from fpga_rt.contract.command import COMMAND, STREAM_BYTES, CommandFlag
from fpga_rt.modules.window_cycles import OUTPUT_ROW_BEATS
from hw.blocks.pipeline import stage
from hw.blocks.record import record
from hw.modules.window.operator import HEADER_BEATS, MAX_CHANNELS, WEIGHT_WORDS, Operator
from hw.modules.window.work import LINE_BEATS, work_layout

_DIGIT = 8
"""Bits of a factor that the multiplier takes a clock."""
_FACTOR_BITS = 16
_PRODUCTS = ("row left pixel column results across along ring top down kernel steps words").split()
"""In the order in which they are computed."""
_NON_ZERO = (
    "input_height input_width input_channels output_height output_width output_channels"
    " kernel_height kernel_width stride_y stride_x"
).split()
_SINGLE = ("kernel_height", "kernel_width", "stride_y", "stride_x")

Values = dict[str, Value]


class Decoder(wiring.Component):
    """Compute the work of a descriptor.

    Attributes:
        descriptor: In, from `start` to `done`.
        start: In, strobe.
        done: Out, `work` is that of the descriptor; until the next `start`.
        work: Out.
    """

    def __init__(self, operator: Operator) -> None:
        """Make the decoder of a module with an operator."""
        self._operator = operator
        super().__init__(
            {
                "descriptor": In(record(COMMAND)),
                "start": In(1),
                "done": Out(1),
                "work": Out(work_layout(operator.outputs)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return what needs no product, the multiplier, and what follows from products."""
        m = Module()
        s = self._sizes(m) | self._offer(m)
        s |= self._columns(m, s)
        products = {name: Signal(2 * _FACTOR_BITS, name=name) for name in _PRODUCTS}
        row, steps = products["row"], products["steps"]
        s |= self._keep(
            m,
            {
                "row_beats": ((row + STREAM_BYTES - 1) >> exact_log2(STREAM_BYTES))[:_FACTOR_BITS],
                "word_steps": Mux(s["int4"], (steps + 1) >> 1, steps)[:_FACTOR_BITS],
            },
        )
        self._multiply(m, s, products)
        self._fill(m, s, products, self._refused(m, s, products))
        return m

    def _sizes(self, m: Module) -> Values:
        """Return what follows from sums and comparisons."""
        c, o = self.descriptor, self._operator
        whole = (c.input_width == 1) | (c.input_pixel_pitch == c.input_channels)
        padded = Cat(Const(0, 3), (c.input_channels + STREAM_BYTES - 1)[3:])
        slots = Signal(9)
        m.d.sync += slots.eq(c.kernel_height + Mux(c.output_height == 1, 0, c.stride_y))
        output_whole = (c.output_width == 1) | (c.output_pixel_pitch == c.output_channels)
        return self._keep(
            m,
            {
                "whole": whole,
                "pitch": Mux(whole, c.input_channels, padded)[:_FACTOR_BITS],
                "wraps": slots < c.input_height,
                "slots": Mux(slots < c.input_height, slots, c.input_height)[:9],
                "output_whole": output_whole,
                "piece_results": Mux(
                    output_whole, c.output_channels, (c.output_channels + STREAM_BYTES - 1) >> 3
                ),
                "groups": (c.output_channels + o.outputs - 1) >> exact_log2(o.outputs),
                "tail": c.input_channels[:3],
                "int4": (c.flags & CommandFlag.WEIGHTS_INT4).any(),
                "fused": (c.flags & CommandFlag.FUSED_ADDITION).any(),
                "streamed": (c.flags & CommandFlag.STREAMED_WEIGHTS).any(),
            },
        )

    def _keep(self, m: Module, values: Values) -> Values:
        """Return registers of values."""
        kept: Values = {}
        for name, value in values.items():
            kept[name] = Signal(value.shape(), name=name)
            m.d.sync += kept[name].eq(value)
        return kept

    def _offer(self, m: Module) -> Values:
        """Look the operation up."""
        c, o = self.descriptor, self._operator
        layout = data.StructLayout(
            {
                "offered": 1,
                "fuses": 1,
                "per_channel": 1,
                "by_steps": 1,
                "by_depth": 1,
                "in_table": 1,
                "residual": 1,
                "least": 6,
                "fused_least": 6,
                "depth": 16,
            }
        )
        found = Signal(layout)
        all_depth = (c.input_channels + o.lanes - 1) >> exact_log2(o.lanes)
        m.d.sync += found.offered.eq(0)
        for code, offer in o.offers.items():
            with m.If(c.operation == code):
                m.d.sync += [
                    found.offered.eq(1),
                    found.fuses.eq(offer.fused_cycles is not None),
                    found.per_channel.eq(offer.per_channel),
                    found.by_steps.eq(offer.weights == "steps"),
                    found.by_depth.eq(offer.weights == "depth"),
                    found.in_table.eq(offer.channels_in_table),
                    found.residual.eq(offer.residual),
                    found.least.eq(offer.least_cycles - 1),
                    found.fused_least.eq((offer.fused_cycles or 1) - 1),
                    found.depth.eq(all_depth if offer.depth is None else offer.depth),
                ]
        return {name: found[name] for name in layout.members}

    def _columns(self, m: Module, s: Values) -> Values:
        """Count the steps across the kernel: its width over the columns that share a step."""
        c, o = self.descriptor, self._operator
        fold, most = Signal(range(o.lanes + 2), init=1), Signal(range(o.lanes + 2), init=1)
        m.d.sync += [most.eq(1), fold.eq(Mux(c.kernel_width < most, c.kernel_width, most))]
        with m.If(s["per_channel"]):
            m.d.sync += fold.eq(1)
        with m.Switch(c.input_channels):
            for channels in range(1, o.lanes // 2 + 1 if o.folds else 0):
                with m.Case(channels):
                    m.d.sync += most.eq(o.lanes // channels)
        column_steps, left, counted = Signal(8), Signal(signed(10)), Signal()
        settled = Signal(2)
        m.d.sync += settled.eq(Cat(self.start, settled))
        with m.If(self.start | settled.any()):
            m.d.sync += [column_steps.eq(0), left.eq(c.kernel_width), counted.eq(0)]
        with m.Elif(~counted):
            m.d.sync += [column_steps.eq(column_steps + 1), left.eq(left - fold)]
            m.d.sync += counted.eq(left <= fold)
        return {"fold": fold, "column_steps": column_steps, "counted": counted}

    def _multiply(self, m: Module, s: Values, products: dict[str, Signal]) -> None:
        """Compute the products one by one, a digit a clock; none takes the one right before it."""
        factors = list(self._factors(s, products).items())
        index, digit = Signal(range(len(factors) + 2)), Signal(range(1 + _FACTOR_BITS // _DIGIT))
        a, b, total, upper = Signal(32), Signal(_FACTOR_BITS), Signal(32), Signal(32)
        waiting = Signal(2)
        parts = [Mux(b[bit], a, 0) << bit for bit in range(_DIGIT)]
        kernel = [name for name, _ in factors].index("kernel")
        m.d.sync += waiting.eq(Cat(self.start, waiting))
        with m.If(self.start | waiting.any()):
            m.d.sync += [index.eq(0), digit.eq(0), self.done.eq(0)]
        with m.Elif(digit != 0):
            m.d.sync += [
                total.eq(total + _sum(parts[: _DIGIT // 2])),
                upper.eq(upper + _sum(parts[_DIGIT // 2 :])),
                a.eq(a << _DIGIT),
                b.eq(b >> _DIGIT),
                digit.eq(digit - 1),
            ]
        with m.Elif(index == len(factors) + 1):
            m.d.sync += self.done.eq(1)
        with m.Elif((index != kernel) | s["counted"]):
            m.d.sync += [index.eq(index + 1), total.eq(0), upper.eq(0)]
            with m.Switch(index):
                for number, (_, (left, right)) in enumerate(factors):
                    with m.Case(number):
                        digits = -(-len(right) // _DIGIT)
                        m.d.sync += [a.eq(left), b.eq(right), digit.eq(digits)]
            for number, (name, _) in enumerate(factors):
                with m.If(index == number + 1):
                    m.d.sync += products[name].eq(total + upper)

    def _factors(self, s: Values, p: dict[str, Signal]) -> dict[str, tuple[Value, Value]]:
        """Return the factors of each product; the digits of the second are taken."""
        c = self.descriptor
        return {
            "row": (s["pitch"], c.input_width),
            "pixel": (s["pitch"], c.stride_x),
            "kernel": (s["column_steps"], c.kernel_height),
            "left": (s["pitch"], c.pad_left),
            "steps": (p["kernel"], s["depth"][: exact_log2(4 * WEIGHT_WORDS)]),
            "column": (s["pitch"], s["fold"]),
            "results": (s["piece_results"], c.output_width),
            "words": (s["word_steps"], s["groups"][:9]),
            "across": (c.output_width, c.stride_x),
            "along": (c.output_height, c.stride_y),
            "ring": (s["row_beats"], s["slots"]),
            "top": (s["row_beats"], c.pad_top),
            "down": (s["row_beats"], c.stride_y),
        }

    def _refused(self, m: Module, s: Values, p: dict[str, Signal]) -> Value:
        """Tell whether the module cannot compute a descriptor."""
        c, o = self.descriptor, self._operator
        table_beats = HEADER_BEATS + Mux(s["in_table"], c.output_channels, 0)
        depth_words = Mux(s["by_depth"], s["depth"], 0)
        words = Mux(s["by_steps"], p["words"], depth_words)
        single = Cat(*(c[name] != 1 for name in _SINGLE)).any() | c.pad_top.any()
        single |= c.pad_left.any() | (c.input_height != c.output_height)
        single |= c.input_width != c.output_width
        terms = [
            ~s["offered"],
            s["fused"] & ~s["fuses"],
            s["streamed"],
            c.table_beats != table_beats,
            c.weights_beats != words << exact_log2(o.word_beats)
            if o.word_beats
            else c.weights_beats.any(),
            words > WEIGHT_WORDS,
            *(c[name] == 0 for name in _NON_ZERO),
            c.output_channels > MAX_CHANNELS,
            s["per_channel"] & (c.input_channels != c.output_channels),
            s["residual"] & single,
            c.pad_top >= c.kernel_height,
            c.pad_left >= c.kernel_width,
            p["ring"] > LINE_BEATS,
            p["results"] > self._most_results(s),
            p["across"] >= c.input_width + c.pad_left + c.stride_x,
            p["along"] >= c.input_height + c.pad_top + c.stride_y,
            (s["fold"] != 1) & ~s["whole"],
        ]
        return Cat(stage(m, term, "wrong") for term in terms).any()

    def _most_results(self, s: Values) -> Value:
        return Mux(s["output_whole"], OUTPUT_ROW_BEATS * STREAM_BYTES, OUTPUT_ROW_BEATS)

    def _fill(self, m: Module, s: Values, p: dict[str, Signal], refused: Signal) -> None:
        """Give the work."""
        c, o, w = self.descriptor, self._operator, self.work
        wraps_to = Mux(s["wraps"] & c.pad_top.any(), p["ring"], 0)
        results = (p["results"] + STREAM_BYTES - 1) >> 3
        m.d.comb += [
            w.refused.eq(refused),
            w.mode.operation.eq(c.operation),
            w.mode.fused.eq(s["fused"]),
            w.mode.int4.eq(s["int4"]),
            w.rows.eq(c.output_height - 1),
            w.columns.eq(c.output_width - 1),
            w.groups.eq(s["groups"] - 1),
            w.last_count.eq((c.output_channels - 1)[: exact_log2(o.outputs)] + 1),
            w.output_whole.eq(s["output_whole"]),
            w.kernel_rows.eq(c.kernel_height - 1),
            w.kernel_columns.eq(s["column_steps"] - 1),
            w.depth.eq(s["depth"] - 1),
            w.per_channel.eq(s["per_channel"]),
            w.by_depth.eq(s["by_depth"]),
            w.residual.eq(s["residual"] | s["fused"]),
            w.least.eq(Mux(s["fused"], s["fused_least"], s["least"])),
            w.left.eq(p["left"]),
            w.row.eq(p["row"]),
            w.pixel.eq(p["pixel"]),
            w.column.eq(p["column"]),
            w.kept.eq(
                Cat(
                    s["whole"] | (s["tail"] == 0) | (s["tail"] > byte)
                    for byte in range(STREAM_BYTES)
                )
            ),
            w.row_beats.eq(s["row_beats"]),
            w.piece_beats.eq(Mux(s["whole"], s["row_beats"], s["pitch"] >> 3)),
            w.ring.eq(p["ring"]),
            w.top.eq(wraps_to - p["top"]),
            w.down.eq(p["down"]),
            w.wraps.eq(s["wraps"]),
            w.input_rows.eq(c.input_height),
            w.first_rows.eq(c.kernel_height - c.pad_top),
            w.pad_top.eq(c.pad_top),
            w.stride_y.eq(c.stride_y),
            w.result_beats.eq(Mux(s["output_whole"], results, p["results"])),
        ]


def _sum(terms: list[Value]) -> Value:
    """Return a sum whose adders are a tree."""
    while len(terms) > 1:
        terms = [terms[at] + terms[at + 1] for at in range(0, len(terms), 2)]
    return terms[0]
