"""From results to beats of output, and room for two rows of them.

Results come a few bytes a clock and cannot wait. Who computes them begins a row only when nothing
is left of the row before the last one; so rows of at most half of the FIFO never overflow it.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Member, Out
from amaranth.utils import exact_log2

from fpga_rt.contract.command import STREAM_BYTES
from fpga_rt.modules.window_cycles import OUTPUT_ROW_BEATS
from hw.blocks.boundary import STREAM_BITS
from hw.blocks.pipeline import stage

ROWS = 2
"""Output rows that are under way, or wait to be taken, at most."""
LATENCY_CYCLES = 3
"""Clocks from the results that close a beat to the beat, if none waits before it."""


def results_ports(lanes: int) -> dict[str, Member]:
    """Return the ports of up to `lanes` (1 to 8) results a clock, as `Operator` has them.

    When `codes_valid`, the first `codes_count` (at least one) of `codes` count; with `codes_ends` a
    piece of contiguous bytes ends behind them, and with `codes_row_ends` a row as well.
    """
    return {
        "codes": In(data.ArrayLayout(signed(8), lanes)),
        "codes_count": In(range(lanes + 1)),
        "codes_ends": In(1),
        "codes_row_ends": In(1),
        "codes_valid": In(1),
    }


_Beat = data.StructLayout({"bytes": data.ArrayLayout(8, STREAM_BYTES), "row_ends": 1})


class Packer(wiring.Component):
    """Put bytes into beats, as many a clock as there are, wherever the beat stands.

    A beat is given when it is full or a piece ends. At the end of a piece there may be two; the
    second waits, and so may those behind it, a clock each and never more: pieces of n bytes come
    in n / 8 clocks or more.

    Attributes:
        codes: In; see `results_ports`.
        beat: Out, when `beat_valid`; bytes behind the end of a piece are those of earlier ones.
    """

    def __init__(self, lanes: int) -> None:
        """Make a packer of up to `lanes` bytes a clock."""
        self._lanes = lanes
        super().__init__(
            {
                **results_ports(lanes),
                "beat": Out(_Beat),
                "beat_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the rotation, the beat that is put together, and the one that waits."""
        m = Module()
        bytes_, hits, closes, ends, row_ends = self._rotate(m)
        here, beyond = hits[:STREAM_BYTES], hits[STREAM_BYTES:]
        valid = Signal()
        m.d.sync += valid.eq(self.codes_valid)

        held = Signal(data.ArrayLayout(8, STREAM_BYTES))
        first, second, waits = Signal(_Beat), Signal(_Beat), Signal(_Beat)
        first_valid, second_valid, waiting = Signal(), Signal(), Signal()
        m.d.comb += [
            first_valid.eq(valid & (closes | ends)),
            second_valid.eq(valid & ends & beyond.any()),
            first.row_ends.eq(row_ends & ~beyond.any()),
            second.row_ends.eq(row_ends),
        ]
        for place in range(STREAM_BYTES):
            byte, kept = bytes_[place], held[place]
            m.d.comb += [
                first.bytes[place].eq(Mux(here[place], byte, kept)),
                second.bytes[place].eq(Mux(beyond[place], byte, kept)),
            ]
            with m.If(valid & (here[place] | beyond[place])):
                m.d.sync += kept.eq(byte)

        m.d.comb += [
            self.beat.eq(Mux(waiting, waits, first)),
            self.beat_valid.eq(waiting | first_valid),
        ]
        m.d.sync += [
            waits.eq(Mux(waiting, first, second)),
            waiting.eq(Mux(waiting, first_valid, second_valid)),
        ]
        return m

    def _rotate(self, m: Module) -> tuple[list[Signal], Signal, Signal, Signal, Signal]:
        """Turn results to the places where they go, a clock later.

        Returns:
            A byte for each place, which places of this beat and of the next one it goes to, and
            whether the beat is full, a piece ends, a row ends.
        """
        place = Signal(range(STREAM_BYTES))
        end = Signal(range(2 * STREAM_BYTES))
        ends = self.codes_ends | self.codes_row_ends
        m.d.comb += end.eq(place + self.codes_count)
        with m.If(self.codes_valid):
            m.d.sync += place.eq(Mux(ends, 0, end[: place.shape().width]))

        count_mask = Cat(self.codes_count > lane for lane in range(self._lanes))
        near = 1 << (self._lanes - 1).bit_length()
        rotated = []
        for target in range(STREAM_BYTES):
            chosen = Signal(8, name=f"chosen{target}")
            with m.Switch(place[: exact_log2(near)]):
                for offset in range(near):
                    lane = (target - offset) % near
                    with m.Case(offset):
                        m.d.comb += chosen.eq(self.codes[lane] if lane < self._lanes else 0)
            rotated.append(stage(m, chosen, f"byte{target}"))
        hits = Signal(2 * STREAM_BYTES, reset_less=True)
        m.d.sync += hits.eq(count_mask << place)
        return (
            rotated,
            hits,
            stage(m, end >= STREAM_BYTES, "closes"),
            stage(m, ends, "ends"),
            stage(m, self.codes_row_ends, "row_ends"),
        )


class Results(wiring.Component):
    """Pack results, and hold two of the longest rows until they are taken.

    Attributes:
        codes: In; see `results_ports`.
        output: Out, beats.
        row_taken: Out, the last beat of a row is taken in this clock.
    """

    def __init__(self, lanes: int) -> None:
        """Make it for up to `lanes` results a clock."""
        self._lanes = lanes
        super().__init__(
            {
                **results_ports(lanes),
                "output": Out(stream.Signature(STREAM_BITS)),
                "row_taken": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return packer and FIFO."""
        m = Module()
        m.submodules.packer = packer = Packer(self._lanes)
        m.submodules.fifo = fifo = SyncFIFOBuffered(
            width=_Beat.size, depth=ROWS * OUTPUT_ROW_BEATS + 1
        )
        oldest = data.View(_Beat, fifo.r_data)
        m.d.comb += [
            *(getattr(packer, name).eq(getattr(self, name)) for name in results_ports(self._lanes)),
            fifo.w_data.eq(packer.beat),
            fifo.w_en.eq(packer.beat_valid),
            self.output.payload.eq(oldest.bytes),
            self.output.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.output.ready),
            self.row_taken.eq(fifo.r_rdy & self.output.ready & oldest.row_ends),
        ]
        return m
