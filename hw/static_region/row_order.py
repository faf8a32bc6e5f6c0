"""The order in which a command's rows are read."""

from __future__ import annotations

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from fpga_rt.contract.command import CommandFlag, Operation
from hw.static_region.operand import operand
from hw.static_region.piece_walker import PLACE
from hw.static_region.resolved_command import ADDRESS_BITS, ResolvedCommand


class RowOrder(Component):
    """Gives for each output row first the input rows that it adds, then the row of the residual.

    The same rows as `fpga_rt.modules.geometry.rows_after`, by counters alone: `ahead` is how many
    rows the output row still wants, which grows by the stride from one to the next. The first row
    comes with `start`, then one a clock; an output row that reads nothing takes a clock as well.
    `ended` says that no row is left. `active` is one from the clock after `start` to the end of the
    command.
    """

    def __init__(self) -> None:
        """Make it; `command` stays as it is from two clocks before `start` until `active` falls."""
        super().__init__(
            {
                "command": In(ResolvedCommand),
                "start": In(1),
                "active": In(1),
                "row": Out(stream.Signature(PLACE)),
                "ended": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the counters."""
        m = Module()
        row, command = self.row, self.command
        source, second = operand(command, "input"), operand(command, "residual")
        runs, adds = Signal(), Signal()
        input_left, output_left = Signal(16), Signal(16)
        ahead = Signal(signed(9))  # it stands still once the input has ended
        address = [Signal(ADDRESS_BITS, name=name) for name in ("input_row", "residual_row")]
        some_input, some_output = Signal(), Signal()  # is left
        wants, advance, taken = Signal(), Signal(), Signal()
        m.d.comb += [
            runs.eq(self.start | self.active),
            wants.eq(~ahead[-1] & ahead.any() & some_input),
            row.valid.eq(runs & some_output & (wants | adds)),
            row.payload.residual.eq(~wants),
            row.payload.address.eq(Mux(wants, address[0], address[1])),
            taken.eq(row.valid & row.ready),
            advance.eq(Mux(wants, taken & (ahead == 1) & ~adds, taken | ~adds)),
            self.ended.eq(~some_output | ~(some_input | adds)),
        ]
        with m.If(~runs):
            fused = (command.flags & CommandFlag.FUSED_ADDITION).any()
            m.d.sync += [
                adds.eq((fused | (command.operation == Operation.ADDITION)) & ~second.empty),
                input_left.eq(source.height),
                some_input.eq(~source.empty),
                output_left.eq(second.height),
                some_output.eq(second.height != 0),
                ahead.eq(command.kernel_height - command.pad_top),
                address[0].eq(source.start),
                address[1].eq(second.start),
            ]
        with m.Elif(~self.ended):
            with m.If(advance):
                m.d.sync += [output_left.eq(output_left - 1), some_output.eq(output_left != 1)]
            with m.If(some_input):
                step = Mux(advance, command.stride_y, 0)
                m.d.sync += ahead.eq(ahead + step - (wants & taken))
            with m.If(taken & wants):
                m.d.sync += [
                    input_left.eq(input_left - 1),
                    some_input.eq(input_left != 1),
                    address[0].eq(address[0] + source.row_pitch),
                ]
            with m.If(taken & ~wants):
                m.d.sync += address[1].eq(address[1] + second.row_pitch)
        return m
