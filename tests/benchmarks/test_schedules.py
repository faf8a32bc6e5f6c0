"""The schedule benchmark's figures, from results written by hand."""

from __future__ import annotations

import pytest

from benchmarks.schedules import Result, _gaps
from fpga_rt.study.instances import random_kind


def _result(number: int, proven: bool) -> Result:
    totals = {"none": 200, "look-ahead": 110, "exact": 100}
    return Result(number, random_kind(number), totals, 100, 100 if proven else 80, proven)


def test_without_a_single_proof_there_are_gaps_to_the_bound_only() -> None:
    figures = {m.name: m for m in _gaps([_result(0, False), _result(1, False)])}
    assert figures["schedules proven optimal"].value == 0
    assert figures["exact above the bound, mean"].value == pytest.approx(25)
    assert not any("above the optimum" in name for name in figures)


def test_rows_are_held_to_the_optimum_where_it_is_proven() -> None:
    figures = {m.name: m for m in _gaps([_result(0, True), _result(1, False)])}
    assert figures["schedules proven optimal"].value == 50
    assert figures["look-ahead above the optimum, most"].value == pytest.approx(10)
    assert figures["look-ahead above the bound, most"].value == pytest.approx(37.5)
