"""Reads a command's table and weights into the parameter stream of a module."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from fpga_rt.contract.command import COMMAND
from hw.blocks.axi import DATA_BITS, axi_read
from hw.blocks.axi_reader import AxiReader
from hw.static_region.resolved_command import ADDRESS_BITS, ParameterRequest

_WIDTH = {field.name: field.width for field in COMMAND.fields}


class ParameterReader(Component):
    """Streams the table and then the weights, asked of memory at once.

    Clocks: `araddr` is valid 2 after a request was taken, and a beat of the bus is on `parameters`
    1 later. `table_done` and `done` are one in the clock in which the last beat of the table, or of
    all, is taken; 1 after the request if there is none. The next request is taken from the clock
    after `done` on.

    `error` says that memory refused a beat; the beats flow on, and it stays until `abort`. While
    `abort` is one, everything is forgotten, and what memory still sends is dropped; hold it until
    `idle`.
    """

    def __init__(self) -> None:
        """Make a reader."""
        super().__init__(
            {
                "request": In(stream.Signature(ParameterRequest)),
                "axi": Out(axi_read(ADDRESS_BITS)),
                "parameters": Out(stream.Signature(DATA_BITS)),
                "table_done": Out(1),
                "done": Out(1),
                "idle": Out(1),
                "abort": In(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Ask for the first block as the request comes, for the second a clock later."""
        m = Module()
        m.submodules.reader = reader = AxiReader(ADDRESS_BITS)
        connect(m, reader.axi, flipped(self.axi))
        connect(m, reader.data, flipped(self.parameters))
        asked, active, second = self.request.payload, Signal(), Signal()
        weights = Signal.like(reader.request.payload)
        has_table, has_weights = asked.has_table, asked.has_weights
        taken = self.request.valid & self.request.ready
        m.d.comb += [
            self.request.ready.eq(~active & reader.request.ready & ~self.abort),
            reader.request.valid.eq(second | (taken & (has_table | has_weights))),
            reader.request.payload.eq(weights),
            self.idle.eq(~active & reader.idle),
            self.error.eq(reader.error),
            reader.abort.eq(self.abort),
        ]
        with m.If(~second):
            m.d.comb += [
                reader.request.payload.address.eq(Mux(has_table, asked.table, asked.weights)),
                reader.request.payload.beats.eq(
                    Mux(has_table, asked.table_beats, asked.weights_beats)
                ),
            ]
        with m.If(taken):
            m.d.sync += [
                weights.address.eq(asked.weights),
                weights.beats.eq(asked.weights_beats),
                second.eq(has_table & has_weights),
            ]
        with m.Elif(reader.request.ready):
            m.d.sync += second.eq(0)
        self._count(m, taken, active)
        with m.If(self.abort):
            m.d.sync += [second.eq(0), active.eq(0)]
        return m

    def _count(self, m: Module, taken: Signal, active: Signal) -> None:
        """Tell when the module has taken the table, and when everything."""
        asked = self.request.payload
        table, total = Signal(_WIDTH["table_beats"]), Signal(_WIDTH["weights_beats"] + 1)
        waits = Signal()  # for the table
        moved = self.parameters.valid & self.parameters.ready
        # No beats to come, and one beat to come; known before that is asked.
        none, nothing, last, final = Signal(), Signal(), Signal(), Signal()
        few_beats = (asked.table_beats[1:] == 0) & (asked.weights_beats[1:] == 0)
        m.d.comb += [
            self.table_done.eq(waits & (none | (last & moved))),
            self.done.eq(active & (nothing | (final & moved))),
        ]
        with m.If(taken):
            m.d.sync += [
                table.eq(asked.table_beats),
                total.eq(asked.table_beats + asked.weights_beats),
                none.eq(~asked.has_table),
                nothing.eq(~asked.has_table & ~asked.has_weights),
                last.eq(asked.table_beats == 1),
                final.eq(few_beats & (asked.table_beats[0] ^ asked.weights_beats[0])),
                waits.eq(1),
                active.eq(1),
            ]
        with m.Else():
            m.d.sync += [
                waits.eq(waits & ~self.table_done),
                active.eq(active & ~self.done),
            ]
            with m.If(moved):
                m.d.sync += [table.eq(table - 1), last.eq(table == 2)]
                m.d.sync += [total.eq(total - 1), final.eq(total == 2)]
