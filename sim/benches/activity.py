"""When the configuration controller loaded and when the partitions computed, to the clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge
from cocotb.utils import get_sim_time

Interval = tuple[int, int]
"""Begin and end in picoseconds; what goes on ends now."""


class Activity:
    """Watches the static region's own word on it: `configuration_running`, `event_*`.

    Attributes:
        starts: when the commands of each partition started.
        ends: when they ended.
    """

    def __init__(self, dut: Any, partitions: int) -> None:  # noqa: ANN401  # cocotb
        """Watch from here on."""
        self._dut = dut
        self._loads: list[list[int]] = []
        self.starts: list[list[int]] = [[] for _ in range(partitions)]
        self.ends: list[list[int]] = [[] for _ in range(partitions)]
        cocotb.start_soon(self._watch_loads())
        for p in range(partitions):
            cocotb.start_soon(self._watch(f"event_start_{p}", self.starts[p]))
            cocotb.start_soon(self._watch(f"event_end_{p}", self.ends[p]))

    def loads(self) -> list[Interval]:
        """Return when the controller ran."""
        return [(begin, end[0] if end else _now_ps()) for begin, *end in self._loads]

    def commands(self, partition: int) -> list[Interval]:
        """Return when a partition's commands ran, for programs that were not stopped."""
        starts, ends = self.starts[partition], self.ends[partition]
        return list(zip(starts, [*ends, *[_now_ps()] * (len(starts) - len(ends))], strict=True))

    def overlap_ps(self, partition: int) -> int:
        """Return for how long the controller ran while the partition computed."""
        return overlaps_ps(self.loads(), self.commands(partition))

    def forget(self) -> None:
        """Forget everything up to now; nothing may go on."""
        self._loads.clear()
        for events in (*self.starts, *self.ends):
            events.clear()

    async def _watch_loads(self) -> None:
        running = self._dut.configuration_running
        while True:
            await running.value_change
            await FallingEdge(self._dut.clk)
            if (running.value == 1) != bool(self._loads and len(self._loads[-1]) == 1):
                if running.value == 1:
                    self._loads.append([_now_ps()])
                else:
                    self._loads[-1].append(_now_ps())

    async def _watch(self, name: str, events: list[int]) -> None:
        """Note the times of a strobe; within a clock it may change several times."""
        strobe = getattr(self._dut, name)
        while True:
            await strobe.value_change
            await FallingEdge(self._dut.clk)
            while strobe.value == 1:
                events.append(_now_ps())
                await FallingEdge(self._dut.clk)


def overlaps_ps(some: Sequence[Interval], others: Sequence[Interval]) -> int:
    """Return for how long one of some intervals and one of others went on at once.

    Those of one list must not overlap among themselves.
    """
    return sum(
        max(0, min(a_end, b_end) - max(a_begin, b_begin))
        for a_begin, a_end in some
        for b_begin, b_end in others
    )


def _now_ps() -> int:
    return int(get_sim_time("ps"))
