"""Networks planned for one device: modules that stay, unless staying costs more."""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.device.emulator import Emulator
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.predict import predict
from fpga_rt.planner.together import compile_together
from fpga_rt.runtime.runtime import Request, Runtime
from tests.random_networks import Builder

PYNQ = board("pynq-z2")


def _convolutions(channels: int, size: int = 12) -> Network:
    builder = Builder(np.random.default_rng(channels), (size, size, channels))
    builder.convolution(channels, 3)
    builder.convolution(channels, 3)
    return builder.build(f"convolutions{channels}")


def _separable() -> Network:
    builder = Builder(np.random.default_rng(1), (12, 12, 16))
    builder.depthwise(3)
    builder.convolution(32, 1)
    return builder.build("separable")


def _total_ps(networks: list[Network], together: bool, batch: int) -> tuple[int, int]:
    apart = [compile_network(network, PYNQ, 2) for network in networks]
    deployments = compile_together(networks, PYNQ, 2, batch) if together else apart
    requests = [(deployments[i % len(networks)], batch) for i in range(5 * len(networks))]
    prediction = predict(PYNQ, requests, "aggressive")
    return prediction.total_ps, prediction.swaps


def test_networks_that_alternate_leave_each_others_modules_in_place() -> None:
    networks = [_convolutions(16), _separable()]
    apart, swaps_apart = _total_ps(networks, False, 1)
    together, swaps_together = _total_ps(networks, True, 1)
    assert swaps_apart > 0
    assert swaps_together == 0
    assert together < apart


def test_long_batches_are_worth_a_swap() -> None:
    networks = [_convolutions(64, 20), _separable()]
    _, swaps = _total_ps(networks, True, 5000)
    assert swaps > 0


@pytest.mark.parametrize("batch", [1, 5000])
def test_planning_together_is_never_slower_than_apart(batch: int) -> None:
    networks = [_convolutions(48, 16), _separable(), _convolutions(8)]
    together, _ = _total_ps(networks, True, batch)
    apart, _ = _total_ps(networks, False, batch)
    assert together <= apart * 1.001


def test_a_network_without_a_lasting_residency_is_planned_by_itself() -> None:
    networks = [_convolutions(16), _separable()]
    deployments = compile_together(networks, PYNQ, 1)
    assert [len(d.launches) for d in deployments] == [1, 2]


def test_results_are_those_of_each_network_alone() -> None:
    networks = [_convolutions(16), _separable(), _convolutions(8)]
    rng = np.random.default_rng(0)
    with Emulator("pynq-z2", memory_bytes=16 << 20) as device, Runtime(device) as runtime:
        models = [runtime.load(d) for d in compile_together(networks, PYNQ)]
        inputs = [
            rng.integers(-128, 128, (2, *n.tensors[n.input].shape)).astype(np.int8)
            for n in networks * 3
        ]
        requests = [Request(models[i % 3], codes) for i, codes in enumerate(inputs)]
        results = runtime.trace(requests)
    for i, (codes, result) in enumerate(zip(inputs, results, strict=True)):
        np.testing.assert_array_equal(result.codes, golden.run(networks[i % 3], codes))
