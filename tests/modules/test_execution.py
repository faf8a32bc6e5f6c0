"""Every module equals the arithmetic through device memory, tile by tile."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpga_rt.arithmetic.operations import (
    Addition,
    AveragePool,
    Convolution,
    Dense,
    DepthwiseConvolution,
    MaximumPool,
)
from fpga_rt.arithmetic.requantise import AdditionRule
from fpga_rt.contract.command import CommandFlag, Segment
from fpga_rt.device.emulator import Emulator
from fpga_rt.errors import ExecutionError
from fpga_rt.modules.layer import Computed, Layer
from fpga_rt.modules.module import Module
from tests.device.layers import addition, expected, layers, requantisation, weights
from tests.device.programs import LayerProgram, activate, module_named, random_codes

RANDOM = np.random.default_rng(3)
SCALES = requantisation(RANDOM, 40, 1 << 8)

OFFERS: list[tuple[str, type[Computed]]] = [
    ("convolution_8x16", Convolution),
    ("convolution_2x4", Convolution),
    ("convolution_16x32", Dense),
    ("convolution_4x8", Dense),
    ("convolution_8x16", AveragePool),
    ("depthwise_16", DepthwiseConvolution),
    ("depthwise_2", DepthwiseConvolution),
    ("depthwise_8", AveragePool),
    ("dense_8", Dense),
    ("dense_2", Dense),
    ("pooling_8", AveragePool),
    ("pooling_2", MaximumPool),
    ("pooling_8", Addition),
]


@pytest.fixture(scope="module")
def devices() -> Iterator[dict[str, Emulator]]:
    """One open device for each module, loaded into partition 0."""
    opened: dict[str, Emulator] = {}
    for name in {name for name, _ in OFFERS}:
        opened[name] = Emulator("pynq-z2", memory_bytes=1 << 20)
        opened[name].open()
        activate(opened[name], 0, name)
    yield opened
    for device in opened.values():
        device.close()


@pytest.mark.parametrize(("name", "kind"), OFFERS)
@settings(max_examples=12)
@given(data=st.data())
def test_module_equals_arithmetic(
    devices: dict[str, Emulator], name: str, kind: type[Computed], data: st.DataObject
) -> None:
    layer = data.draw(layers(kind))
    module = module_named(name)
    if module.refusal(layer) is not None:
        return
    images = data.draw(st.integers(1, 3))
    codes = random_codes([1, images], (images, *layer.input_shape))
    residual = random_codes([2, images], (images, *layer.output_shape))
    program = LayerProgram(devices[name], module, layer, images)
    try:
        got = program.run(codes, residual)
    finally:
        program.free()
    assert (got == expected(layer, codes, residual)).all()


@pytest.mark.parametrize(
    ("name", "outputs", "shape", "fused", "tiles"),
    [
        ("convolution_2x4", 6, (5, 300, 16), False, 2),  # columns: four rows of 16 kB
        ("convolution_2x4", 64, (4, 4, 40), False, 16),  # channels: 90 words a group
        ("convolution_8x16", 40, (3, 150, 8), True, 3),  # columns: rows of results of 2 kB
    ],
)
def test_layers_cut_into_tiles_equal_the_arithmetic(
    devices: dict[str, Emulator],
    name: str,
    outputs: int,
    shape: tuple[int, int, int],
    fused: bool,
    tiles: int,
) -> None:
    random = np.random.default_rng(outputs)
    values = weights(random, (outputs, 3, 3, shape[2]))
    bias = random.integers(-900, 900, outputs).astype(np.int32)
    rule = requantisation(random, outputs, 128 * 127 * 9 * shape[2])
    operation = Convolution(values, bias, rule, (1, 1), (1, 1, 1, 1), 5)
    extra = addition(random) if fused else None
    layer = Layer("cut", operation, shape, operation.output_shape(shape), extra)
    program = LayerProgram(devices[name], module_named(name), layer, 2)
    assert len(program.commands) == tiles
    codes = random_codes(1, (2, *shape))
    residual = random_codes(2, (2, *layer.output_shape))
    assert (program.run(codes, residual) == expected(layer, codes, residual)).all()


def test_modules_say_what_they_refuse() -> None:
    wide = MaximumPool((2, 2), (1, 1))
    layer = Layer("wide", wide, (4, 4000, 8), (3, 3999, 8))
    assert module_named("pooling_8").refusal(layer) is None  # cut by columns
    assert module_named("dense_8").refusal(layer) == "dense does not compute MaximumPool"
    assert module_named("depthwise_8").refusal(layer) == "depthwise does not compute MaximumPool"
    values = np.ones((2, 3, 3, 600), np.int8)
    rule = requantisation(np.random.default_rng(0), 2, 1 << 20)
    operation = Convolution(values, np.zeros(2, np.int32), rule)
    layer = Layer("deep", operation, (3, 3, 600), (1, 1, 2))
    assert module_named("convolution_2x4").refusal(layer) == (
        "one output channel group needs 1350 weight words of 256"
    )
    assert module_named("convolution_16x32").refusal(layer) is None


def test_an_average_whose_identity_is_lost_is_refused() -> None:
    layer = Layer("layer", ELEMENTWISE[0][1], (1, 1, 40), (1, 1, 40))
    with Emulator("pynq-z2", memory_bytes=1 << 20) as device:
        activate(device, 0, "convolution_4x4")
        program = LayerProgram(device, module_named("convolution_4x4"), layer, 1)
        codes = random_codes(1, (1, 1, 1, 40))
        assert (program.run(codes) == expected(layer, codes, codes)).all()
        program.buffers[Segment.WEIGHTS].view[0] = 2
        message = "convolution_4x4 got an average whose weights are no identity matrix"
        with pytest.raises(ExecutionError, match=message):
            program.run(codes)


@pytest.mark.parametrize(("bits", "code", "least"), [(8, 0x80, -127), (4, 0x08, -7)])
def test_a_weight_that_two_products_cannot_hold_is_refused(
    bits: int, code: int, least: int
) -> None:
    values = np.ones((4, 1, 1, 4), np.int8)
    rule = requantisation(np.random.default_rng(0), 4, 1 << 10)
    operation = Convolution(values, np.zeros(4, np.int32), rule, weight_bits=bits)
    layer = Layer("layer", operation, (2, 2, 4), (2, 2, 4))
    with Emulator("pynq-z2", memory_bytes=1 << 20) as device:
        activate(device, 0, "convolution_4x4")
        program = LayerProgram(device, module_named("convolution_4x4"), layer, 1)
        program.buffers[Segment.WEIGHTS].view[0] = code
        message = f"convolution_4x4 got the weight {least - 1}, expected {least} or more"
        with pytest.raises(ExecutionError, match=message):
            program.run(random_codes(1, (1, 2, 2, 4)))


@pytest.mark.parametrize("name", ["scale_8", "convolution_4x4", "depthwise_8", "pooling_2"])
def test_a_table_that_shifts_too_far_is_refused(name: str) -> None:
    layer = Layer("layer", ELEMENTWISE[0][1], (1, 1, 40), (1, 1, 40))
    with Emulator("pynq-z2", memory_bytes=1 << 20) as device:
        activate(device, 0, name)
        program = LayerProgram(device, module_named(name), layer, 1)
        program.buffers[Segment.TABLES].view[3] = 16
        message = "its table has pre_shift 16, expected at most 15; its parameters were overwritten"
        with pytest.raises(ExecutionError, match=message):
            program.run(random_codes(1, (1, 1, 1, 40)))


def test_an_average_of_int4_weights_is_refused() -> None:
    layer = Layer("layer", ELEMENTWISE[0][1], (1, 1, 40), (1, 1, 40))
    with Emulator("pynq-z2", memory_bytes=1 << 20) as device:
        activate(device, 0, "convolution_4x4")
        program = LayerProgram(device, module_named("convolution_4x4"), layer, 1)
        program.commands[0]["flags"] |= CommandFlag.WEIGHTS_INT4
        with pytest.raises(
            ExecutionError, match="convolution_4x4 got an average of int4 weights, expected int8"
        ):
            program.run(random_codes(1, (1, 1, 1, 40)))


ELEMENTWISE: list[tuple[str, Computed]] = [
    ("scale_8", AveragePool((1, 1), np.arange(-20, 20, dtype=np.int32) * 9, SCALES)),
    ("scale_2", AveragePool((1, 1), np.arange(-20, 20, dtype=np.int32) * 9, SCALES)),
    ("clamp_8", MaximumPool((1, 1), low=-100, high=77)),
    ("clamp_2", MaximumPool((1, 1), low=-3, high=3)),
    ("add_8", Addition(AdditionRule.from_scales((0.7, 0.9), (-3, 8), 2))),
    ("add_2", Addition(AdditionRule.from_scales((0.2, 1.3), (0, 5), -7))),
]


@pytest.mark.parametrize(("name", "operation"), ELEMENTWISE, ids=[n for n, _ in ELEMENTWISE])
@pytest.mark.parametrize("width", [1, 7, 120])
def test_elementwise_modules_equal_the_arithmetic(
    name: str, operation: Computed, width: int
) -> None:
    layer = Layer("layer", operation, (3, width, 40), (3, width, 40))
    codes, residual = (random_codes([seed, width], (2, 3, width, 40)) for seed in (1, 2))
    with Emulator("pynq-z2", memory_bytes=1 << 20) as device:
        activate(device, 0, name)
        program = LayerProgram(device, module_named(name), layer, 2)
        cut = name.startswith("add") and width == 120  # a row memory of 4096 bytes
        assert len(program.commands) == 1 + cut
        assert (program.run(codes, residual) == expected(layer, codes, residual)).all()


def test_elementwise_modules_say_what_they_cannot_do() -> None:
    scale, add = module_named("scale_8"), module_named("add_8")

    def refused(module: Module, operation: Computed, channels: int = 8) -> str | None:
        shape = (4, 4, channels)
        return module.refusal(Layer("layer", operation, shape, shape))

    assert refused(add, MaximumPool((1, 1))) == "add does not compute MaximumPool"
    assert refused(module_named("clamp_2"), MaximumPool((2, 2))) == (
        "clamp has no window, but the layer's is (2, 2)"
    )
    operation = AveragePool((1, 1), np.zeros(12, np.int32), requantisation(RANDOM, 12, 1 << 20))
    assert refused(scale, operation, 12) == "12 channels are no multiple of 8 lanes"
    assert refused(module_named("scale_2"), operation, 12) is None


@pytest.mark.parametrize(("field", "expected_beats"), [("table", 44), ("weights", 0)])
def test_parameter_blocks_of_another_length_are_refused(field: str, expected_beats: int) -> None:
    layer = Layer("layer", ELEMENTWISE[0][1], (1, 1, 40), (1, 1, 40))
    with Emulator("pynq-z2", memory_bytes=1 << 20) as device:
        activate(device, 0, "scale_8")
        program = LayerProgram(device, module_named("scale_8"), layer, 1)
        assert program.commands[0][f"{field}_beats"] == expected_beats
        program.commands[0][f"{field}_beats"] += 1
        message = f"its {field} has {expected_beats + 1} beats, the shape needs {expected_beats}"
        with pytest.raises(ExecutionError, match=message):
            program.run(random_codes(1, (1, 1, 1, 40)))


OTHER_MODULE = "; the program was compiled for another module"
REFUSED: list[tuple[str, dict[str, int], str]] = [
    ("clamp_8", {"pad_top": 1}, "pad_top 1, expected 0: it has no window"),
    ("clamp_8", {"stride_x": 2}, "stride_x 2, expected 1: it has no window"),
    ("add_8", {"flags": 1}, "a fused addition, expected none"),
    ("add_2", {"input_width": 3}, r"an input of \(2, 3, 8\), expected the output's \(2, 4, 8\)"),
    ("scale_8", {"output_channels": 12, "input_channels": 12}, "in a multiple of 8"),
    ("clamp_2", {"output_channels": 264, "input_channels": 264}, r"expected 1\.\.256 channels"),
    ("clamp_8", {"output_height": 0, "input_height": 0}, r"an output of \(0, 4, 8\)"),
    ("add_8", {"output_width": 513, "input_width": 513}, "a row of 4104 bytes, expected at most"),
]


@pytest.mark.parametrize(("name", "changes", "message"), REFUSED)
def test_elementwise_modules_refuse_what_their_gateware_refuses(
    name: str, changes: dict[str, int], message: str
) -> None:
    random = np.random.default_rng(3)
    operations: dict[str, Computed] = {
        "scale": AveragePool((1, 1), np.zeros(8, np.int32), requantisation(random, 8, 1 << 20)),
        "add": Addition(AdditionRule.from_scales((0.7, 0.9), (-3, 8), 2)),
        "clamp": MaximumPool((1, 1)),
    }
    operation = operations[name.partition("_")[0]]
    layer = Layer("layer", operation, (2, 4, 8), (2, 4, 8))
    with Emulator("pynq-z2", memory_bytes=1 << 20) as device:
        activate(device, 0, name)
        program = LayerProgram(device, module_named(name), layer, 1)
        program.commands[0] |= changes
        with pytest.raises(ExecutionError, match=f"{name} got .*{message}.*{OTHER_MODULE}"):
            program.run(*(random_codes(seed, (1, 2, 4, 8)) for seed in (1, 2)))
