"""The modules `scale`, `add` and `clamp` behind the module boundary."""

from __future__ import annotations

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring

from fpga_rt.contract.command import STREAM_BYTES, Operation
from fpga_rt.errors import ToolchainError
from fpga_rt.modules import module as host
from hw.blocks.boundary import BOUNDARY
from hw.modules.elementwise.collector import Collector
from hw.modules.elementwise.intake import Intake
from hw.modules.elementwise.operators import ROW_BYTES, Add, Clamp, Operator, Scale
from hw.modules.elementwise.walker import Walker

FAMILIES: dict[str, tuple[Operation, type[Operator], int]] = {
    "scale": (Operation.AVERAGE_POOL, Scale, 32),
    "add": (Operation.ADDITION, Add, ROW_BYTES // STREAM_BYTES),
    "clamp": (Operation.MAXIMUM_POOL, Clamp, 32),
}
"""What each computes, with what, and the beats of output it holds: the results of an addition come
in bursts of a row."""
LANES = ((2,), (8,))


def rtl(module: host.Module) -> Elementwise:
    """Return the RTL half of `scale`, `add` or `clamp`; what the entry points name.

    Raises:
        ToolchainError: the family or the lanes are not of these modules.
    """
    if module.family not in FAMILIES or module.lanes not in LANES:
        raise ToolchainError(
            f"module {module.name}: elementwise gateware is {', '.join(FAMILIES)} on 2 or 8"
            " lanes; register gateware of its own under another family"
        )
    return Elementwise(module, *FAMILIES[module.family])


class Elementwise(wiring.Component):
    """One operation on `lanes` neighbouring channels a clock; see `BOUNDARY` for its ports.

    It computes commands whose window is one pixel, with as many channels as the table holds (256)
    and a multiple of its lanes; a row of an addition has at most 4096 bytes. What it refuses is an
    `error` when the command is started (a row that is too long, when it comes); from there on it
    takes every beat and computes nothing.
    """

    def __init__(
        self,
        module: host.Module,
        operation: Operation,
        operator: type[Operator],
        depth_beats: int = 32,
    ) -> None:
        """Make the RTL half of a host half.

        Args:
            module: its lanes, one number, are 1, 2, 4 or 8.
            operation: what commands must ask for.
            operator: what computes it.
            depth_beats: output that is held until it is taken; more than the operator's latency
                and four beats keep up with a beat a clock.
        """
        self.module = module
        self._operation = operation
        self._operator = operator
        self._depth_beats = depth_beats
        super().__init__(BOUNDARY.flip())

    def elaborate(self, platform: object) -> Module:
        """Return the parts, joined."""
        m = Module()
        (lanes,) = self.module.lanes
        m.submodules.operator = operator = self._operator(lanes)
        m.submodules.intake = intake = Intake(self._operation, lanes, operator.channels_in_table)
        m.submodules.walker = walker = Walker(lanes, operator.operands)
        m.submodules.collector = results = Collector(lanes, self._depth_beats)
        m.d.comb += [
            self.module_id.eq(self.module.module_id),
            operator.table.eq(intake.table),
            operator.table_valid.eq(intake.table_valid),
            operator.slot.eq(intake.slot),
            walker.work.eq(intake.work),
            walker.room.eq(results.room),
            walker.enable.eq(~self.error),
            operator.chunk.eq(walker.chunk),
            operator.chunk_valid.eq(walker.chunk_valid),
            results.reserve.eq(walker.reserve),
            results.codes.eq(operator.codes),
            results.codes_valid.eq(operator.codes_valid),
            results.to.eq(operator.to),
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
        wiring.connect(m, results.output, wiring.flipped(self.output))
        self._control(m, intake, walker, operator, results.empty)
        return ResetInserter(self.reset)(m)

    def _control(
        self, m: Module, intake: Intake, walker: Walker, operator: Operator, empty: Signal
    ) -> None:
        """Begin a command when it was started and is in, end it when its output is taken."""
        starts = Signal(2)
        begin, busy = Signal(), Signal()
        refused = intake.work.refused | operator.refused
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
        with m.If((begin & refused) | operator.overflow):
            m.d.sync += self.error.eq(1)
