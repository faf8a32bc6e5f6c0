"""What a module with a sliding window computes: steps in, results a fixed number of clocks later.

A window of an output pixel is walked group by group of output channels, each group step by step: a
step brings `lanes` bytes of one kernel position. Steps of a group come clock after clock; between
the first steps of two groups lie at least `Offer.least_cycles`, so an operator that takes this long
for the results of a group never has to wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fpga_rt.arithmetic.requantise import PRE_SHIFT_BITS
from fpga_rt.contract.command import STREAM_BYTES, Operation
from fpga_rt.contract.table import HEADER, HEADER_BYTES
from hw.blocks.boundary import STREAM_BITS
from hw.blocks.pipeline import stage
from hw.blocks.record import record
from hw.modules.window import byte_memory

SLOTS = 2
"""Commands that are kept: one computes, one is taken."""
MAX_CHANNELS = 256
HEADER_BEATS = HEADER_BYTES // STREAM_BYTES
WEIGHT_WORDS = 256
"""Words of weights of one command, of two steps each if they are int4."""
WEIGHT_BEATS_BITS = 15
"""Enough to number the beats of weights of one command."""
RESIDUAL_CYCLES = byte_memory.READ_CYCLES
"""Clocks from `residual_take` to the bytes on `residual`."""

TableWrite = data.StructLayout({"slot": 1, "header": 1, "index": range(MAX_CHANNELS), "beat": 64})
"""A beat of a table on its way to where it is kept: of the header, or of channel `index`."""
WeightWrite = data.StructLayout({"slot": 1, "int4": 1, "index": WEIGHT_BEATS_BITS, "beat": 64})
"""A beat of weights on its way to where it is kept: beat `index` of the command's weights."""
Mode = data.StructLayout({"operation": 8, "fused": 1, "int4": 1})
"""What the command that computes asks for."""
Channel = data.StructLayout({"bias": signed(32), "multiplier": 24, "shift": 6, "unused": 2})
"""An entry of a table."""


@dataclass(frozen=True)
class Offer:
    """How an operation is walked.

    Attributes:
        per_channel: a group of output channels reads the input channels of its own numbers.
        depth: steps of a kernel position; None where all input channels are read, `lanes` a step.
        weights: what the command's weights are: None for none, "steps" for a word for each step of
            each group, "depth" for `depth` words that all groups and kernel positions share.
        channels_in_table: the table has an entry for each output channel.
        residual: a second operand follows, row by row (of every operation if the command is fused).
        least_cycles: between the first steps of two groups, at least two.
        fused_cycles: the same with a fused addition; None where the operator has none.
    """

    per_channel: bool
    depth: int | None
    weights: str | None
    channels_in_table: bool
    residual: bool
    least_cycles: int
    fused_cycles: int | None = None


def target_layout(outputs: int) -> data.StructLayout:
    """Return where the results of a group, or of a part of it, go.

    `count` are the results that count (the last group of a pixel may be partial), `ends` tells that
    the beat is given as it is behind them (a pixel ends that is a piece, or a row), `row_ends` that
    they are the last of their row.
    """
    return data.StructLayout({"count": range(outputs + 1), "ends": 1, "row_ends": 1})


def step_layout(lanes: int, outputs: int) -> data.StructLayout:
    """Return a step of a window.

    `codes` are the bytes, those outside the image replaced by the padding; `first` and `last` frame
    the steps of a group; `weight` counts the words of weights: from 0 at each pixel, one each step,
    and int4 starts each group at an even number (with weights by "depth" it counts the steps of a
    kernel position). `group`, its number, and `to` count in the last step of the group.
    """
    return data.StructLayout(
        {
            "codes": data.ArrayLayout(signed(8), lanes),
            "first": 1,
            "last": 1,
            "group": range(MAX_CHANNELS),
            "weight": range(2 * WEIGHT_WORDS),
            "to": target_layout(outputs),
        }
    )


class Operator(wiring.Component):
    """What all have in common: ports, and the headers of tables.

    Attributes:
        table: In, a beat of a table to keep, when `table_valid`.
        weights: In, a beat of weights to keep, when `weights_valid`.
        slot: In, the channels and weights that count; stable while a command computes, and four
            clocks before its first step.
        renew: In, strobe, the header that came last counts from now on; as long before.
        mode: In, what the command asks for; stable like `slot`.
        pad_value: Out, the table's.
        step: In, when `step_valid`.
        residual_take: Out, `residual_count` bytes (1 to `residual_lanes`) of the residual row are
            wanted, in order; `residual_ends` as `ends` of the results that they belong to.
        residual: In, the bytes that were wanted `RESIDUAL_CYCLES` before.
        codes: Out, when `codes_valid`: `codes_count` results (1 to `results`), in order;
            `codes_ends` and `codes_row_ends` behind the last of them.
        refused: Out, the module cannot compute with this table.
    """

    lanes: int
    """Bytes of a step."""
    outputs: int
    """Output channels of a group."""
    results: int
    """Results a clock, at most 8."""
    offers: Mapping[Operation, Offer]
    """What it computes."""
    latency_cycles: int
    """Clocks from the last step of a group to its first results."""
    fused_latency_cycles: int = 0
    """The same with a residual added."""
    word_beats: int = 0
    """Beats of a word of weights."""
    residual_lanes: int = 0
    """Bytes of the residual row a clock."""
    folds: bool = False
    """Whether neighbouring kernel columns share a step where channels fill half of the lanes."""

    def __init__(self) -> None:
        """Make the ports; the attributes of the class are set before."""
        super().__init__(
            {
                "table": In(TableWrite),
                "table_valid": In(1),
                "weights": In(WeightWrite),
                "weights_valid": In(1),
                "slot": In(1),
                "renew": In(1),
                "mode": In(Mode),
                "pad_value": Out(signed(8)),
                "step": In(step_layout(self.lanes, self.outputs)),
                "step_valid": In(1),
                "residual_take": Out(1),
                "residual_count": Out(range(self.residual_lanes + 1)),
                "residual_ends": Out(1),
                "residual": In(data.ArrayLayout(signed(8), self.residual_lanes)),
                "codes": Out(data.ArrayLayout(signed(8), self.results)),
                "codes_count": Out(range(self.results + 1)),
                "codes_ends": Out(1),
                "codes_row_ends": Out(1),
                "codes_valid": Out(1),
                "refused": Out(1),
            }
        )

    def header(self, m: Module) -> data.View:
        """Keep headers; return the one that counts, and give its `pad_value`."""
        latest = Signal(record(HEADER), name="latest_header", reset_less=True)
        current = Signal(record(HEADER), name="header", reset_less=True)
        with m.If(self.table_valid & self.table.header):
            m.d.sync += latest.eq(Cat(latest.as_value()[STREAM_BITS:], self.table.beat))
        with m.If(self.renew):
            m.d.sync += current.eq(latest)
        m.d.comb += self.pad_value.eq(current.pad_value)
        return current

    def refuse(self, m: Module, header: data.View, wrong: Value | int = 0) -> None:
        """Refuse a table that shifts too far, or is `wrong`."""
        m.d.comb += self.refused.eq(header.pre_shift[PRE_SHIFT_BITS:].any() | wrong)

    def limits(self, m: Module, low: Value, high: Value) -> tuple[Value, Value]:
        """Return limits in order: where they are not, `high` is the only output."""
        return stage(m, Mux(low > high, high, low), "low"), stage(m, high, "high")
