"""From a descriptor to the work it comes to: products by a serial multiplier.

Products are computed one by one, a bit of the second factor a clock up to its highest one. Some go
on from the sum or the product before, and some only tell whether the descriptor can be computed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from fpga_rt.contract.command import COMMAND, STREAM_BYTES, CommandFlag
from fpga_rt.modules.window_cycles import LINE_BYTES, OUTPUT_ROW_BEATS
from hw.blocks.pipeline import stage
from hw.blocks.record import record
from hw.modules.window.operator import HEADER_BEATS, MAX_CHANNELS, WEIGHT_WORDS, Operator
from hw.modules.window.work import LINE_BEATS, POSITION_BITS, work_layout

_FACTOR_BITS = 16
_PRODUCT_BITS = 25
"""Of a product of 16 by 8 bits, signed."""
_NON_ZERO = (
    "input_height input_width input_channels output_height output_width output_channels"
    " kernel_height kernel_width stride_y stride_x"
).split()
_SINGLE = ("kernel_height", "kernel_width", "stride_y", "stride_x")

Values = dict[str, Value]


@dataclass(frozen=True)
class _Product:
    """A product, and what becomes of it.

    Attributes:
        left: the first factor.
        right: the second factor, whose bits take a clock each.
        follows: whether it is subtracted from the product before; else it is one of its own.
        negative: whether it is subtracted from zero.
    """

    left: Value
    right: Value
    follows: Value | int = 0
    negative: Value | int = 0


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
        kept = {
            name: Signal(bits, name=name)
            for name, bits in (
                ("row", _PRODUCT_BITS), ("start", POSITION_BITS), ("pixel", POSITION_BITS),
                ("column", POSITION_BITS), ("results", _PRODUCT_BITS), ("words", _PRODUCT_BITS),
                ("across", 1), ("along", 1), ("ring", _PRODUCT_BITS),
                ("top", exact_log2(LINE_BEATS)), ("down", exact_log2(LINE_BEATS)),
            )
        }  # fmt: skip
        s["row_beats"] = stage(m, _beats(kept["row"][: LINE_BYTES.bit_length()]), "row_beats")
        large = self._multiply(m, s, kept)
        if not self._operator.folds:
            kept["column"] = s["pitch"]
        self._fill(m, s, kept, self._refused(m, s, kept) | large)
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

    def _columns(self, m: Module, s: Values) -> Values:
        """Count the steps across the kernel: its width over the columns that share a step."""
        c, o = self.descriptor, self._operator
        if not o.folds:
            return {"column_steps": c.kernel_width, "counted": Const(1), "fold": Const(1)}
        fold, most = Signal(range(o.lanes + 2), init=1), Signal(range(o.lanes + 2), init=1)
        m.d.sync += [most.eq(1), fold.eq(Mux(c.kernel_width < most, c.kernel_width, most))]
        with m.If(s["per_channel"]):
            m.d.sync += fold.eq(1)
        with m.Switch(c.input_channels):
            for channels in range(1, o.lanes // 2 + 1):
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

    def _products(self, s: Values, total: Value) -> dict[str, _Product]:
        """Return the products in their order; none takes the one right before it but as `total`."""
        c, o = self.descriptor, self._operator
        one = Const(1, 1)
        wrapped = s["wraps"] & c.pad_top.any()
        products = {
            "row": _Product(s["pitch"], c.input_width),
            "start": _Product(s["pitch"], c.pad_left, negative=1),
            "pixel": _Product(s["pitch"], c.stride_x),
            "results": _Product(s["piece_results"], c.output_width),
            "": _Product(c.output_width, c.stride_x),
            "across": _Product(s["reach_x"], one, follows=1),
            " ": _Product(c.output_height, c.stride_y),
            "along": _Product(s["reach_y"], one, follows=1),
            "ring": _Product(s["row_beats"], s["slots"]),
            "top": _Product(s["row_beats"], c.pad_top, follows=wrapped, negative=1),
            "down": _Product(s["row_beats"], c.stride_y),
        }
        if o.folds:
            products["column"] = _Product(s["pitch"], s["fold"])
        if o.word_beats:
            steps = total[:-1]
            products["kernel"] = _Product(s["column_steps"], c.kernel_height)
            if any(offer.depth != 1 for offer in o.offers.values()):
                products["steps"] = _Product(steps, s["depth"])
            word_steps = Mux(s["int4"], (steps + 1) >> 1, steps)
            products["words"] = _Product(word_steps, s["groups"])
        return products

    def _multiply(self, m: Module, s: Values, kept: dict[str, Signal]) -> Signal:
        """Compute the products one by one; return whether one is too large for anything."""
        a, b, total = Signal(_PRODUCT_BITS), Signal(_FACTOR_BITS), Signal(_PRODUCT_BITS)
        products = self._products(s, total)
        names = list(products)
        at = Signal(len(names) + 2)  # one bit, of the next product
        negative, large, settled, busy = Signal(), Signal(), Signal(2), Signal()
        m.d.sync += settled.eq(Cat(self.start, settled))
        held = at[names.index("kernel")] & ~s["counted"] if "kernel" in names else Const(0)
        follows = _any(at, (product.follows for product in products.values()))
        subtracts = follows | _any(at, (product.negative for product in products.values()))
        term = (a & b[0].replicate(_PRODUCT_BITS)) ^ negative.replicate(_PRODUCT_BITS)
        with m.If(self.start | settled.any()):
            m.d.sync += [at.eq(1), busy.eq(0), self.done.eq(0), large.eq(0)]
        with m.Elif(busy):
            m.d.sync += [
                total.eq((Cat(1, total) + Cat(negative, term)) >> 1),
                a.eq(a << 1),
                b.eq(b >> 1),
                busy.eq(b[1:].any()),
                large.eq(large | a[-1]),
            ]
        with m.Elif(at[-1]):
            m.d.sync += self.done.eq(1)
        with m.Elif(~held):
            m.d.sync += [
                at.eq(at << 1),
                busy.eq(1),
                a.eq(_any(at, (product.left for product in products.values()))),
                b.eq(_any(at, (product.right for product in products.values()))),
                negative.eq(subtracts),
            ]
            with m.If(~follows):
                m.d.sync += total.eq(0)
            for name, register in kept.items():
                if name in names:
                    with m.If(at[names.index(name) + 1]):
                        value = total[-1] if name in ("across", "along") else total
                        m.d.sync += register.eq(value)
        return large

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
            ~p["across"],
            ~p["along"],
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


def _any(chosen: Value, values: Iterable[Value | int]) -> Value:
    """Return the value of the bit that is chosen, zero if there is none of it."""
    result: Value = Const(0)
    for bit, value in zip(chosen, values, strict=False):
        if not isinstance(value, int):
            result = result | (value & bit.replicate(len(value)))
        elif value:
            result = result | bit
    return result
