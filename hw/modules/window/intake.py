"""Commands with their tables and weights, taken while the command before computes."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fpga_rt.contract.command import COMMAND, STREAM_BYTES, CommandFlag
from hw.blocks.boundary import STREAM_BITS
from hw.blocks.record import record
from hw.modules.window.decoder import Decoder
from hw.modules.window.operator import (
    HEADER_BEATS,
    SLOTS,
    WEIGHT_BEATS_BITS,
    Operator,
    TableWrite,
    WeightWrite,
)
from hw.modules.window.work import work_layout

_COMMAND_BEATS = COMMAND.size_bytes // STREAM_BYTES


class Intake(wiring.Component):
    """Take commands in order, each with its table and weights, two ahead.

    Attributes:
        command: In, descriptors, eight beats each.
        parameters: In, the tables, each followed by its weights.
        table: Out, a beat of a table to keep, when `table_valid`.
        weights: Out, a beat of weights to keep, when `weights_valid`.
        slot: Out, where the table and the weights of the oldest command are kept.
        renew: Out, strobe, the header that came last is that of the oldest command.
        filled: Out, the oldest command is in, with all that belongs to it; behind `renew`.
        work: Out, the oldest command, when `filled`.
        release: In, the oldest command has ended; its slot is free.
    """

    def __init__(self, operator: Operator) -> None:
        """Make the intake of a module with an operator."""
        self._operator = operator
        super().__init__(
            {
                "command": In(stream.Signature(STREAM_BITS)),
                "parameters": In(stream.Signature(STREAM_BITS)),
                "table": Out(TableWrite),
                "table_valid": Out(1),
                "weights": Out(WeightWrite),
                "weights_valid": Out(1),
                "slot": Out(1),
                "renew": Out(1),
                "filled": Out(1),
                "work": Out(work_layout(operator.outputs)),
                "release": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the state machine, the slots, and the work of the oldest command."""
        m = Module()
        m.submodules.decoder = decoder = Decoder(self._operator)
        descriptor = Signal(record(COMMAND))
        raw = descriptor.as_value()
        filled = Signal(SLOTS)
        filling = Signal(1)
        beat = Signal(range(_COMMAND_BEATS))
        table_more, weights_more = Signal(), Signal()
        m.d.comb += decoder.descriptor.eq(descriptor)

        with m.If(self.release):
            m.d.sync += filled.bit_select(self.slot, 1).eq(0)
            m.d.sync += [self.slot.eq(~self.slot), self.filled.eq(0)]
        with m.Elif(filled.bit_select(self.slot, 1) & ~self.filled):
            m.d.comb += self.renew.eq(1)
            m.d.sync += [self.work.eq(decoder.work), self.filled.eq(1)]

        with m.FSM():
            with m.State("DESCRIPTOR"):
                m.d.comb += self.command.ready.eq(~filled.bit_select(filling, 1))
                with m.If(self.command.valid & self.command.ready):
                    m.d.sync += [
                        raw.eq(Cat(raw[STREAM_BITS:], self.command.payload)),
                        beat.eq(beat + 1),
                    ]
                    with m.If(beat == _COMMAND_BEATS - 1):
                        m.next = "DECODE"
            with m.State("DECODE"):
                m.d.comb += decoder.start.eq(1)
                m.next = "PARAMETERS"
            with m.State("PARAMETERS"):
                m.d.comb += self.parameters.ready.eq(table_more | weights_more)
                with m.If(decoder.done & ~table_more & ~weights_more):
                    m.d.sync += [filled.bit_select(filling, 1).eq(1), filling.eq(~filling)]
                    m.next = "DESCRIPTOR"
        taken = self.parameters.valid & self.parameters.ready
        self._count(m, decoder.start, descriptor.table_beats, taken & table_more, table_more)
        weight_taken = taken & ~table_more
        self._count(m, decoder.start, descriptor.weights_beats, weight_taken, weights_more)
        self._route(m, filling, descriptor.flags, taken, table_more)
        return m

    def _count(self, m: Module, start: Value, beats: Value, taken: Value, more: Signal) -> None:
        """Count beats down; `more` are to come."""
        left = Signal.like(beats)
        with m.If(start):
            m.d.sync += [left.eq(beats), more.eq(beats != 0)]
        with m.Elif(taken):
            m.d.sync += [left.eq(left - 1), more.eq(left != 1)]

    def _route(
        self, m: Module, filling: Value, flags: Value, taken: Value, to_table: Value
    ) -> None:
        """Number the beats: those of the header, the channels, the weights, each from zero."""
        header, was_table = Signal(init=1), Signal()
        index, number = Signal(WEIGHT_BEATS_BITS), Signal(WEIGHT_BEATS_BITS)
        m.d.sync += was_table.eq(to_table)
        m.d.comb += [
            number.eq(Mux(was_table & ~to_table, 0, index)),
            self.table_valid.eq(taken & to_table),
            self.table.slot.eq(filling),
            self.table.header.eq(header),
            self.table.index.eq(index),
            self.table.beat.eq(self.parameters.payload),
            self.weights_valid.eq(taken & ~to_table),
            self.weights.slot.eq(filling),
            self.weights.int4.eq((flags & CommandFlag.WEIGHTS_INT4).any()),
            self.weights.index.eq(number),
            self.weights.beat.eq(self.parameters.payload),
        ]
        with m.If(self.command.ready):
            m.d.sync += [header.eq(1), index.eq(0)]
        with m.Elif(taken):
            m.d.sync += index.eq(number + 1)
            with m.If(header & (index == HEADER_BEATS - 1)):
                m.d.sync += [header.eq(0), index.eq(0)]
        with m.Elif(was_table & ~to_table):
            m.d.sync += index.eq(0)
