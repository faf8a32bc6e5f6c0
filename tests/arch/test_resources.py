"""Tests of amounts of fabric."""

from __future__ import annotations

from fpga_rt.arch.resources import Resources


def test_sum_difference_and_text() -> None:
    total = Resources(9600, 80, 40) + Resources(400, 0, 1)
    assert total == Resources(10_000, 80, 41)
    assert total - Resources(10_001, 80, 1) == Resources(-1, 0, 40)
    assert str(total) == "10,000 LUT, 80 DSP, 41 BRAM36"


def test_fitting_is_decided_by_every_kind() -> None:
    region = Resources(100, 10, 1)
    assert Resources(100, 10, 1).fits_in(region)
    assert not Resources(101, 0, 0).fits_in(region)
    assert not Resources(0, 11, 0).fits_in(region)
    assert not Resources(0, 0, 2).fits_in(region)
    assert not Resources(101, 0, 0) <= region
