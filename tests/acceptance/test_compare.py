"""A wrong number in device memory is found in its layer: the same answer on emulator and RTL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fpga_rt
from fpga_rt.arithmetic.operations import AveragePool, MaximumPool
from fpga_rt.contract.command import Segment
from fpga_rt.contract.submission import Submission
from fpga_rt.contract.table import CHANNEL_BYTES, HEADER_BYTES
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.interface import Buffer, Pending
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.runtime.compare import Comparison, LayerDifferenceError, compare_layers
from fpga_rt.runtime.layers import layer_work
from fpga_rt.runtime.runtime import Runtime
from sim.device import RtlDevice
from sim.toolchain import obstacle
from tests.random_networks import Builder

MODULES = ("scale_8", "add_8", "clamp_8")
NODE, CHANNEL, BIAS = 3, 19, 32
DEVICES = [
    Emulator,
    pytest.param(
        RtlDevice, marks=pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))
    ),
]
OPTIONS: dict[type, dict[str, Any]] = {Emulator: {}, RtlDevice: {"load_time": "stream"}}


def _network() -> Network:
    builder = Builder(np.random.default_rng(2), (6, 5, 24))
    for limit in (90, 70):
        shortcut = builder.current
        builder.average((1, 1), (1, 1))
        average = builder.nodes[-1]
        assert isinstance(average.operation, AveragePool)
        # Equal tables would be one block.
        operation = replace(average.operation, bias=np.full(24, limit % 7, np.int32))
        builder.nodes[-1] = replace(average, operation=operation)
        builder.addition(builder.current, shortcut)
        builder.add(MaximumPool((1, 1), low=-limit, high=limit))
    return builder.build("alternating")


def _with_a_wrong_table(kind: Any, offset: int, mask: int) -> Any:  # noqa: ANN401 - a class, and one derived from it
    """Return a device in which a byte of the tables is not what the host wrote."""

    class WrongTable(kind):  # type: ignore[misc]
        buffers: dict[int, Buffer]

        def allocate(self, size_bytes: int) -> Buffer:
            buffer: Buffer = super().allocate(size_bytes)
            self.buffers = {**getattr(self, "buffers", {}), buffer.address: buffer}
            return buffer

        def submit(self, submission: Submission) -> Pending:
            tables = self.buffers[submission.segments[Segment.TABLES].base]
            tables.view[offset] |= mask
            pending: Pending = super().submit(submission)
            return pending

    return WrongTable


@pytest.mark.parametrize("kind", DEVICES)
def test_every_layer_is_equal_and_its_cycles_are_counted(kind: type) -> None:
    network = _network()
    deployment = fpga_rt.compile(network, "pynq-z2", 2, MODULES)
    codes = np.random.default_rng(7).integers(-128, 128, (3, 6, 5, 24)).astype(np.int8)
    with kind("pynq-z2", **OPTIONS[kind]) as device, Runtime(device, port="icap") as runtime:
        found = compare_layers(runtime, deployment, codes, 2)
        assert found == Comparison(6, 3, 6 * 3 * 6 * 5 * 24)
        runtime.clear_log()
        runtime.run(runtime.load(deployment), codes, 3)
        parts = layer_work(deployment, runtime.log, device.capabilities.board)
    assert all(part.work.counted is not None for part in parts)


@pytest.mark.parametrize("kind", DEVICES)
def test_a_wrong_bias_is_found_in_its_channel(kind: type) -> None:
    network = _network()
    deployment = fpga_rt.compile(network, "pynq-z2", 2, MODULES)
    node = network.nodes[NODE]
    step = next(s for launch in deployment.launches for s in launch.steps if s.layer == node.name)
    offset = step.tables[0].offset + HEADER_BYTES + CHANNEL_BYTES * CHANNEL
    codes = np.random.default_rng(7).integers(-128, 128, (2, 6, 5, 24)).astype(np.int8)
    faulty = _with_a_wrong_table(kind, offset, BIAS)
    with faulty("pynq-z2", **OPTIONS[kind]) as device, Runtime(device, port="icap") as runtime:
        with pytest.raises(LayerDifferenceError) as caught:
            compare_layers(runtime, deployment, codes, 2)
    assert isinstance(node.operation, AveragePool)
    bias = node.operation.bias.copy()
    bias[CHANNEL] |= BIAS
    nodes = list(network.nodes)
    nodes[NODE] = replace(node, operation=replace(node.operation, bias=bias))
    bad = golden.run_all(replace(network, nodes=tuple(nodes)), codes)[node.output]
    good = golden.run_all(network, codes)[node.output]
    where = tuple(int(i) for i in np.argwhere(bad != good)[0])
    found = caught.value.difference
    assert (found.layer, found.number, found.module) == (node.name, NODE + 1, step.module)
    assert (found.image, found.row, found.column, found.channel) == where
    assert found.channel == CHANNEL
    assert (found.got, found.expected) == (bad[where], good[where])
    assert found.wrong_values == np.count_nonzero(bad != good)
