"""Banks of weights and tables that come while the static region computes, and are switched to.

A program runs again and again, on a module with tables alone and on one with weights. It has two
banks in memory. The one that it does not read is written over piece by piece, at random moments of
the inferences that run meanwhile; then the header of the next one names it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import cocotb
from cocotb.triggers import Timer

from fpga_rt.contract.memory_map import BLOCK_ALIGNMENT
from sim.benches.programs import Bank, Operation, Work, chain, random_operation
from sim.benches.system import CLOCK_PS, System
from sim.benches.tops import WEIGHTED, bench_modules

SCALE, DENSE = bench_modules(WEIGHTED)
SHAPE = (1, 1, 16)
STEPS = ((0, SCALE), (1, DENSE))
LONGEST_SWITCH_PS = 10**9
THOROUGH = bool(int(os.environ.get("THOROUGH", "0")))
"""Whether to try everything instead of a few things at random."""
UPDATES = 40 if THOROUGH else 3
LATE_PS = 20 * 10**6
TRIES = 24
KINDS = ("weights", "tables")

test = cocotb.test(timeout_time=60, timeout_unit="ms")


class Updated:
    """A program that runs while its parameters change.

    Attributes:
        system: what it runs on.
        work: the program and its data.
        number: of the version that runs, which the device gives back.
        longest_ps: the longest switch.
    """

    def __init__(self, system: System, work: Work) -> None:
        """Take a program; `begin` runs it for the first time."""
        self.system = system
        self.work = work
        self.number = 100
        self.longest_ps = 0
        self._operations = [step.operation for step in work.program.ordered]
        self._banks = [work.program.bank, work.program.place([])]
        self._clocks = 0
        self._random = system.random

    @staticmethod
    async def begin(dut: Any, name: str) -> Updated:  # noqa: ANN401  # cocotb
        """Swap the modules in, and run the program once to see how long it takes."""
        system = await System.start(dut, name, modules=WEIGHTED)
        for partition, module in STEPS:
            await system.swap(partition, module)
        work = chain(system.dram, STEPS, SHAPE, system.random, repeat=2)
        updated = Updated(system, work)
        await system.host.prepare(work.submission(updated.number, updated.active))
        await system.host.start()
        await updated.ended()
        first, last = system.activity.starts[0][0], system.activity.ends[1][-1]
        updated._clocks = (last - first) // CLOCK_PS
        return updated

    @property
    def active(self) -> Bank:
        """The bank that is read."""
        return self._banks[0]

    async def update(self, late_ps: int = 0) -> None:
        """Write other parameters while the program runs, and switch to them.

        Args:
            late_ps: what the host lets pass before it starts the next inference.
        """
        system, operations = self.system, self._version()
        number, bank = self.number + 1, self._banks[1]
        writing = cocotb.start_soon(self._write(bank, operations))
        prepared = False
        while not prepared:
            await system.host.start()
            await self.some_clocks()
            if writing.done():  # in the midst of an inference
                await system.host.prepare(self.work.submission(number, bank))
                prepared = True
            await self.ended()
        ended_ps = max(ends[-1] for ends in system.activity.ends)
        before = len(system.activity.ends[-1])
        if late_ps:
            await Timer(late_ps, "ps")
        self._banks.reverse()
        self.number, self._operations = number, operations
        await system.host.start()
        await self.ended()
        first_ps = system.activity.ends[-1][before]
        self.longest_ps = max(self.longest_ps, first_ps - ended_ps)

    async def ended(self) -> None:
        """Wait for the inference, which must be one of the version that it names."""
        status = await self.system.host.ended()
        assert not status["error"], status
        assert await self.system.host.read("completed_bank") == self.number
        self.work.check(self._operations)
        self.work.clear()
        self.system.check()

    async def some_clocks(self) -> None:
        """Let a random part of an inference pass."""
        await self.system.clocks(self._random.randrange(1, max(2, self._clocks)))

    async def _write(self, bank: Bank, operations: Sequence[Operation]) -> None:
        """Write a bank in pieces of any order; it takes from no time to about two inferences."""
        dram, random = self.system.dram, self._random
        images = self.work.program.images(operations)
        pieces = [
            (address + at, image[at : at + BLOCK_ALIGNMENT])
            for address, image in zip(astuple(bank), images, strict=True)
            for at in range(0, len(image), BLOCK_ALIGNMENT)
        ]
        random.shuffle(pieces)
        longest = random.randrange(2, max(3, 4 * self._clocks // len(pieces)))
        for address, data in pieces:
            await self.system.clocks(random.randrange(1, longest))
            dram.put(address, data)

    async def overwritten(self, kind: str) -> bool:
        """Overwrite weights or tables in use at a random moment; tell whether an output shows it.

        Afterwards the bank is as it was.

        Raises:
            AssertionError: anything but an output is wrong.
        """
        images = [self.work.program.images(ops) for ops in (self._operations, self._version())]
        index = KINDS.index(kind)
        address = getattr(self.active, kind)
        await self.system.host.start()
        await self.some_clocks()
        self.system.dram.put(address, images[1][index])
        try:
            await self.ended()
        except AssertionError as error:
            if " is wrong" not in str(error):
                raise
            shown = True
        else:
            shown = False
        self.system.dram.put(address, images[0][index])
        self.work.clear()
        return shown

    def _version(self) -> list[Operation]:
        """Return operations with other parameters throughout."""
        return [random_operation(module, SHAPE[2], self._random) for _, module in STEPS]


def lateness(switch_ps: int, most_ps: int = LONGEST_SWITCH_PS) -> str:
    """Return what is to be said of a switch that took too long, empty if it did not."""
    late = switch_ps > most_ps
    return f"a switch took {switch_ps} ps, expected at most {most_ps}" if late else ""


@test
async def banks_are_switched_between_inferences(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """No output was made with two versions, and the next one comes in time."""
    updated = await Updated.begin(dut, "banks")
    for _ in range(UPDATES):
        await updated.update()
    assert not lateness(updated.longest_ps), lateness(updated.longest_ps)


@test
async def a_late_switch_shows(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """A host that dawdles is found by simulated time; the bound is a small one, as time is dear."""
    updated = await Updated.begin(dut, "late")
    await updated.update()
    assert not lateness(updated.longest_ps, LATE_PS), lateness(updated.longest_ps)
    await updated.update(late_ps=LATE_PS)
    assert lateness(updated.longest_ps, LATE_PS)


@test
@cocotb.parametrize(kind=KINDS)
async def a_bank_that_is_overwritten_in_use_shows(dut: Any, kind: str) -> None:  # noqa: ANN401  # cocotb
    """Weights and tables are read while a program runs, so writing over them is seen."""
    updated = await Updated.begin(dut, f"overwritten {kind}")
    tries = 0
    while not await updated.overwritten(kind):
        tries += 1
        assert tries < TRIES, f"{kind} that are overwritten show in no output"
    await updated.update()
