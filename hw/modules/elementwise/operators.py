"""What the modules compute: chunks in, results a fixed number of clocks later.

Each keeps the tables of two commands, of which `slot` names the one that computes.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from fpga_rt.arithmetic.requantise import ACCUMULATOR_BITS, INT8_LOW, PRE_SHIFT_BITS
from fpga_rt.contract.table import HEADER
from hw.blocks import addition, requantise
from hw.blocks.boundary import STREAM_BITS
from hw.blocks.pipeline import delay, stage
from hw.blocks.record import record
from hw.blocks.saturate import clamp
from hw.modules.elementwise.intake import HEADER_BEATS, MAX_CHANNELS, SLOTS, TableWrite
from hw.modules.elementwise.walker import chunk_layout, place_layout

ROW_BYTES = 4096
"""Longest row of an addition."""

_Channel = data.StructLayout({"bias": signed(32), "multiplier": 24, "shift": 6, "unused": 2})


class Operator(wiring.Component):
    """What all have in common: ports and headers of tables.

    Attributes:
        table: In, a beat of a table to keep, when `table_valid`.
        slot: In, the table that counts; settles in two clocks.
        chunk: In, when `chunk_valid`.
        codes: Out, the results of a chunk, when `codes_valid`, and in `to` where they go.
        refused: Out, the module cannot compute with this table.
        overflow: Out, a row is longer than the module can hold; strobe.
    """

    latency_cycles: int
    """Clocks from a chunk to its results."""
    operands = 1
    channels_in_table = False
    """Whether a table has, behind its header, an entry for each channel."""

    def __init__(self, lanes: int) -> None:
        """Make an operator on `lanes` lanes."""
        self.lanes = lanes
        super().__init__(
            {
                "table": In(TableWrite),
                "table_valid": In(1),
                "slot": In(1),
                "chunk": In(chunk_layout(lanes)),
                "chunk_valid": In(1),
                "codes": Out(data.ArrayLayout(signed(8), lanes)),
                "codes_valid": Out(1),
                "to": Out(place_layout(lanes)),
                "refused": Out(1),
                "overflow": Out(1),
            }
        )

    def header(self, m: Module) -> data.View:
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

    def refuse(self, m: Module, header: data.View, wrong: Value | int = 0) -> None:
        """Refuse a table that shifts too far, or is `wrong`."""
        m.d.comb += self.refused.eq(header.pre_shift[PRE_SHIFT_BITS:].any() | wrong)

    def limits(self, m: Module, low: Value, high: Value) -> tuple[Value, Value]:
        """Return limits in order: where they are not, `high` is the only output."""
        return stage(m, Mux(low > high, high, low), "low"), stage(m, high, "high")


class Scale(Operator):
    """Requantise each channel (an average over windows of one pixel)."""

    latency_cycles = 3 + requantise.LATENCY_CYCLES
    channels_in_table = True

    def elaborate(self, platform: object) -> Module:
        """Return the tables of the channels and the pipeline."""
        m = Module()
        m.submodules.requantise = pipeline = requantise.Requantise(
            self.lanes, place_layout(self.lanes)
        )
        header = self.header(m)
        self.refuse(m, header)
        low, high = self.limits(m, header.low, header.high)
        m.d.comb += [
            pipeline.valid.eq(delay(m, self.chunk_valid, 3, reset_less=False)),
            pipeline.tag.eq(delay(m, self.chunk.to.as_value(), 3)),
            pipeline.zero_point.eq(header.zero_point),
            pipeline.low.eq(low),
            pipeline.high.eq(high),
            self.codes.eq(pipeline.codes),
            self.codes_valid.eq(pipeline.codes_valid),
            self.to.eq(pipeline.codes_tag),
        ]
        for lane, channel in enumerate(self._channels(m)):
            code = stage(m, self.chunk.codes[lane], f"code{lane}")
            biased = stage(m, code + channel.bias, f"biased{lane}")
            pre_shift = header.pre_shift[:PRE_SHIFT_BITS]
            shifted = (biased >> pre_shift)[: ACCUMULATOR_BITS + 1].as_signed()
            m.d.comb += [
                pipeline.accumulators[lane].eq(stage(m, shifted, f"shifted{lane}")),
                pipeline.multipliers[lane].eq(delay(m, channel.multiplier, 2)),
                pipeline.shifts[lane].eq(delay(m, channel.shift, 2)),
            ]
        return m

    def _channels(self, m: Module) -> Sequence[data.View]:
        """Keep the channels of both tables; return those of the chunk, a clock later."""
        bits = exact_log2(self.lanes)
        rows = []
        for lane in range(self.lanes):
            memory = Memory(shape=_Channel, depth=SLOTS * MAX_CHANNELS // self.lanes, init=[])
            m.submodules[f"channels{lane}"] = memory
            write, read = memory.write_port(), memory.read_port()
            index = self.table.index
            m.d.comb += [
                write.addr.eq(Cat(index[bits:], self.table.slot)),
                write.data.eq(self.table.beat),
                write.en.eq(self.table_valid & ~self.table.header & (index[:bits] == lane)),
                read.addr.eq(Cat(self.chunk.group, self.slot)),
            ]
            rows.append(read.data)
        return rows


class Clamp(Operator):
    """Saturate to the table's limits (a maximum over windows of one pixel)."""

    latency_cycles = 2

    def elaborate(self, platform: object) -> Module:
        """Return two registers with the comparison between them."""
        m = Module()
        header = self.header(m)
        self.refuse(m, header, header.pad_value != INT8_LOW)
        low, high = self.limits(m, header.low, header.high)
        m.d.comb += [
            self.codes_valid.eq(delay(m, self.chunk_valid, 2, reset_less=False)),
            self.to.eq(delay(m, self.chunk.to.as_value(), 2)),
        ]
        for lane in range(self.lanes):
            code = stage(m, self.chunk.codes[lane], f"code{lane}")
            m.d.comb += self.codes[lane].eq(stage(m, clamp(code, low, high), f"clamped{lane}"))
        return m


