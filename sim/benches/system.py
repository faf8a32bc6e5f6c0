"""The static region of a bench with its memory, its host and what the partitions hold."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from fpga_rt.modules.module import Module
from sim.benches.activity import Activity
from sim.benches.faults import fault
from sim.benches.host import Host, Meanwhile
from sim.benches.memory import Dram, Pauses, serve
from sim.benches.streams import stream_of
from sim.benches.tops import MODULES, bench_modules, module_registers, small_board
from sim.reconfiguration import forget, registers_of

CLOCK_PS = 7000
PARTITIONS = len(small_board().partitions)
_READS = ("control", "configuration", "features_{}_read", "parameters_{}")
_WRITES = ("features_{}_write",)


class System:
    """The top module of `tops.region_top`, running.

    Attributes:
        dut: cocotb's handle of it.
        random: what everything random in the test comes from.
        dram: the memory behind all ports.
        host: drives the registers.
        activity: what has run when since the test began.
        channels: of the memory, by the partition that they belong to, -1 for none.
    """

    def __init__(
        self,
        dut: Any,  # noqa: ANN401  # cocotb
        random: Random,
        modules: Sequence[str] = MODULES,
    ) -> None:
        """Put memory and host to the ports; nothing runs yet."""
        self.dut = dut
        self.random = random
        self._modules = modules
        self.dram = Dram()
        self.host = Host(dut, self.dram)
        self.activity = Activity(dut, PARTITIONS)
        self.channels: dict[int, list[Any]] = {}
        self._pauses: Pauses | None = None
        for p in (-1, *range(PARTITIONS)):
            reads, writes = (
                [name.format(p) for name in names if ("{}" in name) == (p >= 0)]
                for names in (_READS, _WRITES)
            )
            self.channels[p] = serve(dut, self.dram, reads, writes)

    @staticmethod
    async def start(
        dut: Any,  # noqa: ANN401  # cocotb
        name: str,
        *,
        pauses: bool = True,
        modules: Sequence[str] = MODULES,
    ) -> System:
        """Reset everything but what the partitions hold, and return the system.

        Args:
            dut: The top module.
            name: Of the test; with the seed of the run it gives the seed of the test.
            pauses: Whether all channels pause at random.
            modules: Names of those that the top module was made with.
        """
        system = System(dut, Random(f"{cocotb.RANDOM_SEED} {name}"), modules)
        dut.rst.value, dut.icap_rst.value, dut.pcap_owns.value = 1, 1, 0
        cocotb.start_soon(system._watch_loads())
        if pauses:
            system.pause()
        await system.reset()
        return system

    async def reset(self) -> None:
        """Reset the static region."""
        self.dut.rst.value, self.dut.icap_rst.value = 1, 1
        await ClockCycles(self.dut.clk, 5)
        self.dut.rst.value, self.dut.icap_rst.value = 0, 0
        await ClockCycles(self.dut.clk, 2)

    def pause(self) -> None:
        """Let every channel of memory and host pause at random."""
        every = [channel for found in self.channels.values() for channel in found]
        self._pauses = Pauses([*every, *self.host.channels], self.random, CLOCK_PS)

    def flow(self) -> None:
        """Let no channel pause."""
        if self._pauses is not None:
            self._pauses.end()
        self._pauses = None

    async def clocks(self, count: int) -> None:
        """Let some compute clocks pass."""
        await ClockCycles(self.dut.clk, count)

    async def swap(
        self, partition: int, module: Module, meanwhile: Meanwhile | None = None
    ) -> None:
        """Swap a module in, which has to succeed; do something `meanwhile`, once the load began."""
        stream = stream_of(module, partition)
        done = await self.host.swap(partition, stream, module.module_id, meanwhile)
        assert done, f"{module.name} was not loaded into partition {partition}"

    def check(self) -> None:
        """Check that no monitor has found anything."""
        found = fault(self.dut)
        assert not found, found

    async def _watch_loads(self) -> None:
        """Make the registers of every module that comes unknown."""
        identities = [module.module_id for module in bench_modules(self._modules)]
        while True:
            await RisingEdge(self.dut.loaded)
            await FallingEdge(self.dut.icap_clk)  # what comes with the strobe is there, too
            identity = int(self.dut.loaded_id.value)
            if identity in identities:
                place = getattr(self.dut, f"place_{int(self.dut.loaded_partition.value)}")
                module = getattr(place, f"module_{identities.index(identity)}")
                assert forget(module, _registers(self._modules)) > 0


@cache
def _registers(modules: Sequence[str]) -> dict[str, frozenset[str]]:
    source = Path("modules.v")
    source.write_text("\n".join(module_registers(modules)), encoding="utf-8")
    return registers_of([source])
