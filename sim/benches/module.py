"""A compute module by itself: its registers start unknown, and what is not offered is unknown.

The file that `BENCH_COMMANDS` names says what to play, and what must come of it: JSON, a list of
commands, each

    descriptor, parameters, input   beats that the module takes
    started_after                   beats of its parameters that are in before it is started
    output, sizes                   beats that it gives, and how many bytes of each count
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge
from cocotb.types import LogicArray

from sim.benches.faults import fault

SOURCES = ("command", "parameters", "input")
_UNKNOWN = LogicArray("X" * 64)
_ROUNDS = 12
_AFTERWARDS = 60
"""Clocks in which nothing more may come."""

test = cocotb.test(timeout_time=2000, timeout_unit="us")


@dataclass(frozen=True)
class Command:
    """What crosses the boundary for a command, in beats."""

    descriptor: list[int]
    parameters: list[int]
    started_after: int
    input: list[int]
    output: list[int]
    sizes: list[int]


def commands() -> list[Command]:
    """Return the commands of the file."""
    text = Path(os.environ["BENCH_COMMANDS"]).read_text(encoding="utf-8")
    return [Command(**entry) for entry in json.loads(text)]


class Source:
    """A stream to the module that pauses at random; what it does not offer is unknown."""

    def __init__(self, dut: Any, name: str, beats: list[int], random: Random) -> None:  # noqa: ANN401  # cocotb
        """Offer nothing yet."""
        self._data, self._valid, self._ready = (
            getattr(dut, f"{name}_{wire}") for wire in ("data", "valid", "ready")
        )
        self._beats, self._random = beats, random
        self._rate = random.uniform(0.3, 1)
        self.taken = 0
        self._offer(None)

    def _offer(self, beat: int | None) -> None:
        self._data.value = _UNKNOWN if beat is None else beat
        self._valid.value = int(beat is not None)

    def settle(self) -> None:
        """Take over what the rising edge has moved."""
        if self._valid.value == 1 and self._ready.value == 1:
            self.taken += 1
            self._offer(None)

    def drive(self) -> None:
        """Offer the next beat, perhaps."""
        if self._valid.value == 0 and self.taken < len(self._beats):
            if self._random.random() < self._rate:
                self._offer(self._beats[self.taken])


class Player:
    """Plays commands from the first on, each started when the one before has given its output."""

    def __init__(self, dut: Any, played: list[Command], random: Random) -> None:  # noqa: ANN401
        """Offer nothing yet."""
        self._dut, self._played, self._random = dut, played, random
        beats = (
            [beat for command in played for beat in command.descriptor],
            [beat for command in played for beat in command.parameters],
            [beat for command in played for beat in command.input],
        )
        self._sources = [
            Source(dut, name, given, random) for name, given in zip(SOURCES, beats, strict=True)
        ]
        self._takes = random.uniform(0.3, 1)
        self._started = 0
        self.output: list[int] = []
        dut.start.value = 0
        dut.output_ready.value = 0

    async def clocks(self, most: int) -> None:
        """Play for some clocks, or until a while after everything has come."""
        expected = sum(len(command.output) for command in self._played)
        rest = _AFTERWARDS
        for _ in range(most):
            rest -= len(self.output) >= expected
            if not rest:
                return
            await RisingEdge(self._dut.clk)
            for source in self._sources:
                source.settle()
            if self._dut.output_valid.value == 1 and self._dut.output_ready.value == 1:
                self.output.append(int(self._dut.output_data.value))
            await FallingEdge(self._dut.clk)
            for source in self._sources:
                source.drive()
            self._dut.output_ready.value = int(self._random.random() < self._takes)
            self._dut.start.value = int(self._may_start())
            self._started += int(self._may_start())

    def _may_start(self) -> bool:
        before = self._played[: self._started]
        if self._started == len(self._played):
            return False
        parameters = sum(len(command.parameters) for command in before)
        parameters += self._played[self._started].started_after
        given = sum(len(command.output) for command in before)
        return len(self.output) == given and self._sources[1].taken >= parameters


async def reset(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """Reset the module as the static region does, and leave all streams silent."""
    for name in SOURCES:
        getattr(dut, f"{name}_valid").value = 0
    dut.start.value = dut.output_ready.value = 0
    dut.reset.value = 1
    for _ in range(4):
        await FallingEdge(dut.clk)
    dut.reset.value = 0
    await FallingEdge(dut.clk)


async def begin(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """Reset a module of which nothing is known, and watch it from then on."""
    dut.rst.value = 1
    await reset(dut)
    dut.rst.value = 0


def require_equal(found: list[int], played: list[Command]) -> None:
    """Fail unless the bytes that count are those expected."""
    expected = [beat for command in played for beat in command.output]
    masks = [(1 << 8 * size) - 1 for command in played for size in command.sizes]
    assert len(found) == len(expected), f"{len(found)} beats of output, expected {len(expected)}"
    for number, (got, beat, mask) in enumerate(zip(found, expected, masks, strict=True)):
        assert got & mask == beat & mask, f"beat {number}: {got:016x}, expected {beat:016x}"


@test
async def the_bench_sees_what_is_unknown(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """Before the first reset, so here: the monitors would find a register without one."""
    dut.reset.value = 0
    for name in SOURCES:
        getattr(dut, f"{name}_valid").value = 0
    dut.start.value = dut.output_ready.value = 0
    dut.rst.value = 1
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    for _ in range(3):
        await FallingEdge(dut.clk)
    assert "was unknown" in fault(dut)


@test
async def computes(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """Every command gives what it should, and nothing that it gives is unknown."""
    random = Random(f"{cocotb.RANDOM_SEED} computes")
    played = commands()
    await begin(dut)
    player = Player(dut, played, random)
    await player.clocks(100_000)
    require_equal(player.output, played)
    assert not fault(dut), fault(dut)


@test
async def reset_in_the_middle(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """Whenever it is reset, nothing of what was begun is left in it."""
    random = Random(f"{cocotb.RANDOM_SEED} reset")
    played = commands()
    await begin(dut)
    for _ in range(_ROUNDS):
        some = random.sample(played, min(2, len(played)))
        await Player(dut, some, random).clocks(random.randrange(5, 400))
        await reset(dut)
    player = Player(dut, played[:2], random)
    await player.clocks(100_000)
    require_equal(player.output, played[:2])
    assert not fault(dut), fault(dut)
