"""Faults are found in the layer, channel and pixel where golden execution says they show first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fpga_rt.arch.boards import board
from fpga_rt.arithmetic.operations import Convolution
from fpga_rt.contract.command import Segment
from fpga_rt.deployment.model import Deployment, Step
from fpga_rt.device.emulator import Emulator
from fpga_rt.errors import DifferenceError, ExecutionError
from fpga_rt.modules.registry import by_identity
from fpga_rt.network import golden
from fpga_rt.network.graph import Network, Node
from fpga_rt.planner.apart import tensors_apart
from fpga_rt.planner.assignment import tiles_of
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.layers import plan_layers
from fpga_rt.runtime.compare import (
    Comparison,
    Difference,
    LayerDifferenceError,
    compare_layers,
    compare_outputs,
    compared_batch,
)
from fpga_rt.runtime.model import LoadedModel
from fpga_rt.runtime.runtime import Runtime
from tests.random_networks import Builder, random_network
from tests.runtime.faulty import MEMORY_BYTES, FlippedWeight, WrongAddress

PYNQ = board("pynq-z2")
Tensors = Mapping[str, NDArray[np.int8]]


def _codes(network: Network, count: int) -> NDArray[np.int8]:
    shape = network.tensors[network.input].shape
    return np.random.default_rng(3).integers(-128, 128, (count, *shape)).astype(np.int8)


def _network() -> Network:
    builder = Builder(np.random.default_rng(4), (6, 7, 16))
    builder.convolution(16, 3)
    builder.depthwise(3)
    shortcut = builder.current
    builder.convolution(16, 1)
    builder.addition(builder.current, shortcut)
    builder.convolution(24, 3)
    builder.dense(7)
    return builder.build("faulty")


def _found(
    device: Emulator, deployment: Deployment, codes: NDArray[np.int8], batch: int
) -> Difference:
    with device, Runtime(device) as runtime, pytest.raises(LayerDifferenceError) as caught:
        compare_layers(runtime, deployment, codes, batch)
    found: Difference = caught.value.difference
    assert str(found) in str(caught.value)
    return found


def _steps(deployment: Deployment, layer: str) -> list[tuple[int, Step]]:
    return [
        (number, step)
        for number, launch in enumerate(deployment.launches)
        for step in launch.steps
        if step.layer == layer
    ]


@pytest.mark.parametrize(("seed", "partitions"), [(0, 1), (3, 2), (4, 3), (11, 2)])
def test_a_good_device_is_equal_everywhere(seed: int, partitions: int) -> None:
    network = random_network(seed)
    deployment = compile_network(network, PYNQ, partitions)
    outputs = [item.output for item in plan_layers(network).layers]
    with Emulator("pynq-z2", memory_bytes=MEMORY_BYTES) as device, Runtime(device) as runtime:
        found = compare_layers(runtime, deployment, _codes(network, 6), 5)
    values = sum(network.tensors[name].size_bytes for name in outputs)
    assert found == Comparison(len(outputs), 6, 6 * values)


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("node", [0, 2, 4])
def test_a_flipped_weight_is_found_where_it_shows_first(node: int, partitions: int) -> None:
    network = _network()
    wrong, at = _with_a_wrong_weight(network, node)
    deployment = compile_network(network, PYNQ, partitions)
    item = next(i for i in plan_layers(network).layers if i.layer.operation is at.operation)
    launch, step, offset, mask = _place_in_memory(deployment, item.layer.name, wrong, node)
    codes = _codes(network, 5)
    found = _found(FlippedWeight(offset, mask), deployment, codes, 4)
    good, bad = golden.run_all(network, codes), golden.run_all(wrong, codes)
    where = tuple(int(i) for i in np.argwhere(good[item.output] != bad[item.output])[0])
    assert found.layer == item.layer.name
    assert (found.image, found.row, found.column, found.channel) == where
    assert (found.got, found.expected) == (bad[item.output][where], good[item.output][where])
    assert (found.launch, found.module) == (launch, step.module)
    assert found.partition == PYNQ.partitions[step.partition].name
    assert step.commands[0] <= found.command < sum(step.commands)
    assert not found.overwritten


def _with_a_wrong_weight(network: Network, node: int) -> tuple[Network, Node]:
    """Flip bit 6 of one weight; return the network, and the node as it should be."""
    operation = network.nodes[node].operation
    assert isinstance(operation, Convolution)
    weights = operation.weights.copy()
    weights[11, 0, 0, 5] ^= 0x40
    nodes = list(network.nodes)
    nodes[node] = replace(nodes[node], operation=replace(operation, weights=weights))
    return replace(network, nodes=tuple(nodes)), network.nodes[node]


def _place_in_memory(
    deployment: Deployment, layer: str, wrong: Network, node: int
) -> tuple[int, Step, int, int]:
    """Return which step has the weight, the byte of the segment that differs, and by which bits."""
    operation = wrong.nodes[node].operation
    assert isinstance(operation, Convolution)
    item = next(i for i in plan_layers(deployment.network).layers if i.layer.name == layer)
    for launch, step in _steps(deployment, layer):
        module = by_identity()[deployment.module_ids[step.module]]
        for block, tile in zip(
            step.weights, tiles_of(item.layer, module, step.channels), strict=True
        ):
            packed = module.pack(replace(item.layer, operation=operation), tile)
            before = np.frombuffer(deployment.blocks[block.digest], np.uint8)
            bits = np.frombuffer(packed, np.uint8) ^ before
            if bits.any():
                byte = int(np.flatnonzero(bits)[0])
                return launch, step, block.offset + byte, int(bits[byte])
    raise AssertionError("no block holds the weight")


def test_an_output_in_the_wrong_place_is_found_in_its_layer() -> None:
    network = _network()
    deployment = compile_network(network, PYNQ, 1)
    item = plan_layers(network).layers[1]
    ((launch, step),) = _steps(deployment, item.layer.name)
    codes = _codes(network, 1)
    wanted = golden.run_all(network, codes)[item.output]
    device = WrongAddress(launch, step.partition, step.commands[0], by_bytes=8)
    found = _found(device, deployment, codes, 1)
    # What should lie at byte n lies at n + 8, and memory was zeroed: that is what is read.
    stored = np.concatenate([np.zeros(8, np.int8), wanted.ravel()[:-8]]).reshape(wanted.shape)
    where = tuple(int(i) for i in np.argwhere(stored != wanted)[0])
    assert (found.layer, found.number, found.operation) == (item.layer.name, 2, "depthwise")
    assert (found.image, found.row, found.column, found.channel) == where
    assert (found.got, found.expected) == (stored[where], wanted[where])
    assert (found.launch, found.command) == (launch, step.commands[0])
    assert found.wrong_values == np.count_nonzero(stored != wanted)


def test_what_is_overwritten_later_is_told_apart() -> None:
    network = _network()
    deployment = compile_network(network, PYNQ, 1)
    last = plan_layers(network).layers[-2]
    ((launch, step),) = _steps(deployment, last.layer.name)
    extents = tensors_apart(deployment).extents
    first = plan_layers(network).layers[0]
    back = extents[first.output].offset - extents[last.output].offset
    device = WrongAddress(launch, step.partition, step.commands[0], by_bytes=back)
    found = _found(device, deployment, _codes(network, 1), 1)
    assert (found.layer, found.overwritten) == (first.layer.name, True)
    assert "the layers that read it are right, so look for what overwrote it" in str(found)


def test_the_message_says_everything() -> None:
    difference = Difference(
        layer="stem+add", number=1, operation="convolution", image=3, row=1, column=2, channel=7,
        got=-12, expected=45, module="convolution_8x16", partition="rp1", launch=2, command=4,
        values=2048, wrong_values=17, overwritten=False,
    )  # fmt: skip
    assert str(LayerDifferenceError("net on rtl", difference)) == (
        "net on rtl: layer stem+add (convolution, number 1) differs at image 3, row 1, column 2,"
        " channel 7: got -12, expected 45; computed by convolution_8x16 in partition rp1, launch 2,"
        " command 4; 17 of 2,048 values of the layer differ, every layer before it is equal;"
        " fpga-rt inspect lists the steps, and on rtl --waves writes what the module saw"
    )


def test_outputs_that_differ_only_in_a_normal_run() -> None:
    expected = np.zeros((2, 1, 3, 2), np.int8)
    compare_outputs("net", expected, expected)
    got = expected.copy()
    got[1, 0, 2, 1] = 5
    with pytest.raises(
        DifferenceError,
        match="output of net differs at image 1, row 0, column 2, channel 1: got 5, expected 0,"
        " although every layer is equal when each tensor has memory of its own",
    ):
        compare_outputs("net", got, expected)


def test_feature_maps_on_chip_cannot_be_read() -> None:
    network = _network()
    deployment = compile_network(network, PYNQ, 1)
    with Emulator("pynq-z2", memory_bytes=MEMORY_BYTES) as device:
        model = LoadedModel(device, deployment, 0)
        model.write_input(_codes(network, 1))
        with pytest.raises(ExecutionError, match="faulty for 1 images lie on chip, expected all"):
            model.read_segment(Segment.FEATURES, 1)


def test_one_launch_keeps_the_feature_maps_of_a_few_images() -> None:
    resident, swapping = (compile_network(_network(), PYNQ, n) for n in (3, 1))
    assert len(resident.launches) == 1 < len(swapping.launches)
    assert (compared_batch(resident, 9), compared_batch(resident, 2)) == (4, 2)
    assert compared_batch(swapping, 9) == 9
