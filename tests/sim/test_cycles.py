"""What the emulator says commands take is what they take on the RTL, clock by clock."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from fpga_rt.arch import boards
from fpga_rt.arch.boards import Board, MemoryPort
from fpga_rt.contract.command import Segment
from fpga_rt.contract.sequencer import CommandCost, Timeline, parameter_cycles, timeline
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.interface import Device
from sim.device import RtlDevice
from sim.toolchain import obstacle
from tests.device.programs import activate, module_named
from tests.sim.elementwise_programs import TENSORS, Work, random_waits, random_work, run

pytestmark = pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))

PYNQ = boards.board("pynq-z2")
EIGHT = ("scale_8", "add_8", "clamp_8")
TWO = ("scale_2", "add_2", "clamp_2")
MEMORY_BYTES = 1 << 22
ON_CHIP = dict.fromkeys(TENSORS, True)
IN_DRAM = dict.fromkeys(TENSORS, False)


def opened(board: Board, modules: Sequence[str]) -> Iterator[tuple[Device, Device]]:
    """Open both devices with a module in each partition."""
    with (
        RtlDevice(board, memory_bytes=MEMORY_BYTES, load_time="stream") as rtl,
        Emulator(board, memory_bytes=MEMORY_BYTES) as emulator,
    ):
        for partition, name in enumerate(modules):
            activate(rtl, partition, name)
            activate(emulator, partition, name)
        yield rtl, emulator


@pytest.fixture(scope="module")
def eight() -> Iterator[tuple[Device, Device]]:
    yield from opened(PYNQ, EIGHT)


@pytest.fixture(scope="module")
def two() -> Iterator[tuple[Device, Device]]:
    yield from opened(PYNQ, TWO)


def check(found: Timeline, expected: Timeline) -> None:
    """Fail unless every command is loaded, starts and ends in the same clock, and the program."""
    for partition in expected.start:
        loaded = found.parameters_end[partition].tolist()
        assert loaded == expected.parameters_end[partition].tolist(), partition
        assert found.start[partition].tolist() == expected.start[partition].tolist(), partition
        assert found.end[partition].tolist() == expected.end[partition].tolist(), partition
    assert found.total == expected.total


def check_ring(devices: tuple[Device, Device], modules: Sequence[str], seed: int) -> None:
    """Run a random ring of one partition on both devices, with feature maps on chip."""
    chooser = random.Random(seed)
    partition = seed % 3
    (lanes,) = module_named(modules[partition]).lanes
    works = [random_work(chooser, lanes) for _ in range(chooser.randint(1, 5))]
    rings = {partition: (modules[partition], works)}
    repeat, depth = chooser.choice([(1, 1), (3, 1), (3, 2)])
    (rtl, _), (emulated, _) = (run(d, rings, ON_CHIP, repeat, depth) for d in devices)
    check(rtl, emulated)


@pytest.mark.parametrize("seed", range(6))
def test_a_ring_on_chip(eight: tuple[Device, Device], seed: int) -> None:
    check_ring(eight, EIGHT, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6, 60))
def test_more_rings_on_chip(eight: tuple[Device, Device], seed: int) -> None:
    check_ring(eight, EIGHT, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_rings_on_two_lanes(two: tuple[Device, Device], seed: int) -> None:
    check_ring(two, TWO, seed)


def scheduled(
    found: Timeline, works: Sequence[Sequence[Work]], memory: MemoryPort, repeat: int, depth: int
) -> Timeline:
    """Return what the rule says of rings whose commands compute as long as they were seen to."""
    costs: dict[int, list[CommandCost]] = {}
    shared = memory.shared(len(works))
    for partition, ring in enumerate(works):
        lasted = found.end[partition] - found.start[partition]
        costs[partition] = []
        for index, work in enumerate(ring):
            assert np.ptp(lasted[:, index]) <= 0
            fields, _ = work.fields(module_named(EIGHT[partition]), index, 0)
            parameters = parameter_cycles(shared, fields["table_beats"])
            compute = int(lasted[0, index])
            costs[partition].append(CommandCost(parameters, compute, work.waits))
    return timeline(costs, memory, repeat, depth)


def check_waits(rtl: Device, seed: int, memory: MemoryPort) -> None:
    """Run random rings of all partitions, which wait for each other, with tensors in DRAM."""
    chooser = random.Random(seed)
    lengths = [chooser.randint(1, 4) for _ in EIGHT]
    works = [
        [
            Work((chooser.randint(1, 8), 2, 32), (128 * chooser.randint(0, 3),) * 3, waits=waits)
            for waits in ring
        ]
        for ring in random_waits(chooser, lengths)
    ]
    rings = {p: (EIGHT[p], ring) for p, ring in enumerate(works)}
    repeat, depth = chooser.choice([(1, 1), (2, 1), (4, 2)])
    found, _ = run(rtl, rings, IN_DRAM, repeat, depth)
    check(found, scheduled(found, works, memory, repeat, depth))


@pytest.mark.parametrize("seed", range(3))
def test_rings_that_wait_for_each_other(eight: tuple[Device, Device], seed: int) -> None:
    check_waits(eight[0], seed, PYNQ.dram)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 30))
def test_more_rings_that_wait(eight: tuple[Device, Device], seed: int) -> None:
    check_waits(eight[0], seed, PYNQ.dram)


@pytest.mark.slow
@pytest.mark.parametrize("port", [(50, 2, 1), (20, 5, 4), (90, 3, 2)])
def test_the_rule_on_another_memory(port: tuple[int, int, int]) -> None:
    memory = MemoryPort(*port, 17, 25, burst_beats=16)
    for rtl, emulator in opened(replace(PYNQ, dram=memory), EIGHT):
        for seed in range(6):
            check_waits(rtl, seed, memory)
            check_ring((rtl, emulator), EIGHT, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_tensors_in_dram_take_a_percent_and_a_few_cycles_more_or_less(
    eight: tuple[Device, Device], seed: int
) -> None:
    chooser = random.Random(seed)
    partition = seed % 3
    shape = (chooser.randint(8, 20), chooser.randint(8, 20), 8 * chooser.randint(2, 6))
    places = {segment: chooser.random() < 0.3 for segment in TENSORS}
    places[Segment.OUTPUT] = False
    offsets = tuple(8 * chooser.randint(0, 20) for _ in range(3))
    work = Work(shape, (offsets[0], offsets[1], offsets[2]))
    (rtl, _), (emulated, _) = (
        run(d, {partition: (EIGHT[partition], [work])}, places) for d in eight
    )
    took, said = (int(t.end[partition][0, 0] - t.start[partition][0, 0]) for t in (rtl, emulated))
    assert abs(took - said) <= 0.01 * took + 8  # see `elementwise_cycles`
