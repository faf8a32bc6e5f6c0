"""Cycles of every command on the gateware beside the emulator's, and what may make them differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto

from fpga_rt.contract.command import (
    COMMAND,
    COMMAND_BYTES,
    CommandFlag,
    Operation,
    Segment,
    split_address,
)
from fpga_rt.contract.sequencer import Timeline
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.conflicts import simultaneous
from fpga_rt.device.interface import Completion, Device, Pending
from fpga_rt.modules.geometry import Fields, is_fused
from fpga_rt.planner.binding import bind
from fpga_rt.runtime.records import ProgramRecord

BURSTS, BANKS, WEIGHTS = 20, 16, 16
"""By how many cycles each cause may make a command differ, at most."""


class Cause(Enum):
    """Why a command may take another time than its formula says.

    A command that has no cause takes what the formula says, to the cycle.
    """

    BURSTS = auto()
    """An operand lies in DRAM: segments begin within a burst, and bursts wait for each other. The
    command is shorter or longer."""
    BANKS = auto()
    """It and another partition's command ran at the same time, and both have operands on chip:
    their streams meet in a bank of the feature memory. The command is longer."""
    WEIGHTS = auto()
    """It streams its weights and began later than its parameters were in, for it waited for another
    partition: the first weights are in the module by then. The command is shorter, and by no more
    than it waited."""


@dataclass(frozen=True)
class Count:
    """Cycles of a command for an image: what the formula gives and what the gateware took.

    Attributes:
        where: which command, and of which image.
        expected: by the formula.
        counted: on the gateware.
        waited: from its parameters to its start, on the gateware.
        causes: of a difference.
    """

    where: str
    expected: int
    counted: int
    waited: int
    causes: frozenset[Cause]

    @property
    def bounds(self) -> tuple[int, int]:
        """By how many cycles it may be shorter, and longer."""
        bursts = BURSTS * (Cause.BURSTS in self.causes)
        early = min(WEIGHTS, self.waited) * (Cause.WEIGHTS in self.causes)
        return bursts + early, bursts + BANKS * (Cause.BANKS in self.causes)

    @property
    def is_explained(self) -> bool:
        """Whether the difference is within what the causes account for."""
        shorter, longer = self.bounds
        return -shorter <= self.counted - self.expected <= longer

    @property
    def is_exact(self) -> bool:
        """Whether there is no difference."""
        return self.counted == self.expected

    def __str__(self) -> str:
        """Say which command, and how far it is off."""
        causes = ", ".join(sorted(cause.name.lower() for cause in self.causes)) or "none"
        return (
            f"{self.where}: {self.counted} cycles, expected {self.expected}; causes of a"
            f" difference: {causes}"
        )


@contextmanager
def timelines(device: Device) -> Iterator[list[Timeline]]:
    """Collect when every command ran, of all programs that the device ends meanwhile."""
    wait = device.wait
    found: list[Timeline] = []

    def watched(*pending: Pending, timeout_s: float | None = None) -> Completion:
        completion = wait(*pending, timeout_s=timeout_s)
        if completion.timeline is not None:
            found.append(completion.timeline)
        return completion

    device.wait = watched  # type: ignore[method-assign]  # of this object only
    try:
        yield found
    finally:
        device.wait = wait  # type: ignore[method-assign]


def counts(
    deployment: Deployment, program: ProgramRecord, found: Timeline, said: Timeline
) -> Iterator[Count]:
    """Yield every command of a program for every image, with the causes that it really met.

    Args:
        deployment: what ran.
        program: which launch of it, and for how many images.
        found: on the gateware.
        said: by the emulator.
    """
    launch = deployment.launches[program.launch]
    on_chip = bind(deployment, program.images).on_chip
    rings = {partition: _fields(ring) for partition, ring in launch.rings.items()}
    causes = _causes(rings, found, on_chip)
    for step in launch.steps:
        partition, (first, number) = step.partition, step.commands
        start, end = found.start[partition], found.end[partition]
        expected = said.end[partition] - said.start[partition]
        for image in range(program.images):
            for index in range(first, first + number):
                at = image, index
                yield Count(
                    f"{deployment.network.name}, {step.layer} ({step.operation}) on {step.module}"
                    f" in partition {partition}, launch {program.launch}, command {index},"
                    f" image {image}",
                    int(expected[at]),
                    int(end[at] - start[at]),
                    int(start[at] - found.parameters_end[partition][at]),
                    frozenset(causes[partition, image, index]),
                )


def _fields(ring: bytes) -> list[Fields]:
    starts = range(0, len(ring), COMMAND_BYTES)
    return [COMMAND.decode(ring[start : start + COMMAND_BYTES]) for start in starts]


def _causes(
    rings: Mapping[int, Sequence[Fields]], found: Timeline, on_chip: bool
) -> dict[tuple[int, int, int], set[Cause]]:
    """Return the causes by partition, image and command."""
    places = {p: [_on_chip(fields, on_chip) for fields in ring] for p, ring in rings.items()}
    causes: dict[tuple[int, int, int], set[Cause]] = {}
    for partition, ring in rings.items():
        waited = found.start[partition] - found.parameters_end[partition]
        for image, index in ((i, k) for i in range(len(waited)) for k in range(len(ring))):
            kinds = causes[partition, image, index] = set()
            if not all(places[partition][index]):
                kinds.add(Cause.BURSTS)
            if ring[index]["flags"] & CommandFlag.STREAMED_WEIGHTS and waited[image, index] > 0:
                kinds.add(Cause.WEIGHTS)
    for p, q, rows in simultaneous(found):
        for i, k, j, m in rows.tolist():
            if any(places[p][k]) and any(places[q][m]):
                causes[p, i, k].add(Cause.BANKS)
                causes[q, j, m].add(Cause.BANKS)
    return causes


def _on_chip(fields: Fields, on_chip: bool) -> list[bool]:
    """Return of every operand whether it lies in the feature memory."""
    operands = ["input", "output"]
    if is_fused(fields) or fields["operation"] == Operation.ADDITION:
        operands.append("residual")
    segments = [split_address(fields[name])[0] for name in operands]
    return [on_chip and segment == Segment.FEATURES for segment in segments]
