"""From a descriptor to the work it comes to.

Two serial multipliers compute what depends on products, each one after the other; the rest follows
from sums and comparisons. All of it is there before the shortest parameters could be: with numbers
of a few bits about 20 clocks behind the descriptor, and never more than `MOST_CYCLES`.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from fpga_rt.contract.command import COMMAND, STREAM_BYTES, CommandFlag
from fpga_rt.modules.window_cycles import LINE_BYTES, OUTPUT_ROW_BEATS
from hw.blocks.pipeline import stage
from hw.blocks.record import record
from hw.modules.window.operator import HEADER_BEATS, MAX_CHANNELS, WEIGHT_WORDS, Operator
from hw.modules.window.products import PRODUCT_BITS, Product, compute
from hw.modules.window.work import LINE_BEATS, POSITION_BITS, work_layout

_NON_ZERO = (
    "input_height input_width input_channels output_height output_width output_channels"
    " kernel_height kernel_width stride_y stride_x"
).split()
_SINGLE = ("kernel_height", "kernel_width", "stride_y", "stride_x")
_KERNEL_BITS = 8

Values = dict[str, Value]


class Decoder(wiring.Component):
    """Compute the work of a descriptor.

    Attributes:
        descriptor: In, from `start` to `done`.
        start: In, strobe.
        done: Out, until the next `start`.
        work: Out, from the clock behind `done` on.
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
        """Return what needs no product, the multipliers, and what follows from products."""
        m = Module()
        s = self._sizes(m) | self._offer(m)
        started = Signal()
        m.d.sync += started.eq(self.start)
        begin = self.start | started
        s |= self._columns(m, s, started)
        kept = {
            name: Signal(bits, name=name)
            for name, bits in (
                ("row", PRODUCT_BITS), ("column", POSITION_BITS), ("pixel", POSITION_BITS),
                ("ring", PRODUCT_BITS), ("top", exact_log2(LINE_BEATS)),
                ("down", exact_log2(LINE_BEATS)), ("results", PRODUCT_BITS),
                ("across", PRODUCT_BITS), ("along", PRODUCT_BITS), ("start", POSITION_BITS),
                ("words", PRODUCT_BITS),
            )
        }  # fmt: skip
        s["row_beats"] = stage(m, _beats(kept["row"][: LINE_BYTES.bit_length()]), "row_beats")
        totals = [Signal(PRODUCT_BITS, name=f"total{number}") for number in range(2)]
        of_rows = compute(m, begin, totals[0], self._of_rows(s), kept)
        others = compute(m, begin, totals[1], self._others(s, totals[1]), kept)
        if not self._operator.folds:
            kept["column"] = s["pitch"]
        large = stage(m, of_rows.large | others.large, "large")
        self._fill(m, s, kept, self._refused(m, s, kept) | large)
        settled = Signal()  # what follows from the last products is a clock late
        m.d.sync += [
            settled.eq(of_rows.done & others.done & ~begin),
            self.done.eq(settled & ~begin),
        ]
        return m

    def _sizes(self, m: Module) -> Values:
        """Return what follows from sums and comparisons."""
        c, o = self.descriptor, self._operator
        whole = stage(m, (c.input_width == 1) | (c.input_pixel_pitch == c.input_channels), "whole")
        output_whole = stage(
            m,
            (c.output_width == 1) | (c.output_pixel_pitch == c.output_channels),
            "output_whole",
        )
        tail, pixel_beats = c.input_channels[:3], _beats(c.input_channels)
        slots = stage(m, c.kernel_height + Mux(c.output_height == 1, 0, c.stride_y), "all_slots")
        wraps = stage(m, slots < c.input_height, "wraps")
        piece_results = Mux(output_whole, c.output_channels, _beats(c.output_channels))
        return {
            "whole": whole,
            "pitch": stage(m, Mux(whole, c.input_channels, pixel_beats << 3)[:16], "pitch"),
            "pixel_beats": pixel_beats,
            "wraps": wraps,
            "slots": stage(m, Mux(wraps, slots, c.input_height[:9]), "slots"),
            "output_whole": output_whole,
            "piece_results": stage(m, piece_results, "piece_results"),
            "groups": stage(m, _ceil(c.output_channels[:9], exact_log2(o.outputs)), "groups"),
            "tail": tail,
            "reach_x": stage(m, c.input_width + (c.pad_left + c.stride_x), "reach_x"),
            "reach_y": stage(m, c.input_height + (c.pad_top + c.stride_y), "reach_y"),
            "int4": (c.flags & CommandFlag.WEIGHTS_INT4).any(),
            "fused": (c.flags & CommandFlag.FUSED_ADDITION).any(),
            "streamed": (c.flags & CommandFlag.STREAMED_WEIGHTS).any(),
        }

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
        all_depth = _ceil(c.input_channels, exact_log2(o.lanes))
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

    def _columns(self, m: Module, s: Values, started: Value) -> Values:
        """Divide the kernel's width by the columns that share a step, a bit a clock."""
        c, o = self.descriptor, self._operator
        if not o.folds:
            return {"column_steps": c.kernel_width, "counted": Const(1), "fold": Const(1)}
        half = o.lanes // 2
        few = stage(m, (c.input_channels != 0) & (c.input_channels <= half), "few_channels")
        number = stage(m, c.input_channels[: half.bit_length()], "channels")
        most, fold = Signal(range(o.lanes + 1)), Signal(range(o.lanes + 1), init=1)
        found = Signal.like(most)
        with m.Switch(number):
            for channels in range(1, half + 1):
                with m.Case(channels):
                    m.d.comb += found.eq(o.lanes // channels)
        m.d.sync += [
            most.eq(Mux(few & ~s["per_channel"], found, 1)),
            fold.eq(Mux(c.kernel_width < most, c.kernel_width, most)),
        ]
        begin = stage(m, stage(m, started, "folding"), "divides")
        divisor = Signal(len(fold) + _KERNEL_BITS - 1)
        rest, quotient = Signal(_KERNEL_BITS + 1), Signal(_KERNEL_BITS + 1)
        goes = rest >= divisor
        with m.If(begin):
            m.d.sync += [
                rest.eq(c.kernel_width + (fold - 1)),
                divisor.eq(fold << (_KERNEL_BITS - 1)),
                quotient.eq(1),
            ]
        with m.Elif(~quotient[-1]):
            m.d.sync += [
                rest.eq(Mux(goes, rest - divisor, rest)),
                divisor.eq(divisor >> 1),
                quotient.eq(Cat(goes, quotient)),
            ]
        with m.If(self.start | started):
            m.d.sync += quotient.eq(0)
        return {"fold": fold, "column_steps": quotient[:-1], "counted": quotient[-1]}

    def _of_rows(self, s: Values) -> dict[str, Product]:
        """Return the products that begin with the bytes of a row, and then with its beats."""
        c, pitch, beats = self.descriptor, s["pitch"], s["row_beats"]
        wrapped = s["wraps"] & c.pad_top.any()
        products = {"row": Product(pitch, c.input_width), "pixel": Product(pitch, c.stride_x)}
        if self._operator.folds:
            products["column"] = Product(pitch, s["fold"])
        return products | {
            "ring": Product(beats, s["slots"]),
            "top": Product(beats, c.pad_top, follows=wrapped, negative=1),
            "down": Product(beats, c.stride_y),
        }

    def _others(self, s: Values, total: Signal) -> dict[str, Product]:
        """Return the products of everything else; `total` is the one before."""
        c, o = self.descriptor, self._operator
        products = {
            "results": Product(s["piece_results"], c.output_width),
            "across": Product(c.output_width, c.stride_x),
            "along": Product(c.output_height, c.stride_y),
            "start": Product(s["pitch"], c.pad_left, negative=1),
        }
        if o.word_beats:
            steps = total[:-1]
            products["kernel"] = Product(s["column_steps"], c.kernel_height, ready=s["counted"])
            if any(offer.depth != 1 for offer in o.offers.values()):
                products["steps"] = Product(steps, s["depth"])
            word_steps = Mux(s["int4"], (steps + 1) >> 1, steps)
            products["words"] = Product(word_steps, s["groups"])
        return products

    def _refused(self, m: Module, s: Values, p: dict[str, Signal]) -> Value:
        """Tell whether the module cannot compute a descriptor."""
        c, o = self.descriptor, self._operator
        terms = [
            ~s["offered"],
            s["fused"] & ~s["fuses"],
            s["streamed"],
            c.table_beats != Mux(s["in_table"], c.output_channels, 0)[:10] + HEADER_BEATS,
            c.output_channels > MAX_CHANNELS,
            *(c[name] == 0 for name in _NON_ZERO),
            c.pad_top >= c.kernel_height,
            c.pad_left >= c.kernel_width,
            p["row"] > LINE_BYTES,
            p["ring"] > LINE_BEATS,
            self._result_beats(s, p) > OUTPUT_ROW_BEATS,
            p["across"] >= s["reach_x"],
            p["along"] >= s["reach_y"],
        ]
        if any(offer.per_channel for offer in o.offers.values()):
            terms += [s["per_channel"] & (c.input_channels != c.output_channels)]
        if any(offer.residual for offer in o.offers.values()):
            several = [c[name] != 1 for name in _SINGLE] + [c.pad_top.any(), c.pad_left.any()]
            several += [c.input_height != c.output_height, c.input_width != c.output_width]
            terms += [s["residual"] & term for term in several]
        if o.folds:
            terms += [(s["fold"] != 1) & ~s["whole"]]
        if o.word_beats:
            words = Mux(s["by_steps"], p["words"], Mux(s["by_depth"], s["depth"], 0))
            words = stage(m, words, "all_words")
            terms += [c.weights_beats != words << exact_log2(o.word_beats), words > WEIGHT_WORDS]
            terms += [s["by_depth"] & s["int4"]]
        else:
            terms += [c.weights_beats.any()]
        return Cat(stage(m, term, "wrong") for term in terms).any()

    def _result_beats(self, s: Values, p: dict[str, Signal]) -> Value:
        return Mux(s["output_whole"], _beats(p["results"]), p["results"])

    def _fill(self, m: Module, s: Values, p: dict[str, Signal], refused: Value) -> None:
        """Give the work."""
        c, o, w = self.descriptor, self._operator, self.work
        last = c.output_channels[: exact_log2(o.outputs)]
        m.d.comb += [
            w.refused.eq(refused),
            w.mode.operation.eq(c.operation),
            w.mode.fused.eq(s["fused"]),
            w.mode.int4.eq(s["int4"]),
            w.rows.eq(c.output_height),
            w.columns.eq(c.output_width),
            w.groups.eq(s["groups"]),
            w.last_count.eq(Cat(last, last == 0)),
            w.output_whole.eq(s["output_whole"]),
            w.kernel_rows.eq(c.kernel_height),
            w.kernel_columns.eq(s["column_steps"]),
            w.depth.eq(s["depth"]),
            w.per_channel.eq(s["per_channel"]),
            w.by_depth.eq(s["by_depth"]),
            w.residual.eq(s["residual"] | s["fused"]),
            w.least.eq(Mux(s["fused"], s["fused_least"], s["least"])),
            w.start.eq(p["start"]),
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
            w.piece_beats.eq(Mux(s["whole"], s["row_beats"], s["pixel_beats"])),
            w.ring.eq(p["ring"]),
            w.top.eq(p["top"]),
            w.down.eq(p["down"]),
            w.wraps.eq(s["wraps"]),
            w.input_rows.eq(c.input_height),
            w.first_rows.eq(c.kernel_height - c.pad_top),
            w.pad_top.eq(c.pad_top),
            w.stride_y.eq(c.stride_y),
            w.result_beats.eq(self._result_beats(s, p)),
        ]


def _ceil(value: Value, bits: int) -> Value:
    """Return a value over a power of two, rounded up."""
    return value[bits:] + value[:bits].any()


def _beats(size_bytes: Value) -> Value:
    return _ceil(size_bytes, exact_log2(STREAM_BYTES))
