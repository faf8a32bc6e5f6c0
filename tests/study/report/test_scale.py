"""Axes: values lie in order, ticks are round and inside."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpga_rt.study.report.scale import scale_of

_VALUES = st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=20)


@given(_VALUES, st.booleans())
def test_values_keep_their_order_and_lie_inside(values: list[float], log: bool) -> None:
    scale = scale_of(values, 50, 450, log)
    places = [scale(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(49.9 <= place <= 450.1 for place in places)


@given(_VALUES, st.booleans())
def test_ticks_are_few_and_inside(values: list[float], log: bool) -> None:
    ticks = scale_of(values, 50, 450, log).ticks(5)
    assert all(49.9 <= place <= 450.1 for place, _ in ticks)
    assert len(ticks) <= (20 if log else 6)


def test_an_axis_of_numbers_begins_at_0_and_has_round_ticks() -> None:
    scale = scale_of([3.0, 47.0], 0, 100, log=False)
    assert scale(0.0) == 0
    assert [text for _, text in scale.ticks(5)] == ["0", "10", "20", "30", "40"]


def test_a_logarithmic_axis_gives_each_decade_as_much_room() -> None:
    scale = scale_of([1.0, 100.0], 0, 100, log=True)
    assert scale(10.0) - scale(1.0) == pytest.approx(scale(100.0) - scale(10.0))
    assert math.isclose(scale(math.sqrt(10)) * 2, scale(1.0) + scale(10.0))


def test_names_lie_side_by_side_in_their_order() -> None:
    scale = scale_of(["icap", "pcap", "icap"], 0, 100, log=False)
    assert scale.ticks(5) == [(25.0, "icap"), (75.0, "pcap")]


def test_few_values_mark_themselves() -> None:
    ticks = scale_of([64.0, 4.0, 16.0], 0, 100, log=True, mark=True).ticks(5)
    assert [text for _, text in ticks] == ["4", "16", "64"]
