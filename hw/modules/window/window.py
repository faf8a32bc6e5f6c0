"""A module with a sliding window behind the module boundary: the skeleton around an operator."""

from __future__ import annotations

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring

from fpga_rt.modules import module as host
from hw.blocks.boundary import BOUNDARY
from hw.modules.window.fetcher import Fetcher
from hw.modules.window.intake import Intake
from hw.modules.window.loader import Loader
from hw.modules.window.operator import Operator
from hw.modules.window.residual import Residual
from hw.modules.window.results import Results
from hw.modules.window.walker import Walker


class Window(wiring.Component):
    """What an operator computes, for each window of the input; see `BOUNDARY` for the ports.

    Row by row: an output row is computed when what it needs of the input is in, the row before has
    been walked, and nothing is left of the results of the one before that. Meanwhile comes what
    the next row adds. Within a row nothing waits.

    What it refuses is an `error` when the command is started; from there on it takes every beat
    and computes nothing.
    """

    def __init__(self, module: host.Module, operator: Operator) -> None:
        """Make the RTL half of a host half."""
        self.module = module
        self._operator = operator
        super().__init__(BOUNDARY.flip())

    def elaborate(self, platform: object) -> Module:
        """Return the parts, joined."""
        m = Module()
        operator = self._operator
        lanes, outputs = operator.lanes, operator.outputs
        m.submodules.operator = operator
        m.submodules.intake = intake = Intake(operator)
        m.submodules.loader = loader = Loader(outputs)
        m.submodules.walker = walker = Walker(lanes, outputs)
        m.submodules.fetcher = fetcher = Fetcher(lanes, outputs, folds=operator.folds)
        m.submodules.results = results = Results(operator.results)
        m.d.comb += [
            self.module_id.eq(self.module.module_id),
            loader.work.eq(intake.work),
            walker.work.eq(intake.work),
            walker.loaded.eq(loader.loaded),
            loader.row_begins.eq(walker.row_begins),
            fetcher.write.eq(loader.line_write),
            fetcher.address.eq(loader.line_address),
            fetcher.beat.eq(loader.beat),
            fetcher.row_bytes.eq(intake.work.row),
            fetcher.place.eq(walker.place),
            fetcher.place_valid.eq(walker.place_valid),
        ]
        self._operate(m, operator, intake, fetcher, results)
        if operator.residual_lanes:
            self._add(m, operator, loader)
        for name, inner in (
            ("command", intake.command),
            ("parameters", intake.parameters),
            ("input", loader.input),
        ):
            outer = getattr(self, name)
            m.d.comb += [
                inner.payload.eq(outer.payload),
                inner.valid.eq(outer.valid),
                outer.ready.eq(inner.ready | self.error),
            ]
        wiring.connect(m, results.output, wiring.flipped(self.output))
        self._control(m, intake, loader, walker, results)
        return ResetInserter(self.reset)(m)

    def _operate(
        self, m: Module, operator: Operator, intake: Intake, fetcher: Fetcher, results: Results
    ) -> None:
        """Join the operator with what it takes and gives."""
        for name in ("table", "table_valid", "weights", "weights_valid", "slot", "renew"):
            m.d.comb += getattr(operator, name).eq(getattr(intake, name))
        for name in ("codes", "codes_count", "codes_ends", "codes_row_ends", "codes_valid"):
            m.d.comb += getattr(results, name).eq(getattr(operator, name))
        m.d.comb += [
            operator.mode.eq(intake.work.mode),
            operator.step.eq(fetcher.step),
            operator.step_valid.eq(fetcher.step_valid),
            fetcher.pad_value.eq(operator.pad_value),
        ]

    def _add(self, m: Module, operator: Operator, loader: Loader) -> None:
        """Join the operator with the rows of the residual."""
        m.submodules.residual = residual = Residual(operator.residual_lanes)
        m.d.comb += [
            residual.write.eq(loader.residual_write),
            residual.address.eq(loader.residual_address),
            residual.beat.eq(loader.beat),
            residual.start.eq(loader.start),
            residual.take.eq(operator.residual_take),
            residual.count.eq(operator.residual_count),
            residual.ends.eq(operator.residual_ends),
            operator.residual.eq(residual.bytes),
        ]

    def _control(
        self, m: Module, intake: Intake, loader: Loader, walker: Walker, results: Results
    ) -> None:
        """Begin a command when it was started and is in, end it when its output is taken."""
        starts = Signal(2)
        begin, busy, started = Signal(), Signal(), Signal()
        under_way = Signal(2)
        refused = intake.work.refused | self._operator.refused
        m.d.comb += [
            begin.eq(intake.filled & (self.start | (starts != 0)) & ~busy & ~self.error),
            loader.start.eq(started),
            walker.start.eq(started),
            walker.room.eq(under_way < 2),
            intake.release.eq(busy & ~started & ~walker.running & (under_way == 0)),
        ]
        m.d.sync += [starts.eq(starts + self.start - begin), started.eq(begin & ~refused)]
        m.d.sync += under_way.eq(under_way + walker.row_begins - results.row_taken)
        with m.If(begin):
            m.d.sync += busy.eq(~refused)
        with m.If(intake.release):
            m.d.sync += busy.eq(0)
        with m.If(begin & refused):
            m.d.sync += self.error.eq(1)
