"""Clock, and latency and rates of the memory, by programs that only move data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, prod

from fpga_rt.arch.boards import Board, MemoryPort
from fpga_rt.arithmetic.operations import Shape
from fpga_rt.contract.command import STREAM_BYTES
from fpga_rt.device.interface import Device
from fpga_rt.modules.module import Module
from fpga_rt.selfcheck.checks import NotDoneError
from fpga_rt.selfcheck.streaming import Streaming, beat_cycles, streaming_layer

ROW: Shape = (1, 32, 64)
"""A row of the tensors whose size is varied: contiguous, whole bursts."""
SPARK: Shape = (1, 1, 8)
"""A tensor of one beat: moving it is all latency."""
FEW_ROWS, MANY_ROWS = 8, 40
FEW_ROWS_ON_CHIP, MANY_ROWS_ON_CHIP = 1, 5
"""Both tensors fit the smallest feature memory."""
_FASTEST_BEAT = 1.02
"""Cycles a beat at most, or it is the module that is measured and not the memory."""
_SLOWER = 1.01
"""A port that shares is slower than one alone by more than this, or the DRAM is not full."""
_MOST_LATENCY_CYCLES = 4096
_WALL_SPAN_PS = 5 * 10**9
"""On the wall clock, many iterations take so much longer than few: noise is tens of us."""
_VIRTUAL_REPEAT = 8
_PS_PER_S = 10**12
_MOST_DENOMINATOR = 1000


@dataclass(frozen=True)
class Memory:
    """What measures: an open device, where modules stream, and how often each time is taken.

    Attributes:
        device: on which the modules are active.
        modules: by partition, each fast enough to keep up with memory.
        tries: the shortest of so many counts.
        clock_ps: period of the compute clock.
    """

    device: Device
    modules: Mapping[int, Module]
    tries: int
    clock_ps: float

    @property
    def board(self) -> Board:
        """The board as it is modelled."""
        return self.device.capabilities.board

    def clock(self) -> float:
        """Return the period of the compute clock in picoseconds, by tensors on chip.

        Raises:
            NotDoneError: there is no room on the chip, or larger tensors take no longer.
            FpgaRtError: a program failed.
        """
        room, needed = self.board.feature_memory_bytes, 2 * MANY_ROWS_ON_CHIP * prod(ROW)
        if room < needed:
            raise NotDoneError(
                f"no figure: {room:,} bytes of feature memory, expected at least {needed:,}"
            )
        (few, few_cycles), (many, many_cycles) = (
            self._iteration((rows, *ROW[1:]), self._one, on_chip=True)
            for rows in (FEW_ROWS_ON_CHIP, MANY_ROWS_ON_CHIP)
        )
        if many <= few:
            raise NotDoneError(_QUIET)
        return (many - few) / (many_cycles - few_cycles)

    def rate(self, modules: Mapping[int, Module]) -> float:
        """Return the bytes a second that all of some modules read together, while they write.

        Raises:
            NotDoneError: larger tensors take no longer.
            FpgaRtError: a program failed, or moved data wrongly.
        """
        few, many = (
            self._iteration((rows, *ROW[1:]), modules)[0] for rows in (FEW_ROWS, MANY_ROWS)
        )
        moved = len(modules) * (MANY_ROWS - FEW_ROWS) * prod(ROW)
        if many <= few:
            raise NotDoneError(_QUIET)
        rate = moved * _PS_PER_S / (many - few)
        ceiling = len(modules) * STREAM_BYTES * _PS_PER_S / self.clock_ps
        if rate > ceiling * _SLOWER:
            raise NotDoneError(
                f"no figure: got {rate / 1e6:,.0f} MB/s, expected at most {ceiling / 1e6:,.0f}, a"
                f" beat a clock; {_QUIET}"
            )
        return min(rate, ceiling)

    def alone(self) -> float:
        """Return the rate of one port in bytes a second; see `rate`."""
        return self.rate(self._one)

    def together(self, alone: float) -> float:
        """Return the rate of the memory behind all ports, given that of one alone; see `rate`.

        Raises:
            NotDoneError: there is one port, or together they are as fast as alone.
        """
        if len(self.modules) < 2:
            raise NotDoneError("no figure: fewer than two partitions have a module that streams")
        rate = self.rate(self.modules)
        if rate * _SLOWER > len(self.modules) * alone:
            raise NotDoneError(
                f"no figure: {len(self.modules)} ports move {rate / 1e6:,.0f} MB/s together, none"
                " slower than alone; the memory behind them has more"
            )
        return rate

    def latency_cycles(self, alone: float) -> int:
        """Return the clocks from an address to its beat, given the rate of a port.

        It is the latency with which the formulas give the time of a program that moves one beat.

        Raises:
            NotDoneError: no latency gives the time that was measured.
            FpgaRtError: a program failed.
        """
        beat = Fraction(STREAM_BYTES * _PS_PER_S / alone / self.clock_ps)
        beat = max(Fraction(1), beat.limit_denominator(_MOST_DENOMINATOR))
        dram = replace(self.board.dram, numerator=beat.numerator, denominator=beat.denominator)
        took_ps, _ = self._iteration(SPARK, self._one)
        repeat = self._repeat(SPARK, self._one)
        program = Streaming(self.device, self._one, SPARK)
        try:
            return _latency(program, dram, self.board.on_chip, repeat, took_ps / self.clock_ps)
        finally:
            program.free()

    @property
    def _one(self) -> Mapping[int, Module]:
        partition = min(self.modules)
        return {partition: self.modules[partition]}

    def _iteration(
        self, shape: Shape, modules: Mapping[int, Module], on_chip: bool = False
    ) -> tuple[float, float]:
        """Return the picoseconds of one iteration, and the cycles that the model has for it."""
        repeat = self._repeat(shape, modules)
        program = Streaming(self.device, modules, shape, on_chip)
        try:
            took = program.iteration_ps(repeat, self.tries)
            if not on_chip:
                program.check()
            board = self.board
            return took, program.iteration_cycles(board.dram, board.on_chip, repeat)
        finally:
            program.free()

    def _repeat(self, shape: Shape, modules: Mapping[int, Module]) -> int:
        """Return how many iterations more the longer program has."""
        if self.device.capabilities.clock == "virtual":
            return _VIRTUAL_REPEAT
        least = len(modules) * self.board.clock_ps * (prod(shape) // STREAM_BYTES + _SPARK_CYCLES)
        return ceil(_WALL_SPAN_PS / least)


_QUIET = "no figure: larger tensors take no longer; measure on a quiet machine"
_SPARK_CYCLES = 100
"""What a command takes at least."""


def streaming_modules(offered: Mapping[int, list[Module]]) -> dict[int, Module]:
    """Return for each partition the module that moves data fastest, if it keeps up with memory.

    Args:
        offered: modules by partition.
    """
    found = {}
    for partition, modules in offered.items():
        able = [(beat_cycles(m, ROW), m.name, m) for m in modules if _streams(m)]
        if able and min(able)[0] <= _FASTEST_BEAT:
            found[partition] = min(able)[2]
    return found


def _streams(module: Module) -> bool:
    return all(streaming_layer(module, shape) is not None for shape in (ROW, SPARK))


def _latency(
    program: Streaming, dram: MemoryPort, on_chip: MemoryPort, repeat: int, cycles: float
) -> int:
    """Return the latency whose iteration comes closest to some cycles; longer ones take longer."""

    def modelled(latency: int) -> float:
        return program.iteration_cycles(replace(dram, latency_cycles=latency), on_chip, repeat)

    low, high = 0, _MOST_LATENCY_CYCLES
    if not modelled(low) - 1 <= cycles <= modelled(high):
        raise NotDoneError(
            f"no figure: a program that moves one beat took {cycles:,.1f} clocks an iteration,"
            f" expected {modelled(low):,.1f} to {modelled(high):,.1f}; measure on a quiet machine"
        )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if modelled(middle) <= cycles else (low, middle)
    return min(low, high, key=lambda latency: abs(modelled(latency) - cycles))
