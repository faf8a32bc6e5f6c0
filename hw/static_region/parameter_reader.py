"""Reads a command's table and weights into the parameter stream of a module."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from fpga_rt.contract.command import COMMAND
from hw.blocks.axi import DATA_BITS, axi_read
from hw.blocks.axi_reader import AxiReader
from hw.static_region.resolved_command import ADDRESS_BITS

_WIDTH = {field.name: field.width for field in COMMAND.fields}

PARAMETERS = StructLayout(
    {
        "table": ADDRESS_BITS,
        "table_beats": _WIDTH["table_beats"],
        "weights": ADDRESS_BITS,
        "weights_beats": _WIDTH["weights_beats"],
        "streamed": 1,
    }
)
"""What is asked of a parameter reader; the addresses are multiples of 8.

Weights follow their table in any case. That they are `streamed` matters to who starts the module.
"""


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
                "request": In(stream.Signature(PARAMETERS)),
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
        has_table, has_weights = asked.table_beats.any(), asked.weights_beats.any()
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
        m.d.comb += [
            self.table_done.eq(waits & (table <= moved)),
            self.done.eq(active & (total <= moved)),
        ]
        with m.If(taken):
            m.d.sync += [
                table.eq(asked.table_beats),
                total.eq(asked.table_beats + asked.weights_beats),
                waits.eq(1),
                active.eq(1),
            ]
        with m.Else():
            m.d.sync += [
                table.eq(table - (moved & waits)),
                total.eq(total - moved),
                waits.eq(waits & ~self.table_done),
                active.eq(active & ~self.done),
            ]
