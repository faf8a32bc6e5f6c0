"""Random networks of every operation on the gateware, one after the other on one open device.

The modules are the smallest that compute all layers, so that few libraries are built. A failure
names the seed, and the first layer, channel and pixel that differs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

import fpga_rt
from fpga_rt.arithmetic.operations import AveragePool, Convolution, Dense
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.interface import Device
from fpga_rt.device.registry import open_device
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.planner.binding import bind
from fpga_rt.planner.layers import plan_layers
from fpga_rt.runtime.compare import Codes, compare_layers, compare_outputs
from fpga_rt.runtime.records import ProgramRecord
from fpga_rt.runtime.runtime import Runtime
from sim.toolchain import obstacle
from tests.command_cycles import counts, timelines
from tests.random_networks import varied_network

needs_tools = pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))

BOARD = "pynq-z2"
MODULES = ("convolution_4x4", "depthwise_8", "pooling_2", "dense_2")
SEEDS = range(100)
CONVOLUTIONS = ("convolution", "pointwise", "int4", "strided", "fused addition", "average pool")
"""What `convolution_4x4` computes alone."""
IMAGES = 2
EXACT = {1: 0.5, 2: 0.38, 3: 0.31}
"""Share of a network's commands that take what their formula says to the cycle, at least, by how
many partitions work at a time; of networks whose feature maps are on chip."""


@pytest.fixture(scope="module")
def devices() -> Iterator[dict[str, Device]]:
    with open_device("emulator", BOARD) as said, open_device("rtl", BOARD, load_time="stream") as d:
        yield {"emulator": said, "rtl": d}


def planned(seed: int) -> Deployment:
    """Return a random network on one, two or three partitions; every fourth works in DRAM."""
    deployment = fpga_rt.compile(varied_network(seed), BOARD, 1 + seed % 3, MODULES)
    if seed % 4 == 3:
        segments = replace(deployment.segments, on_chip_images=0)
        return replace(deployment, segments=segments)
    return deployment


def check(deployment: Deployment, devices: dict[str, Device], seed: int) -> None:
    """Compare outputs with golden execution, and cycles with the emulator's."""
    on_chip = bind(deployment, IMAGES).on_chip
    least = EXACT[max(len(launch.rings) for launch in deployment.launches)] if on_chip else 0.0
    network = deployment.network
    shape = (IMAGES, *network.tensors[network.input].shape)
    codes = np.random.default_rng((2, seed)).integers(-128, 128, shape, np.int8)
    programs, times = {}, {}
    for name, device in devices.items():
        with timelines(device) as times[name]:
            programs[name] = run(device, deployment, codes)
    rows = list(zip(programs["rtl"], times["rtl"], times["emulator"], strict=True))
    found = [count for row in rows for count in counts(deployment, *row)]
    wrong = [str(count) for count in found if not count.is_explained]
    assert not wrong, "\n".join(wrong)
    assert sum(count.is_exact for count in found) >= least * len(found)
    took = {n: sum(p.ended_ps - p.started_ps for p in made) for n, made in programs.items()}
    assert took["rtl"] == pytest.approx(took["emulator"], rel=0.01)


def run(device: Device, deployment: Deployment, codes: Codes) -> Sequence[ProgramRecord]:
    """Run all images in a request and return what every launch took.

    Raises:
        DifferenceError: an output differs from golden execution.
    """
    network = deployment.network
    with Runtime(device) as runtime:
        outputs = runtime.run(runtime.load(deployment), codes, IMAGES)
        programs = tuple(runtime.log.programs)
        expected = golden.run(network, codes)
        if not np.array_equal(outputs, expected):
            compare_layers(runtime, deployment, codes, IMAGES)
            compare_outputs(network.name, outputs, expected)
    return programs


@needs_tools
@pytest.mark.parametrize("seed", range(6))
def test_one_module_computes_a_network(seed: int, devices: dict[str, Device]) -> None:
    network = varied_network(seed, 3, CONVOLUTIONS)
    check(fpga_rt.compile(network, BOARD, 1, MODULES[:1]), devices, seed)


@pytest.mark.slow
@needs_tools
@pytest.mark.parametrize("seed", SEEDS)
def test_every_module_computes_its_part_of_a_network(seed: int, devices: dict[str, Device]) -> None:
    check(planned(seed), devices, seed)


def features(network: Network) -> Iterator[str]:
    """Yield what a network has."""
    for item in plan_layers(network).layers:
        operation = item.layer.operation
        name = type(operation).__name__
        yield name
        if item.layer.addition is not None:
            yield "fused addition"
        if isinstance(operation, (Convolution, Dense)) and operation.weight_bits == 4:
            yield f"int4 {name}"
        if isinstance(operation, Convolution):
            yield f"{operation.kernel[0]}x{operation.kernel[1]} /{operation.stride[0]}"
        if isinstance(operation, AveragePool) and operation.kernel == item.layer.input_shape[:2]:
            yield "global pool"
        if item.layer.output_shape[2] % 2:
            yield f"odd {name}"


def test_the_networks_have_every_operation_and_the_plans_every_module() -> None:
    deployments = [planned(seed) for seed in SEEDS]
    found = Counter(feature for d in deployments for feature in features(d.network))
    wanted = """Convolution DepthwiseConvolution Dense AveragePool MaximumPool Addition
        fused_addition global_pool int4_Convolution int4_Dense 1x1_/1 2x2_/1 3x3_/1 3x3_/2 5x5_/1
        odd_Convolution odd_DepthwiseConvolution odd_Dense odd_AveragePool odd_MaximumPool
        odd_Addition"""
    assert {name.replace("_", " ") for name in wanted.split()} <= found.keys()
    used = Counter(name for d in deployments for name in d.module_ids)
    assert used.keys() == set(MODULES)
    shared = [d for d in deployments if any(len(launch.rings) > 1 for launch in d.launches)]
    swapped = [d for d in deployments if d.module_changes]
    assert min(len(shared), len(swapped)) >= 25
