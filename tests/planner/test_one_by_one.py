"""Requests that come one by one: what they take on the emulator, run by run."""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.device.emulator import Emulator
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.one_by_one import OneByOne
from fpga_rt.planner.predict import Prediction, predict
from fpga_rt.planner.schedule import Policy
from fpga_rt.planner.timelines import Timelines
from fpga_rt.runtime.runtime import Request, Runtime
from tests.update.networks import small, swapping

PYNQ = board("pynq-z2")
CODES = np.random.default_rng(3).integers(-128, 128, (3, 4, 4, 8)).astype(np.int8)


@pytest.mark.parametrize("policy", ["none", "lru", "belady", "aggressive", "look-ahead"])
def test_they_take_what_they_take_on_the_emulator(policy: Policy) -> None:
    """None is known before it begins, so nothing is loaded ahead for the next one."""
    one, two = (compile_network(network, PYNQ, 1) for network in (small(), swapping()))
    device = OneByOne(PYNQ, policy, Timelines(PYNQ))
    with Emulator("pynq-z2", memory_bytes=16 << 20) as emulator, Runtime(emulator, policy) as run:
        models = {id(d): run.load(d) for d in (one, two)}
        for deployment, images in ((one, 1), (one, 3), (two, 1), (one, 1), (one, 1), (two, 2)):
            before, loads = emulator.now_ps(), len(run.log.swaps)
            run.trace([Request(models[id(deployment)], CODES[:images])])
            taken = device.run(deployment, images)
            assert taken.duration_ps == emulator.now_ps() - before
            assert taken.loads == len(run.log.swaps) - loads
            hidden = sum(run.log.hidden_ps(swap) for swap in run.log.swaps[loads:])
            assert taken.hidden_ps == hidden


def test_what_settles_is_what_the_last_of_many_takes() -> None:
    deployment = compile_network(swapping(), PYNQ, 1)
    device = OneByOne(PYNQ, "aggressive", Timelines(PYNQ))
    settled = device.settled_ps(deployment, 1)
    many = [device.run(deployment, 1).duration_ps for _ in range(4)]
    assert settled == many[-1] == many[1] < many[0]  # which fills the empty partition


def test_settled_requests_load_where_modules_are_swapped() -> None:
    """Modules that have a partition each stay; one that several share is loaded by each request."""
    for network, partitions, loaded in ((small(), 2, set()), (swapping(), 1, {0})):
        device = OneByOne(PYNQ, "aggressive", Timelines(PYNQ))
        assert device.settled_loads(compile_network(network, PYNQ, partitions), 1) == loaded


def test_of_a_round_the_longest_request_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """From nothing to 1, then 2, 1, 2 ...: what the first takes is of no round."""
    taken = {0: (9, 1), 1: (7, 2), 2: (3, 1)}

    def predicted(*_: object, resident: dict[int, int], **__: object) -> Prediction:
        duration, then = taken[resident.get(0, 0)]
        return Prediction(((0, duration),), (), 0, (), {0: then})

    monkeypatch.setattr("fpga_rt.planner.one_by_one.predict", predicted)
    device = OneByOne(PYNQ, "lru", Timelines(PYNQ))
    deployment = compile_network(small(), PYNQ, 1)
    assert device.settled_ps(deployment, 1) == 7
    assert [device.run(deployment, 1).duration_ps for _ in range(4)] == [9, 7, 3, 7]
    assert device.settled_ps(deployment, 1) == 7


def test_a_prediction_goes_on_from_what_the_partitions_hold() -> None:
    deployment = compile_network(swapping(), PYNQ, 1)
    cold = predict(PYNQ, [(deployment, 1)], "none")
    both = predict(PYNQ, [(deployment, 1)] * 2, "none")
    warm = predict(PYNQ, [(deployment, 1)], "none", resident=cold.resident)
    assert warm.total_ps == both.requests[1][1] - both.requests[1][0]
    assert warm.resident == both.resident == cold.resident
    assert len(warm.loads) == len(both.loads) - len(cold.loads)
    assert not any(load.initial for load in warm.loads)
