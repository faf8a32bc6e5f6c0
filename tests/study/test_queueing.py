"""M/D/1 waits: a simulated queue, tabulated values and the formula's own edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from fpga_rt.study.queueing import md1_longer, md1_mean, md1_quantile


def _simulated(utilisation: float, count: int) -> NDArray[np.float64]:
    """Return waits of successive requests: Lindley's recursion, a service taking 1."""
    rng = np.random.default_rng(3)
    steps = 1 - rng.exponential(1 / utilisation, count)
    walk = np.concatenate([[0.0], np.cumsum(steps)])
    waits: NDArray[np.float64] = walk - np.minimum.accumulate(walk)
    return waits


@pytest.mark.parametrize("utilisation", [0.2, 0.5, 0.8])
def test_waits_are_those_of_a_simulated_queue(utilisation: float) -> None:
    waits = _simulated(utilisation, 1_000_000)
    assert md1_mean(utilisation) == pytest.approx(waits.mean(), rel=0.02)
    for wait in (0.0, 0.5, 1.0, 2.5, 6.0, 12.0):
        assert md1_longer(utilisation, wait) == pytest.approx((waits > wait).mean(), abs=0.003)
    for share in (0.9, 0.99):
        found = md1_quantile(utilisation, share)
        assert found == pytest.approx(np.quantile(waits, share), rel=0.03, abs=0.01)


@pytest.mark.parametrize("utilisation", [0.1, 0.5, 0.9, 0.99])
def test_the_mean_is_the_area_below_the_tail(utilisation: float) -> None:
    ends = np.linspace(0, 60 / (1 - utilisation), 40_001)
    tail = np.array([md1_longer(utilisation, float(end)) for end in ends])
    area = ((tail[1:] + tail[:-1]) / 2 * np.diff(ends)).sum()
    assert area == pytest.approx(md1_mean(utilisation), rel=0.01)


@pytest.mark.parametrize("utilisation", [0.05, 0.5, 0.95])
def test_the_sum_meets_the_exponential_tail(utilisation: float) -> None:
    before, after = (md1_longer(utilisation, wait) for wait in (10.0, math.nextafter(10.0, 11.0)))
    assert before == pytest.approx(after, rel=1e-5, abs=1e-9)


def test_nobody_waits_where_most_find_an_idle_device() -> None:
    assert md1_quantile(0.0, 0.99) == md1_quantile(0.2, 0.8) == md1_longer(0.0, 0.0) == 0.0
    assert md1_longer(0.3, 0.0) == pytest.approx(0.3)


@pytest.mark.parametrize("utilisation", [-0.1, 1.0, 2.0, math.nan])
def test_a_queue_without_end_is_refused(utilisation: float) -> None:
    for refused in (md1_mean, lambda u: md1_quantile(u, 0.5), lambda u: md1_longer(u, 1.0)):
        with pytest.raises(ValueError, match="at least 0 and less than 1"):
            refused(utilisation)


@pytest.mark.parametrize("share", [0.0, 1.0, math.nan])
def test_a_share_of_none_or_all_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="more than 0 and less than 1"):
        md1_quantile(0.5, share)
