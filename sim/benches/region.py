"""The whole static region with modules that are swapped while it works.

Between two tests the partitions keep what they hold, as in a device; the static region is reset.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge

from fpga_rt.contract.static_region import (
    STATIC_REGION,
    ConfigurationError,
    PartitionState,
    SequencerError,
    partition_register,
)
from sim.benches.faults import fault
from sim.benches.programs import Work, chain
from sim.benches.streams import ERRORS, broken_stream, stream_of
from sim.benches.system import PARTITIONS, System
from sim.benches.tops import bench_modules, small_board
from sim.reconfiguration import TransitionCoverage

SCALE, ADD, CLAMP = bench_modules()
SHAPE = (3, 4, 6)
LONG = (4, 8, 8)
THOROUGH = bool(int(os.environ.get("THOROUGH", "0")))
"""Whether to try everything instead of a few things at random."""

test = cocotb.test(timeout_time=3, timeout_unit="ms")


@test
async def registers_answer(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """Every register is known after power-up, and says what the board is."""
    system = await System.start(dut, "registers")
    host = system.host
    await host.known()
    assert await host.read("map_id") == STATIC_REGION.map_id
    assert await host.read("capabilities") == PARTITIONS
    assert await host.read("idcode") == small_board().device.idcode
    for partition in range(PARTITIONS):
        assert await host.state(partition) is PartitionState.EMPTY
        assert await host.identify(partition) == 0
        assert await host.recouple(partition) is PartitionState.EMPTY
    for offset, value in ((0xFFC, None), (0xFFC, 1), (0, 1)):
        response, _ = await host.access(offset, value)
        assert response.name == "SLVERR"
    system.check()


@test
async def every_transition(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """Every module after every other in every partition; the neighbour computes meanwhile."""
    system = await System.start(dut, "transitions")
    modules = {module.name: module for module in bench_modules()}
    names = [partition.name for partition in small_board().partitions]
    coverage = TransitionCoverage({name: modules for name in names})
    walks = [_walk(list(modules), system.random) for _ in names]
    work: Work | None = None
    for chosen in zip(*walks, strict=True):
        for partition, name in enumerate(chosen):
            if work is None:
                await system.swap(partition, modules[name])
            else:
                await system.host.prepare(work.submission())
                await system.swap(partition, modules[name], meanwhile=system.host.start)
                await _ended(system, work)
                assert system.activity.overlap_ps(1 - partition) > 0
                system.activity.forget()
            coverage.loaded(names[partition], name)
            shape = (system.random.randrange(1, 4), system.random.randrange(1, 9), 6)
            repeat = system.random.randrange(1, 3)
            here = [(partition, modules[name])]
            work = chain(system.dram, here, shape, system.random, repeat)
    assert work is not None
    await _run(system, work)
    coverage.save(Path(os.environ.get("TRANSITIONS", "transitions.json")))
    assert coverage.percent == 100, coverage.report()


@test
async def the_neighbour_keeps_its_pace(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """A swap changes neither the bytes of the neighbour's program nor a single clock of it."""
    system = await System.start(dut, "pace", pauses=False)
    await system.swap(1, SCALE)
    work = chain(system.dram, [(1, SCALE), (1, SCALE)], LONG, system.random, repeat=4)
    activity, seen = system.activity, []
    for swapped in (None, CLAMP):
        activity.forget()
        await system.host.prepare(work.submission())
        await system.host.start()
        if swapped is not None:
            await system.clocks(system.random.randrange(1, 100))
            await system.swap(0, swapped)
        await _ended(system, work)
        commands = activity.commands(1)
        first_ps = commands[0][0]
        seen.append([(begin - first_ps, end - first_ps) for begin, end in commands])
        work.clear()
    ((begin_ps, end_ps),) = activity.loads()
    assert activity.overlap_ps(1) > (end_ps - begin_ps) / 2
    assert len(seen[0]) == 2 * 4
    assert seen[1] == seen[0]


