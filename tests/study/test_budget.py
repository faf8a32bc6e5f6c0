"""Budgets: sums, limits and the answers that follow, against arithmetic done by hand."""

from __future__ import annotations

import pytest

from fpga_rt.study.budget import Budget, Term, Traffic, _queue_term
from fpga_rt.study.device_time import DeviceTime, DeviceTimes
from fpga_rt.study.path import Path

MS = 10**9
WARM = DeviceTime(0, MS // 10, MS * 9 // 10, 0)  # 1 ms
SWAPPED = DeviceTime(4 * MS, MS // 10, MS * 9 // 10, 0)  # 5 ms


def _budget(
    limit_ms: int, traffic: Traffic | None = None, device: DeviceTimes | None = None
) -> Budget:
    """Return a budget of 1,000 km of fibre and nothing but the device."""
    device = device or DeviceTimes(WARM, SWAPPED, MS // 2)
    cases = {"warm": device.warm.total_ps, "swap": device.swapped.total_ps, "static": MS // 2}
    path = Path(distance_km=1000, hops=0, hop_us=0, link_mbps=1000)
    traffic = traffic or Traffic()
    terms = [
        Term("fibre", dict.fromkeys(cases, path.fibre_ps), "document", ""),
        _queue_term(traffic, cases),
        Term("device", cases, "modelled", ""),
    ]
    return Budget(limit_ms * MS, terms, device, path, traffic)


def test_totals_are_sums_and_the_rest_is_left() -> None:
    found = _budget(20)
    assert {case: found.total_ps(case) for case in found.cases} == {
        "warm": 10_800_000_000, "swap": 14_800_000_000, "static": 10_300_000_000,
    }  # fmt: skip
    assert found.spare_ps("swap") == 5_200_000_000


def test_the_reach_is_where_nothing_is_left() -> None:
    found = _budget(20)
    assert found.reach_km("warm") == pytest.approx((20 - 1) / 9.8e-3)
    assert found.reach_km("swap") == pytest.approx((20 - 5) / 9.8e-3)
    assert _budget(4).reach_km("swap") is None
    assert _budget(4).reach_km("warm") == pytest.approx(3 / 9.8e-3)


@pytest.mark.parametrize(("limit_ms", "swaps"), [(10, 0), (14, 0), (15, 1), (20, 2), (111, 25)])
def test_swaps_fill_what_a_warm_request_leaves(limit_ms: int, swaps: int) -> None:
    assert _budget(limit_ms).swaps_in_a_request == swaps


@pytest.mark.parametrize(
    ("rate_hz", "share"), [(None, None), (100.0, 1.0), (500.0, 0.25), (1000.0, 0.0), (4000.0, 0.0)]
)
def test_a_share_of_swaps_fills_the_device(rate_hz: float | None, share: float | None) -> None:
    # At 500 requests/s there are 2 ms for each: 1 ms warm, and a swap of 4 ms for each fourth.
    assert _budget(20, Traffic(rate_hz=rate_hz)).swapping_share == share


def test_requests_that_always_swap_lose_nothing_by_it() -> None:
    always = DeviceTimes(SWAPPED, SWAPPED, None)
    found = _budget(20, Traffic(rate_hz=100), always)
    assert (found.swaps_in_a_request, found.swapping_share) == (None, 1.0)
    assert _budget(20, Traffic(rate_hz=300), always).swapping_share == 0.0


def test_waiting_is_that_of_each_kind_of_request() -> None:
    found = _budget(20, Traffic("md1", 100.0, 50.0))
    queue = found.terms[1]
    # One in ten waits when all are warm (1 ms at 100 Hz); half of them when all swap (5 ms).
    assert queue.ps == {"warm": 0, "swap": 0, "static": 0}
    assert "mean: warm 10.0% busy, 0.056 ms; swap 50.0% busy, 2.500 ms" in queue.basis
    tail = _budget(20, Traffic("md1", 100.0, 99.0)).terms[1].ps
    ordered = [tail["static"], tail["warm"], 5 * MS, tail["swap"]]
    assert ordered == sorted(ordered, key=lambda ps: ps or 0)
    assert len(set(ordered)) == 4


def test_a_queue_without_end_leaves_no_place() -> None:
    found = _budget(20, Traffic("md1", 300.0))
    assert found.total_ps("swap") is found.spare_ps("swap") is found.reach_km("swap") is None
    assert found.total_ps("warm") is not None
    assert _budget(20, Traffic("md1", 3000.0)).swaps_in_a_request == 0


def test_waiting_needs_a_rate() -> None:
    with pytest.raises(ValueError, match="M/D/1 without a rate"):
        _queue_term(Traffic("md1"), {"warm": MS})
