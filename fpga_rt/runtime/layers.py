"""What every layer took: cycles predicted and counted, multipliers busy, bytes moved; per image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from fpga_rt.arch.boards import Board
from fpga_rt.contract.command import COMMAND, COMMAND_BYTES, STREAM_BYTES, Operation
from fpga_rt.deployment.model import Deployment, Launch, Step
from fpga_rt.modules.geometry import Fields, is_fused
from fpga_rt.planner.timelines import Timelines, module_of
from fpga_rt.runtime.records import CommandCycles, Log, ProgramRecord, command_cycles

MULTIPLYING = frozenset({Operation.CONVOLUTION, Operation.DEPTHWISE, Operation.DENSE})
"""Operations whose products count; pooling and additions have none with a weight."""


@dataclass(frozen=True)
class Moved:
    """Bytes of the operands of commands, each as often as a command reads or writes it."""

    input: int = 0
    output: int = 0
    residual: int = 0
    weights: int = 0
    tables: int = 0

    def __add__(self, other: Moved) -> Moved:
        """Return the sums."""
        return Moved(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Moved)))


@dataclass(frozen=True)
class Cycles:
    """Cycles of a step: computing, and waiting before each of its commands."""

    computing: float = 0
    waiting: float = 0

    def __add__(self, other: Cycles) -> Cycles:
        """Return the sums."""
        return Cycles(self.computing + other.computing, self.waiting + other.waiting)

    def times(self, factor: int) -> Cycles:
        """Return a multiple."""
        return Cycles(self.computing * factor, self.waiting * factor)


@dataclass(frozen=True)
class Work:
    """What some steps took for one image, the mean of a run.

    Attributes:
        macs: products that the layers need.
        predicted: cycles by the formulas.
        counted: cycles that the device reported, None where it does not.
        capacity: products that the modules could have made while they computed and while they
            waited, by the count where there is one.
        moved: bytes.
    """

    macs: int = 0
    predicted: Cycles = field(default_factory=Cycles)
    counted: Cycles | None = field(default_factory=Cycles)
    capacity: Cycles = field(default_factory=Cycles)
    moved: Moved = field(default_factory=Moved)

    @property
    def busy(self) -> float | None:
        """Share of the multipliers' clocks that make a product, None without multipliers."""
        return self.macs / self.capacity.computing if self.capacity.computing else None

    @property
    def busy_overall(self) -> float | None:
        """The same share with the clocks in which the module waits."""
        clocks = self.capacity.computing + self.capacity.waiting
        return self.macs / clocks if clocks else None

    def __add__(self, other: Work) -> Work:
        """Return the sums; without a count as soon as one has none."""
        known = self.counted is not None and other.counted is not None
        return Work(
            self.macs + other.macs,
            self.predicted + other.predicted,
            self.counted + other.counted if known else None,  # type: ignore[operator]
            self.capacity + other.capacity,
            self.moved + other.moved,
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data for `json.dumps`."""
        return {
            "macs": self.macs,
            "predicted_cycles": vars(self.predicted),
            "counted_cycles": None if self.counted is None else vars(self.counted),
            "multipliers_busy": self.busy,
            "multipliers_busy_with_waiting": self.busy_overall,
            "bytes": vars(self.moved),
        }


@dataclass(frozen=True)
class StepWork:
    """A layer (or the part of it) on a partition, and what it took."""

    launch: int
    step: Step
    kind: str
    multipliers: int
    work: Work


def layer_work(deployment: Deployment, log: Log, board: Board) -> list[StepWork]:
    """Return what every step of a deployment took for one image, the mean over a log's programs.

    Raises:
        PlanningError: a module is not installed.
    """
    programs = [p for p in log.programs if p.model == deployment.network.name]
    timelines = Timelines(board)
    return [
        part
        for number, launch in enumerate(deployment.launches)
        for part in _launch_work(
            deployment, number, [p for p in programs if p.launch == number], timelines
        )
        if launch.steps
    ]


def total(parts: Iterable[StepWork]) -> Work:
    """Return the sums over some steps."""
    return sum((part.work for part in parts), Work())


def by_kind(parts: Sequence[StepWork]) -> dict[str, Work]:
    """Return the sums over the steps of every kind, as `convolution 3x3`, in order of first use."""
    kinds = dict.fromkeys(part.kind for part in parts)
    return {kind: total(part for part in parts if part.kind == kind) for kind in kinds}


def _launch_work(
    deployment: Deployment, number: int, programs: Sequence[ProgramRecord], timelines: Timelines
) -> Iterator[StepWork]:
    """Yield the steps of a launch; programs of equal batches have equal predictions."""
    launch, images = deployment.launches[number], sum(p.images for p in programs) or 1
    predicted = [command_cycles(timelines.get(deployment, number, p.images)) for p in programs]
    known = [p.commands for p in programs if p.commands is not None]
    counted = known if programs and len(known) == len(programs) else None
    for step in launch.steps:
        expected = _mean(predicted, step, images)
        found = None if counted is None else _mean(counted, step, images)
        commands = _commands(launch, step)
        multipliers = module_of(deployment, step.module).multipliers
        work = Work(
            macs=sum(map(_macs, commands)),
            predicted=expected,
            counted=found,
            capacity=(found or expected).times(multipliers),
            moved=sum(map(_moved, commands), Moved()),
        )
        yield StepWork(number, step, _kind(commands[0]), multipliers, work)


def _mean(rings: Sequence[Mapping[int, CommandCycles]], step: Step, images: int) -> Cycles:
    """Return the cycles of a step's commands for one image; whole numbers where they are."""
    first, count = step.commands
    sums = [
        sum(int(getattr(ring[step.partition], kind)[first : first + count].sum()) for ring in rings)
        for kind in ("computing", "waiting")
    ]
    return Cycles(*(value // images if value % images == 0 else value / images for value in sums))


def _commands(launch: Launch, step: Step) -> list[dict[str, int]]:
    ring, (first, count) = launch.rings[step.partition], step.commands
    starts = range(first * COMMAND_BYTES, (first + count) * COMMAND_BYTES, COMMAND_BYTES)
    return [COMMAND.decode(ring[start : start + COMMAND_BYTES]) for start in starts]


def _macs(command: Fields) -> int:
    if command["operation"] not in MULTIPLYING:
        return 0
    window = command["kernel_height"] * command["kernel_width"]
    depth = 1 if command["operation"] == Operation.DEPTHWISE else command["input_channels"]
    return _size(command, "output") * window * depth


def _moved(command: Fields) -> Moved:
    second = is_fused(command) or command["operation"] == Operation.ADDITION
    output = _size(command, "output")
    return Moved(
        _size(command, "input"),
        output,
        output if second else 0,
        command["weights_beats"] * STREAM_BYTES,
        command["table_beats"] * STREAM_BYTES,
    )


def _size(command: Fields, operand: str) -> int:
    return int(
        command[f"{operand}_height"] * command[f"{operand}_width"] * command[f"{operand}_channels"]
    )


def _kind(command: Fields) -> str:
    """Return the operation, and the window of those that have one."""
    operation = Operation(command["operation"])
    name = operation.name.lower().replace("_", " ")
    if operation in (Operation.DENSE, Operation.ADDITION):
        return name
    return f"{name} {command['kernel_height']}x{command['kernel_width']}"
