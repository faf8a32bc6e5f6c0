"""Memory behind the AXI ports of a bench, and random pauses on their channels."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from random import Random
from typing import Any

import cocotb
from cocotb.triggers import Timer
from cocotbext.axi import AxiReadBus, AxiSlaveRead, AxiSlaveWrite, AxiWriteBus

BASE = 0x1000_0000
_SIZE_BYTES = 1 << 20
_LONGEST_PAUSE = 12
_LARGEST_SHARE = 0.7


class Dram:
    """One memory for any number of ports; an address outside is answered with an error."""

    def __init__(self) -> None:
        """Begin with zeros."""
        self.data = bytearray(_SIZE_BYTES)
        self._free = BASE

    def place(self, data: bytes, alignment: int = 64) -> int:
        """Put data into memory that was not used before, and return its address."""
        address = -(-self._free // alignment) * alignment
        self._free = address + len(data)
        self.put(address, data)
        return address

    def put(self, address: int, data: bytes) -> None:
        """Overwrite what lies at an address.

        Raises:
            ValueError: It does not lie in the memory.
        """
        at = self._at(address, len(data))
        self.data[at : at + len(data)] = data

    def get(self, address: int, size: int) -> bytes:
        """Return what lies at an address.

        Raises:
            ValueError: It does not lie in the memory.
        """
        at = self._at(address, size)
        return bytes(self.data[at : at + size])

    async def read(self, address: int, length: int) -> bytes:
        """Answer a read of a port; what `get` raises becomes SLVERR."""
        return self.get(address, length)

    async def write(self, address: int, data: bytes) -> None:
        """Answer a write of a port; what `put` raises becomes SLVERR."""
        self.put(address, data)

    def _at(self, address: int, size: int) -> int:
        at = address - BASE
        if not 0 <= at <= len(self.data) - size:
            raise ValueError(f"{size} bytes at {address:#x} are outside of the memory")
        return at


def serve(dut: Any, dram: Dram, reads: Sequence[str], writes: Sequence[str]) -> list[Any]:  # noqa: ANN401  # cocotb
    """Put a memory behind ports by their prefixes, and return their channels for `Pauses`."""
    channels = []
    for prefix in reads:
        port = AxiSlaveRead(AxiReadBus.from_prefix(dut, prefix), dut.clk, dut.rst, target=dram)
        port.log.setLevel(logging.ERROR)
        channels += [port.ar_channel, port.r_channel]
    for prefix in writes:
        port = AxiSlaveWrite(AxiWriteBus.from_prefix(dut, prefix), dut.clk, dut.rst, target=dram)
        port.log.setLevel(logging.ERROR)
        channels += [port.aw_channel, port.w_channel, port.b_channel]
    return channels


class Pauses:
    """Lets channels pause at random: each by a share of its own, in stretches of random length."""

    def __init__(self, channels: Sequence[Any], random: Random, clock_ps: int) -> None:
        """Begin; the pauses change between two edges of a clock of `clock_ps`."""
        self._channels = channels
        self._tasks = [
            cocotb.start_soon(_pause(channel, Random(random.random()), clock_ps))
            for channel in channels
        ]

    def end(self) -> None:
        """Let all of them flow."""
        for task in self._tasks:
            task.cancel()
        for channel in self._channels:
            channel.pause = False


async def _pause(channel: Any, random: Random, clock_ps: int) -> None:  # noqa: ANN401  # cocotb
    # A timer wakes the channel less often than a generator that is asked each clock.
    share = random.random() * _LARGEST_SHARE
    await Timer(clock_ps // 7, "ps")
    while True:
        channel.pause = random.random() < share
        await Timer(random.randrange(1, _LONGEST_PAUSE) * clock_ps, "ps")
