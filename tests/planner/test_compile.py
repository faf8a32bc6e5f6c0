"""Deployments: order of commands, memory of tensors, module changes, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.contract.command import COMMAND, COMMAND_BYTES, Segment, split_address
from fpga_rt.contract.sequencer import timeline
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import PlanningError
from fpga_rt.modules import registry
from fpga_rt.network.graph import Network
from fpga_rt.planner.binding import bind
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.timelines import launch_costs
from tests.random_networks import Builder, random_network

PYNQ = board("pynq-z2")


def _alternating(pairs: int) -> Network:
    builder = Builder(np.random.default_rng(0), (6, 6, 16))
    for _ in range(pairs):
        builder.convolution(16, 1)
        builder.depthwise(3)
    return builder.build()


def _touched(fields: dict[str, int]) -> tuple[list[tuple[int, int, int]], tuple[int, int, int]]:
    """Byte ranges (segment, first, past the last) that a command reads and writes, generously."""

    def span(address: int, rows: int, columns: int, what: str) -> tuple[int, int, int]:
        segment, offset = split_address(address)
        row, pixel = fields[f"{what}_row_pitch"], fields[f"{what}_pixel_pitch"]
        size = (rows - 1) * row + (columns - 1) * pixel + fields[f"{what}_channels"]
        return segment, offset, offset + size

    reads = [span(fields["input"], fields["input_height"], fields["input_width"], "input")]
    height, width = fields["output_height"], fields["output_width"]
    if fields["residual"]:
        reads.append(span(fields["residual"], height, width, "output"))
    return reads, span(fields["output"], height, width, "output")


def _overlap(a: tuple[int, int, int], b: tuple[int, int, int]) -> bool:
    return a[0] == b[0] and a[1] < b[2] and b[1] < a[2]


def _commands(deployment: Deployment, index: int) -> dict[int, list[dict[str, int]]]:
    rings = deployment.launches[index].rings
    return {
        p: [COMMAND.decode(ring[i : i + COMMAND_BYTES]) for i in range(0, len(ring), COMMAND_BYTES)]
        for p, ring in rings.items()
    }


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("partitions", [2, 3])
def test_commands_on_different_partitions_never_touch_each_others_bytes_at_once(
    seed: int, partitions: int
) -> None:
    deployment = compile_network(random_network(seed), PYNQ, partitions)
    binding = bind(deployment, 1)
    for index, launch in enumerate(deployment.launches):
        when = timeline(launch_costs(PYNQ, deployment, launch, binding), PYNQ.dram)
        commands = [
            (p, when.start[p][0, i], when.end[p][0, i], *_touched(fields))
            for p, ring in _commands(deployment, index).items()
            for i, fields in enumerate(ring)
        ]
        for p, start, end, _, writes in commands:
            for q, other_start, other_end, other_reads, other_writes in commands:
                together = start < other_end and other_start < end
                if p == q or not together:
                    continue
                assert not any(_overlap(writes, read) for read in other_reads)
                exclusive = _overlap(writes, other_writes)
                # Partitions that share a layer write different channels of the same pixels.
                assert not exclusive or writes[1] % 8 == other_writes[1] % 8 == 0


@pytest.mark.parametrize("seed", range(25))
def test_every_tensor_that_is_read_was_written_whole_and_not_overwritten(seed: int) -> None:
    """Replay the descriptors over byte memory that remembers who wrote each byte."""
    network = random_network(seed, layers=8)
    deployment = compile_network(network, PYNQ, 3)
    owner = {segment: np.full(1 << 17, -1) for segment in Segment}
    owner[Segment.INPUT][: deployment.segments.input_bytes] = 0
    for index, launch in enumerate(deployment.launches):
        when = timeline(launch_costs(PYNQ, deployment, launch, bind(deployment, 1)), PYNQ.dram)
        commands = [
            (int(when.start[p][0, i]), fields)
            for p, ring in _commands(deployment, index).items()
            for i, fields in enumerate(ring)
        ]
        ordered = sorted(commands, key=lambda pair: pair[0])
        for number, (_, fields) in enumerate(ordered, 1):
            reads, (segment, first, last) = _touched(fields)
            for source, begin, end in reads:
                assert (owner[Segment(source)][begin:end] >= 0).all()
            owner[Segment(segment)][first:last] = number


def test_a_residency_that_computes_every_layer_never_changes() -> None:
    deployment = compile_network(_alternating(4), PYNQ, 2)
    assert len(deployment.launches) == 1
    assert deployment.module_changes == 0


def test_one_partition_swaps_at_every_change_of_operation() -> None:
    deployment = compile_network(_alternating(4), PYNQ, 1)
    assert [set(launch.modules.values()) for launch in deployment.launches] == [
        {"convolution_8x16"},
        {"depthwise_64"},
    ] * 4
    assert deployment.module_changes == 7


def test_steps_cover_every_output_channel_once() -> None:
    network = random_network(3, layers=9)
    deployment = compile_network(network, PYNQ, 3)
    covered: dict[str, list[int]] = {}
    for launch in deployment.launches:
        for step in launch.steps:
            covered.setdefault(step.layer, []).extend(range(*step.channels))
    for node in network.nodes:
        names = [layer for layer in covered if node.name in layer.split("+")]
        if names:
            shape = network.tensors[node.output].shape
            assert sorted(covered[names[0]]) == list(range(shape[2])), node.name


def test_equal_parameter_blocks_are_stored_once() -> None:
    builder = Builder(np.random.default_rng(0), (4, 4, 8))
    builder.convolution(8, 1)
    network = builder.build()
    first = network.nodes[0].operation
    builder.add(first)
    deployment = compile_network(builder.build(), PYNQ, 1)
    weights = [block for step in deployment.launches[0].steps for block in step.weights]
    assert len(weights) == 2
    assert len({block.offset for block in weights}) == 1


def test_a_layer_that_fits_no_module_is_refused_with_every_reason() -> None:
    builder = Builder(np.random.default_rng(0), (3, 3, 600))
    builder.convolution(4, 3)
    with pytest.raises(PlanningError) as error:
        compile_network(builder.build("big"), PYNQ)
    message = str(error.value)
    assert "layer n0 (Convolution (3, 3, 600) -> (3, 3, 4)) fits no module" in message
    assert "one output channel group needs 342 weight words of 256" in message
    assert "use a larger board or a smaller layer" in message


@pytest.mark.parametrize("wanted", [0, 4, (0, 7)])
def test_partitions_that_do_not_exist_are_refused(wanted: int | tuple[int, ...]) -> None:
    with pytest.raises(PlanningError, match=r"asked of board pynq-z2, expected (1|some of 0)\.\."):
        compile_network(_alternating(1), PYNQ, wanted)


def test_modules_fit_the_partitions_they_are_put_in() -> None:
    modules = {module.name: module for module in registry.modules()}
    for name in ("pynq-z2", "zybo-z7-10", "kv260", "zcu104", "alveo-u200"):
        target = board(name)
        deployment = compile_network(_alternating(2), target)
        for launch in deployment.launches:
            for index, module in launch.modules.items():
                assert modules[module].resources.fits_in(target.partitions[index].resources)
