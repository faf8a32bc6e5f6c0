"""The pooling module: maxima, averages and additions as `fpga_rt.arithmetic` has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Fragment

from fpga_rt.arch.boards import MemoryPort
from fpga_rt.arithmetic.operations import Addition, AveragePool, MaximumPool
from fpga_rt.contract.command import Operation
from fpga_rt.errors import ToolchainError
from fpga_rt.modules.depthwise import DepthwiseModule
from fpga_rt.modules.elementwise_cycles import FIRST_BEAT_CYCLES
from fpga_rt.modules.geometry import Ports
from fpga_rt.modules.layer import Layer
from fpga_rt.modules.module import Module
from fpga_rt.modules.pooling import LATENCY_CYCLES, PoolingModule, requantised_a_clock
from hw.modules.pooling import rtl
from hw.modules.pooling.operator import Pooling
from tests.hw.modules.refusals import changed, gateware_refuses, host_refuses
from tests.hw.modules.steps import Codes, Steps, Windows
from tests.hw.modules.streams import Bench, Command, table_of
from tests.hw.modules.test_elementwise import check, random_operation
from tests.hw.modules.window_streams import fields_of, layer_of, make_window_command

FAMILY = {
    Operation.AVERAGE_POOL: "scale",
    Operation.MAXIMUM_POOL: "clamp",
    Operation.ADDITION: "add",
}


def random_row(
    operation: Operation, pixels: int, steps: int, channels: int, seed: int, pieces: bool = False
) -> tuple[Windows, bytes]:
    """Return a row of windows of one operation, and the results that it has to give."""
    random = np.random.default_rng(seed)
    rule = random_operation(FAMILY[operation], channels, random)
    codes: Codes = random.integers(-128, 128, (pixels, steps, channels)).astype(np.int8)
    residual = random.integers(-128, 128, (pixels, 1, 1, channels)).astype(np.int8)
    images = codes[:, None]
    if isinstance(rule, Addition):
        expected = rule.apply(images, residual)
        row = Windows(operation, codes, table_of(rule), residual=residual, pieces=pieces)
        return row, expected.tobytes()
    if isinstance(rule, AveragePool):
        rule = AveragePool((1, steps), rule.bias, rule.requantisation)
    else:
        rule = MaximumPool((1, steps), low=rule.low, high=rule.high)
    return Windows(operation, codes, table_of(rule), pieces=pieces), rule.apply(images).tobytes()


@pytest.mark.parametrize("lanes", [2, 8])
@pytest.mark.parametrize("idle", [0, 5])
def test_operator_computes_what_the_arithmetic_says(lanes: int, idle: int) -> None:
    random = np.random.default_rng(lanes + idle)
    rows, expected = [], b""
    for seed in range(12):
        operation = list(FAMILY)[seed % 3]
        steps = 1 if operation == Operation.ADDITION else int(random.integers(1, 10))
        channels = int(random.integers(1, 3 * lanes + 1))
        row, result = random_row(operation, 3, steps, channels, seed)
        rows.append(row)
        expected += result
    assert Steps(Pooling(lanes), idle).play(rows) == expected


@pytest.mark.parametrize("lanes", [2, 8])
@pytest.mark.parametrize("operation", FAMILY)
def test_operator_takes_its_latency(lanes: int, operation: Operation) -> None:
    row, expected = random_row(operation, 2, 1, lanes, 1)
    dut = Pooling(lanes)
    bench = Steps(dut)
    assert bench.play([row]) == expected
    least = dut.offers[operation].least_cycles
    first = bench.last_steps[0] + dut.latency_cycles
    assert bench.last_steps[1] == bench.last_steps[0] + least
    assert bench.first_results == list(range(first, first + 2 * least))


@pytest.mark.parametrize("operation", FAMILY)
def test_operator_tells_the_ends_of_pieces_and_rows(operation: Operation) -> None:
    rows = [random_row(operation, 3, 1, 11, 1, pieces)[0] for pieces in (True, False)]
    bench = Steps(Pooling(8))
    bench.play(rows)
    assert bench.ends == [(11, 1, 0), (22, 1, 0), (33, 1, 1), (66, 1, 1)]


def test_operator_refuses_a_maximum_whose_padding_could_win() -> None:
    row, _ = random_row(Operation.MAXIMUM_POOL, 1, 1, 8, 1)
    table = bytes([*row.table[:4], 0, *row.table[5:]])
    for given, refused in ((row.table, 0), (table, 1)):
        bench = Steps(Pooling(8))
        bench.play([Windows(row.operation, row.codes, given)])
        assert bench.refused == refused


def test_operator_sums_the_largest_window() -> None:
    steps = 600
    rule = random_operation("scale", 2, np.random.default_rng(0))
    assert isinstance(rule, AveragePool)
    codes = np.full((1, steps, 2), -128, np.int8)
    codes[:, :, 1] = 127
    rule = AveragePool((1, steps), rule.bias, rule.requantisation)
    row = Windows(Operation.AVERAGE_POOL, codes, table_of(rule))
    assert Steps(Pooling(2)).play([row]) == rule.apply(codes[:, None]).tobytes()


def random_layer(operation: Operation, channels: int, random: np.random.Generator) -> Layer:
    """Return a layer on a small image, any stride and padding."""
    rule = random_operation(FAMILY[operation], channels, random)
    kernel = (int(random.integers(1, 4)), int(random.integers(1, 5)))
    stride = (int(random.integers(1, 4)), int(random.integers(1, 4)))
    padding = tuple(int(random.integers(0, kernel[n // 2])) for n in range(4))
    height, width = (int(random.integers(k, k + 4)) for k in kernel)
    more: dict[str, Any] = {"stride": stride, "padding": padding}
    if isinstance(rule, AveragePool):
        more["pad_value"] = int(random.integers(-128, 128))
        rule = AveragePool(kernel, rule.bias, rule.requantisation, **more)
    elif isinstance(rule, MaximumPool):
        rule = MaximumPool(kernel, **more, low=rule.low, high=rule.high)
    return layer_of(rule, (height, width, channels))


def random_command(
    lanes: int, seed: int, channels: int | None = None, changes: dict[str, int] | None = None
) -> tuple[Layer, tuple[int, int], Command]:
    """Return a layer, gaps between pixels, and the command; the operation goes by the seed."""
    random = np.random.default_rng(seed)
    channels = channels or int(random.integers(1, 3 * lanes + 1))
    layer = random_layer(list(FAMILY)[seed % 3], channels, random)
    tensors = [random.integers(-128, 128, layer.input_shape).astype(np.int8) for _ in range(2)]
    gaps = (int(random.choice([0, 3])), int(random.choice([0, 5])))
    command = make_window_command(PoolingModule(lanes), layer, tensors, gaps, changes)
    return layer, gaps, command


AT_ONCE = Ports(MemoryPort(0), MemoryPort(0), MemoryPort(0), MemoryPort(0))
CHANGED = (
    "operation flags table_beats weights_beats kernel_height kernel_width stride_y stride_x"
    " pad_top pad_left input_height input_width input_channels output_height output_width"
    " output_channels"
).split()
STALLS = [(0.0,) * 4, (0.2, 0.2, 0.2, 0.2), (0, 0, 0.6, 0), (0, 0, 0, 0.7), (0.7, 0.7, 0, 0)]


@pytest.mark.parametrize("lanes", [2, 8])
@pytest.mark.parametrize("number", range(5))
def test_module_computes_what_the_arithmetic_says(lanes: int, number: int) -> None:
    commands = [random_command(lanes, 10 * lanes + 3 * number + n)[2] for n in range(3)]
    bench = Bench(rtl(PoolingModule(lanes)), STALLS[number], bool(number % 2), seed=number)
    check(commands, bench.play(commands))


def test_the_last_results_of_a_row_may_be_of_two_beats() -> None:
    """Rows of 33 bytes end with three results, of which two fill a beat."""
    host = PoolingModule(8)
    layer = layer_of(MaximumPool((1, 1)), (2, 3, 11))
    codes = np.random.default_rng(0).integers(-128, 128, (2, 3, 11)).astype(np.int8)
    command = make_window_command(host, layer, [codes])
    log = Bench(rtl(host)).play([command])
    check([command], log)
    fields = fields_of(host, layer, host.tiles(layer)[0], (0, 0)) | {"input_row_pitch": 0}
    expected = host.cost(fields | {"output_row_pitch": 0}, AT_ONCE).compute
    assert log.output_clocks[-1] == log.output_clocks[-2] + 1
    assert log.output_clocks[-1] - log.inputs[0] + 1 == expected - FIRST_BEAT_CYCLES


@pytest.mark.parametrize("lanes", [2, 8])
@pytest.mark.parametrize("seed", range(4))
def test_module_lasts_as_long_as_the_formula_says(lanes: int, seed: int) -> None:
    """Streams never wait, so that pieces cost as many clocks as they have beats."""
    layer, gaps, command = random_command(lanes, 100 + seed)
    host = PoolingModule(lanes)
    log = Bench(rtl(host), clocks=9000).play([command])
    check([command], log)
    (tile,) = host.tiles(layer)
    fields = fields_of(host, layer, tile, gaps)
    for side, gap in zip(("input", "output"), gaps, strict=True):
        fields[f"{side}_row_pitch"] = 0
        fields[f"{side}_pixel_pitch"] *= 8 if gap else 1
    expected = host.cost(fields, AT_ONCE).compute
    assert log.output_clocks[-1] - log.inputs[0] + 1 == expected - FIRST_BEAT_CYCLES


@pytest.mark.parametrize("seed", range(3))
def test_module_refuses_what_the_host_half_refuses(seed: int) -> None:
    random = np.random.default_rng(seed)
    host = PoolingModule(2)
    dut = rtl(host)
    layer, gaps, _ = random_command(2, seed)
    (tile,) = host.tiles(layer)
    fields = fields_of(host, layer, tile, gaps)
    parameters = host.parameters(layer, tile)
    given = parameters.table + parameters.weights
    assert not gateware_refuses(dut, fields, given)
    assert not host_refuses(host, fields, parameters.table, parameters.weights)
    for _ in range(4):
        other = changed(fields, CHANGED, random)
        refused = host_refuses(host, other, parameters.table, parameters.weights)
        assert gateware_refuses(dut, other, given) == refused, other


def test_module_is_in_error_until_a_reset_and_takes_every_beat() -> None:
    _, _, good = random_command(8, 3)
    _, _, wrong = random_command(8, 3, changes={"stride_x": 0})
    log = Bench(rtl(PoolingModule(8)), clocks=2000).play([good, wrong, good])
    assert log.error
    masks = [(1 << 8 * size) - 1 for size in good.sizes]
    assert [beat & mask for beat, mask in zip(log.output, masks, strict=True)] == [
        beat & mask for beat, mask in zip(good.output, masks, strict=True)
    ]
    assert len(log.inputs) == 3 * len(good.input)


def test_module_takes_the_next_command_while_one_computes() -> None:
    commands = [random_command(8, 6, 8)[2] for _ in range(3)]
    log = Bench(rtl(PoolingModule(8)), clocks=9000).play(commands)
    check(commands, log)
    first_ends = log.output_clocks[len(commands[0].output) - 1]
    assert log.commands[15] < log.starts[1]
    assert log.commands[16] == first_ends + 2


@pytest.mark.parametrize("lanes", [2, 8])
def test_host_and_gateware_agree_on_the_latency(lanes: int) -> None:
    operator = Pooling(lanes)
    Fragment.get(operator, None)  # Amaranth warns of a component that nobody looks into
    assert operator.latency_cycles == LATENCY_CYCLES
    assert operator.results == requantised_a_clock(lanes)


@pytest.mark.parametrize("host", [DepthwiseModule(8), PoolingModule(4)])
def test_other_host_halves_are_refused(host: Module) -> None:
    with pytest.raises(ToolchainError, match=f"module {host.name}: this gateware is pooling on"):
        rtl(host)
