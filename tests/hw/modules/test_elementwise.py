"""The modules `scale`, `add` and `clamp` against the operations of the arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fpga_rt.arithmetic.operations import Addition, AveragePool, MaximumPool
from fpga_rt.arithmetic.requantise import SHIFTS, AdditionRule, Requantisation
from fpga_rt.contract.command import CommandFlag, Operation
from fpga_rt.errors import ToolchainError
from fpga_rt.modules.elementwise import ElementwiseModule
from fpga_rt.modules.module import Module
from fpga_rt.modules.pooling import PoolingModule
from hw.modules.elementwise.elementwise import Elementwise, rtl
from tests.hw.modules.streams import Bench, Command, Log, make_command

FAMILIES = ("scale", "add", "clamp")
MODULES = [(family, lanes) for family in FAMILIES for lanes in (2, 8)]
SETTINGS = settings(
    max_examples=3, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def module(family: str, lanes: int) -> Elementwise:
    """Return the RTL of a module."""
    return rtl(ElementwiseModule(family, lanes))


def random_operation(
    family: str, channels: int, random: np.random.Generator
) -> AveragePool | Addition | MaximumPool:
    """Return an operation whose numbers reach the ends of their ranges."""
    low, high = sorted(int(n) for n in random.choice([-128, -100, -3, 0, 5, 90, 127], 2))
    if family == "clamp":
        return MaximumPool((1, 1), low=low, high=high)
    if family == "add":
        a, b = (int(n) for n in random.choice([0, 1, 1 << 16, 12_345_678, (1 << 24) - 1], 2))
        shift = int(random.choice([1, 8, 16, 24, 39]))
        constant = int(random.integers(-(1 << 46), 1 << 46)) >> int(random.integers(0, 47))
        return Addition(AdditionRule(a, b, shift, constant, low, high))
    pre_shift = int(random.choice([0, 1, 8]))
    rule = Requantisation(
        random.choice([0, 1, 1 << 17, 9_999_999, (1 << 24) - 1], channels).astype(np.int32),
        random.integers(SHIFTS[0], SHIFTS[1] + 1, channels).astype(np.int32),
        int(random.integers(-128, 128)), low, high, pre_shift,
    )  # fmt: skip
    largest = min((1 << (24 + pre_shift)) - 200, (1 << 31) - 1)
    bias = random.integers(-largest, largest, channels) >> random.integers(0, 31, channels)
    return AveragePool((1, 1), bias.astype(np.int32), rule)


def random_command(
    family: str,
    shape: tuple[int, int, int],
    pitches: tuple[int, int],
    seed: int,
    changes: dict[str, int] | None = None,
) -> Command:
    """Return a command on random tensors (H, W, C), with fields of its descriptor changed."""
    random = np.random.default_rng(seed)
    operands = 2 if family == "add" else 1
    tensors = [random.integers(-128, 128, shape).astype(np.int8) for _ in range(operands)]
    return make_command(random_operation(family, shape[2], random), tensors, pitches, changes)


def check(commands: list[Command], log: Log) -> None:
    """Compare the bytes that count, and see that there is nothing else."""
    expected = [beat for command in commands for beat in command.output]
    masks = [(1 << 8 * size) - 1 for command in commands for size in command.sizes]
    assert not log.error
    assert [got & mask for got, mask in zip(log.output, masks, strict=True)] == [
        beat & mask for beat, mask in zip(expected, masks, strict=True)
    ]


shapes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))
gaps = st.sampled_from([0, 1, 8])
chances = st.sampled_from([0.0, 0.2, 0.7])
seeds = st.integers(0, 99)


@pytest.mark.parametrize(("family", "lanes"), MODULES)
@SETTINGS
@given(
    st.lists(st.tuples(shapes, st.tuples(gaps, gaps), seeds), min_size=1, max_size=4),
    st.tuples(chances, chances, chances, chances),
    st.booleans(),
    seeds,
)
def test_computes_what_the_arithmetic_says(
    family: str,
    lanes: int,
    drawn: list[tuple[tuple[int, int, int], tuple[int, int], int]],
    stalls: tuple[float, float, float, float],
    early: bool,
    seed: int,
) -> None:
    commands = [
        random_command(family, (height, width, groups * lanes), pitches, content)
        for (height, width, groups), pitches, content in drawn
    ]
    check(commands, Bench(module(family, lanes), stalls, early, seed=seed).play(commands))


START_CLOCKS = 2
"""From a `start` right behind the table to the first beat that is taken."""
LATENCY_CLOCKS = {"scale": 13, "add": 10, "clamp": 4}
"""From a beat of input to the beat of output that it closes."""


@pytest.mark.parametrize(("family", "lanes"), MODULES)
def test_a_chunk_a_clock(family: str, lanes: int) -> None:
    height, width, channels = 4, 6, 24
    command = random_command(family, (height, width, channels), (0, 1), 0)
    log = Bench(module(family, lanes)).play([command])
    check([command], log)
    chunks = height * width * channels // lanes * (2 if family == "add" else 1)
    last = log.starts[0] + START_CLOCKS + chunks - 1
    assert log.inputs[-1] == last
    assert log.output_clocks[-1] == last + LATENCY_CLOCKS[family]
    if lanes == 8 and family != "add":
        assert np.ptp(log.output_clocks) == len(log.output) - 1


@pytest.mark.parametrize("family", FAMILIES)
def test_as_many_channels_as_the_table_holds(family: str) -> None:
    commands = [random_command(family, (1, 3, 256), (0, 0), seed) for seed in (0, 1)]
    check(commands, Bench(module(family, 8)).play(commands))


def test_longest_row_of_an_addition() -> None:
    command = random_command("add", (1, 64, 64), (0, 0), 0)
    check([command], Bench(module("add", 8)).play([command]))


def test_a_row_of_results_waits_while_the_writer_does_not_take_any() -> None:
    command = random_command("add", (2, 10, 64), (0, 0), 0)
    log = Bench(module("add", 8), (0, 0, 0, 0.95), clocks=9_000).play([command])
    check([command], log)
    assert log.inputs[-1] == log.starts[0] + START_CLOCKS + len(log.inputs) - 1


@pytest.mark.parametrize("family", FAMILIES)
def test_two_commands_are_taken_ahead_and_the_third_waits_for_the_end_of_the_first(
    family: str,
) -> None:
    commands = [random_command(family, (4, 8, 8), (0, 0), seed) for seed in range(3)]
    log = Bench(module(family, 8)).play(commands)
    check(commands, log)
    first_ends = log.output_clocks[len(commands[0].output) - 1]
    assert log.commands[15] < log.starts[1]
    assert log.parameters[len(commands[0].table) + len(commands[1].table) - 1] < log.starts[1]
    assert log.commands[16] == first_ends + 2


WRONG = [
    {"operation": Operation.CONVOLUTION}, {"kernel_height": 2}, {"kernel_width": 3},
    {"stride_x": 2}, {"stride_y": 0}, {"pad_top": 1}, {"pad_left": 1}, {"weights_beats": 1},
    {"flags": CommandFlag.FUSED_ADDITION}, {"table_beats": 3}, {"input_width": 3},
    {"input_height": 1}, {"input_channels": 16}, {"output_channels": 12, "input_channels": 12},
    {"output_channels": 264, "input_channels": 264}, {"output_channels": 0, "input_channels": 0},
    {"output_height": 0, "input_height": 0}, {"output_width": 0, "input_width": 0},
]  # fmt: skip
REFUSED = [
    *(("clamp", changes) for changes in WRONG),
    ("add", {"table_beats": 12}),
    ("add", {"operation": Operation.AVERAGE_POOL}),
    ("scale", {"table_beats": 4}),
    ("scale", {"operation": Operation.MAXIMUM_POOL}),
]


@pytest.mark.parametrize(("family", "changes"), REFUSED)
def test_refuses_what_it_cannot_compute_when_it_is_started(
    family: str, changes: dict[str, int]
) -> None:
    good = random_command(family, (2, 2, 8), (0, 0), 0)
    wrong = random_command(family, (2, 2, 8), (0, 0), 0, changes)
    beats = {"table_beats": len(good.table), "weights_beats": 0} | changes
    wrong.table[:] = [*good.table, *good.table][: beats["table_beats"] + beats["weights_beats"]]
    log = Bench(module(family, 8), clocks=100).play([good, wrong, good])
    assert log.error
    assert log.output == good.output
    assert len(log.inputs) == 3 * len(good.input), "beats are not taken after an error"


def test_refuses_a_maximum_whose_padding_could_win() -> None:
    good = random_command("clamp", (1, 1, 8), (0, 0), 0)
    wrong = random_command("clamp", (1, 1, 8), (0, 0), 0)
    wrong.table[0] &= ~(0xFF << 32)
    log = Bench(module("clamp", 8), clocks=60).play([good, wrong])
    assert log.error
    assert log.output == good.output


def test_refuses_a_row_that_the_row_memory_does_not_hold() -> None:
    command = random_command("add", (1, 65, 64), (0, 0), 0)
    log = Bench(module("add", 8), clocks=700).play([command])
    assert log.error
    assert not log.output


@pytest.mark.parametrize("family", FAMILIES)
def test_reset_in_the_middle_leaves_nothing_behind(family: str) -> None:
    dut = module(family, 8)
    broken = random_command(family, (3, 4, 8), (0, 0), 1)
    whole = random_command(family, (2, 3, 16), (0, 0), 2)
    out: list[int] = []

    async def bench(ctx: Any) -> None:  # noqa: ANN401
        for count, clocks in ((len(broken.input) // 2, 3), (None, 60)):
            command = broken if count else whole
            ctx.set(dut.output.ready, not count)
            for name in ("command", "parameters", "input"):
                words = {"command": command.descriptor, "parameters": command.table}
                for word in words.get(name, command.input[:count]):
                    ctx.set(getattr(dut, name).payload, word)
                    ctx.set(getattr(dut, name).valid, 1)
                    ready = 0
                    while not ready:
                        _, _, ready, valid, beat = await ctx.tick().sample(
                            getattr(dut, name).ready, dut.output.valid, dut.output.payload
                        )
                        out.extend([beat] if valid and not count else [])
                ctx.set(getattr(dut, name).valid, 0)
                if name == "parameters":
                    ctx.set(dut.start, 1)
                    await ctx.tick()
                    ctx.set(dut.start, 0)
            for _ in range(clocks):
                _, _, valid, beat = await ctx.tick().sample(dut.output.valid, dut.output.payload)
                out.extend([beat] if valid and not count else [])
            ctx.set(dut.reset, 1)
            await ctx.tick()
            ctx.set(dut.reset, 0)

    simulator = Simulator(dut)
    simulator.add_clock(7e-9)
    simulator.add_testbench(bench)
    simulator.run()
    assert out == whole.output


def test_answers_the_identity_of_the_host_half() -> None:
    host = ElementwiseModule("add", 2)
    dut = rtl(host)
    seen = []

    async def bench(ctx: Any) -> None:  # noqa: ANN401
        seen.append(ctx.get(dut.module_id))

    simulator = Simulator(dut)
    simulator.add_clock(7e-9)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == [host.module_id]


def of_four_lanes() -> Module:
    module = ElementwiseModule("add", 8)
    module.lanes = (4,)
    return module


@pytest.mark.parametrize("host", [PoolingModule(8), of_four_lanes()])
def test_other_host_halves_are_refused(host: Module) -> None:
    with pytest.raises(ToolchainError, match=f"module {host.name}: elementwise gateware is scale"):
        rtl(host)
