"""The module `dense` against the operation of the arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fpga_rt.arch.boards import MemoryPort
from fpga_rt.arithmetic.operations import Dense
from fpga_rt.arithmetic.requantise import SHIFTS, Requantisation
from fpga_rt.contract.command import COMMAND, CommandFlag, Operation, Segment
from fpga_rt.contract.table import HEADER_BYTES, Table
from fpga_rt.errors import ExecutionError, ToolchainError
from fpga_rt.modules.dense import DenseModule
from fpga_rt.modules.geometry import Ports
from fpga_rt.modules.layer import Layer, Operands, Place
from fpga_rt.modules.module import Module
from fpga_rt.modules.pooling import PoolingModule
from hw.modules import dense
from tests.hw.modules.streams import Bench, Command, beats

LANES = (2, 4, 8)
SETTINGS = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # to shrink an example would take minutes
    suppress_health_check=[HealthCheck.too_slow],
)
IDEAL = MemoryPort(0)


@dataclass(frozen=True, eq=False)
class Streamed(Command):
    """A command whose `table` ends with beats that come while it computes."""

    weights: int
    fields: dict[str, int]


class StreamingBench(Bench):
    """Starts a command when its table is in; its weights are not."""

    def _starter(self, commands: list[Command]) -> Any:  # noqa: ANN401
        async def start(ctx: Any) -> None:  # noqa: ANN401
            output = parameters = 0
            for command in commands:
                assert isinstance(command, Streamed)
                parameters += len(command.table) - command.weights
                while len(self.log.output) < output or (
                    len(self.log.parameters) < parameters and not self.early
                ):
                    await ctx.tick()
                ctx.set(self.dut.start, 1)
                await ctx.tick()
                ctx.set(self.dut.start, 0)
                output += len(command.output)
                parameters += command.weights

        return start


def random_dense(inputs: int, outputs: int, bits: int, random: np.random.Generator) -> Dense:
    """Return an operation whose numbers reach the ends of their ranges."""
    largest = (1 << (bits - 1)) - 1
    weights = random.integers(-largest, largest + 1, (outputs, inputs))
    weights[random.random(outputs) < 0.3] = largest
    pre_shift = int(random.choice([0, 1, 8]))
    bias_limit = min((1 << (24 + pre_shift)) - largest * 128 * inputs, (1 << 31) - 1)
    bias = random.integers(-bias_limit, bias_limit, outputs) >> random.integers(9, 31, outputs)
    low, high = sorted(int(n) for n in random.choice([-128, -100, -3, 0, 5, 90, 127], 2))
    multiplier = random.choice([0, 1, 1 << 17, 9_999_999, (1 << 24) - 1], outputs)
    shift = random.integers(SHIFTS[0], SHIFTS[1] + 1, outputs)
    if random.random() < 0.7:  # so that sums fill the range of codes
        low, high = -128, 127
        multiplier = random.integers(1 << 23, 1 << 24, outputs)
        shift = np.full(outputs, 22 + bits + inputs.bit_length() // 2 - pre_shift)
    rule = Requantisation(
        multiplier.astype(np.int32),
        shift.astype(np.int32),
        int(random.integers(-128, 128)),
        low,
        high,
        pre_shift,
    )
    return Dense(weights.astype(np.int8), bias.astype(np.int32), rule, bits)


def packed(weights: np.ndarray, bits: int) -> bytes:
    """Return weights (OC, IC) as the module's documentation says: channels fill whole beats."""
    data = b""
    for channel in weights:
        if bits == 8:
            row = channel.astype(np.int8).tobytes()
        else:
            nibbles = [int(w) & 15 for w in channel] + [0] * (len(channel) % 2)
            row = bytes(a | b << 4 for a, b in zip(nibbles[0::2], nibbles[1::2], strict=True))
        data += row + bytes(-len(row) % 8)
    return data


def random_command(
    inputs: int, outputs: int, bits: int, seed: int, changes: dict[str, int] | None = None
) -> Streamed:
    """Return a command on a random vector, with fields of its descriptor changed."""
    random = np.random.default_rng(seed)
    operation = random_dense(inputs, outputs, bits, random)
    codes = random.integers(-128, 128, (1, 1, 1, inputs)).astype(np.int8)
    rule = operation.requantisation
    header = {"zero_point": rule.zero_point, "low": rule.low, "high": rule.high}
    header["pre_shift"] = rule.pre_shift
    table = beats(Table(header, operation.bias, rule.multiplier, rule.shift).encode())
    weights = beats(packed(operation.weights, bits))
    flags = CommandFlag.STREAMED_WEIGHTS | (CommandFlag.WEIGHTS_INT4 if bits == 4 else 0)
    fields = {field.name: 0 for field in COMMAND.fields} | {
        "operation": Operation.DENSE, "flags": int(flags),
        "table_beats": len(table), "weights_beats": len(weights),
        "input_height": 1, "input_width": 1, "input_channels": inputs,
        "output_height": 1, "output_width": 1, "output_channels": outputs,
        "kernel_height": 1, "kernel_width": 1, "stride_y": 1, "stride_x": 1,
    }  # fmt: skip
    output = operation.apply(codes).tobytes()
    return Streamed(
        beats(COMMAND.encode({**fields, **(changes or {})})),
        table + weights,
        beats(codes.tobytes()),
        beats(output),
        [min(8, len(output) - at) for at in range(0, len(output), 8)],
        len(weights),
        fields,
    )


