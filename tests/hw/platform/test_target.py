"""Targets: which boards can be built, and why others cannot."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fpga_rt.arch.boards import board, boards
from fpga_rt.errors import PlanningError, ToolchainError
from hw.platform import target as targets
from hw.platform.card import CARDS
from hw.platform.target import target


@pytest.mark.parametrize(("name", "mhz"), [("pynq-z2", (1000 / 7, 100)), ("kv260", (250, 200))])
def test_clocks(name: str, mhz: tuple[float, float]) -> None:
    """The planner's clocks: that of its cycles, and that of its port's ceiling."""
    found = board(name)
    plan = target(found).clocks(found)
    assert plan.compute_ps == found.clock_ps
    assert (1e6 / plan.compute_ps, 1e6 / plan.configuration_ps) == pytest.approx(mhz)
    ceiling = found.ports["icap"].ceiling_bytes_per_second
    assert ceiling is not None
    assert 4e12 / plan.configuration_ps <= ceiling


def test_a_board_without_a_target() -> None:
    rest = sorted(set(boards()) - {"pynq-z2", "kv260", *CARDS})
    assert rest
    for name in rest:
        remedy = "add its processor and part to hw/platform/target.py"
        if name == "alveo-u200":  # of the same card
            remedy = "for this card with all of it swapped by XRT take --board alveo-u200-xrt"
        with pytest.raises(ToolchainError) as error:
            target(board(name))
        assert str(error.value) == (
            f"no bitstreams can be built for {name}: expected one of alveo-u200-xrt, kv260,"
            f" pynq-z2; {remedy}"
        )


def test_a_floorplan_without_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = board("alveo-u200")
    known = {**targets._TARGETS, declared.name: targets._TARGETS["kv260"]}
    monkeypatch.setattr(targets, "_TARGETS", known)
    message = "have declared figures and no columns, expected rectangles; give them in"
    with pytest.raises(PlanningError, match=message):
        target(declared)


def test_more_partitions_than_ports() -> None:
    whole = board("pynq-z2")
    crowded = replace(whole, partitions=(*whole.partitions, whole.partitions[0]))
    message = (
        "floorplan of pynq-z2: got 4 partitions, expected at most 3, since each needs a memory port"
        " of the processor; merge some"
    )
    with pytest.raises(PlanningError, match=re.escape(message)):
        target(crowded)
