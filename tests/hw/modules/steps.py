"""A bench that walks windows through an operator alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from amaranth.sim import Simulator
from numpy.typing import NDArray

from fpga_rt.contract.command import Operation
from fpga_rt.contract.table import HEADER_BYTES
from hw.modules.window.operator import RESIDUAL_CYCLES, Operator
from tests.hw.modules.streams import beats

Codes = NDArray[np.int8]
SETTLES = 6
"""Clocks from a change of `slot` to the first step."""


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of one row of output pixels, and what they are computed with.

    Attributes:
        operation: what is computed.
        codes: int8 (pixels, steps of a window, channels).
        table: header and channels.
        weights: packed.
        residual: int8 (pixels, channels), or empty.
        int4: whether weights are packed two to a byte.
        pieces: whether each pixel is a piece.
    """

    operation: Operation
    codes: Codes
    table: bytes
    weights: bytes = b""
    residual: Codes = field(default_factory=lambda: np.empty(0, np.int8))
    int4: bool = False
    pieces: bool = False


@dataclass
class Steps:
    """Plays rows to an operator, each from the other slot.

    Attributes:
        dut: the operator.
        idle: most clocks without a step between two groups, besides those that it needs.
    """

    dut: Operator
    idle: int = 0
    last_steps: list[int] = field(default_factory=list)
    first_results: list[int] = field(default_factory=list)
    ends: list[tuple[int, int, int]] = field(default_factory=list)
    """Bytes until then, and `codes_ends` and `codes_row_ends`, wherever one of them is set."""
    refused: int = 0

    def play(self, rows: list[Windows]) -> bytes:
        """Return the results, one after the other."""
        out = bytearray()
        simulator = Simulator(self.dut)
        simulator.add_clock(7e-9)
        simulator.add_testbench(self._driver(rows))
        simulator.add_testbench(self._receiver(out), background=True)
        simulator.add_testbench(self._residual(rows), background=True)
        simulator.run()
        return bytes(out)

    def _driver(self, rows: list[Windows]) -> Any:  # noqa: ANN401
        random = np.random.default_rng(0)

        async def drive(ctx: Any) -> None:  # noqa: ANN401
            dut = self.dut
            clock = 0
            for number, row in enumerate(rows):
                clock += await self._fill(ctx, row, number % 2)
                ctx.set(dut.slot, number % 2)
                ctx.set(dut.renew, 1)
                ctx.set(dut.mode.operation, row.operation)
                ctx.set(dut.mode.int4, row.int4)
                await ctx.tick()
                ctx.set(dut.renew, 0)
                await ctx.tick().repeat(SETTLES - 1)
                clock += SETTLES
                self.refused |= ctx.get(dut.refused)
                for steps, least in self._groups(row):
                    for step in steps:
                        ctx.set(dut.step, step)
                        ctx.set(dut.step_valid, 1)
                        await ctx.tick()
                        clock += 1
                    self.last_steps.append(clock - 1)
                    ctx.set(dut.step_valid, 0)
                    ctx.set(dut.step, {"first": 1, "last": 1})
                    gap = max(0, least - len(steps)) + int(random.integers(0, self.idle + 1))
                    await ctx.tick().repeat(gap) if gap else None
                    clock += gap
                await ctx.tick().repeat(dut.latency_cycles + dut.lanes)
                clock += dut.latency_cycles + dut.lanes

        return drive

    async def _fill(self, ctx: Any, row: Windows, slot: int) -> int:  # noqa: ANN401
        dut = self.dut
        words = beats(row.table)
        header = HEADER_BYTES // 8
        for index, beat in enumerate(words):
            inside = index if index < header else index - header
            ctx.set(
                dut.table,
                {"slot": slot, "header": index < header, "index": inside, "beat": beat},
            )
            ctx.set(dut.table_valid, 1)
            await ctx.tick()
        ctx.set(dut.table_valid, 0)
        for index, beat in enumerate(beats(row.weights)):
            ctx.set(dut.weights, {"slot": slot, "int4": row.int4, "index": index, "beat": beat})
            ctx.set(dut.weights_valid, 1)
            await ctx.tick()
        ctx.set(dut.weights_valid, 0)
        return len(words) + len(beats(row.weights))

    def _groups(self, row: Windows) -> list[tuple[list[dict[str, Any]], int]]:
        random = np.random.default_rng(1)
        lanes, offer = self.dut.lanes, self.dut.offers[row.operation]
        pixels, steps, channels = row.codes.shape
        pitch = steps + steps % 2 if row.int4 else steps
        groups = []
        for pixel in range(pixels):
            for group, first in enumerate(range(0, channels, lanes)):
                count = min(lanes, channels - first)
                last = first + count == channels
                codes = random.integers(-128, 128, (steps, lanes))
                codes[:, :count] = row.codes[pixel, :, first : first + count]
                row_ends = last and pixel == pixels - 1
                to = {"count": count, "ends": last and (row.pieces or row_ends)}
                groups.append(
                    (
                        [
                            {
                                "codes": [int(code) for code in codes[step]],
                                "first": step == 0,
                                "last": step == steps - 1,
                                "group": group,
                                "weight": group * pitch + step,
                                "to": to | {"row_ends": row_ends},
                            }
                            for step in range(steps)
                        ],
                        offer.least_cycles,
                    )
                )
        return groups

    def _receiver(self, out: bytearray) -> Any:  # noqa: ANN401
        dut = self.dut

        async def receive(ctx: Any) -> None:  # noqa: ANN401
            clock = 0
            async for *_, valid, codes, count, ends, row_ends in ctx.tick().sample(
                dut.codes_valid, dut.codes, dut.codes_count, dut.codes_ends, dut.codes_row_ends
            ):
                if valid:
                    self.first_results.append(clock)
                    assert 1 <= count <= dut.results
                    out.extend(code % 256 for code in list(codes)[:count])
                    if ends or row_ends:
                        self.ends.append((len(out), ends, row_ends))
                clock += 1

        return receive

    def _residual(self, rows: list[Windows]) -> Any:  # noqa: ANN401
        dut = self.dut
        left = b"".join(row.residual.tobytes() for row in rows)

        async def give(ctx: Any) -> None:  # noqa: ANN401
            nonlocal left
            wanted = [0] * (RESIDUAL_CYCLES - 1)
            async for *_, take, count in ctx.tick().sample(dut.residual_take, dut.residual_count):
                wanted.append(count if take else 0)
                now = wanted.pop(0)
                piece, left = left[:now], left[now:]
                given = np.frombuffer(piece.ljust(dut.residual_lanes, b"\x55"), np.int8)
                ctx.set(dut.residual, [int(code) for code in given])

        return give
