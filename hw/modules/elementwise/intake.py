"""Commands and their tables, taken while the command before computes."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from fpga_rt.contract.command import COMMAND, STREAM_BYTES, CommandFlag, Operation
from fpga_rt.contract.table import HEADER_BYTES
from hw.blocks.boundary import STREAM_BITS
from hw.blocks.record import record

SLOTS = 2
MAX_CHANNELS = 256
HEADER_BEATS = HEADER_BYTES // STREAM_BYTES
_COMMAND_BEATS = COMMAND.size_bytes // STREAM_BYTES

TableWrite = data.StructLayout({"slot": 1, "header": 1, "index": range(MAX_CHANNELS), "beat": 64})
"""A beat of a table on its way to where it is kept: of the header, or of channel `index`."""

Work = data.StructLayout(
    {
        "refused": 1,
        "rows": 16,
        "columns": 16,
        "groups": range(MAX_CHANNELS),
        "input_whole": 1,
        "output_whole": 1,
    }
)
"""What a command comes to: counts less one, and whether a row is one piece of bytes."""


class Intake(wiring.Component):
    """Take commands in order, each with its table, two ahead.

    Attributes:
        command: In, descriptors, eight beats each.
        parameters: In, the tables.
        table: Out, a beat of a table to keep, when `table_valid`.
        slot: Out, where the table of the oldest command is kept.
        filled: Out, the oldest command and its table are in.
        work: Out, the oldest command.
        release: In, the oldest command has ended; its slot is free.
    """

    def __init__(self, operation: Operation, lanes: int, channels_in_table: bool) -> None:
        """Make the intake of a module that computes one operation on `lanes` lanes."""
        self._operation = operation
        self._lanes = lanes
        self._channels_in_table = channels_in_table
        super().__init__(
            {
                "command": In(stream.Signature(STREAM_BITS)),
                "parameters": In(stream.Signature(STREAM_BITS)),
                "table": Out(TableWrite),
                "table_valid": Out(1),
                "slot": Out(1),
                "filled": Out(1),
                "work": Out(Work),
                "release": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the state machine and the slots."""
        m = Module()
        descriptor = Signal(record(COMMAND))
        raw = descriptor.as_value()
        works = [Signal(Work, name=f"work{slot}") for slot in range(SLOTS)]
        filled = Signal(SLOTS)
        filling = Signal(1)
        beat = Signal(range(_COMMAND_BEATS))
        remaining = Signal(23)
        objections = Signal(len(self._objections(descriptor)))

        m.d.sync += self.filled.eq(filled.bit_select(self.slot, 1) & ~self.release)
        m.d.comb += self.work.eq(Mux(self.slot, works[1], works[0]))
        with m.If(self.release):
            m.d.sync += [filled.bit_select(self.slot, 1).eq(0), self.slot.eq(~self.slot)]

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
                for slot in range(SLOTS):
                    with m.If(filling == slot):
                        self._decode(m, descriptor, works[slot])
                m.d.sync += objections.eq(Cat(*self._objections(descriptor)))
                m.d.sync += remaining.eq(descriptor.table_beats + descriptor.weights_beats)
                m.next = "TABLE"
            with m.State("TABLE"):
                m.d.comb += self.parameters.ready.eq(remaining != 0)
                for slot in range(SLOTS):
                    with m.If(filling == slot):
                        m.d.sync += works[slot].refused.eq(objections.any())
                with m.If(self.parameters.valid):
                    m.d.sync += remaining.eq(remaining - 1)
                with m.If((remaining == 0) | (self.parameters.valid & (remaining == 1))):
                    m.d.sync += [filled.bit_select(filling, 1).eq(1), filling.eq(~filling)]
                    m.next = "DESCRIPTOR"
        self._route_table(m, filling)
        return m

    def _route_table(self, m: Module, filling: Value) -> None:
        """Number the beats of a table: those of the header, then the channels from zero."""
        header, index = Signal(1, init=1), Signal(range(MAX_CHANNELS))
        m.d.comb += [
            self.table_valid.eq(self.parameters.valid & self.parameters.ready),
            self.table.slot.eq(filling),
            self.table.header.eq(header),
            self.table.index.eq(index),
            self.table.beat.eq(self.parameters.payload),
        ]
        with m.If(~self.parameters.ready):
            m.d.sync += [header.eq(1), index.eq(0)]
        with m.Elif(self.parameters.valid):
            first_channel = header & (index == HEADER_BEATS - 1)
            m.d.sync += [header.eq(header & ~first_channel), index.eq(index + 1)]
            with m.If(first_channel):
                m.d.sync += index.eq(0)

    def _decode(self, m: Module, command: data.View, work: data.View) -> None:
        """Keep the work of a descriptor."""
        one_column = command.output_width == 1
        m.d.sync += [
            work.rows.eq(command.output_height - 1),
            work.columns.eq(command.output_width - 1),
            work.groups.eq((command.output_channels >> exact_log2(self._lanes)) - 1),
            work.input_whole.eq(one_column | (command.input_pixel_pitch == command.input_channels)),
            work.output_whole.eq(
                one_column | (command.output_pixel_pitch == command.output_channels)
            ),
        ]

    def _objections(self, command: data.View) -> list[Value]:
        """Return each reason for which the module cannot compute a descriptor."""
        channels = command.output_channels
        table_beats = HEADER_BEATS + (channels if self._channels_in_table else 0)
        expected = {
            "operation": self._operation,
            "table_beats": table_beats,
            "weights_beats": 0,
            "input_height": command.output_height,
            "input_width": command.output_width,
            "input_channels": channels,
            "kernel_height": 1,
            "kernel_width": 1,
            "stride_y": 1,
            "stride_x": 1,
            "pad_top": 0,
            "pad_left": 0,
        }
        terms = [command[name] != value for name, value in expected.items()]
        terms += [command.output_height == 0, command.output_width == 0, channels == 0]
        terms += [channels > MAX_CHANNELS, channels[: exact_log2(self._lanes)].any()]
        terms += [(command.flags & CommandFlag.FUSED_ADDITION).any()]
        return terms
