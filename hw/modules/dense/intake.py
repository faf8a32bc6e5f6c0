"""Commands and their tables, and the weights of the command that computes."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from fpga_rt.contract.command import COMMAND, STREAM_BYTES, CommandFlag, Operation
from fpga_rt.contract.table import HEADER_BYTES
from fpga_rt.modules.dense import INPUT_BYTES, TABLE_CHANNELS
from hw.blocks.boundary import STREAM_BITS
from hw.blocks.record import record

SLOTS = 2
HEADER_BEATS = HEADER_BYTES // STREAM_BYTES
INPUT_BEATS = INPUT_BYTES // STREAM_BYTES
_COMMAND_BEATS = COMMAND.size_bytes // STREAM_BYTES
_FIXED = {
    "operation": Operation.DENSE,
    "kernel_height": 1,
    "kernel_width": 1,
    "stride_y": 1,
    "stride_x": 1,
    "pad_top": 0,
    "pad_left": 0,
    "input_height": 1,
    "input_width": 1,
    "output_height": 1,
    "output_width": 1,
}

TableWrite = data.StructLayout({"slot": 1, "header": 1, "index": range(TABLE_CHANNELS), "beat": 64})
"""A beat of a table on its way to where it is kept: of the header, or of channel `index`."""


def work_layout(lanes: int) -> data.StructLayout:
    """Return what a command comes to; counts are less one.

    `refused`: it cannot be computed. `int4`: the width of its weights. `beats`: of the input, of
    whose last one `tail` bytes count (all if 0). `steps`: of a channel. `channels`: of the output.
    """
    return data.StructLayout(
        {
            "refused": 1,
            "int4": 1,
            "beats": range(INPUT_BEATS),
            "tail": range(STREAM_BYTES),
            "steps": range(INPUT_BYTES // lanes),
            "channels": range(TABLE_CHANNELS),
        }
    )


class Intake(wiring.Component):
    """Take commands in order, each with its table, two ahead; let weights through in between.

    The weights of a command follow its table, so the next table comes when they have gone. Those of
    a command that is refused are dropped.

    Attributes:
        command: In, descriptors, eight beats each.
        parameters: In, the tables, each with its weights behind it.
        table: Out, a beat of a table to keep, when `table_valid`.
        weights: Out, of the oldest command.
        slot: Out, where the table of the oldest command is kept.
        filled: Out, the oldest command and its table are in.
        work: Out, the oldest command.
        release: In, the oldest command has ended; its slot is free.
    """

    def __init__(self, lanes: int) -> None:
        """Make the intake of a module with `lanes` lanes."""
        self._lanes = lanes
        super().__init__(
            {
                "command": In(stream.Signature(STREAM_BITS)),
                "parameters": In(stream.Signature(STREAM_BITS)),
                "table": Out(TableWrite),
                "table_valid": Out(1),
                "weights": Out(stream.Signature(STREAM_BITS)),
                "slot": Out(1),
                "filled": Out(1),
                "work": Out(work_layout(lanes)),
                "release": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the state machine and the slots."""
        m = Module()
        descriptor = Signal(record(COMMAND))
        work = Signal(work_layout(self._lanes), name="decoded")
        works = [Signal.like(work, name=f"work{slot}") for slot in range(SLOTS)]
        filled, filling = Signal(SLOTS), Signal(1)
        remaining = Signal.like(descriptor.weights_beats)

        m.d.sync += [
            self.filled.eq(filled.bit_select(self.slot, 1) & ~self.release),
            self.work.eq(Mux(self.slot, works[1], works[0])),
        ]
        with m.If(self.release):
            m.d.sync += [filled.bit_select(self.slot, 1).eq(0), self.slot.eq(~self.slot)]

        with m.FSM():
            self._take_descriptor(m, descriptor, filled.bit_select(filling, 1))
            self._decode(m, descriptor, work)
            with m.State("TABLE"):
                with m.If(self._take_table(m, filling, descriptor.table_beats)):
                    for slot in range(SLOTS):
                        with m.If(filling == slot):
                            m.d.sync += works[slot].eq(work)
                    m.d.sync += [
                        remaining.eq(descriptor.weights_beats - 1),
                        filled.bit_select(filling, 1).eq(1),
                        filling.eq(~filling),
                    ]
                    m.next = "WEIGHTS"
                    with m.If(descriptor.weights_beats == 0):
                        m.next = "DESCRIPTOR"
            with m.State("WEIGHTS"):
                m.d.comb += [
                    self.weights.payload.eq(self.parameters.payload),
                    self.weights.valid.eq(self.parameters.valid & ~work.refused),
                    self.parameters.ready.eq(self.weights.ready | work.refused),
                ]
                with m.If(self.parameters.valid & self.parameters.ready):
                    m.d.sync += remaining.eq(remaining - 1)
                    with m.If(remaining == 0):
                        m.next = "DESCRIPTOR"
        return m

    def _take_descriptor(self, m: Module, descriptor: data.View, full: Value) -> None:
        """Add the state that shifts a descriptor in when a slot is free."""
        raw, beat = descriptor.as_value(), Signal(range(_COMMAND_BEATS))
        with m.State("DESCRIPTOR"):
            m.d.comb += self.command.ready.eq(~full)
            with m.If(self.command.valid & self.command.ready):
                m.d.sync += [
                    raw.eq(Cat(raw[STREAM_BITS:], self.command.payload)),
                    beat.eq(beat + 1),
                ]
                with m.If(beat == _COMMAND_BEATS - 1):
                    m.next = "DECODE"

    def _take_table(self, m: Module, filling: Value, count: Value) -> Value:
        """Pass a table on: the beats of its header, then the channels from zero.

        Returns:
            whether all of it was taken.
        """
        taken = Signal.like(count)
        ended = taken >= count  # no signal: it would be decided by the state first
        header, index = Signal(1, init=1), Signal.like(self.table.index)
        m.d.comb += [
            self.parameters.ready.eq(~ended),
            self.table_valid.eq(self.parameters.valid & ~ended),
            self.table.slot.eq(filling),
            self.table.header.eq(header),
            self.table.index.eq(index),
            self.table.beat.eq(self.parameters.payload),
        ]
        with m.If(ended):
            m.d.sync += [taken.eq(0), header.eq(1), index.eq(0)]
        with m.Elif(self.parameters.valid):
            m.d.sync += [taken.eq(taken + 1), index.eq(index + 1)]
            with m.If(header & (index == HEADER_BEATS - 1)):
                m.d.sync += [header.eq(0), index.eq(0)]
        return ended

    def _decode(self, m: Module, command: data.View, work: data.View) -> None:
        """Add the states that find out what is to be done; beats of weights by adding and doubling.

        A channel's weights fill whole beats, so that there are as many beats for each.
        """
        inputs, channels = command.input_channels, command.output_channels
        int4 = (command.flags & CommandFlag.WEIGHTS_INT4).any()
        factor = Signal.like(channels)
        addend, expected = Signal(len(command.weights_beats)), Signal(len(command.weights_beats))
        faults = _faults(command)
        found = Signal(len(faults))
        with m.State("DECODE"):
            m.d.sync += [
                found.eq(faults),
                work.int4.eq(int4),
                work.beats.eq((inputs - 1) >> exact_log2(STREAM_BYTES)),
                work.tail.eq(inputs),
                work.steps.eq((inputs - 1) >> exact_log2(self._lanes)),
                work.channels.eq(channels - 1),
                factor.eq(channels),
                addend.eq(((inputs - 1) >> Mux(int4, 4, 3)) + 1),
                expected.eq(0),
            ]
            m.next = "MULTIPLY"
        with m.State("MULTIPLY"):
            m.d.sync += [factor.eq(factor >> 1), addend.eq(addend << 1)]
            with m.If(factor[0]):
                m.d.sync += expected.eq(expected + addend)
            with m.If(factor == 0):
                m.d.sync += work.refused.eq(found.any() | (expected != command.weights_beats))
                m.next = "TABLE"


def _faults(command: data.View) -> Value:
    """Return for each reason whether the module cannot compute a descriptor because of it.

    Its beats of weights come on top.
    """
    inputs, channels = command.input_channels, command.output_channels
    terms = [command[name] != value for name, value in _FIXED.items()]
    terms += [command.table_beats != channels + HEADER_BEATS]
    terms += [inputs == 0, inputs > INPUT_BYTES, channels == 0, channels > TABLE_CHANNELS]
    terms += [(command.flags & CommandFlag.FUSED_ADDITION).any()]
    terms += [~(command.flags & CommandFlag.STREAMED_WEIGHTS).any()]
    return Cat(*terms)
