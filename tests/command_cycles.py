"""Cycles of every command on the gateware beside the emulator's, and what may make them differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from fpga_rt.contract.command import (
    COMMAND,
    COMMAND_BYTES,
    CommandFlag,
    Operation,
    Segment,
    split_address,
)
from fpga_rt.deployment.model import Deployment
from fpga_rt.modules.geometry import Fields, is_fused
from fpga_rt.planner.binding import bind
from fpga_rt.runtime.records import ProgramRecord


class Cause(Enum):
    """Why a command may take another time than its formula says.

    The value is by how many cycles an image it may be shorter, and longer. A command that has no
    cause takes what the formula says, to the cycle.
    """

    BURSTS = (20, 20)
    """An operand lies in DRAM: segments begin within a burst, and bursts wait for each other."""
    BANKS = (0, 16)
    """Another partition works: streams of both meet in a bank of the feature memory."""
    WEIGHTS = (16, 0)
    """Another partition works, and does not take its half of DRAM: streamed weights come sooner."""


@dataclass(frozen=True)
class Count:
    """Cycles of a command that the formula gives and that the gateware took, and for how many."""

    where: str
    expected: int
    counted: int
    images: int
    causes: frozenset[Cause]

    @property
    def is_explained(self) -> bool:
        """Whether the difference is within what the causes account for."""
        shorter, longer = (sum(cause.value[n] for cause in self.causes) for n in range(2))
        difference = self.counted - self.expected
        return -self.images * shorter <= difference <= self.images * longer

    @property
    def is_exact(self) -> bool:
        """Whether there is no difference."""
        return self.counted == self.expected

    def __str__(self) -> str:
        """Say which command, and how far it is off."""
        causes = ", ".join(sorted(cause.name.lower() for cause in self.causes)) or "none"
        return (
            f"{self.where}: {self.counted} cycles for {self.images} images, expected"
            f" {self.expected}; causes of a difference: {causes}"
        )


def counts(deployment: Deployment, found: ProgramRecord, said: ProgramRecord) -> Iterator[Count]:
    """Yield every command of a program, as the gateware counted it and as the emulator says."""
    assert found.commands is not None
    assert said.commands is not None
    launch = deployment.launches[found.launch]
    on_chip = bind(deployment, found.images).on_chip
    for step in launch.steps:
        ring = launch.rings[step.partition]
        first, number = step.commands
        for index in range(first, first + number):
            fields = COMMAND.decode(ring[index * COMMAND_BYTES : (index + 1) * COMMAND_BYTES])
            causes = frozenset(_causes(fields, on_chip, len(launch.rings) > 1))
            yield Count(
                f"{deployment.network.name}, {step.layer} ({step.operation}) on {step.module}"
                f" in partition {step.partition}, launch {found.launch}, command {index}",
                int(said.commands[step.partition].computing[index]),
                int(found.commands[step.partition].computing[index]),
                found.images,
                causes,
            )


def _causes(fields: Fields, on_chip: bool, shared: bool) -> Iterator[Cause]:
    operation = Operation(fields["operation"])
    operands = ["input", "output"]
    if is_fused(fields) or operation is Operation.ADDITION:
        operands.append("residual")
    segments = {split_address(fields[name])[0] for name in operands}
    if not on_chip or segments != {Segment.FEATURES}:
        yield Cause.BURSTS
    if shared:
        yield Cause.BANKS
        if fields["flags"] & CommandFlag.STREAMED_WEIGHTS:
            yield Cause.WEIGHTS
