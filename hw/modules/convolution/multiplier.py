"""Products of codes and weights, two on a DSP48, summed over the lanes of a step.

A DSP48 multiplies a code by two weights at once: with `w1` in its upper and `w0`, sign-extended, in
its lower 17 bits, a product holds those of both. Up to four of them add in cascade (4 * 128 * 127
is below 2**16), then both sums are taken apart, and what borrowed from the upper one is given back.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.blocks.boundary import STREAM_BITS
from hw.blocks.pipeline import delay, stage
from hw.modules.window.operator import SLOTS, WEIGHT_WORDS, WeightWrite

CHAIN = 4
"""DSP48 that add in cascade."""
LOW_BITS = 17
SUM_BITS = LOW_BITS + 5
"""Of a sum over 128 lanes."""
_MEMORY_CYCLES = 3
"""From a step to the registers before the multiplier."""


def chains(outputs: int, inputs: int) -> int:
    """Return the cascades of a module, which are also the beats of a word of weights."""
    return outputs // 2 * max(1, inputs // CHAIN)


def latency_cycles(inputs: int) -> int:
    """Return the clocks from a step to its sums."""
    links = min(CHAIN, inputs)
    levels: int = exact_log2(max(1, inputs // CHAIN))
    return _MEMORY_CYCLES + 1 + links + 1 + levels


class Multiplier(wiring.Component):
    """Weights of two commands, and `outputs` sums of `inputs` products a clock.

    Attributes:
        weights: In, a beat of weights to keep, when `weights_valid`.
        slot: In, the weights that count; stable like `int4`.
        codes: In, of a step.
        weight: In, the word of weights of the step.
        sums: Out, of the step of `latency_cycles` before.
    """

    def __init__(self, outputs: int, inputs: int) -> None:
        """Make it for an even number of outputs; both numbers are powers of two."""
        self._outputs = outputs
        self._inputs = inputs
        super().__init__(
            {
                "weights": In(WeightWrite),
                "weights_valid": In(1),
                "slot": In(1),
                "int4": In(1),
                "codes": In(data.ArrayLayout(signed(8), inputs)),
                "weight": In(range(2 * WEIGHT_WORDS)),
                "sums": Out(data.ArrayLayout(signed(SUM_BITS), outputs)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the memories, the cascades and the adder trees."""
        m = Module()
        links = min(CHAIN, self._inputs)
        across = max(1, self._inputs // CHAIN)
        codes = [
            delay(m, self.codes[lane], _MEMORY_CYCLES + lane % CHAIN).as_signed()
            for lane in range(self._inputs)
        ]
        odd = delay(m, self.weight[0], 2)
        bits, depth_bits = exact_log2(chains(self._outputs, self._inputs)), exact_log2(WEIGHT_WORDS)
        index = stage(m, self.weights.index, "index")
        self._write = {
            "addr": Cat(index[bits : bits + depth_bits], stage(m, self.weights.slot, "to")),
            "data": self._packed(m),
        }
        self._chosen = (index[:bits], stage(m, self.weights_valid, "taken"))
        row = Mux(self.int4, self.weight >> 1, self.weight)[:depth_bits]
        self._row = Cat(row, self.slot)
        int4 = stage(m, self.int4, "int4")
        for pair in range(self._outputs // 2):
            low: list[Value] = []
            high: list[Value] = []
            for chain in range(across):
                word = self._word(m, pair * across + chain)
                inputs = codes[chain * links : (chain + 1) * links]
                total = self._cascade(m, word, inputs, odd, int4)
                low.append(stage(m, total[:LOW_BITS].as_signed(), "low"))
                borrowed = total[LOW_BITS : 2 * LOW_BITS].as_signed() + total[LOW_BITS - 1]
                high.append(stage(m, borrowed[:LOW_BITS].as_signed(), "high"))
            m.d.comb += self.sums[2 * pair].eq(self._tree(m, low))
            m.d.comb += self.sums[2 * pair + 1].eq(self._tree(m, high))
        return m

    def _word(self, m: Module, number: int) -> Value:
        """Keep the words of a cascade; return that of a step, two clocks later.

        The upper weight is kept less one where the lower is negative: their product is then the
        product of both together.
        """
        memory = Memory(shape=STREAM_BITS, depth=SLOTS * WEIGHT_WORDS, init=[])
        m.submodules[f"weights{number}"] = memory
        write, read = memory.write_port(), memory.read_port()
        chain, taken = self._chosen
        m.d.comb += [
            write.addr.eq(self._write["addr"]),
            write.data.eq(self._write["data"]),
            write.en.eq(taken & (chain == number)),
            read.addr.eq(self._row),
        ]
        return stage(m, read.data, f"word{number}")

    def _packed(self, m: Module) -> Value:
        """Return a beat of weights as it is kept."""
        beat = self.weights.beat
        bytes_, halves = [], []
        for at in range(0, STREAM_BITS, 16):
            w0, w1 = beat[at : at + 8], beat[at + 8 : at + 16]
            bytes_ += [w0, (w1 - w0[7])[:8]]
        for at in range(0, STREAM_BITS, 8):
            w0, w1 = beat[at : at + 4], beat[at + 4 : at + 8]
            halves += [w0, (w1 - w0[3])[:4]]
        return stage(m, Mux(self.weights.int4, Cat(*halves), Cat(*bytes_)), "packed")

    def _cascade(
        self, m: Module, word: Value, codes: list[Value], odd: Value, int4: Value
    ) -> Value:
        """Return the sum of the products of a cascade; a link is a clock behind the last."""
        total: Value | None = None
        half_word = word.word_select(odd, STREAM_BITS // 2)
        for link, code in enumerate(codes):
            byte, half = word.word_select(link, 16), half_word.word_select(link, 8)
            w0 = Mux(int4, half[:4].as_signed(), byte[:8].as_signed())
            w1 = Mux(int4, half[4:].as_signed(), byte[8:].as_signed())
            wide = Signal(signed(LOW_BITS))
            m.d.comb += wide.eq(delay(m, w0, link).as_signed())
            both = Signal(signed(LOW_BITS + 8), reset_less=True)
            m.d.sync += both.eq(Cat(wide, delay(m, w1, link)[:8]))
            product = stage(m, both * code, "product")
            register = Signal(signed(2 * LOW_BITS), reset_less=True)
            m.d.sync += register.eq(product if total is None else product + total)
            total = register
        assert total is not None
        return total

    def _tree(self, m: Module, terms: list[Value]) -> Value:
        """Return the sum of terms, registered at each level."""
        while len(terms) > 1:
            terms = [stage(m, terms[at] + terms[at + 1], "tree") for at in range(0, len(terms), 2)]
        return terms[0]
