"""The configuration-port model in a cocotb bench: sends streams, reads registers, reports loads.

Where the design has a controller of its own that drives the pins, only watch: `loads`, `next_load`
and the flags. A bench without one sends streams itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cocotb
from cocotb.queue import Queue
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge
from cocotb.utils import get_sim_time

from fpga_rt.arch.packets import NOP, SYNC, Command, Opcode, Register, type1

if TYPE_CHECKING:
    from cocotb.handle import HierarchyObject

_CLOCKS_OF_A_READ = 3
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def swapped(word: int) -> int:
    """Return a word with the bits of each byte in reverse order, as they are on the pins."""
    return int.from_bytes(word.to_bytes(4, "big").translate(_REVERSED), "big")


@dataclass(frozen=True)
class Load:
    """A load that ended clean; `identity` 0 if its frames named no module."""

    partition: int
    identity: int
    time_ps: int


class ConfigurationPort:
    """An instance of the module `configuration_port`.

    Args:
        model: cocotb's handle of the instance.
        drive: The handle that has the signals csib, rdwrb and i to drive, if the bench sends
            streams itself; they have to be what the instance's pins are connected to.
        prefix: What comes before their names.
    """

    def __init__(
        self, model: HierarchyObject, drive: HierarchyObject | None = None, prefix: str = ""
    ) -> None:
        """Watch the instance from here on."""
        self._model: Any = model
        self._pins: dict[str, Any] = {}
        self.loads: list[Load] = []
        self._queue: Queue[Load] = Queue()
        if drive is not None:
            self._pins = {n: getattr(drive, prefix + n) for n in ("csib", "rdwrb", "i")}
            self._set(csib=1, rdwrb=1, i=0)
        cocotb.start_soon(self._watch())

    def flags(self) -> dict[str, int]:
        """Return `garbage` (a bit a partition), `crc_error`, `id_error`, `far_error`, `synced`."""
        names = ("garbage", "crc_error", "id_error", "far_error", "synced")
        return {name: int(getattr(self._model, name).value) for name in names}

    async def next_load(self) -> Load:
        """Wait for a load, or return the oldest one that nobody has waited for."""
        return await self._queue.get()

    async def send(self, words: Iterable[int]) -> None:
        """Write words of a stream, a word each clock, and deselect the port."""
        self._set(csib=1, rdwrb=0)
        await FallingEdge(self._model.clk)
        for word in words:
            self._set(csib=0, i=swapped(int(word)))
            await FallingEdge(self._model.clk)
        self._set(csib=1, i=0)
        await FallingEdge(self._model.clk)

    async def read(self, register: int) -> int:
        """Read a configuration register: synchronise, read, desynchronise."""
        await self.send((SYNC, NOP, type1(register, 1, Opcode.READ), NOP, NOP))
        self._set(rdwrb=1)
        await FallingEdge(self._model.clk)
        self._set(csib=0)
        for _ in range(_CLOCKS_OF_A_READ):
            await FallingEdge(self._model.clk)
        found = swapped(int(self._model.o.value))
        self._set(csib=1)
        await FallingEdge(self._model.clk)
        await self.send((type1(Register.CMD, 1), Command.DESYNC, NOP, NOP))
        return found

    async def abort(self) -> list[int]:
        """Abort what the port does, and return the four status bytes that it shows."""
        self._set(csib=0, rdwrb=0, i=swapped(NOP))
        await FallingEdge(self._model.clk)
        self._set(rdwrb=1)
        status = []
        for _ in range(4):
            await FallingEdge(self._model.clk)
            status.append(int(self._model.o.value) & 0xFF)
        self._set(csib=1)
        await FallingEdge(self._model.clk)
        return status

    async def _watch(self) -> None:
        while True:
            await RisingEdge(self._model.clk)
            await ReadOnly()
            if self._model.loaded.value == 1:
                load = Load(
                    int(self._model.loaded_partition.value),
                    int(self._model.loaded_id.value),
                    int(get_sim_time("ps")),
                )
                self.loads.append(load)
                self._queue.put_nowait(load)

    def _set(self, **values: int) -> None:
        if not self._pins:
            raise TypeError("this port is only watched: give it `drive` to send streams")
        for name, value in values.items():
            self._pins[name].value = value