def rtl(lanes: int) -> dense.dense.Dense:
    return dense.rtl(DenseModule(lanes))


def check(commands: list[Streamed], found: list[int]) -> None:
    """Compare the bytes that count, and see that there is nothing else."""
    expected = [beat for command in commands for beat in command.output]
    masks = [(1 << 8 * size) - 1 for command in commands for size in command.sizes]
    assert [got & mask for got, mask in zip(found, masks, strict=True)] == [
        beat & mask for beat, mask in zip(expected, masks, strict=True)
    ]


shapes = st.tuples(st.integers(1, 40), st.integers(1, 20), st.sampled_from([8, 4]))
chances = st.sampled_from([0.0, 0.2, 0.7])
seeds = st.integers(0, 99)


@pytest.mark.parametrize("lanes", LANES)
@SETTINGS
@given(
    st.lists(st.tuples(shapes, seeds), min_size=1, max_size=4),
    st.tuples(chances, chances, chances, chances),
    st.booleans(),
    seeds,
)
def test_computes_what_the_arithmetic_says(
    lanes: int,
    drawn: list[tuple[tuple[int, int, int], int]],
    stalls: tuple[float, float, float, float],
    early: bool,
    seed: int,
) -> None:
    commands = [random_command(*shape, content) for shape, content in drawn]
    log = StreamingBench(rtl(lanes), stalls, early, seed=seed, clocks=9000).play([*commands])
    assert not log.error
    check(commands, log.output)


@pytest.mark.parametrize(
    ("inputs", "outputs", "bits"), [(1, 512, 8), (8, 41, 8), (9, 41, 4), (16, 30, 4)]
)
def test_many_short_channels(inputs: int, outputs: int, bits: int) -> None:
    """A channel a clock, at most: as fast as results can come."""
    commands = [random_command(inputs, outputs, bits, seed) for seed in range(1 + (outputs < 99))]
    log = StreamingBench(rtl(8), clocks=4000).play([*commands])
    assert not log.error
    check(commands, log.output)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize(
    ("inputs", "outputs", "bits"),
    [(1, 1, 8), (8, 3, 8), (30, 9, 8), (64, 8, 8), (1, 1, 4), (16, 9, 4), (41, 5, 4), (23, 17, 4)],
)
def test_lasts_as_long_as_the_host_half_says(
    lanes: int, inputs: int, outputs: int, bits: int
) -> None:
    """From the first beat of input to the last of output; weights are there."""
    command = random_command(inputs, outputs, bits, 5)
    log = StreamingBench(rtl(lanes)).play([command])
    ports = Ports(IDEAL, IDEAL, IDEAL, IDEAL)
    cost = DenseModule(lanes).cost(command.fields, ports).compute
    begins = 8  # reading from a memory without latency, see `ActivationReader`
    assert log.output_clocks[-1] - log.inputs[0] == cost - begins - 1


@pytest.mark.parametrize("lanes", LANES)
def test_as_fast_as_weights_come(lanes: int) -> None:
    """Eight products a clock: a beat of weights a clock on eight lanes."""
    command = random_command(128, 6, 8, 1)
    log = StreamingBench(rtl(lanes)).play([command])
    weights = log.parameters[-command.weights :]
    assert weights[-1] - weights[0] == (command.weights - 1) * 8 // lanes


WRONG = [
    {"operation": Operation.CONVOLUTION}, {"operation": 9},
    {"flags": CommandFlag.NONE}, {"flags": CommandFlag.WEIGHTS_INT4},
    {"flags": CommandFlag.STREAMED_WEIGHTS | CommandFlag.WEIGHTS_INT4},
    {"flags": CommandFlag.STREAMED_WEIGHTS | CommandFlag.FUSED_ADDITION},
    {"table_beats": 8}, {"table_beats": 10}, {"weights_beats": 14}, {"weights_beats": 16},
    {"weights_beats": 0}, {"input_height": 2}, {"input_width": 0}, {"output_height": 0},
    {"output_width": 2}, {"kernel_height": 3}, {"kernel_width": 0}, {"stride_y": 2},
    {"stride_x": 0}, {"pad_top": 1}, {"pad_left": 1}, {"input_channels": 0},
    {"input_channels": 25}, {"input_channels": 16}, {"input_channels": 32769},
    {"output_channels": 0}, {"output_channels": 6},
    {"output_channels": 513, "table_beats": 517, "weights_beats": 1539},
]  # fmt: skip