class Add(Operator):
    """Add two tensors: a row of the first is kept, then added to the same row of the second."""

    latency_cycles = 1 + addition.LATENCY_CYCLES
    operands = 2

    def elaborate(self, platform: object) -> Module:
        """Return the row memory and the pipeline."""
        m = Module()
        m.submodules.addition = pipeline = addition.Addition(self.lanes, place_layout(self.lanes))
        header = self.header(m)
        self.refuse(m, header)
        low, high = self.limits(m, header.add_low, header.add_high)
        second = self.chunk_valid & ~self.chunk.first
        m.d.comb += [
            pipeline.valid.eq(delay(m, second, 1, reset_less=False)),
            pipeline.tag.eq(delay(m, self.chunk.to.as_value(), 1)),
            pipeline.a.eq(self._row(m)),
            pipeline.b.eq(delay(m, self.chunk.codes.as_value(), 1)),
            pipeline.multiplier_a.eq(header.add_multiplier_a),
            pipeline.multiplier_b.eq(header.add_multiplier_b),
            pipeline.constant.eq(header.add_constant),
            pipeline.shift.eq(header.add_shift),
            pipeline.low.eq(low),
            pipeline.high.eq(high),
            self.codes.eq(pipeline.codes),
            self.codes_valid.eq(pipeline.codes_valid),
            self.to.eq(pipeline.codes_tag),
        ]
        return m

    def _row(self, m: Module) -> Value:
        """Keep a row of the first operand; return its chunk beside the second, a clock later.

        Each counts for itself: a memory with one address would be distributed on UltraScale+.
        """
        depth = ROW_BYTES // self.lanes
        memory = Memory(shape=8 * self.lanes, depth=depth, init=[])
        m.submodules.row = memory
        write, read = memory.write_port(), memory.read_port()
        first = self.chunk_valid & self.chunk.first
        second = self.chunk_valid & ~self.chunk.first
        m.d.comb += [
            write.data.eq(self.chunk.codes),
            write.en.eq(first),
            self.overflow.eq(first & ~self.chunk.row_ends & (write.addr == depth - 1)),
        ]
        for port, moves in ((write, first), (read, second)):
            index = Signal(range(depth))
            m.d.comb += port.addr.eq(index)
            with m.If(moves):
                m.d.sync += index.eq(Mux(self.chunk.row_ends, 0, index + 1))
        return read.data
