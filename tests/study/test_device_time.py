"""What a request is made of, against the emulator's own log and the planner's latencies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fpga_rt
from fpga_rt.arch.boards import board
from fpga_rt.deployment.model import Deployment
from fpga_rt.network.graph import Network
from fpga_rt.planner.baseline import static_baseline
from fpga_rt.planner.compile import compile_network
from fpga_rt.study.device_time import DeviceTimes, device_times
from tests.random_networks import Builder

BOARD = board("pynq-z2")


@pytest.fixture(scope="module")
def network() -> Network:
    """Return a network of three kinds of module."""
    builder = Builder(np.random.default_rng(4), (8, 8, 16))
    builder.convolution(16, 3)
    builder.depthwise(3)
    builder.maximum(2, 2)
    return builder.build("three")


def _emulated(deployment: Deployment, port: str) -> list[tuple[int, int]]:
    """Return the picoseconds of four requests on the emulator, and those of their programs."""
    network = deployment.network
    codes = np.zeros((1, *network.tensors[network.input].shape), np.int8)
    with fpga_rt.open_device("emulator", board="pynq-z2") as device:
        with fpga_rt.Runtime(device, "none", port=port) as runtime:
            model = runtime.load(deployment)
            runtime.trace([fpga_rt.Request(model, codes)] * 4)
            log = runtime.log
    programs = [(p.started_ps, p.ended_ps) for p in log.programs]
    return [
        (
            request.ended_ps - request.started_ps,
            sum(b - a for a, b in programs if request.started_ps <= a < request.ended_ps),
        )
        for request in log.requests
    ]


def _times(deployment: Deployment, port: str = "icap", batch: int = 1) -> DeviceTimes:
    return device_times(deployment, BOARD, batch, "none", port)


@pytest.mark.parametrize("port", ["icap", "pcap"])
@pytest.mark.parametrize("partitions", [1, 2, 3])
def test_parts_add_up_to_what_the_emulator_takes(
    network: Network, partitions: int, port: str
) -> None:
    deployment = compile_network(network, BOARD, partitions)
    times, emulated = _times(deployment, port), _emulated(deployment, port)
    for part, (latency_ps, programs_ps) in (
        (times.swapped, emulated[0]),
        (times.warm, emulated[3]),
    ):
        assert part.total_ps == latency_ps
        assert part.compute_ps + part.parameters_ps == programs_ps
        assert min(part.parameters_ps, part.compute_ps, part.host_ps) > 0


def test_a_cold_request_waits_for_each_partition_to_be_filled(network: Network) -> None:
    deployment = compile_network(network, BOARD, 3)
    times = _times(deployment)
    sizes = [BOARD.partitions[index].bitstream_bytes for index, _ in deployment.loads]
    assert times.warm.load_ps == 0
    # All modules before the first program, one after the other, and some register accesses.
    assert times.swapped.load_ps / 1e6 == pytest.approx(sum(sizes) / 382, rel=1e-3)
    assert times.swap_ps == times.swapped.load_ps


def test_faster_parameters_are_less_of_a_request(network: Network) -> None:
    deployment = compile_network(network, BOARD, 3)
    slow = replace(BOARD, dram=replace(BOARD.dram, latency_cycles=2 * BOARD.dram.latency_cycles))
    times = _times(deployment)
    slower = device_times(deployment, slow, 1, "none", "icap")
    assert slower.warm.parameters_ps > times.warm.parameters_ps


def test_the_static_design_is_that_of_the_planner(network: Network) -> None:
    deployment = compile_network(network, BOARD, 2)
    expected = static_baseline(network, BOARD, deployment.partitions)
    assert expected is not None
    assert _times(deployment).static_ps == expected.latency_ps
