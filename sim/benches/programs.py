"""Commands for modules that keep a shape, by the host's own encoders, and what they compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arithmetic.operations import Addition, AveragePool, Dense, MaximumPool
from fpga_rt.arithmetic.requantise import AdditionRule, Requantisation
from fpga_rt.contract.command import COMMAND, Segment, address
from fpga_rt.contract.memory_map import FEATURE_MEMORY_BASE, align
from fpga_rt.contract.submission import Placement, Ring, Submission
from fpga_rt.modules.layer import Layer, Operands, Place, Tile
from fpga_rt.modules.module import Module
from fpga_rt.modules.parameters import Parameters
from sim.benches.memory import Dram

Codes = NDArray[np.int8]
Shape = tuple[int, int, int]
Operation = AveragePool | Addition | MaximumPool | Dense
_UNTOUCHED = 0x55


def random_operation(module: Module, channels: int, random: Random) -> Operation:
    """Return an operation that a module computes, with random parameters."""
    low, high = sorted(random.sample(range(-128, 128), 2))
    if module.family == "clamp":
        return MaximumPool((1, 1), low=low, high=high)
    zero_point = random.randrange(-20, 20)
    if module.family == "add":
        scales = (random.uniform(0.2, 1.5), random.uniform(0.2, 1.5))
        zero_points = (random.randrange(-9, 9), random.randrange(-9, 9))
        return Addition(AdditionRule.from_scales(scales, zero_points, zero_point))
    bias = np.array([random.randrange(-500, 500) for _ in range(channels)], np.int32)
    if module.family == "dense":
        weights = np.array(random.choices(range(-127, 128), k=channels**2), np.int8)
        factors = np.array([random.uniform(0.2, 0.7) for _ in range(channels)]) / 127
        rule = Requantisation.from_scales(factors, 127 * 128 * channels + 500, zero_point)
        return Dense(weights.reshape(channels, channels), bias, rule)
    factors = np.array([random.uniform(0.1, 1.0) for _ in range(channels)])
    rule = Requantisation.from_scales(factors, 128 + 500, zero_point)
    return AveragePool((1, 1), bias, rule)


def random_codes(shape: Shape, random: Random) -> Codes:
    """Return a random tensor (H, W, C)."""
    return np.frombuffer(random.randbytes(int(np.prod(shape))), np.int8).reshape(shape)


def result(operation: Operation, a: Codes, b: Codes) -> Codes:
    """Return what an operation makes of one tensor, or of two, by the arithmetic."""
    second = (b[None],) if isinstance(operation, Addition) else ()
    found: Codes = operation.apply(a[None], *second)[0]
    return found


@dataclass(frozen=True, eq=False)
class Step:
    """A command: which module computes what, from where to where.

    `index` is its place in the program, `waits` the commands of other partitions that must have
    completed.
    """

    index: int
    module: Module
    operation: Operation
    input: Place
    output: Place
    residual: Place
    waits: Mapping[int, int] = field(default_factory=dict)

    def encode(self, sequence: int, table: int, weights: int) -> bytes:
        """Return the descriptor; `table` and `weights` are offsets in the segments of those."""
        shape = self.input.shape
        tile = Tile((0, shape[2]), (0, shape[1]))
        residual = self.residual if isinstance(self.operation, Addition) else None
        parameters = address(Segment.WEIGHTS, weights), address(Segment.TABLES, table)
        operands = Operands(self.input, self.output, residual, *parameters)
        fields = self.module.command(self._layer, tile, operands)
        fields |= {f"wait{p}": count for p, count in self.waits.items()}
        return COMMAND.encode(fields | {"sequence": sequence})

    def parameters(self, operation: Operation | None = None) -> Parameters:
        """Return weights and table of this command, or of another operation in its place."""
        layer = self._layer
        if operation is not None:
            layer = Layer("step", operation, self.input.shape, self.output.shape)
        shape = self.input.shape
        return self.module.parameters(layer, Tile((0, shape[2]), (0, shape[1])))

    @property
    def _layer(self) -> Layer:
        return Layer("step", self.operation, self.input.shape, self.output.shape)


@dataclass(frozen=True)
class Bank:
    """Where the parameters of a program lie: addresses of the segments WEIGHTS and TABLES."""

    weights: int
    tables: int


class Program:
    """Steps for each partition, with their rings and one bank of parameters in memory."""

    def __init__(self, dram: Dram, steps: Mapping[int, Sequence[Step]]) -> None:
        """Encode the steps and put them into memory."""
        self._dram = dram
        self.steps = {p: list(found) for p, found in steps.items()}
        self.rings: dict[int, Ring] = {}
        table = weights = 0
        for partition, found in self.steps.items():
            text = b""
            for index, step in enumerate(found):
                text += step.encode(index, table, weights)
                parameters = step.parameters()
                table += align(len(parameters.table))
                weights += align(len(parameters.weights))
            self.rings[partition] = Ring(dram.place(text), len(found))
        self.bank = self.place([])

    @property
    def ordered(self) -> list[Step]:
        """The steps of all partitions in the order in which one follows on another."""
        every = [step for found in self.steps.values() for step in found]
        return sorted(every, key=lambda step: step.index)

    def images(self, operations: Sequence[Operation]) -> tuple[bytes, bytes]:
        """Return weights and tables as they lie in memory.

        Args:
            operations: What the steps compute, as `ordered`; empty for what they were made with.
        """
        every = [step for found in self.steps.values() for step in found]
        by_step = dict(zip(self.ordered, operations, strict=True)) if operations else {}
        blocks = [step.parameters(by_step.get(step)) for step in every]
        return (
            b"".join(_padded(block.weights) for block in blocks),
            b"".join(_padded(block.table) for block in blocks),
        )

    def place(self, operations: Sequence[Operation]) -> Bank:
        """Put a bank of parameters into memory; `operations` as for `images`."""
        return Bank(*(self._dram.place(image) for image in self.images(operations)))


@dataclass
class Work:
    """A program with its data: two operands in DRAM for each iteration, and what has to come out.

    Attributes:
        program: the commands.
        source: the segment INPUT: both operands, one after the other.
        target: the segment OUTPUT.
        operands: both, for each iteration.
        dram: where all of it lies.
        features: the segment FEATURES.
    """

    program: Program
    source: Placement
    target: Placement
    operands: list[tuple[Codes, Codes]]
    dram: Dram
    features: Placement

    def submission(self, number: int = 0, bank: Bank | None = None) -> Submission:
        """Return what to submit: with the program's own bank unless another is given."""
        bank = bank or self.program.bank
        places = {
            Segment.INPUT: self.source,
            Segment.OUTPUT: self.target,
            Segment.FEATURES: self.features,
            Segment.WEIGHTS: Placement(bank.weights),
            Segment.TABLES: Placement(bank.tables),
        }
        return Submission(self.program.rings, places, len(self.operands), number)

    def check(self, operations: Sequence[Operation] = ()) -> None:
        """Compare every output with the arithmetic, and the bytes behind it with what was there.

        Args:
            operations: What the steps computed, if not what they were made with.
        """
        steps = self.program.ordered
        chosen = list(operations) or [step.operation for step in steps]
        for index, (a, b) in enumerate(self.operands):
            expected = a
            for operation in chosen:
                expected = result(operation, expected, b)
            found = self.dram.get(self.target.at(index), self.target.stride)
            assert found[: expected.size] == expected.tobytes(), f"output {index} is wrong"
            assert set(found[expected.size :]) <= {_UNTOUCHED}, f"more than output {index} changed"

    def clear(self) -> None:
        """Overwrite the outputs."""
        size = self.target.stride * len(self.operands)
        self.dram.put(self.target.base, bytes([_UNTOUCHED]) * size)


