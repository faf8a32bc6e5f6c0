"""Everything that the static region has for one partition.

    parameter reader  ->
    activation reader -> decoupler -> boundary of the module
    activation writer <-

and the partition's state, which decides whether it may be connected (`contract.static_region`).
"""

from __future__ import annotations

from amaranth import Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from fpga_rt.contract.static_region import PartitionState
from hw.blocks.axi import axi_read, axi_write
from hw.blocks.boundary import BOUNDARY
from hw.blocks.decoupler import Decoupler
from hw.static_region.activation_reader import ActivationReader
from hw.static_region.activation_writer import ActivationWriter
from hw.static_region.feature_memory import feature_read, feature_write
from hw.static_region.isolation import STATE_BITS, Isolation
from hw.static_region.parameter_reader import ParameterReader
from hw.static_region.resolved_command import ADDRESS_BITS
from hw.static_region.sequencer import partition_port


class Partition(Component):
    """A reconfigurable partition seen from the static side.

    `written` is a strobe with each write of the control register, whose value is `decouple` and
    `reset`; `begin`, `finish` and `fail` are strobes of the load register, `load_runs` and
    `load_failed` the configuration controller's (see `Isolation`). `identity` is 0 until something
    was loaded, and unknown while frames are written. `quiescent`: no transaction is under
    way and no program needs the partition.
    """

    def __init__(self) -> None:
        """Make an empty, decoupled partition."""
        super().__init__(
            {
                "written": In(1),
                "decouple": In(1),
                "reset": In(1),
                "begin": In(1),
                "finish": In(1),
                "fail": In(1),
                "load_runs": In(1),
                "load_failed": In(1),
                "state": Out(STATE_BITS),
                "decoupled": Out(1),
                "quiescent": Out(1),
                "identity": Out(64),
                "sequencer": In(partition_port()),
                "features_read": Out(axi_read(ADDRESS_BITS)),
                "features_write": Out(axi_write(ADDRESS_BITS)),
                "parameters": Out(axi_read(ADDRESS_BITS)),
                "on_chip_read": Out(feature_read()),
                "on_chip_write": Out(feature_write()),
                "boundary": Out(BOUNDARY),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the state, the decoupler and the engines behind it."""
        m = Module()
        m.submodules.decoupler = decoupler = Decoupler()
        connect(m, decoupler.module, flipped(self.boundary))
        idle = self._build_engines(m, decoupler)
        self._build_state(m, decoupler, idle)
        return m

    def _build_state(self, m: Module, decoupler: Decoupler, idle: Value) -> None:
        m.submodules.isolation = isolation = Isolation()
        for name in ("written", "decouple", "begin", "finish", "fail", "load_runs", "load_failed"):
            m.d.comb += getattr(isolation, name).eq(getattr(self, name))
        m.d.comb += [
            isolation.decoupled.eq(self.decoupled),
            isolation.quiescent.eq(self.quiescent),
            self.state.eq(isolation.state),
            decoupler.decouple.eq(isolation.isolated),
            decoupler.reset.eq(self.reset | self.sequencer.region_reset),
            self.decoupled.eq(decoupler.decoupled),
            self.quiescent.eq(idle & decoupler.empty & ~self.sequencer.uses),
        ]
        m.d.sync += self.sequencer.active.eq((self.state == PartitionState.ACTIVE) & ~self.reset)
        with m.If(self.state != PartitionState.EMPTY):
            m.d.sync += self.identity.eq(decoupler.static.module_id)
        with m.Else():
            m.d.sync += self.identity.eq(0)

    def _build_engines(self, m: Module, decoupler: Decoupler) -> Value:
        """Connect the engines to memories, sequencer and boundary.

        Returns:
            whether they were idle a clock ago.
        """
        m.submodules.parameter_reader = parameters = ParameterReader()
        m.submodules.reader = reader = ActivationReader()
        m.submodules.writer = writer = ActivationWriter()
        sequencer, static = self.sequencer, decoupler.static
        connect(m, parameters.axi, flipped(self.parameters))
        connect(m, reader.axi, flipped(self.features_read))
        connect(m, writer.axi, flipped(self.features_write))
        connect(m, reader.features, flipped(self.on_chip_read))
        connect(m, writer.features, flipped(self.on_chip_write))
        connect(m, flipped(sequencer.parameters), parameters.request)
        connect(m, flipped(sequencer.command), static.command)
        connect(m, parameters.parameters, static.parameters)
        connect(m, reader.input, static.input)
        connect(m, static.output, writer.output)
        engines = (parameters, reader, writer)
        idle, error = Signal(), Signal()
        m.d.sync += idle.eq(parameters.idle & reader.idle & writer.idle)
        m.d.comb += error.eq(parameters.error | reader.error | writer.error)
        m.d.comb += [
            static.start.eq(sequencer.compute),
            reader.start.eq(sequencer.compute),
            writer.start.eq(sequencer.compute),
            reader.command.eq(sequencer.resolved),
            writer.command.eq(sequencer.resolved),
            sequencer.table_done.eq(parameters.table_done),
            sequencer.parameters_done.eq(parameters.done),
            sequencer.reader_done.eq(reader.done),
            sequencer.writer_done.eq(writer.done),
            sequencer.bus_error.eq(error),
            sequencer.module_error.eq(static.error),
            sequencer.engines_idle.eq(idle),
            *(engine.abort.eq(sequencer.stop) for engine in engines),
        ]
        return idle
