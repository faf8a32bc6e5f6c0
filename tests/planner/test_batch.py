"""Batches against every batch up to them, tried one by one."""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import PlanningError
from fpga_rt.planner.batch import Batches
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.predict import predict
from tests.random_networks import Builder

PYNQ = board("pynq-z2")


def _deployment(partitions: int) -> Deployment:
    """Return a network that swaps, with launches long enough to hide loads behind."""
    builder = Builder(np.random.default_rng(1), (24, 24, 32))
    builder.convolution(64, 3)
    builder.depthwise(3)
    builder.convolution(64, 3)
    builder.maximum(2, 2)
    return compile_network(builder.build(), PYNQ, partitions)


def _warm(deployment: Deployment, images: int) -> tuple[int, int]:
    """Return latency of the second request and the time in which it computed."""
    found = predict(PYNQ, [(deployment, images)] * 2, "aggressive")
    start, end = found.requests[1]
    computed = sum(b - a for a, b in found.programs if a >= start)
    return end - start, computed


def test_the_smallest_batch_that_hides_every_load() -> None:
    deployment = _deployment(2)
    assert len(deployment.launches) > 1
    found = Batches(PYNQ, deployment).hiding()
    assert found.images > 1
    assert found.exposed_ps == 0
    latency, computed = _warm(deployment, found.images)
    assert found.latency_ps == latency
    # What remains beside computing is register accesses: five a launch, and what ends a load.
    accesses = 5 * len(deployment.launches) + 10 * len(deployment.launches)
    assert latency - computed <= accesses * 20 * PYNQ.clock_ps
    latency, computed = _warm(deployment, found.images - 1)
    assert latency - computed > accesses * 20 * PYNQ.clock_ps


def test_a_network_that_stays_hides_everything_at_once() -> None:
    assert Batches(PYNQ, _deployment(3)).hiding().images == 1


def test_one_partition_hides_nothing() -> None:
    with pytest.raises(PlanningError, match=r"ms exposed at a batch of 8, expected none; give it"):
        Batches(PYNQ, _deployment(1), most=8).hiding()


def test_the_fastest_batch_that_ends_in_time() -> None:
    deployment = _deployment(2)
    times = {n: _warm(deployment, n)[0] for n in range(1, 13)}
    deadline = times[12]
    found = Batches(PYNQ, deployment, most=64).fastest(deadline)
    assert found.images == 12
    assert found.latency_ps == deadline
    assert found.image_ps == min(time / n for n, time in times.items())
    assert Batches(PYNQ, deployment, most=64).fastest(deadline - 1).images == 11


def test_a_deadline_that_one_image_misses_is_refused() -> None:
    with pytest.raises(PlanningError, match=r"one image of .* takes .* ms, expected at most 0.001"):
        Batches(PYNQ, _deployment(2)).fastest(10**6)