class _Unreachable:
    """A memory for a module that should have refused before it looks at any."""

    def block(self, address: int, size_bytes: int) -> bytes:
        raise AssertionError("a parameter block was read")


@pytest.mark.parametrize("changes", WRONG)
def test_refuses_what_it_cannot_compute_when_it_is_started(changes: dict[str, int]) -> None:
    """As the host half does."""
    good = random_command(24, 5, 8, 0)
    wrong = random_command(24, 5, 8, 0, changes)
    fields = good.fields | changes
    streamed = bool(fields["flags"] & CommandFlag.STREAMED_WEIGHTS)
    count = fields["table_beats"] + fields["weights_beats"]
    wrong = replace(wrong, table=[0] * count, weights=streamed * fields["weights_beats"])
    after = [good] if count < 100 else []
    log = StreamingBench(rtl(8), clocks=900 if count >= 100 else 300).play([good, wrong, *after])
    assert log.error
    check([good], log.output)
    assert len(log.inputs) == (2 + len(after)) * len(good.input), "beats are not taken after it"
    with pytest.raises(ExecutionError):
        DenseModule(8).execute(fields, _Unreachable())  # type: ignore[arg-type]


def test_what_the_host_half_lets_through_is_computed() -> None:
    """What does not matter to a vector is not looked at: pitches, addresses, flags to come."""
    changes = {"input_pixel_pitch": 7, "output_row_pitch": 5, "input": 3, "flags": 0x84}
    command = random_command(24, 5, 8, 0, changes)
    log = StreamingBench(rtl(8)).play([command])
    assert not log.error
    check([command], log.output)


def test_reset_in_the_middle_leaves_nothing_behind() -> None:
    dut = rtl(8)
    broken, whole = random_command(40, 9, 8, 1), random_command(17, 12, 4, 2)
    out: list[int] = []

    async def send(ctx: Any, name: str, words: list[int]) -> None:  # noqa: ANN401
        port = getattr(dut, name)
        for word in words:
            ctx.set(port.payload, word)
            ctx.set(port.valid, 1)
            ready = 0
            while not ready:
                *_, ready, valid, beat = await ctx.tick().sample(
                    port.ready, dut.output.valid, dut.output.payload
                )
                out.extend([beat] if valid else [])
            ctx.set(port.valid, 0)

    async def bench(ctx: Any) -> None:  # noqa: ANN401
        for command, weights in ((broken, 12), (whole, whole.weights)):
            out.clear()
            table = len(command.table) - command.weights
            ctx.set(dut.output.ready, 1)
            await send(ctx, "command", command.descriptor)
            await send(ctx, "parameters", command.table[:table])
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            await send(ctx, "input", command.input)
            await send(ctx, "parameters", command.table[table:][:weights])
            for _ in range(40):
                *_, valid, beat = await ctx.tick().sample(dut.output.valid, dut.output.payload)
                out.extend([beat] if valid else [])
            ctx.set(dut.reset, 1)
            await ctx.tick()
            ctx.set(dut.reset, 0)

    simulator = Simulator(dut)
    simulator.add_clock(7e-9)
    simulator.add_testbench(bench)
    simulator.run()
    check([whole], out)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("lanes", LANES)
def test_the_host_half_makes_the_same_command(lanes: int, bits: int) -> None:
    operation = random_dense(43, 7, bits, np.random.default_rng(4))
    layer = Layer("layer", operation, (1, 1, 43), (1, 1, 7))
    module = DenseModule(lanes)
    (tile,) = module.tiles(layer)
    assert module.pack(layer, tile) == packed(operation.weights, bits)
    places = Place(Segment.INPUT, 0, (1, 1, 43)), Place(Segment.OUTPUT, 0, (1, 1, 7))
    fields = module.command(layer, tile, Operands(*places))
    expected = random_command(43, 7, bits, 0).fields
    assert fields["table_beats"] == HEADER_BYTES // 8 + 7
    assert fields == {name: expected[name] for name in fields} | {"output": fields["output"]}


def test_answers_the_identity_of_the_host_half() -> None:
    host = DenseModule(2)
    dut = dense.rtl(host)
    seen = []

    async def bench(ctx: Any) -> None:  # noqa: ANN401
        seen.append(ctx.get(dut.module_id))

    simulator = Simulator(dut)
    simulator.add_clock(7e-9)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == [host.module_id]


@pytest.mark.parametrize("host", [PoolingModule(8), DenseModule(1)])
def test_other_host_halves_are_refused(host: Module) -> None:
    with pytest.raises(ToolchainError, match=f"module {host.name}: this gateware is dense on"):
        dense.rtl(host)
