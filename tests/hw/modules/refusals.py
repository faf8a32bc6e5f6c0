"""Whether the gateware of a module refuses a command, and whether its host half does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.lib.wiring import Component
from amaranth.sim import Simulator
from numpy.typing import NDArray

from fpga_rt.contract.command import COMMAND
from fpga_rt.errors import ExecutionError
from fpga_rt.modules.module import Module
from tests.hw.modules.streams import beats

_DECIDES = 300
"""Clocks in which a command that was started has come to an error."""


def gateware_refuses(
    dut: Component, fields: Mapping[str, int], parameters: bytes, *, streams: bool = False
) -> bool:
    """Send a command and start it; return whether that is an error.

    A module that `streams` takes weights behind the start; they are not sent.
    """
    count = fields["table_beats"] + (0 if streams else fields["weights_beats"])
    words = (beats(parameters) + [0] * count)[:count]
    found = []

    async def bench(ctx: Any) -> None:  # noqa: ANN401
        for port, sent in ((dut.command, beats(COMMAND.encode(fields))), (dut.parameters, words)):
            for word in sent:
                ctx.set(port.payload, word)
                ctx.set(port.valid, 1)
                await ctx.tick().until(port.ready)
            ctx.set(port.valid, 0)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        for _ in range(_DECIDES):
            await ctx.tick()
            if ctx.get(dut.error):
                break
        found.append(bool(ctx.get(dut.error)))

    simulator = Simulator(dut)
    simulator.add_clock(7e-9)
    simulator.add_testbench(bench)
    simulator.run()
    return found[0]


@dataclass
class _Memory:
    """Zeros of any shape, and one parameter block after the other."""

    table: bytes
    weights: bytes

    def read(self, fields: Mapping[str, int], name: str) -> NDArray[np.int8]:
        side = "input" if name == "input" else "output"
        axes = ("height", "width", "channels")
        return np.zeros((1, *(fields[f"{side}_{axis}"] for axis in axes)), np.int8)

    def write(self, fields: Mapping[str, int], codes: NDArray[np.int8]) -> None:
        axes = ("height", "width", "channels")
        assert codes.shape[1:] == tuple(fields[f"output_{axis}"] for axis in axes)

    def block(self, address: int, size_bytes: int) -> bytes:
        data = self.weights if address else self.table
        return data.ljust(size_bytes, b"\0")[:size_bytes]


def host_refuses(module: Module, fields: Mapping[str, int], table: bytes, weights: bytes) -> bool:
    """Return whether executing a command is an error."""
    try:
        module.execute({**fields, "table": 0, "weights": 1}, _Memory(table, weights))
    except ExecutionError:
        return True
    return False


def changed(
    fields: Mapping[str, int], names: list[str], random: np.random.Generator
) -> dict[str, int]:
    """Return fields of which one or two have another small number."""
    result = dict(fields)
    for name in random.choice(names, int(random.integers(1, 3)), replace=False):
        near = int(fields[str(name)]) + int(random.integers(-2, 3))
        result[str(name)] = max(0, int(random.choice([near, 0, 1, 2, 255])))
    return result
