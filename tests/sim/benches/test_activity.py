"""For how long two things went on at once: see sim/benches/activity.py."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

if find_spec("cocotb") is None:
    pytest.skip("needs cocotb", allow_module_level=True)

from sim.benches.activity import Interval, overlaps_ps


@pytest.mark.parametrize(
    ("some", "others", "expected"),
    [
        ([(0, 10)], [(10, 20)], 0),
        ([(0, 10)], [(9, 20)], 1),
        ([(5, 6)], [(0, 20)], 1),
        ([(0, 10), (20, 30)], [(5, 25)], 10),
        ([], [(0, 1)], 0),
    ],
)
def test_overlaps(some: list[Interval], others: list[Interval], expected: int) -> None:
    assert overlaps_ps(some, others) == expected
    assert overlaps_ps(others, some) == expected
