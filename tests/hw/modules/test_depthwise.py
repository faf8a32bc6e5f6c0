"""The depthwise module: depthwise convolutions and averages as `fpga_rt.arithmetic` has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Fragment

from fpga_rt.arch.boards import MemoryPort
from fpga_rt.arithmetic.operations import AveragePool, DepthwiseConvolution
from fpga_rt.contract.command import Operation
from fpga_rt.errors import ToolchainError
from fpga_rt.modules.depthwise import LATENCY_CYCLES, DepthwiseModule, requantised_a_clock
from fpga_rt.modules.elementwise_cycles import FIRST_BEAT_CYCLES
from fpga_rt.modules.geometry import Ports
from fpga_rt.modules.layer import Layer, Tile
from fpga_rt.modules.module import Module
from fpga_rt.modules.pooling import PoolingModule
from hw.modules.depthwise import rtl
from hw.modules.depthwise.operator import Depthwise
from tests.hw.modules.refusals import changed, gateware_refuses, host_refuses
from tests.hw.modules.steps import Codes, Steps, Windows
from tests.hw.modules.streams import Bench, Command, table_of
from tests.hw.modules.test_elementwise import check, random_operation
from tests.hw.modules.window_streams import fields_of, layer_of, make_window_command


def random_weights(steps: int, channels: int, bits: int, random: np.random.Generator) -> Codes:
    """Return weights (1, steps, channels) that reach the ends of their range."""
    most = 127 if bits == 8 else 7
    values = np.r_[-most, most, random.integers(-most, most + 1, 6)]
    return random.choice(values, (1, steps, channels)).astype(np.int8)


def random_row(
    lanes: int, pixels: int, steps: int, channels: int, seed: int, bits: int | None
) -> tuple[Windows, bytes]:
    """Return a row of windows, and the results that it has to give; `bits` None is an average."""
    random = np.random.default_rng(seed)
    average = random_operation("scale", channels, random)
    assert isinstance(average, AveragePool)
    rule, table = average.requantisation, table_of(average)
    codes: Codes = random.integers(-128, 128, (pixels, steps, channels)).astype(np.int8)
    if bits is None:
        pool = AveragePool((1, steps), average.bias, rule)
        return Windows(Operation.AVERAGE_POOL, codes, table), pool.apply(codes[:, None]).tobytes()
    weights = random_weights(steps, channels, bits, random)
    operation = DepthwiseConvolution(weights, average.bias, rule, weight_bits=bits)
    layer = Layer("row", operation, (1, steps, channels), (1, 1, channels))
    packed = DepthwiseModule(lanes).pack(layer, Tile((0, channels), (0, 1)))
    row = Windows(Operation.DEPTHWISE, codes, table, packed, int4=bits == 4)
    return row, operation.apply(codes[:, None]).tobytes()


@pytest.mark.parametrize(("lanes", "idle"), [(2, 0), (2, 5), (8, 0), (16, 5)])
def test_operator_computes_what_the_arithmetic_says(lanes: int, idle: int) -> None:
    random = np.random.default_rng(lanes + idle)
    rows, expected = [], b""
    for seed in range(12):
        steps, channels = int(random.integers(1, 12)), int(random.integers(1, 3 * lanes + 1))
        row, result = random_row(lanes, 2, steps, channels, seed, (8, None, 4)[seed % 3])
        rows.append(row)
        expected += result
    assert Steps(Depthwise(lanes), idle).play(rows) == expected


@pytest.mark.parametrize("lanes", [2, 8, 16])
@pytest.mark.parametrize("steps", [1, 9])
def test_operator_takes_its_latency(lanes: int, steps: int) -> None:
    row, expected = random_row(lanes, 3, steps, lanes, 1, 8)
    dut = Depthwise(lanes)
    bench = Steps(dut)
    assert bench.play([row]) == expected
    parts = lanes // dut.results
    distance = max(steps, dut.offers[Operation.DEPTHWISE].least_cycles)
    assert np.diff(bench.last_steps).tolist() == [distance] * 2
    assert bench.first_results == [
        last + dut.latency_cycles + part for last in bench.last_steps for part in range(parts)
    ]


def test_operator_holds_as_many_weights_as_it_says() -> None:
    """Two groups of 128 steps, and of 256 that are int4."""
    rows, expected = [], b""
    for seed, (steps, bits) in enumerate(((128, 8), (256, 4), (256, 4))):
        row, result = random_row(2, 1, steps, 4, seed, bits)
        assert len(row.weights) == 256 * 8
        rows.append(row)
        expected += result
    assert Steps(Depthwise(2)).play(rows) == expected


def test_operator_tells_the_ends_of_pieces_and_rows() -> None:
    row, _ = random_row(8, 2, 2, 19, 1, 8)
    pieces = Windows(row.operation, row.codes, row.table, row.weights, pieces=True)
    bench = Steps(Depthwise(8))
    bench.play([row, pieces])
    assert bench.ends == [(38, 1, 1), (57, 1, 0), (76, 1, 1)]


def test_operator_sums_the_largest_products() -> None:
    codes = np.full((1, 256, 2), -128, np.int8)
    weights = np.full((1, 256, 2), 127, np.int8)
    weights[:, :, 1] = -127
    average = random_operation("scale", 2, np.random.default_rng(3))
    assert isinstance(average, AveragePool)
    operation = DepthwiseConvolution(weights, average.bias, average.requantisation)
    layer = Layer("row", operation, (1, 256, 2), (1, 1, 2))
    packed = DepthwiseModule(2).pack(layer, Tile((0, 2), (0, 1)))
    row = Windows(Operation.DEPTHWISE, codes, table_of(average), packed)
    assert Steps(Depthwise(2)).play([row]) == operation.apply(codes[:, None]).tobytes()


def test_a_word_of_weights_is_a_byte_for_each_lane() -> None:
    """Three steps of three channels on two lanes; int4 joins two steps."""
    weights = np.arange(1, 10, dtype=np.int8).reshape(1, 3, 3) % 8
    average = random_operation("scale", 3, np.random.default_rng(0))
    assert isinstance(average, AveragePool)
    module, tile = DepthwiseModule(2), Tile((0, 3), (0, 1))
    expected = {
        8: [[1, 2], [4, 5], [7, 0], [3, 0], [6, 0], [1, 0]],
        4: [[1 | 4 << 4, 2 | 5 << 4], [7, 0], [3 | 6 << 4, 0], [1, 0]],
    }
    for bits, words in expected.items():
        operation = DepthwiseConvolution(
            weights, average.bias, average.requantisation, weight_bits=bits
        )
        layer = Layer("row", operation, (1, 3, 3), (1, 1, 3))
        packed = np.frombuffer(module.pack(layer, tile), np.uint8).reshape(-1, 8)
        assert packed[:, :2].tolist() == words
        assert not packed[:, 2:].any()


def random_layer(channels: int, bits: int | None, random: np.random.Generator) -> Layer:
    """Return a layer on a small image, any stride and padding; `bits` None is an average."""
    average = random_operation("scale", channels, random)
    assert isinstance(average, AveragePool)
    kernel = (int(random.integers(1, 4)), int(random.integers(1, 5)))
    stride = (int(random.integers(1, 4)), int(random.integers(1, 4)))
    padding = tuple(int(random.integers(0, kernel[n // 2])) for n in range(4))
    height, width = (int(random.integers(k, k + 4)) for k in kernel)
    more: dict[str, Any] = {
        "stride": stride,
        "padding": padding,
        "pad_value": int(random.integers(-128, 128)),
    }
    if bits is None:
        pool = AveragePool(kernel, average.bias, average.requantisation, **more)
        return layer_of(pool, (height, width, channels))
    weights = random_weights(kernel[0] * kernel[1], channels, bits, random)
    operation = DepthwiseConvolution(
        weights.reshape(*kernel, channels),
        average.bias,
        average.requantisation,
        **more,
        weight_bits=bits,
    )
    return layer_of(operation, (height, width, channels))


def random_command(
    lanes: int, seed: int, channels: int | None = None, changes: dict[str, int] | None = None
) -> tuple[Layer, tuple[int, int], Command]:
    """Return a layer, gaps between pixels, and the command on random codes."""
    random = np.random.default_rng(seed)
    channels = channels or int(random.integers(1, 2 * lanes + 3))
    layer = random_layer(channels, (8, None, 4)[seed % 3], random)
    codes = random.integers(-128, 128, layer.input_shape).astype(np.int8)
    gaps = (int(random.choice([0, 3])), int(random.choice([0, 5])))
    command = make_window_command(DepthwiseModule(lanes), layer, [codes], gaps, changes)
    return layer, gaps, command


AT_ONCE = Ports(MemoryPort(0), MemoryPort(0), MemoryPort(0), MemoryPort(0))
CHANGED = (
    "operation flags table_beats weights_beats kernel_height kernel_width stride_y stride_x"
    " pad_top pad_left input_height input_width input_channels output_height output_width"
    " output_channels"
).split()
STALLS = [(0.0,) * 4, (0.2, 0.2, 0.2, 0.2), (0, 0, 0.6, 0), (0, 0, 0, 0.7), (0.7, 0.7, 0, 0)]


@pytest.mark.parametrize(
    ("lanes", "number"), [*((2, n) for n in range(5)), (8, 1), (8, 2), (8, 3), (16, 0), (16, 3)]
)
def test_module_computes_what_the_arithmetic_says(lanes: int, number: int) -> None:
    commands = [random_command(lanes, 10 * lanes + 3 * number + n)[2] for n in range(3)]
    bench = Bench(rtl(DepthwiseModule(lanes)), STALLS[number], bool(number % 2), seed=number)
    check(commands, bench.play(commands))


@pytest.mark.parametrize("lanes", [2, 8])
@pytest.mark.parametrize("seed", range(4))
def test_module_lasts_as_long_as_the_formula_says(lanes: int, seed: int) -> None:
    """Streams never wait, so that pieces cost as many clocks as they have beats."""
    layer, gaps, command = random_command(lanes, 100 + seed)
    host = DepthwiseModule(lanes)
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
    host = DepthwiseModule(2)
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
    log = Bench(rtl(DepthwiseModule(8)), clocks=2000).play([good, wrong, good])
    assert log.error
    masks = [(1 << 8 * size) - 1 for size in good.sizes]
    assert [beat & mask for beat, mask in zip(log.output, masks, strict=True)] == [
        beat & mask for beat, mask in zip(good.output, masks, strict=True)
    ]
    assert len(log.inputs) == 3 * len(good.input)


def test_module_takes_the_next_command_while_one_computes() -> None:
    commands = [random_command(8, 6, 8)[2] for _ in range(3)]
    log = Bench(rtl(DepthwiseModule(8)), clocks=9000).play(commands)
    check(commands, log)
    first_ends = log.output_clocks[len(commands[0].output) - 1]
    assert log.commands[15] < log.starts[1]
    assert log.commands[16] == first_ends + 2


@pytest.mark.parametrize("lanes", [2, 8, 16, 32, 64])
def test_host_and_gateware_agree_on_the_latency(lanes: int) -> None:
    operator = Depthwise(lanes)
    Fragment.get(operator, None)  # Amaranth warns of a component that nobody looks into
    assert operator.latency_cycles == LATENCY_CYCLES
    assert operator.results == requantised_a_clock(lanes)


@pytest.mark.parametrize("host", [PoolingModule(8), DepthwiseModule(4)])
def test_other_host_halves_are_refused(host: Module) -> None:
    with pytest.raises(ToolchainError, match=f"module {host.name}: this gateware is depthwise on"):
        rtl(host)
