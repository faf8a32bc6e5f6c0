"""Emulated programs: fetched from byte memory, timed by the contract, run by the modules.

Nothing but the header's address comes from the host. Descriptors are fetched when the doorbell
rings; operands are read and written when the program ends, in the order in which the timeline
starts the commands (iterations together where `batching` allows it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fpga_rt.arch.boards import MemoryPort
from fpga_rt.contract.command import (
    COMMAND,
    COMMAND_BYTES,
    MAX_PARTITIONS,
    Segment,
    split_address,
)
from fpga_rt.contract.memory_map import on_chip
from fpga_rt.contract.sequencer import NEVER, CommandCost, DeadlockError, Timeline, timeline
from fpga_rt.contract.static_region import SequencerError
from fpga_rt.contract.submission import HEADER, Placement, Ring, Submission
from fpga_rt.device.batching import (
    PrivateFeatures,
    Schedule,
    is_separable,
    private_features,
)
from fpga_rt.device.memory import BusError, ByteMemory
from fpga_rt.device.operands import Memory, SegmentMemory, extent
from fpga_rt.errors import ExecutionError
from fpga_rt.modules.geometry import Fields, Ports
from fpga_rt.modules.module import Module

_MALFORMED = (ValueError, IndexError, ZeroDivisionError)
"""What NumPy and the formulas raise for a descriptor that makes no sense."""


class ProgramError(ExecutionError):
    """A program stopped: the error code, and the partition and command that met it."""

    def __init__(
        self, message: str, code: SequencerError, partition: int = 0, command: int = 0
    ) -> None:
        """Keep what the error registers show."""
        super().__init__(message)
        self.code = code
        self.partition = partition
        self.command = command
        self.start_cycles: int | None = None
        """When the command began that met it, where one did."""


class Occupant(NamedTuple):
    """The module in a partition; `garbage` seeds its output until it is reset after a load."""

    module: Module
    garbage: int | None


@dataclass(frozen=True, eq=False)
class Program:
    """A submission that was fetched and timed; `deadlock` ends it once nothing else can run."""

    submission: Submission
    occupants: Mapping[int, Occupant]
    schedule: Schedule
    deadlock: ProgramError | None = None

    @property
    def timeline(self) -> Timeline:
        """When every command runs."""
        return self.schedule.timeline

    @property
    def features_in_dram(self) -> bool:
        """Tell whether its feature maps use the memory that configuration ports read."""
        return not on_chip(self.submission.segments[Segment.FEATURES].base)

    def run(self, memory: ByteMemory) -> None:
        """Do what the commands say.

        Raises:
            ProgramError: a command met a bus error, its module cannot run it, or the rings wait
                for each other.
        """
        repeat = self.submission.repeat
        if self.deadlock is not None:
            for partition, index, iteration in self._by_start(range(repeat)):
                iterations = range(iteration, iteration + 1)
                self._run_command(partition, index, iterations, memory, self.submission.segments)
            raise self.deadlock
        private = private_features(memory, self.schedule, self.submission) if repeat > 1 else None
        if private is not None:
            self._run_private(private)
            return
        group = max(1, min(self.submission.segments[Segment.FEATURES].depth, repeat))
        if group > 1 and not is_separable(self.schedule, self.submission, group, private=False):
            for partition, index, iteration in self._by_start(range(repeat)):
                iterations = range(iteration, iteration + 1)
                self._run_command(partition, index, iterations, memory, self.submission.segments)
            return
        for first in range(0, repeat, group):
            iterations = range(first, min(first + group, repeat))
            for partition, index, _ in self._by_start((first,)):
                self._run_command(partition, index, iterations, memory, self.submission.segments)

    def _run_private(self, features: PrivateFeatures) -> None:
        """Run batches in which every iteration has feature memory of its own."""
        repeat = self.submission.repeat
        for first in range(0, repeat, features.iterations):
            iterations = range(first, min(first + features.iterations, repeat))
            for partition, index in self.schedule.order or ():
                self._run_command(partition, index, iterations, features, features.segments)
            features.write_back(iterations)

    def _by_start(self, iterations: Sequence[int]) -> list[tuple[int, int, int]]:
        """Return partition, command and iteration by the cycle they start in."""
        start = self.timeline.start
        steps = [
            (int(start[partition][iteration, index]), partition, index, iteration)
            for iteration in iterations
            for partition, commands in self.schedule.commands.items()
            for index in range(len(commands))
            if start[partition][iteration, index] != NEVER
        ]
        return [step[1:] for step in sorted(steps)]

    def _run_command(
        self,
        partition: int,
        index: int,
        iterations: Sequence[int],
        memory: Memory,
        segments: Mapping[Segment, Placement],
    ) -> None:
        fields = self.schedule.commands[partition][index]
        who = f"partition {partition} command {index} iteration {iterations[0]}"
        operands = SegmentMemory(memory, segments, iterations, who)
        try:
            _execute(self.occupants[partition], fields, operands, index)
        except (ExecutionError, *_MALFORMED) as error:
            is_bus = isinstance(error, BusError)
            failure = ProgramError(
                str(error) if is_bus else f"{who}: {error}",
                SequencerError.BUS if is_bus else SequencerError.MODULE,
                partition,
                index,
            )
            failure.start_cycles = int(self.timeline.start[partition][iterations[0], index])
            raise failure from error


def fetch(
    memory: ByteMemory,
    address: int,
    occupant: Callable[[int], Occupant],
    dram: MemoryPort,
    feature_memory: MemoryPort,
) -> Program:
    """Read a submission from memory and time it.

    Args:
        memory: where everything lies.
        address: of the submission header.
        occupant: returns what a partition holds, or raises `ProgramError` when it cannot run.
        dram: port to memory outside the chip.
        feature_memory: port to the feature memory.

    Raises:
        ProgramError: header, rings or descriptors are wrong, or a partition cannot run.
    """
    submission = _read_header(memory, address)
    occupants = {partition: occupant(partition) for partition in submission.rings}
    control, dram = dram, dram.shared(len(submission.rings))
    rings = tuple(
        (partition, _read_ring(memory, partition, ring), occupants[partition].module)
        for partition, ring in submission.rings.items()
    )
    behind = tuple(
        feature_memory if on_chip(submission.segments[segment].base) else dram
        for segment in Segment
    )
    depth = submission.segments[Segment.FEATURES].depth
    schedule, deadlock = _schedule(rings, behind, control, submission.repeat, depth)
    return Program(submission, occupants, schedule, deadlock)


def _read_header(memory: ByteMemory, address: int) -> Submission:
    try:
        data = memory.window(address, HEADER.size_bytes, "the sequencer reading a header")
        return Submission.decode(data.tobytes())
    except BusError as error:
        raise ProgramError(str(error), SequencerError.BUS) from error
    except ValueError as error:
        raise ProgramError(
            f"header at {address:#x}: {error}; write the submission before the doorbell",
            SequencerError.HEADER,
        ) from error


def _read_ring(memory: ByteMemory, partition: int, ring: Ring) -> bytes:
    who = f"the sequencer reading the ring of partition {partition}"
    try:
        return memory.window(ring.address, ring.size_bytes, who).tobytes()
    except BusError as error:
        raise ProgramError(str(error), SequencerError.BUS, partition) from error


@lru_cache(maxsize=128)
def _schedule(
    rings: tuple[tuple[int, bytes, Module], ...],
    behind: tuple[MemoryPort, ...],
    control: MemoryPort,
    repeat: int,
    depth: int,
) -> tuple[Schedule, ProgramError | None]:
    """Decode and time rings, and tell where they stand still, if they do.

    The same bytes on the same modules give the same answer.
    """
    commands = {partition: _decode(partition, data) for partition, data, _ in rings}
    costs = {
        partition: _costs(partition, commands[partition], module, behind)
        for partition, _, module in rings
    }
    deadlock = None
    try:
        times = timeline(costs, control, repeat, depth)
    except DeadlockError as error:
        code, times = SequencerError.DEADLOCK, error.timeline
        deadlock = ProgramError(str(error), code, error.partition, error.command)
    for cycles in (times.start, times.end, times.parameters_end):
        for array in cycles.values():
            array.setflags(write=False)
    return Schedule(commands, times), deadlock


def _decode(partition: int, data: bytes) -> tuple[Fields, ...]:
    commands = []
    for index, start in enumerate(range(0, len(data), COMMAND_BYTES)):
        fields = COMMAND.decode(data[start : start + COMMAND_BYTES])
        if fields["sequence"] != index & 0xFFFF:
            raise ProgramError(
                f"descriptor {index} of partition {partition}: got sequence {fields['sequence']},"
                f" expected {index & 0xFFFF}; the ring is corrupt or at another address",
                SequencerError.SEQUENCE,
                partition,
                index,
            )
        commands.append(fields)
    return tuple(commands)


def _costs(
    partition: int, commands: Sequence[Fields], module: Module, behind: Sequence[MemoryPort]
) -> list[CommandCost]:
    costs = []
    for index, fields in enumerate(commands):
        try:
            cost = module.cost(fields, _ports(fields, behind))
        except _MALFORMED as error:
            raise ProgramError(
                f"partition {partition} command {index}: no shape of {module.name}: {error}",
                SequencerError.MODULE,
                partition,
                index,
            ) from error
        waits = tuple(fields[f"wait{p}"] for p in range(MAX_PARTITIONS))
        costs.append(replace(cost, waits=waits))
    return costs


def _ports(fields: Fields, behind: Sequence[MemoryPort]) -> Ports:
    def port(name: str) -> MemoryPort:
        segment, _ = split_address(fields[name])
        return behind[segment] if segment < len(behind) else behind[Segment.WEIGHTS]

    return Ports(port("input"), port("output"), port("residual"), port("table"))


def _execute(occupant: Occupant, fields: Fields, operands: SegmentMemory, index: int) -> None:
    if occupant.garbage is None:
        occupant.module.execute(fields, operands)
        return
    codes = operands.read(fields, "input")  # a stream it would consume, and its bus errors
    shape = (len(codes), *extent(fields, "output").shape)
    random = np.random.default_rng([occupant.garbage, index])
    operands.write(fields, random.integers(-128, 128, shape, np.int8))
