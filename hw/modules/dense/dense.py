"""The module `dense` behind the module boundary."""

from __future__ import annotations

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring

from fpga_rt.contract.command import STREAM_BYTES
from fpga_rt.errors import ToolchainError
from fpga_rt.modules import module as host
from fpga_rt.modules.dense import TABLE_CHANNELS
from hw.blocks.boundary import BOUNDARY
from hw.modules.dense.intake import Intake
from hw.modules.dense.neuron import Neuron
from hw.modules.dense.walker import Walker
from hw.modules.elementwise.collector import Collector

LANES = ((2,), (4,), (8,))


def rtl(module: host.Module) -> Dense:
    """Return the RTL half of `dense`; what the entry point names.

    Raises:
        ToolchainError: the family or the lanes are not of this module.
    """
    if module.family != "dense" or module.lanes not in LANES:
        raise ToolchainError(
            f"module {module.name}: this gateware is dense on 2, 4 or 8 lanes; register gateware of"
            " its own under another family"
        )
    return Dense(module)


class Dense(wiring.Component):
    """One output channel after the other, `lanes` products a clock; see `BOUNDARY` for its ports.

    It computes commands of a single pixel with up to 32768 inputs and 512 outputs. What it refuses
    is an `error` when the command is started; from there on it takes every beat and computes
    nothing.
    """

    def __init__(self, module: host.Module) -> None:
        """Make the RTL half of a host half."""
        self.module = module
        super().__init__(BOUNDARY.flip())

    def elaborate(self, platform: object) -> Module:
        """Return the parts, joined."""
        m = Module()
        (lanes,) = self.module.lanes
        m.submodules.intake = intake = Intake(lanes)
        m.submodules.walker = walker = Walker(lanes)
        m.submodules.neuron = neuron = Neuron(lanes)
        # It holds all that a command gives, so its `room` never ends.
        m.submodules.collector = results = Collector(1, TABLE_CHANNELS // STREAM_BYTES)
        wiring.connect(m, intake.weights, walker.weights)
        wiring.connect(m, results.output, wiring.flipped(self.output))
        m.d.comb += [
            self.module_id.eq(self.module.module_id),
            neuron.table.eq(intake.table),
            neuron.table_valid.eq(intake.table_valid),
            neuron.slot.eq(intake.slot),
            walker.work.eq(intake.work),
            walker.enable.eq(~self.error),
            neuron.step.eq(walker.step),
            neuron.step_valid.eq(walker.step_valid),
            results.reserve.eq(walker.reserve),
            results.codes[0].eq(neuron.code),
            results.codes_valid.eq(neuron.code_valid),
            results.to.eq(neuron.to),
        ]
        for name, inner in (
            ("command", intake.command),
            ("parameters", intake.parameters),
            ("input", walker.input),
        ):
            outer = getattr(self, name)
            m.d.comb += [
                inner.payload.eq(outer.payload),
                inner.valid.eq(outer.valid),
                outer.ready.eq(inner.ready | self.error),
            ]
        self._control(m, intake, walker, neuron, results.empty)
        return ResetInserter(self.reset)(m)

    def _control(
        self, m: Module, intake: Intake, walker: Walker, neuron: Neuron, empty: Signal
    ) -> None:
        """Begin a command when it was started and is in, end it when its output is taken."""
        starts = Signal(2)
        begin, busy = Signal(), Signal()
        refused = intake.work.refused | neuron.refused
        m.d.comb += [
            begin.eq(intake.filled & (self.start | (starts != 0)) & ~busy & ~self.error),
            walker.start.eq(begin & ~refused),
            intake.release.eq(busy & ~walker.running & empty),
        ]
        m.d.sync += starts.eq(starts + self.start - begin)
        with m.If(begin):
            m.d.sync += busy.eq(~refused)
        with m.If(intake.release):
            m.d.sync += busy.eq(0)
        with m.If(begin & refused):
            m.d.sync += self.error.eq(1)
