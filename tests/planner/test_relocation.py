"""Launches in other partitions: the same bytes, and times predicted as they are emulated."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.contract.command import COMMAND, COMMAND_BYTES
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.emulator import Emulator
from fpga_rt.modules.registry import by_identity, named
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.plan import Plan, Planned, carry_out
from fpga_rt.planner.policies import ByRule
from fpga_rt.planner.predict import predict
from fpga_rt.planner.relocation import movable, needs_of, relocated
from fpga_rt.planner.requests import jobs_of, row_of
from fpga_rt.planner.schedule import POLICIES, Policy
from fpga_rt.planner.timelines import Timelines
from fpga_rt.runtime.runtime import Request, Runtime
from tests.random_networks import Builder, random_network

PYNQ = board("pynq-z2")


def _network(seed: int, channels: int = 16) -> Network:
    builder = Builder(np.random.default_rng(seed), (8, 8, channels))
    builder.convolution(channels, 3)
    builder.depthwise(3)
    builder.convolution(channels, 1)
    builder.maximum(2, 2)
    return builder.build(f"net{seed}")


def _resident(seed: int) -> Deployment:
    """Return a network of two small modules that stay, with bitstreams for every partition."""
    builder = Builder(np.random.default_rng(seed), (8, 8, 16))
    builder.depthwise(3)
    builder.convolution(16, 1)
    small = named(["convolution_4x8", "depthwise_16"])
    deployment = movable(compile_network(builder.build(f"pair{seed}"), PYNQ, 2, small), PYNQ)
    assert [sorted(launch.modules) for launch in deployment.launches] == [[0, 1]]
    return deployment


def _compiled(network: Network, partitions: int | list[int]) -> Deployment:
    return movable(compile_network(network, PYNQ, partitions), PYNQ)


def test_a_module_may_go_wherever_it_fits() -> None:
    small = compile_network(_network(0), PYNQ, [2])
    assert {p for p, _ in small.loads} == {2}
    moved = movable(small, PYNQ)
    assert moved.partitions == (0, 1, 2)
    assert set(small.loads) < set(moved.loads)
    for launch in moved.launches:
        for need, home in zip(needs_of(moved, launch, True), launch.modules, strict=True):
            assert need.partitions[0] == home == 2
            assert set(need.partitions) <= {0, 1, 2}
        assert all(len(n.partitions) == 1 for n in needs_of(moved, launch, False))


def test_built_bitstreams_are_not_mixed_with_the_simulations() -> None:
    built = replace(_resident(1), static_id=0x1234)
    assert movable(built, PYNQ) is built
    alone = replace(built, loads=dict(list(built.loads.items())[:1]))
    assert movable(alone, PYNQ) is alone
    assert movable(replace(alone, static_id=0), PYNQ).loads.keys() == built.loads.keys()


def test_a_module_does_not_go_where_it_does_not_fit() -> None:
    deployment = compile_network(_network(1), PYNQ, [0])
    moved = movable(deployment, PYNQ)
    area = [p.resources for p in PYNQ.partitions]

    for partition, name in moved.loads:
        module = by_identity()[moved.module_ids[name]]
        assert module.resources.fits_in(area[partition])


def test_only_partitions_are_renamed() -> None:
    [launch] = _resident(2).launches
    assert relocated(launch, (0, 1)) is launch
    there = relocated(launch, (2, 0))
    assert there.modules == {2: launch.modules[0], 0: launch.modules[1]}
    for home, place, own, other in ((0, 2, "wait0", "wait1"), (1, 0, "wait1", "wait0")):
        starts = range(0, len(launch.rings[home]), COMMAND_BYTES)
        for start in starts:
            before, after = (
                COMMAND.decode(ring[start : start + COMMAND_BYTES])
                for ring in (launch.rings[home], there.rings[place])
            )
            assert before[own] == 0  # a ring never waits for itself
            awaited = {0: "wait2", 1: "wait0"}[1 - home]
            assert after.pop(awaited) == before.pop(other)
            waits = {f"wait{p}": 0 for p in range(4)}
            assert {**before, **waits} == {**after, **waits}
            assert not any(after.get(name) for name in waits)


@pytest.mark.parametrize("places", list(permutations(range(3), 2)))
def test_results_are_the_same_in_every_place(places: tuple[int, int]) -> None:
    deployment = _resident(3)
    [launch] = deployment.launches
    names = list(launch.modules.values())
    network = deployment.network
    codes = np.random.default_rng(0).integers(-128, 128, (3, 8, 8, 16)).astype(np.int8)
    with Emulator(PYNQ, memory_bytes=16 << 20) as device, Runtime(device) as runtime:
        model = runtime.load(deployment)
        [result] = runtime.trace([Request(model, codes)], Plan((places,), ()))
        swaps = [(swap.partition, swap.module) for swap in runtime.log.swaps]
        [program] = runtime.log.programs
    assert swaps == list(zip(places, names, strict=True))
    assert program.places == {0: places[0], 1: places[1]}
    assert set(program.busy_ps) == set(places)
    np.testing.assert_array_equal(result.codes, golden.run(network, codes))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("seed", range(3))
def test_moving_is_predicted_as_it_is_emulated(policy: Policy, seed: int) -> None:
    """Three networks in turn, one of them swapping within itself, whatever the policy moves."""
    networks = [_network(seed), random_network(seed), _network(seed + 10, 24)]
    homes = ([0, 1], [0], [1, 2])
    deployments = [_compiled(n, p) for n, p in zip(networks, homes, strict=True)]
    order = np.random.default_rng(seed).integers(0, 3, 9)
    requests = [(deployments[i], 1 + int(i)) for i in order]
    rng = np.random.default_rng(1)
    codes = [
        rng.integers(-128, 128, (n, *d.network.tensors[d.network.input].shape)).astype(np.int8)
        for d, n in requests
    ]
    with Emulator(PYNQ, memory_bytes=16 << 20) as device, Runtime(device, policy) as runtime:
        origin = device.now_ps()
        models = {id(d): runtime.load(d) for d in deployments}
        results = runtime.trace(
            [Request(models[id(d)], c) for (d, _), c in zip(requests, codes, strict=True)]
        )
        log = runtime.log
    prediction = predict(PYNQ, requests, policy)
    spans = [(r.started_ps - origin, r.ended_ps - origin) for r in log.requests]
    assert spans == list(prediction.requests)
    loads = [(s.partition, s.module, s.started_ps - origin, s.ended_ps - origin) for s in log.swaps]
    assert loads == [(x.partition, x.module, x.started_ps, x.ended_ps) for x in prediction.loads]
    assert prediction.hidden_ps == sum(map(log.hidden_ps, log.swaps))
    for (deployment, _), given, result in zip(requests, codes, results, strict=True):
        np.testing.assert_array_equal(result.codes, golden.run(deployment.network, given))


def test_a_row_has_the_times_of_the_prediction() -> None:
    """But for register accesses of loads, which a row adds up side by side."""
    deployments = [_compiled(_network(0), 1), _compiled(_network(1, 24), [1])]
    requests = [(deployments[i % 2], 4) for i in range(6)]
    jobs = jobs_of([(i, *r) for i, r in enumerate(requests)], True)
    row = row_of(PYNQ, "icap", jobs, [d for d, _ in requests], Timelines(PYNQ))
    outcome = carry_out(row, ByRule(jobs, oldest=True))
    prediction = predict(PYNQ, requests, "lru")
    assert outcome.total_ps == pytest.approx(prediction.total_ps, rel=1e-3)
    planned = predict(PYNQ, requests, outcome.plan)
    assert [(x.partition, x.module) for x in planned.loads] == [
        (x.partition, x.module) for x in prediction.loads
    ]
    assert carry_out(row, Planned(outcome.plan)).total_ps <= outcome.total_ps
