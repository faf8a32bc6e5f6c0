"""A device under load: promises are kept, nothing is lost, and the queue never grows."""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.planner.admission import Work
from fpga_rt.study.online import Arrival, Ends, poisson, simulate

A, B, C = 0xA, 0xB, 0xC
NETWORKS = (
    (Work(((0, A), (1, B)), 400),),
    (Work(((0, C),), 150), Work(((2, B),), 90)),
    (Work(((2, A),), 60),),
)
LOADS = {(0, A): 900, (1, B): 700, (0, C): 900, (2, B): 300, (2, A): 300}
DEADLINES = [6000, 8000, 4000]
US = 10**6


def _run(
    rate_hz: float,
    count: int,
    seed: int,
    *,
    capacity: int = 16,
    ahead: bool = True,
    least: float = 1,
    least_load: float = 1,
) -> Ends:
    networks = [tuple(Work(w.modules, w.duration_ps * US) for w in network) for network in NETWORKS]
    loads = {load: time * US for load, time in LOADS.items()}
    deadlines = [deadline * US for deadline in DEADLINES]
    arrivals = poisson([rate_hz / 3] * 3, deadlines, count, seed)
    rng = np.random.default_rng(seed)
    shares = rng.uniform(least, 1, 4096).tolist()

    def taken(number: int, most_ps: int) -> int:
        return int(most_ps * shares[number % 4096])

    load_shares = rng.uniform(least_load, 1, 4096).tolist()

    def load_taken(number: int, most_ps: int) -> int:
        return int(most_ps * load_shares[number % 4096])

    return simulate(arrivals, networks, loads, capacity, taken, ahead, load_taken=load_taken)


def test_time_has_no_end() -> None:
    """Requests a hundred years apart: 3e21 ps, beyond 64 bits."""
    century = 100 * 365 * 86400 * 10**12
    arrivals = [Arrival(i * century, 0, i * century + 10**4) for i in range(3)]
    ends = simulate(arrivals, NETWORKS, LOADS, 4)
    _kept(ends, 3)
    assert ends.last_ps == 2 * century + 400


def _kept(ends: Ends, count: int) -> None:
    assert ends.accepted + sum(ends.refused.values()) == count
    assert ends.ended["late"] == 0
    assert (ends.lost, ends.twice) == (0, 0)
    assert ends.ended["result"] == ends.accepted


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize(("least", "least_load"), [(0.3, 1), (1, 0.2), (0.3, 0.2), (1, 1)])
@pytest.mark.parametrize("rate_hz", [50, 800, 20_000])
def test_no_promise_is_broken(rate_hz: float, least: float, least_load: float, ahead: bool) -> None:
    """Jobs and loads that take less than they may, at any rate, with loads ahead and on demand."""
    for seed in range(3):
        ends = _run(rate_hz, 2000, seed, ahead=ahead, least=least, least_load=least_load)
        _kept(ends, 2000)


def test_overload_is_refused_and_the_queue_is_bounded() -> None:
    ends = _run(50_000, 5000, 1, capacity=4)
    _kept(ends, 5000)
    assert ends.longest_queue <= 4
    assert ends.refused["full"] + ends.refused["late"] > 4000
    assert set(ends.refused) <= {"full", "late"}


def test_a_light_load_is_never_refused() -> None:
    ends = _run(20, 500, 2)
    _kept(ends, 500)
    assert sum(ends.refused.values()) == 0


def test_loading_ahead_admits_more() -> None:
    assert _run(2000, 3000, 3).accepted > _run(2000, 3000, 3, ahead=False).accepted


def test_one_request_alone_takes_its_loads_and_jobs() -> None:
    ends = simulate([Arrival(5, 1, 10**6)], NETWORKS, LOADS, 1)
    # C until 900, its job until 1050; B beside it until 1200, its job until 1290.
    assert ends.latencies_ps == [1290]
    assert (ends.loads, ends.busy_ps, ends.last_ps) == (2, 240, 1295)
    ends = simulate([Arrival(5, 1, 10**6)], NETWORKS, LOADS, 1, ahead=False)
    assert ends.latencies_ps == [900 + 150 + 300 + 90]


def test_a_load_that_ends_early_brings_what_follows_forward() -> None:
    def halved(number: int, most: int) -> int:
        return most // 2 if number == 0 else most

    ends = simulate([Arrival(5, 1, 10**6)], NETWORKS, LOADS, 1, load_taken=halved)
    # C until 450, its job until 600; B beside it until 750, its job until 840.
    assert ends.latencies_ps == [840]


def test_a_load_in_flight_is_promised_at_its_most() -> None:
    """At 100 the load that ends at 450 may take until 900, so 150 and 390 more are promised."""
    arrivals = [Arrival(0, 1, 10**6), Arrival(100, 1, 1290 + 1800)]
    for earlier, refused in ((0, 0), (2000, 1)):
        last = Arrival(100, 1, arrivals[1].deadline_ps - earlier)
        ends = simulate([arrivals[0], last], NETWORKS, LOADS, 4, load_taken=lambda _, m: m // 2)
        assert sum(ends.refused.values()) == refused


def test_what_takes_longer_than_promised_ends_late_once() -> None:
    ends = simulate([Arrival(0, 2, 370)], NETWORKS, LOADS, 1, lambda _, most: 2 * most)
    assert (ends.ended["late"], ends.ended["result"], ends.lost) == (1, 0, 0)


def test_a_request_that_fails_ends_once_and_the_next_one_runs() -> None:
    arrivals = [Arrival(0, 1, 10**6), Arrival(1, 2, 10**6)]
    ends = simulate(arrivals, NETWORKS, LOADS, 4, lambda number, most: -1 if number == 0 else most)
    assert (ends.ended["failed"], ends.ended["result"], ends.lost) == (1, 1, 0)


def test_arrivals_are_poisson_and_repeat() -> None:
    first, again = (list(poisson([300, 100], [5, 6], 20_000, 4)) for _ in range(2))
    assert first == again
    gaps = np.diff([arrival.at_ps for arrival in first]) / 1e12
    assert gaps.mean() == pytest.approx(1 / 400, rel=0.03)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)  # exponential
    assert np.mean([a.network for a in first]) == pytest.approx(0.25, abs=0.02)
    assert {a.deadline_ps - a.at_ps for a in first if a.network == 1} == {6}


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="expected all above 0"):
        list(poisson([1, 0], [1, 1], 1, 0))
