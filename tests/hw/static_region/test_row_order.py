"""RowOrder against `rows_after`, which computes with products and minima."""

from __future__ import annotations

import random

from amaranth.sim import SimulatorContext

from fpga_rt.contract.command import CommandFlag
from fpga_rt.modules.geometry import rows_after
from hw.static_region.row_order import RowOrder
from tests.hw.blocks.axi_memory import simulator

INPUT, RESIDUAL = 0x1000_0000, 0x2000_0000
INPUT_PITCH, RESIDUAL_PITCH = 0x100, 0x300


COMMAND_CYCLES = 2
"""The command comes this long before its start."""


def wanted_rows(fields: dict[str, int]) -> list[int]:
    rows, loaded = [], 0
    for y, after in enumerate(rows_after(fields)):
        rows += [INPUT + INPUT_PITCH * row for row in range(loaded, after)]
        loaded = after
        if fields["flags"] & CommandFlag.FUSED_ADDITION:
            rows.append(RESIDUAL + RESIDUAL_PITCH * y)
    return rows


def random_window(chooser: random.Random) -> dict[str, int]:
    most = chooser.choice([2, 4, 255])
    return {
        "input": INPUT,
        "input_height": chooser.choice([0, 1, 2, 5, 30]),
        "input_width": 1,
        "input_channels": 1,
        "input_row_pitch": INPUT_PITCH,
        "residual": RESIDUAL,
        "output_height": chooser.choice([0, 1, 2, 5, 12]),
        "output_width": 1,
        "output_channels": 1,
        "output_row_pitch": RESIDUAL_PITCH,
        "kernel_height": chooser.randrange(most + 1),
        "pad_top": chooser.randrange(most + 1),
        "stride_y": chooser.randrange(most + 1),
        "flags": chooser.choice([CommandFlag.NONE, CommandFlag.FUSED_ADDITION]),
    }


def test_rows_are_those_of_the_formula_and_come_one_a_clock() -> None:
    chooser, dut = random.Random(1), RowOrder()

    async def script(ctx: SimulatorContext) -> None:
        for _ in range(60):
            fields = random_window(chooser)
            ctx.set(dut.command, fields)
            await ctx.tick().repeat(COMMAND_CYCLES)
            assert not ctx.get(dut.row.valid)
            ctx.set(dut.start, 1)
            ctx.set(dut.row.ready, 1)
            rows, clocks = [], 0
            while not ctx.get(dut.ended):
                if ctx.get(dut.row.valid):
                    rows.append(ctx.get(dut.row.payload.address))
                clocks += 1
                await ctx.tick()
                ctx.set(dut.start, 0)
                ctx.set(dut.active, 1)
            ctx.set(dut.start, 0)
            ctx.set(dut.active, 0)
            assert rows == wanted_rows(fields), fields
            assert clocks <= len(rows) + fields["output_height"]
            if fields["flags"]:
                assert clocks == len(rows)

    simulation = simulator(dut)
    simulation.add_testbench(script)
    simulation.run()
