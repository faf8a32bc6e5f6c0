"""Predictions against times added up by hand from documents and formulas."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations_with_replacement

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.arch.resources import Resources
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.emulator import Emulator
from fpga_rt.modules.registry import modules
from fpga_rt.planner.assignment import Costs
from fpga_rt.planner.baseline import best_sets, estimated_cycles, static_baseline
from fpga_rt.planner.binding import bind
from fpga_rt.planner.compile import compile_network, prepare
from fpga_rt.planner.predict import predict
from fpga_rt.planner.schedule import Policy
from fpga_rt.runtime.runtime import Request, Runtime
from tests.random_networks import Builder, random_network

PYNQ = board("pynq-z2")
CLOCK_PS = 7000
REGISTER_PS = 20 * CLOCK_PS


def _one_layer() -> Builder:
    builder = Builder(np.random.default_rng(0), (4, 4, 16))
    builder.convolution(8, 3)
    return builder


def test_one_layer_takes_what_its_formula_says() -> None:
    deployment = compile_network(_one_layer().build(), PYNQ, 1)
    prediction = predict(PYNQ, [(deployment, 1), (deployment, 1)], "none")
    start, end = prediction.requests[1]
    # Input from DRAM: the first beat after 8 cycles, latency 30 and 1 of the burst. Rows 0 and 1
    # come first (16 beats = 20 cycles); a row is 4 pixels x 1 group x 9 steps and 1 cycle, longer
    # than the 10 cycles of the next input row. From the last step to the last beat: 6 to its bytes,
    # 25 to the first part of its results, 1 to the second, 3 to the beat; four beats are stored
    # together, in 4 cycles and 4 of the burst, and answered after 30.
    compute = 8 + 30 + 1 + 20 + 4 * (4 * 9 + 1) - 1 + 6 + 25 + 1 + 3 + 4 + 4 + 30
    # Parameters: a table of 32 + 8 x 8 bytes and 9 words of 128 bytes, 156 beats at 5/4 cycles.
    parameters = 5 + 30 + 194
    # Header (18 beats) and descriptor (8 beats): latency 30 each, beats at 5/4 cycles.
    cycles = 7 + 30 + 22 + 3 + 30 + 9 + parameters + compute + 12
    # Three register writes for the doorbell, two reads when it has ended.
    assert end - start == cycles * CLOCK_PS + 5 * REGISTER_PS


def test_a_load_takes_the_real_size_at_the_calibrated_rate() -> None:
    deployment = compile_network(_one_layer().build(), PYNQ, 1)
    load = predict(PYNQ, [(deployment, 1)], "none").loads[0]
    assert load.initial
    size = PYNQ.partitions[0].bitstream_bytes
    transfer_ps = -(-size * 10**12 // 382_000_000)
    # decouple 2, controller 6 and 2, reset 3, identify 2, recouple 2 register accesses
    assert load.ended_ps - load.started_ps == transfer_ps + 17 * REGISTER_PS


def test_the_processors_port_is_slower_and_set_up_first() -> None:
    deployment = compile_network(_one_layer().build(), PYNQ, 1)
    load = predict(PYNQ, [(deployment, 1)], "none", "pcap").loads[0]
    size = PYNQ.partitions[0].bitstream_bytes
    seconds = 0.039e-3 + size / 128.5e6
    assert (load.ended_ps - load.started_ps) / 1e12 == pytest.approx(seconds, abs=3e-6)


def test_a_batch_amortises_the_doorbell() -> None:
    deployment = compile_network(_one_layer().build(), PYNQ, 1)
    single, batch = (predict(PYNQ, [(deployment, n)] * 2, "none").requests[1] for n in (1, 8))
    assert batch[1] - batch[0] < 8 * (single[1] - single[0])


def test_loading_ahead_exposes_less() -> None:
    builder = Builder(np.random.default_rng(1), (12, 12, 16))
    for _ in range(2):
        builder.convolution(16, 3)
        builder.depthwise(3)
        builder.maximum(2, 2)
    deployment = compile_network(builder.build(), PYNQ, 2)
    on_demand, ahead = (
        predict(PYNQ, [(deployment, 64)] * 2, policy).total_ps for policy in ("none", "aggressive")
    )
    assert ahead < on_demand


@pytest.mark.parametrize("partitions", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_no_static_design_that_fits_takes_fewer_cycles(seed: int, partitions: int) -> None:
    """Try every set of up to four modules."""
    network = random_network(seed, layers=4)
    task = prepare(network, PYNQ, partitions)
    layers = task.choice.layers
    area = sum((PYNQ.partitions[i].resources for i in range(partitions)), Resources())
    able = [m for m in modules() if not all(m.refusal(layer) for layer in layers)]
    least = np.inf
    for count in range(1, 5):
        costs = Costs(PYNQ, True, count)
        for picked in combinations_with_replacement(able, count):
            if sum((m.resources for m in picked), Resources()).fits_in(area):
                least = min(least, estimated_cycles(layers, picked, costs))
    found = best_sets(layers, area, PYNQ, True, 1)
    if np.isfinite(least):
        assert estimated_cycles(layers, found[0], Costs(PYNQ, True, len(found[0]))) == least
    else:
        assert found == []


@pytest.mark.parametrize("seed", range(6))
def test_a_static_design_is_at_least_as_fast_as_a_plan_without_swaps(seed: int) -> None:
    network = random_network(seed)
    deployment = compile_network(network, PYNQ, 3)
    start, end = predict(PYNQ, [(deployment, 1)] * 2, "none").requests[1]
    baseline = static_baseline(network, PYNQ, 3)
    assert len(deployment.launches) == 1
    assert baseline is not None
    assert baseline.latency_ps <= end - start


def test_the_static_baseline_fits_the_area_and_never_swaps() -> None:
    builder = Builder(np.random.default_rng(1), (12, 12, 16))
    builder.convolution(16, 3)
    builder.depthwise(3)
    builder.maximum(2, 2)
    network = builder.build()
    baseline = static_baseline(network, PYNQ, 1)
    assert baseline is not None
    assert baseline.resources.fits_in(PYNQ.partitions[0].resources)
    swapped = predict(PYNQ, [(compile_network(network, PYNQ, 1), 1)] * 2, "aggressive")
    start, end = swapped.requests[1]
    assert baseline.latency_ps < end - start


def _zeros(deployment: Deployment, images: int) -> np.ndarray:
    network = deployment.network
    return np.zeros((images, *network.tensors[network.input].shape), np.int8)


@pytest.mark.parametrize("policy", ["none", "aggressive"])
@pytest.mark.parametrize("percent", [0, 30, 77])
def test_contention_is_predicted_as_it_is_emulated(percent: int, policy: Policy) -> None:
    """A batch too large for the feature memory has its maps in DRAM, and slows what it overlaps."""
    builder = Builder(np.random.default_rng(1), (12, 12, 16))
    for _ in range(2):
        builder.convolution(16, 3)
        builder.depthwise(3)
        builder.maximum(2, 2)
    network = builder.build()
    deployment = compile_network(network, PYNQ, 2)
    other = compile_network(_one_layer().build(), PYNQ, [2])
    other = replace(other, segments=replace(other.segments, on_chip_images=0))
    large = deployment.segments.on_chip_images + 1
    requests = [(deployment, large), (deployment, 3), *[(other, 9)] * 3, (deployment, large)]
    assert [bind(*request).on_chip for request in requests] == [False, True, *[False] * 4]
    with (
        Emulator(PYNQ, memory_bytes=16 << 20, contention_percent=percent) as device,
        Runtime(device, policy) as runtime,
    ):
        origin = device.now_ps()
        models = {id(part): runtime.load(part) for part in (deployment, other)}
        runtime.trace([Request(models[id(part)], _zeros(part, size)) for part, size in requests])
        log = runtime.log
    ports = {name: replace(p, contention_percent=percent) for name, p in PYNQ.ports.items()}
    prediction = predict(replace(PYNQ, ports=ports), requests, policy)
    spans = [(r.started_ps - origin, r.ended_ps - origin) for r in log.requests]
    assert spans == list(prediction.requests)
    loads = [(swap.started_ps - origin, swap.ended_ps - origin) for swap in log.swaps]
    assert loads == [(load.started_ps, load.ended_ps) for load in prediction.loads]
    begun = [p for p in log.programs[1:] for a, b in loads if a < p.started_ps - origin < b]
    assert bool(begun) == (policy == "aggressive")
    free = predict(PYNQ, requests, policy)
    slowed = [
        load.ended_ps - load.started_ps > other.ended_ps - other.started_ps
        for load, other in zip(prediction.loads, free.loads, strict=True)
    ]
    assert any(slowed) == (percent > 0 and policy == "aggressive")
