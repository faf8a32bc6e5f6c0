"""Products, bytes and cycles of layers against sums over the network and a timeline by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.contract.sequencer import Timeline
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.emulator import Emulator
from fpga_rt.modules.convolution import ConvolutionModule
from fpga_rt.modules.dense import DenseModule
from fpga_rt.modules.depthwise import DepthwiseModule
from fpga_rt.modules.pooling import PoolingModule
from fpga_rt.network.graph import Network
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.layers import plan_layers
from fpga_rt.runtime.layers import Cycles, Work, by_kind, layer_work, total
from fpga_rt.runtime.records import Log, command_cycles
from fpga_rt.runtime.runtime import Runtime
from tests.random_networks import Builder, random_network

PYNQ = board("pynq-z2")


def _run(network: Network, partitions: int, images: int, batch: int) -> tuple[Deployment, Log]:
    deployment = compile_network(network, PYNQ, partitions)
    shape = network.tensors[network.input].shape
    codes = np.random.default_rng(1).integers(-128, 128, (images, *shape)).astype(np.int8)
    with Emulator("pynq-z2", memory_bytes=16 << 20) as device, Runtime(device) as runtime:
        runtime.run(runtime.load(deployment), codes, batch)
        return deployment, runtime.log


def test_cycles_of_commands_by_hand() -> None:
    start = {0: np.array([[10, 30], [60, 80]])}
    end = {0: np.array([[20, 50], [70, 95]])}
    cycles = command_cycles(Timeline(start, end, start, 107))[0]
    assert cycles.computing.tolist() == [10 + 10, 20 + 15]
    assert cycles.waiting.tolist() == [10 + 10, 10 + 10]


@pytest.mark.parametrize(("seed", "partitions"), [(1, 1), (4, 2), (10, 3)])
def test_sums_are_those_of_the_network(seed: int, partitions: int) -> None:
    network = random_network(seed)
    deployment, log = _run(network, partitions, 5, 2)
    parts = layer_work(deployment, log, PYNQ)
    work = total(parts)
    assert work.macs == network.multiplications
    layers = plan_layers(network).layers
    moved = work.moved
    assert moved.output == sum(network.tensors[item.output].size_bytes for item in layers)
    residuals = [item.residual for item in layers if item.residual is not None]
    assert moved.residual == sum(network.tensors[name].size_bytes for name in residuals)
    blocks = [step for launch in deployment.launches for step in launch.steps]
    assert moved.weights == sum(b.size_bytes for step in blocks for b in step.weights)
    assert moved.tables == sum(b.size_bytes for step in blocks for b in step.tables)
    assert all(part.work.counted == part.work.predicted for part in parts)
    assert sum(kind.macs for kind in by_kind(parts).values()) == work.macs


def test_cycles_of_an_image_add_up_to_the_program() -> None:
    builder = Builder(np.random.default_rng(0), (6, 6, 16))
    builder.convolution(16, 3)
    builder.convolution(8, 1)
    deployment, log = _run(builder.build(), 1, 1, 1)
    work = total(layer_work(deployment, log, PYNQ))
    assert work.counted is not None
    program = log.programs[0]
    clocks = (program.ended_ps - program.started_ps) // PYNQ.clock_ps
    # Everything of a program on one partition but the 12 cycles from its last command's end.
    assert work.counted.computing + work.counted.waiting == clocks - 12


def test_kinds_name_the_window() -> None:
    builder = Builder(np.random.default_rng(0), (8, 8, 16))
    builder.convolution(16, 3)
    builder.convolution(16, 1)
    builder.depthwise(3)
    builder.maximum(2, 2)
    builder.convolution(8, 3)
    builder.dense(3)
    deployment, log = _run(builder.build(), 3, 1, 1)
    kinds = by_kind(layer_work(deployment, log, PYNQ))
    assert kinds["convolution 3x3"].macs == 8 * 8 * 16 * 9 * 16 + 4 * 4 * 8 * 9 * 16
    assert {"convolution 1x1", "depthwise 3x3", "maximum pool 2x2", "dense"} < kinds.keys()
    assert kinds["maximum pool 2x2"].busy is None


def test_multipliers_busy_are_products_over_those_possible() -> None:
    work = Work(macs=600, capacity=Cycles(800, 400))
    assert (work.busy, work.busy_overall) == (0.75, 0.5)
    assert (Work().busy, Work().busy_overall) == (None, None)


def test_a_device_that_counts_nothing_leaves_a_gap() -> None:
    deployment, log = _run(random_network(1), 1, 2, 1)
    silent = Log(programs=[replace(program, commands=None) for program in log.programs])
    parts = layer_work(deployment, silent, PYNQ)
    assert all(part.work.counted is None for part in parts)
    assert total(parts).to_json()["counted_cycles"] is None
    assert total(parts).busy == total(layer_work(deployment, log, PYNQ)).busy


def test_multipliers_are_lanes() -> None:
    modules = (ConvolutionModule(8, 16), DepthwiseModule(64), DenseModule(8), PoolingModule(8))
    assert [module.multipliers for module in modules] == [128, 64, 8, 0]
