"""Races between partitions, found by comparing sets of addresses command by command."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.contract.command import COMMAND, COMMAND_BYTES, Operation, Segment, address
from fpga_rt.contract.sequencer import Timeline, timeline
from fpga_rt.contract.submission import Placement, Submission
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.batching import Schedule
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.hazards import find_race
from fpga_rt.errors import ExecutionError
from fpga_rt.modules.geometry import is_fused
from fpga_rt.network import golden
from fpga_rt.planner.binding import bind
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.timelines import launch_costs
from fpga_rt.runtime.runtime import Runtime
from tests.random_networks import Builder, random_network

PYNQ = board("pynq-z2")
Fields = dict[str, int]


def fields_of(ring: bytes) -> list[Fields]:
    return [COMMAND.decode(ring[i : i + COMMAND_BYTES]) for i in range(0, len(ring), COMMAND_BYTES)]


def touched(fields: Fields, name: str) -> set[int]:
    """Return the segment addresses of every byte of an operand, one by one."""
    side = "input" if name == "input" else "output"
    rows, pixels, channels = (fields[f"{side}_{d}"] for d in ("height", "width", "channels"))
    return {
        fields[name] + r * fields[f"{side}_row_pitch"] + p * fields[f"{side}_pixel_pitch"] + c
        for r, p, c in product(range(rows), range(pixels), range(channels))
    }


def uses(fields: Fields) -> tuple[set[int], set[int]]:
    """Return what a command writes, and what it reads or writes."""
    written, used = touched(fields, "output"), touched(fields, "input") | touched(fields, "output")
    if is_fused(fields) or fields["operation"] == Operation.ADDITION:
        used |= touched(fields, "residual")
    return written, used


def races(rings: dict[int, list[Fields]], times: Timeline) -> bool:
    """Tell whether commands of one image that overlap in time share a byte that one writes."""
    images = len(next(iter(times.start.values())))
    for p, q in product(rings, rings):
        for (k, a), (m, b) in product(enumerate(rings[p]), enumerate(rings[q])):
            overlap = any(
                times.start[p][i, k] < times.end[q][i, m]
                and times.start[q][i, m] < times.end[p][i, k]
                for i in range(images)
            )
            if p < q and overlap:
                (written, used), (others_written, others_used) = uses(a), uses(b)
                if written & others_used or others_written & used:
                    return True
    return False


def shared_network() -> Deployment:
    """Return a deployment whose layers two partitions share, or pass on to one another."""
    builder = Builder(np.random.default_rng(3), (6, 6, 16))
    builder.convolution(16, 3)
    shortcut = builder.current
    builder.convolution(16, 1)
    builder.addition(builder.current, shortcut)
    builder.depthwise(3)
    builder.convolution(16, 3)
    return compile_network(builder.build("shared"), PYNQ, 3)


def test_every_missing_wait_that_matters_is_noticed() -> None:
    deployment = shared_network()
    (launch,) = deployment.launches
    binding = bind(deployment, 2)
    shape = deployment.network.tensors[deployment.network.input].shape
    codes = np.random.default_rng(1).integers(-128, 128, (2, *shape)).astype(np.int8)
    seen = {True: 0, False: 0}
    for partition, ring in launch.rings.items():
        for index, other in product(range(len(ring) // COMMAND_BYTES), launch.rings):
            changed = fields_of(ring)
            if changed[index][f"wait{other}"] == 0:
                continue
            changed[index][f"wait{other}"] -= 1
            rings = {**launch.rings, partition: b"".join(map(COMMAND.encode, changed))}
            short = replace(launch, rings=rings)
            costs = launch_costs(PYNQ, deployment, short, binding)
            times = timeline(costs, PYNQ.dram, 2, binding.depth)
            expected = races({p: fields_of(data) for p, data in rings.items()}, times)
            seen[expected] += 1
            with (
                Emulator(PYNQ, memory_bytes=1 << 22) as device,
                Runtime(device) as runtime,
            ):
                model = runtime.load(replace(deployment, launches=(short,)))
                if not expected:
                    runtime.run(model, codes, 2)
                    continue
                with pytest.raises(ExecutionError, match=r"race: partition \d command \d+ \(iter"):
                    runtime.run(model, codes, 2)
    assert seen[True] >= 2
    assert seen[False] >= 2


def command(source: int, target: int) -> Fields:
    """Return a pooling command of 16 bytes."""
    side = {"height": 1, "width": 2, "channels": 8, "row_pitch": 16, "pixel_pitch": 8}
    names = {f"{tensor}_{d}": size for tensor in ("input", "output") for d, size in side.items()}
    operation = int(Operation.MAXIMUM_POOL)
    return COMMAND.decode(bytes(64)) | names | {
        "operation": operation, "input": source, "output": target,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("output", "start", "races"),
    [
        (Placement(0x5000, 64, 3), 0, False),
        (Placement(0x1000, 64, 3), 0, True),  # over the inputs
        (Placement(0x1000, 64, 3), 50, False),  # afterwards
        (Placement(0x1030, 64, 3), 0, False),  # between the inputs
        (Placement(0x1040, 64, 3), 0, False),  # over the input of the next iteration
        (Placement(0x1040, 64, 3), 60, True),  # at the time of the next iteration
        (Placement(0x1090, 64, 1), 0, False),
        (Placement(0x108F, 64, 1), 100, True),  # the last byte of the third input
    ],
)
def test_segments_that_lie_over_one_another(output: Placement, start: int, races: bool) -> None:
    """Three iterations of 50 cycles; partition 1 writes what partition 0 reads, or not."""
    rings = {
        0: (command(address(Segment.INPUT, 0), address(Segment.FEATURES, 0)),),
        1: (command(address(Segment.FEATURES, 64), address(Segment.OUTPUT, 0)),),
    }
    cycles = np.array([[0], [60], [120]])
    starts = {0: cycles, 1: cycles + start}
    ends = {p: begin + 50 for p, begin in starts.items()}
    schedule = Schedule(rings, Timeline(starts, ends, starts, 300))
    segments = {segment: Placement(0x9000) for segment in Segment} | {
        Segment.INPUT: Placement(0x1000, 64, 3),
        Segment.FEATURES: Placement(0x8000, 128, 3),
        Segment.OUTPUT: output,
    }
    found = find_race(schedule, Submission({}, segments, 3))
    if races:
        assert found is not None
        assert "partition 1 command 0 (iteration" in found
        assert "while partition 0 command 0 (iteration" in found
        assert "bytes from address 0x10" in found
    else:
        assert found is None


@pytest.mark.parametrize("seed", range(8))
def test_deployments_do_not_race(seed: int) -> None:
    network = random_network(seed)
    deployment = compile_network(network, PYNQ, 3)
    shape = network.tensors[network.input].shape
    codes = np.random.default_rng(seed).integers(-128, 128, (6, *shape)).astype(np.int8)
    with Emulator(PYNQ, memory_bytes=1 << 23) as device, Runtime(device) as runtime:
        outputs = runtime.run(runtime.load(deployment), codes, 6)
    np.testing.assert_array_equal(outputs, golden.run(network, codes))