def chain(
    dram: Dram,
    modules: Sequence[tuple[int, Module]],
    shape: Shape,
    random: Random,
    repeat: int = 1,
) -> Work:
    """Make a program of random operations, each on what the one before it made.

    The first reads DRAM and the last writes DRAM, what lies between is in the feature memory. The
    second operand of additions is in DRAM.

    Args:
        dram: The memory.
        modules: Partition and module of each step; one that follows on another partition waits.
        shape: Of all tensors.
        random: Chooses operations and data.
        repeat: Iterations, each with its own data; they share two places for features.
    """
    size = align(int(np.prod(shape)))
    steps: dict[int, list[Step]] = {}
    last = len(modules) - 1
    before: int | None = None
    for index, (partition, module) in enumerate(modules):
        ends = [Place(Segment.FEATURES, size * (index + n), shape) for n in (-1, 0)]
        source = ends[0] if index else Place(Segment.INPUT, 0, shape)
        target = ends[1] if index < last else Place(Segment.OUTPUT, 0, shape)
        waits = {before: len(steps[before])} if before not in (None, partition) else {}
        operation = random_operation(module, shape[2], random)
        residual = Place(Segment.INPUT, size, shape)
        made = Step(index, module, operation, source, target, residual, waits)
        steps.setdefault(partition, []).append(made)
        before = partition
    operands = [(random_codes(shape, random), random_codes(shape, random)) for _ in range(repeat)]
    text = b"".join(t.tobytes().ljust(size, b"\0") for pair in operands for t in pair)
    segments = (
        Placement(dram.place(text), 2 * size, repeat),
        Placement(dram.place(bytes(size * repeat)), size, repeat),
    )
    features = Placement(FEATURE_MEMORY_BASE, size * last, 2)
    work = Work(Program(dram, steps), *segments, operands, dram, features)
    work.clear()
    return work


def _padded(block: bytes) -> bytes:
    return block.ljust(align(len(block)), b"\0")
