"""The convolution module against the operations of the arithmetic, and its clocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Fragment

from fpga_rt.arch.boards import MemoryPort
from fpga_rt.arithmetic.operations import AveragePool, Convolution, Dense
from fpga_rt.arithmetic.requantise import SHIFTS, AdditionRule, Requantisation
from fpga_rt.contract.command import STREAM_BYTES, CommandFlag, Operation
from fpga_rt.errors import ToolchainError
from fpga_rt.modules.convolution import ADDED_CYCLES, ConvolutionModule, latency_cycles
from fpga_rt.modules.elementwise_cycles import FIRST_BEAT_CYCLES
from fpga_rt.modules.geometry import Ports
from fpga_rt.modules.layer import Layer
from fpga_rt.modules.pooling import PoolingModule
from hw.modules.convolution import rtl
from hw.modules.convolution.operator import Convolution as Operator
from tests.hw.modules.streams import Bench, Command, Log
from tests.hw.modules.window_streams import fields_of, layer_of, make_window_command

SMALL, LARGER = (2, 2), (4, 8)
AT_ONCE = Ports(MemoryPort(0), MemoryPort(0), MemoryPort(0), MemoryPort(0))
SUM = AdditionRule.from_scales((0.7, 0.4), (3, -5), 2)


def rule_of(random: np.random.Generator, channels: int) -> Requantisation:
    """Return a rule whose results are spread over all codes, and numbers over their ranges."""
    low, high = sorted(int(n) for n in random.choice([-128, -128, -90, -3, 60, 127, 127], 2))
    return Requantisation(
        random.integers(0, 1 << 24, channels).astype(np.int32),
        random.integers(SHIFTS[0] + 10, 34, channels).astype(np.int32),
        int(random.integers(-20, 20)), low, high, int(random.choice([0, 0, 1, 3])),
    )  # fmt: skip


def convolution_of(
    random: np.random.Generator, shape: tuple[int, int, int, int], bits: int = 8
) -> Convolution:
    """Return a convolution with weights (OC, KH, KW, IC), and any stride and padding."""
    most = 7 if bits == 4 else 127
    weights = random.integers(-most, most + 1, shape).astype(np.int8)
    weights.flat[:: int(random.integers(2, 9))] = most  # the ends of the range
    rows, columns = shape[1:3]
    padding = [int(random.integers(0, size)) for size in (rows, rows, columns, columns)]
    return Convolution(
        weights, random.integers(-9000, 9000, shape[0]).astype(np.int32),
        rule_of(random, shape[0]), (int(random.integers(1, 4)), int(random.integers(1, 4))),
        (padding[0], padding[1], padding[2], padding[3]), int(random.integers(-128, 128)), bits,
    )  # fmt: skip


def random_layer(random: np.random.Generator) -> Layer:
    """Return a layer of any kind, with an addition fused or none."""
    fused = SUM if random.random() < 0.4 else None
    kernel = int(random.integers(1, 4)), int(random.integers(1, 4))
    outputs, inputs = (int(n) for n in random.integers(1, 12, 2))
    shape = int(random.integers(3, 7)), int(random.integers(3, 6)), inputs
    kind = random.choice(["convolution", "int4", "average", "dense"], p=[0.5, 0.25, 0.15, 0.1])
    if kind == "dense":
        weights = random.integers(-127, 128, (outputs, 5 * inputs)).astype(np.int8)
        bias = random.integers(-99, 99, outputs).astype(np.int32)
        dense = Dense(weights, bias, rule_of(random, outputs))
        return layer_of(dense, (1, 1, 5 * inputs), fused)
    if kind == "average":
        bias = random.integers(-99, 99, inputs).astype(np.int32)
        pool = AveragePool(
            kernel, bias, rule_of(random, inputs), (1, 2), (0, kernel[0] - 1, 0, 0), 7
        )
        return layer_of(pool, shape, fused)
    bits = 4 if kind == "int4" else 8
    return layer_of(convolution_of(random, (outputs, *kernel, inputs), bits), shape, fused)


def gaps_of(random: np.random.Generator, layer: Layer, inputs: int) -> tuple[int, int]:
    """Return gaps between pixels; rows that fold are in one piece."""
    folds = layer.input_shape[2] * 2 <= inputs
    before = 0 if folds else int(random.choice([0, 0, 1, 8]))
    return before, int(random.choice([0, 0, 3]))


def command_of(
    lanes: tuple[int, int],
    layer: Layer,
    gaps: tuple[int, int] = (0, 0),
    changes: dict[str, int] | None = None,
) -> Command:
    """Return a command on random tensors."""
    random = np.random.default_rng(5)
    shapes = [layer.input_shape] + [layer.output_shape] * layer.has_residual
    tensors = [random.integers(-128, 128, shape).astype(np.int8) for shape in shapes]
    return make_window_command(ConvolutionModule(*lanes), layer, tensors, gaps, changes)


def check(commands: list[Command], log: Log) -> None:
    """Compare the bytes that count, and see that there is nothing else."""
    masks = [(1 << 8 * size) - 1 for command in commands for size in command.sizes]
    expected = [beat for command in commands for beat in command.output]
    assert not log.error
    assert len(log.output) == len(expected)
    assert [got & mask for got, mask in zip(log.output, masks, strict=True)] == [
        beat & mask for beat, mask in zip(expected, masks, strict=True)
    ]


def play(lanes: tuple[int, int], commands: list[Command], **how: Any) -> Log:  # noqa: ANN401
    """Play commands to a module."""
    log = Bench(rtl(ConvolutionModule(*lanes)), clocks=30_000, **how).play(commands)
    return log


@pytest.mark.parametrize("lanes", [SMALL, LARGER, (4, 2), (2, 8)])
@pytest.mark.parametrize("seed", range(2))
def test_computes_what_the_arithmetic_says_however_streams_stall(
    lanes: tuple[int, int], seed: int
) -> None:
    random = np.random.default_rng([*lanes, seed])
    layers = [random_layer(random) for _ in range(3)]
    commands = [command_of(lanes, layer, gaps_of(random, layer, lanes[1])) for layer in layers]
    chances = random.choice([0.0, 0.3, 0.7], 4)
    stalls = (float(chances[0]), float(chances[1]), float(chances[2]), float(chances[3]))
    check(commands, play(lanes, commands, stalls=stalls, early=bool(seed), seed=seed))


@pytest.mark.parametrize("lanes", [SMALL, LARGER])
@pytest.mark.parametrize("seed", range(6))
def test_lasts_as_long_as_the_formula_says(lanes: tuple[int, int], seed: int) -> None:
    """Streams never wait, so that pieces cost as many clocks as they have beats."""
    random = np.random.default_rng([*lanes, seed, 1])
    layer = random_layer(random)
    gaps = gaps_of(random, layer, lanes[1])
    command = command_of(lanes, layer, gaps)
    log = play(lanes, [command])
    check([command], log)
    module = ConvolutionModule(*lanes)
    (tile,) = module.tiles(layer)
    fields = fields_of(module, layer, tile, gaps)
    for side, gap in zip(("input", "output"), gaps, strict=True):
        fields[f"{side}_row_pitch"] = 0
        if gap:
            fields[f"{side}_pixel_pitch"] = 8 * fields[f"{side}_pixel_pitch"]
    expected = module.cost(fields, AT_ONCE).compute
    assert log.output_clocks[-1] - log.inputs[0] + 1 == expected - FIRST_BEAT_CYCLES


@pytest.mark.parametrize("lanes", [(2, 2), (4, 8), (8, 16), (16, 8), (16, 32)])
def test_host_and_gateware_agree(lanes: tuple[int, int]) -> None:
    operator = Operator(*lanes)
    Fragment.get(operator, None)  # Amaranth wants whatever was made to be used
    assert operator.latency_cycles == latency_cycles(lanes[1])
    assert operator.fused_latency_cycles == latency_cycles(lanes[1]) + ADDED_CYCLES
    assert operator.word_beats * STREAM_BYTES == lanes[0] * max(4, lanes[1])


def simple() -> Layer:
    random = np.random.default_rng(0)
    weights = random.integers(-127, 128, (8, 3, 3, 8)).astype(np.int8)
    bias = np.zeros(8, np.int32)
    return layer_of(Convolution(weights, bias, rule_of(random, 8), (1, 1), (1, 1, 1, 1)), (4, 4, 8))


def test_the_next_command_is_taken_while_one_computes() -> None:
    commands = [command_of(LARGER, simple()) for _ in range(3)]
    log = play(LARGER, commands)
    check(commands, log)
    first_ends = log.output_clocks[len(commands[0].output) - 1]
    assert log.commands[15] < log.starts[1]
    assert log.parameters[2 * len(commands[0].table) - 1] < log.starts[1]
    assert log.commands[16] == first_ends + 2


def test_a_window_over_everything_has_one_row() -> None:
    random = np.random.default_rng(3)
    bias = np.zeros(5, np.int32)
    layer = layer_of(AveragePool((6, 5), bias, rule_of(random, 5)), (6, 5, 5))
    command = command_of(LARGER, layer)
    check([command], play(LARGER, [command]))


def test_the_smallest_row_that_is_loaded_over_as_it_was_read() -> None:
    """A row of one beat and one step: two rows are kept, and the third follows at once."""
    random = np.random.default_rng(4)
    weights = random.integers(-127, 128, (2, 1, 1, 8)).astype(np.int8)
    layer = layer_of(Convolution(weights, np.zeros(2, np.int32), rule_of(random, 2)), (12, 1, 8))
    command = command_of(LARGER, layer)
    check([command], play(LARGER, [command]))


def test_longest_row_of_results_with_a_residual() -> None:
    """256 beats, of which two rows are kept; the writer takes few of them."""
    random = np.random.default_rng(6)
    weights = random.integers(-127, 128, (64, 1, 1, 8)).astype(np.int8)
    layer = layer_of(
        Convolution(weights, np.zeros(64, np.int32), rule_of(random, 64)), (3, 32, 8), SUM
    )
    command = command_of(LARGER, layer)
    check([command], play(LARGER, [command], stalls=(0, 0, 0, 0.6)))


WRONG = [
    {"operation": Operation.DEPTHWISE}, {"flags": CommandFlag.STREAMED_WEIGHTS},
    {"weights_beats": 71}, {"table_beats": 11}, {"input_width": 1024},
]  # fmt: skip
"""One of a kind; `test_window_decoder` has all of them."""


@pytest.mark.parametrize("changes", WRONG, ids="-".join)
def test_refuses_what_it_cannot_compute_when_it_is_started(changes: dict[str, int]) -> None:
    good = command_of(LARGER, simple())
    wrong = command_of(LARGER, simple(), changes=changes)
    wanted = {"table_beats": 12, "weights_beats": 72} | changes
    wrong.table[:] = wrong.table[: wanted["table_beats"] + wanted["weights_beats"]]
    dut = rtl(ConvolutionModule(*LARGER))
    log = Bench(dut, clocks=1100).play([good, wrong, good])
    assert log.error
    assert log.output == good.output
    assert len(log.inputs) == 3 * len(good.input), "beats are not taken after an error"


def test_refuses_rows_in_pieces_where_columns_fold() -> None:
    random = np.random.default_rng(0)
    weights = random.integers(-7, 8, (2, 1, 3, 2)).astype(np.int8)
    layer = layer_of(Convolution(weights, np.zeros(2, np.int32), rule_of(random, 2)), (3, 3, 2))
    command = command_of(LARGER, layer, (1, 0))
    log = Bench(rtl(ConvolutionModule(*LARGER)), clocks=200).play([command])
    assert log.error
    assert not log.output


@pytest.mark.parametrize("host", [PoolingModule(8), ConvolutionModule(3, 4)])
def test_other_host_halves_are_refused(host: ConvolutionModule | PoolingModule) -> None:
    with pytest.raises(ToolchainError, match=f"module {host.name}: convolution gateware has"):
        rtl(host)
