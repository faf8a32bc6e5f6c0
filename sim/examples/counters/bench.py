"""Swaps two counters in one partition: what must work, and what must not get through."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge

from fpga_rt.arch import boards
from fpga_rt.bitstream.build import simulation_bitstream
from sim.examples.counters.run import BOARD, MODULES, SOURCES
from sim.reconfiguration import (
    CORRUPTIONS,
    Effect,
    TransitionCoverage,
    forget,
    registers_of,
    words_of,
)
from sim.reconfiguration.port import ConfigurationPort

PARTITION = boards.board(BOARD).partitions[0]
IDENTITIES = {name: identity for identity, name in MODULES.items()}
REGISTERS = registers_of(SOURCES)


def stream(module: str) -> Any:  # noqa: ANN401  # (n,) uint32
    """Return the words that load a module."""
    device = boards.board(BOARD).device
    return words_of(simulation_bitstream(device, PARTITION, IDENTITIES[module]))


async def begin(dut: Any) -> ConfigurationPort:  # noqa: ANN401  # cocotb
    """Start the clock, wait until the port hears, and return it; the partition is decoupled."""
    Clock(dut.clk, 10, "ns").start()
    dut.decouple.value, dut.reset.value, dut.step.value = 1, 0, 0
    port = ConfigurationPort(dut.port, drive=dut)
    await ClockCycles(dut.clk, 130)
    return port


async def swap(dut: Any, port: ConfigurationPort, module: str, reset: bool = True) -> None:  # noqa: ANN401
    """Decouple, load, reset, recouple."""
    dut.decouple.value = 1
    await FallingEdge(dut.clk)
    await port.send(stream(module))
    index = list(MODULES.values()).index(module)
    forget(getattr(dut.partition, f"module_{index}"), REGISTERS)
    dut.reset.value = int(reset)
    await ClockCycles(dut.clk, 2)
    dut.reset.value = 0
    await ClockCycles(dut.clk, 2)
    await FallingEdge(dut.clk)
    dut.decouple.value = 0
    await ClockCycles(dut.clk, 2)
    await FallingEdge(dut.clk)


async def steps(dut: Any, count: int) -> None:  # noqa: ANN401  # cocotb
    """Let the module count."""
    dut.step.value = 1
    await ClockCycles(dut.clk, count)
    dut.step.value = 0
    await ClockCycles(dut.clk, 3)
    await FallingEdge(dut.clk)


@cocotb.test()
async def every_transition(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """Every module after every module counts as it should."""
    port = await begin(dut)
    coverage = TransitionCoverage({PARTITION.name: MODULES.values()}, reloads=True)
    for module in ("count_up", "count_up", "count_down", "count_down", "count_up"):
        await swap(dut, port, module)
        load = await port.next_load()
        assert (load.partition, MODULES[load.identity]) == (0, module)
        coverage.loaded(PARTITION.name, module)
        await steps(dut, 5)
        assert int(dut.count.value) == (5 if module == "count_up" else 250)
    coverage.save(Path(os.environ["TRANSITIONS"]))
    assert not coverage.missing, coverage.report()


@cocotb.test()
async def nothing_unknown_gets_through(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """While frames are written the partition drives X; the static side stays as it was."""
    port = await begin(dut)
    await swap(dut, port, "count_up")
    await steps(dut, 3)
    dut.decouple.value = 1
    sending = cocotb.start_soon(port.send(stream("count_down")))
    seen = set()
    while not sending.done():
        await FallingEdge(dut.clk)
        seen.add(str(dut.module_count.value))
        assert int(dut.count.value) == 3
    assert "X" * 8 in seen


@cocotb.test()
async def without_a_reset_the_count_is_unknown(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """A swap that forgets the reset shows."""
    port = await begin(dut)
    await swap(dut, port, "count_up", reset=False)
    await steps(dut, 3)
    assert str(dut.count.value) == "X" * 8


@cocotb.test()
async def broken_streams_load_nothing(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """Whatever is wrong with a stream, the module in the partition is not taken for a good one."""
    port = await begin(dut)
    random = Random(1)
    for corruption in CORRUPTIONS:
        await port.send(corruption.apply(stream("count_down"), random))
        flags = port.flags()
        assert not port.loads
        written = corruption.effect not in (Effect.IDCODE, Effect.NOTHING)
        assert flags["garbage"] == int(written), corruption.name
        assert flags["crc_error"] == int(corruption.effect is Effect.CRC), corruption.name
        assert flags["id_error"] == int(corruption.effect is Effect.IDCODE), corruption.name
        await port.abort()
        await swap(dut, port, "count_up")
        assert [MODULES[load.identity] for load in port.loads] == ["count_up"]
        assert not any(port.flags().values())
        port.loads.clear()


@cocotb.test()
async def the_port_answers(dut: Any) -> None:  # noqa: ANN401  # cocotb
    """A register is read, and an abort shows its four status bytes."""
    port = await begin(dut)
    assert await port.read(0x0C) == boards.board(BOARD).device.idcode
    assert await port.abort() == [0x9F, 0x8F, 0x8F, 0x9F]