@test
async def nothing_unknown_gets_in(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """While frames are written the pins are unknown, and no register but the identity is."""
    system = await System.start(dut, "unknown")
    partition = system.random.randrange(PARTITIONS)
    stream = stream_of(CLAMP, partition)
    await system.host.begin(partition, system.dram.place(stream), len(stream) // 4)
    while not int(dut.garbage.value):
        await FallingEdge(dut.clk)
    await FallingEdge(dut.clk)
    for pin in ("output_valid", "command_ready", "error", "module_id"):
        assert not getattr(dut, f"rp_{partition}_{pin}").value.is_resolvable
    unknown = frozenset({partition_register(partition, "module_id")})
    while int(dut.garbage.value):
        await system.host.known(unknown)
    assert await system.host.loaded() is ConfigurationError.NONE
    system.check()
    await system.swap(partition, SCALE)
    await _run(system, chain(system.dram, [(partition, SCALE)], SHAPE, system.random))


@test
async def partitions_work_together(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """Commands wait for those of the other partition; features go through the memory on chip."""
    system = await System.start(dut, "together")
    await system.swap(0, SCALE)
    await system.swap(1, ADD)
    steps = [(0, SCALE), (1, ADD), (0, SCALE), (0, SCALE), (1, ADD)]
    work = chain(system.dram, steps, SHAPE, system.random, repeat=3)
    await _run(system, work)
    for partition, count in ((0, 3 * 3), (1, 3 * 2)):
        assert await system.host.read(partition_register(partition, "completed")) == count


@test
async def stopped_in_mid_command(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """A program that is cut off at any moment ends, and the next one is right."""
    system = await System.start(dut, "stopped")
    host, random = system.host, system.random
    await system.swap(0, SCALE)
    await system.swap(1, ADD)

    async def isolate() -> None:
        await host.control(0, decouple=1)

    async def hold_in_reset() -> None:
        await host.control(0, reset=1)

    async def abort() -> None:
        await host.write("doorbell", abort=1)

    ways = [
        (isolate, SequencerError.PARTITION),
        (hold_in_reset, SequencerError.PARTITION),
        (abort, SequencerError.ABORTED),
    ]
    seen = set()
    for stop, error in ways * (6 if THOROUGH else 1):
        work = chain(system.dram, [(0, SCALE), (1, ADD)], SHAPE, random, repeat=4)
        found = await _stopped(system, work, stop, random.randrange(1, 500))
        assert found in (0, error)
        seen.add(found)
        await host.decouple(0)
        await host.reset(0)
        assert await host.recouple(0) is PartitionState.ACTIVE
        work.clear()
        await _run(system, work)
    assert seen >= {SequencerError.PARTITION, SequencerError.ABORTED}


@test
async def reset_of_the_static_region(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """A reset in the middle of a program and of a load leaves nothing behind."""
    system = await System.start(dut, "reset")
    await system.swap(1, ADD)
    for _ in range(4 if THOROUGH else 1):
        work = chain(system.dram, [(1, ADD)], SHAPE, system.random, repeat=20)
        await system.host.prepare(work.submission())
        await system.host.start()
        stream = stream_of(SCALE, 0)
        await system.host.begin(0, system.dram.place(stream), len(stream) // 4)
        await system.clocks(system.random.randrange(1, 450))
        system.check()
        await system.reset()
        await system.host.known()
        for partition in range(PARTITIONS):
            assert await system.host.state(partition) is PartitionState.EMPTY
        await system.swap(0, SCALE)
        await system.swap(1, ADD)
        await _run(system, chain(system.dram, [(0, SCALE), (1, ADD)], SHAPE, system.random))


@test
async def the_wrong_module(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """A module that is not the one asked for is found by its identity, and never connected."""
    system = await System.start(dut, "wrong")
    host = system.host
    assert not await host.swap(0, stream_of(CLAMP, 0), ADD.module_id)
    assert await host.identify(0) == CLAMP.module_id
    assert await host.status(0) == {"decoupled": 1, "quiescent": 1, "state": PartitionState.LOADED}
    work = chain(system.dram, [(0, ADD)], SHAPE, system.random)
    status = await host.run(work.submission())
    assert (status["error"], status["error_partition"]) == (SequencerError.PARTITION, 0)
    await system.swap(0, CLAMP)
    status = await host.run(work.submission())
    assert (status["error"], status["error_partition"]) == (SequencerError.MODULE, 0)
    await system.swap(0, ADD)
    await _run(system, work)


@test
async def broken_streams(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """A stream that is not right leaves its partition failed and decoupled, and nothing else."""
    system = await System.start(dut, "broken")
    host, random = system.host, system.random
    await system.swap(0, SCALE)
    await system.swap(1, ADD)
    for name in random.sample(list(ERRORS), len(ERRORS)):
        neighbour = chain(system.dram, [(1, ADD)], SHAPE, random, repeat=7)
        await host.prepare(neighbour.submission())
        system.activity.forget()
        stream, errors = broken_stream(name, SCALE, 0, random)
        error = await host.load(0, stream, meanwhile=host.start)
        assert error in errors, f"{name}: {error.name}"
        assert (await host.fields("sequencer_status"))["busy"], f"{name}: the neighbour has ended"
        assert await host.recouple(0) is PartitionState.FAILED
        assert (await host.status(0))["decoupled"] == 1
        await _ended(system, neighbour)
        assert system.activity.overlap_ps(1) > 0, name
        await system.swap(0, SCALE)
        if THOROUGH:
            await _run(system, chain(system.dram, [(0, SCALE), (1, ADD)], SHAPE, random))
    await _run(system, chain(system.dram, [(0, SCALE), (1, ADD)], SHAPE, random))


@test
async def a_swap_without_reset_shows(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """The registers of a module are unknown after a load: whoever forgets the reset notices."""
    system = await System.start(dut, "without reset")
    assert await system.host.load(0, stream_of(SCALE, 0)) is ConfigurationError.NONE
    assert await system.host.identify(0) == SCALE.module_id
    system.check()
    await system.host.control(0)
    await system.clocks(20)
    assert "unknown" in fault(dut)


async def _run(system: System, work: Work) -> None:
    """Run a program and check it."""
    await system.host.prepare(work.submission())
    await system.host.start()
    await _ended(system, work)


async def _ended(system: System, work: Work) -> None:
    """Wait for a program and check it."""
    status = await system.host.ended()
    assert not status["error"], status
    work.check()
    system.check()


async def _stopped(
    system: System, work: Work, stop: Callable[[], Awaitable[None]], clocks: int
) -> SequencerError:
    """Start a program, stop it after some clocks, and return how it ended."""
    await system.host.prepare(work.submission())
    await system.host.start()
    await system.clocks(clocks)
    await stop()
    status = await system.host.ended()
    if not status["error"]:
        work.check()
    system.check()
    return SequencerError(status["error"])


def _walk(names: list[str], random: Random) -> list[str]:
    """Return a walk in which every name follows every other exactly once."""
    left = {name: random.sample(names, len(names)) for name in names}
    for name, after in left.items():
        after.remove(name)
    walk, stack = [], [random.choice(names)]
    while stack:
        after = left[stack[-1]]
        if after:
            stack.append(after.pop())
        else:
            walk.append(stack.pop())
    return walk[::-1]
