"""QDQ graphs against ONNX Runtime, operator by operator, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto

from fpga_rt import frontend
from fpga_rt.arithmetic.operations import (
    Convolution,
    Dense,
    DepthwiseConvolution,
    MaximumPool,
    Softmax,
)
from fpga_rt.errors import ModelError
from tests.frontend.qdq import Attribute, Graph, steps_apart

Build = Callable[[Graph, str], str]


def _images(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(9).normal(size=(6, *shape)).astype(np.float32) * 2


def _conv(outputs: int, inputs: int, kernel: int = 3, **attributes: Attribute) -> Build:
    def build(graph: Graph, x: str) -> str:
        weights = graph.weights(outputs, inputs, kernel, kernel)
        return graph.add("Conv", x, weights, graph.bias(outputs), **attributes)

    return build


def _chain(*steps: tuple[str, dict[str, Attribute]]) -> Build:
    def build(graph: Graph, x: str) -> str:
        for operator, attributes in steps:
            x = graph.add(operator, x, **attributes)
        return x

    return build


def _with_constant(operator: str, array: ArrayLike, **attributes: Attribute) -> Build:
    return lambda graph, x: graph.add(operator, x, graph.constant(array), **attributes)


def _then(*builds: Build) -> Build:
    def build(graph: Graph, x: str) -> str:
        for one in builds:
            x = one(graph, x)
        return x

    return build


def _requantised(scale: float, zero: int = -9, dtype: type[Any] = np.int8) -> Build:
    return lambda graph, x: graph.pair(x, scale, zero, dtype)


def _dense(inputs: int, outputs: int = 5, **attributes: Attribute) -> Build:
    def build(graph: Graph, x: str) -> str:
        weights = graph.weights(outputs, inputs)
        return graph.add("Gemm", x, weights, graph.bias(outputs), transB=1, **attributes)

    return build


def _matmul(inputs: int, outputs: int = 5) -> Build:
    def build(graph: Graph, x: str) -> str:
        product = graph.add("MatMul", x, graph.weights(inputs, outputs, axis=1))
        return graph.add("Add", graph.bias(outputs), product)

    return build


def _residual(graph: Graph, x: str) -> str:
    y = graph.pair(_conv(4, 4, pads=[1, 1, 1, 1])(graph, x), 0.07, 5)
    return graph.add("Relu", graph.add("Add", x, y))


def _clip(graph: Graph, x: str) -> str:
    low, high = graph.constant(np.float32(0)), graph.constant(np.float32(6))
    return graph.add("Clip", x, low, high)


def _pad_before_conv(graph: Graph, x: str) -> str:
    sides = graph.constant(np.array([0, 0, 1, 0, 0, 0, 0, 2]))
    return _conv(3, 4)(graph, graph.add("Pad", x, sides))


def _quantised_in_graph(graph: Graph, x: str) -> str:
    real = graph.constant(graph.random.normal(size=(3, 4, 3, 3)).astype(np.float32))
    scale, zero = np.linspace(0.02, 0.03, 3).astype(np.float32), np.zeros(3, np.int8)
    names = graph.constant(scale), graph.constant(zero)
    codes = graph.add("QuantizeLinear", real, *names, axis=0)
    return graph.add("Conv", x, graph.add("DequantizeLinear", codes, *names, axis=0))


def _channels_last(graph: Graph, x: str) -> str:
    y = graph.add("Transpose", x, perm=[0, 2, 3, 1])
    return graph.add("Flatten", y)


def _dynamic_batch(graph: Graph, x: str) -> str:
    shape = graph.add("Shape", x)
    batch = graph.add("Gather", shape, graph.constant(np.array(0)), axis=0)
    axes = graph.constant(np.array([0]))
    parts = graph.add("Unsqueeze", batch, axes), graph.constant(np.array([-1]))
    return graph.add("Reshape", x, graph.add("Concat", *parts, axis=0))


IMAGE = (4, 7, 6)
FLAT = math.prod(IMAGE)
CASES: dict[str, Build] = {
    "convolution": _conv(5, 4, strides=[2, 1], pads=[1, 0, 2, 1]),
    "pointwise": _conv(5, 4, 1),
    "depthwise": _conv(4, 1, group=4, pads=[1, 1, 1, 1]),
    "depth multiplier": _conv(8, 1, group=4),
    "grouped": _conv(6, 2, group=2),
    "dilated": _conv(3, 4, dilations=[2, 2]),
    "same upper": _conv(3, 4, auto_pad="SAME_UPPER", strides=[2, 2]),
    "same lower": _conv(3, 4, auto_pad="SAME_LOWER", strides=[2, 2]),
    "relu": _then(_conv(3, 4), _chain(("Relu", {}))),
    "relu6": _then(_conv(3, 4), _clip),
    "pad": _pad_before_conv,
    "weights quantised in the graph": _quantised_in_graph,
    "constant behind a convolution": _then(
        _conv(3, 4), _with_constant("Add", np.array([[[0.5]], [[-1.5]], [[2.0]]], np.float32))
    ),
    "constant alone": _with_constant("Add", np.ones((1, 4, 1, 1), np.float32) * 0.3),
    "addition": _residual,
    "rescale": _requantised(0.11),
    "unsigned": _then(
        _requantised(0.05, 131, np.uint8), _conv(3, 4), _requantised(0.0973, 124, np.uint8)
    ),
    "standalone relu": _chain(("Relu", {})),
    "maximum": _chain(("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]})),
    "maximum, ceil mode": _chain(
        ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1})
    ),
    "maximum of a convolution": _then(
        _conv(3, 4), _chain(("Relu", {}), ("MaxPool", {"kernel_shape": [2, 2]}))
    ),
    "average": _chain(("AveragePool", {"kernel_shape": [3, 2], "strides": [2, 2]})),
    "average, padding counted": _chain(
        ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1})
    ),
    "global average": _then(_chain(("GlobalAveragePool", {}), ("Flatten", {}))),
    "mean": _with_constant("ReduceMean", np.array([2, 3]), keepdims=0),
    "mean, axes kept": _with_constant("ReduceMean", np.array([-1, -2])),
    "flatten and dense": _then(_chain(("Flatten", {})), _requantised(0.05, 3), _dense(FLAT)),
    "reshape and matmul": _then(
        _with_constant("Reshape", np.array([0, -1])), _requantised(0.05, 3), _matmul(FLAT)
    ),
    "flattened channels last": _then(_channels_last, _requantised(0.05, 3), _dense(FLAT)),
    "shape computed from the batch": _then(
        _dynamic_batch, _requantised(0.05, 3), _dense(FLAT, alpha=1.0)
    ),
    "squeezed": _then(
        _with_constant("ReduceMean", np.array([2, 3])),
        _requantised(0.05),
        _with_constant("Squeeze", np.array([2, 3])),
        _with_constant("Unsqueeze", np.array([2, 3])),
        _chain(("Identity", {}), ("Dropout", {})),
        _with_constant("Squeeze", np.array([-1, -2])),
        _dense(4),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_equals_onnxruntime(case: str, tmp_path: Path) -> None:
    graph = Graph(IMAGE)
    y = CASES[case](graph, graph.pair("x", 0.05))
    path = graph.save(tmp_path / "m.onnx", graph.pair(y, 0.0973, -4))
    apart = steps_apart(path, _images(*IMAGE))
    assert apart.max() < 1.01
    assert (apart < 0.01).mean() > 0.95


@pytest.mark.parametrize("bits", [8, 4])
def test_int4_weights(bits: int, tmp_path: Path) -> None:
    graph = Graph((16,))
    low = -7 if bits == 4 else -8
    codes = graph.random.integers(low, 8, (5, 16))
    codes[0, 0] = low
    kind = TensorProto.INT4
    names = (
        graph.constant(codes, kind),
        graph.constant(np.full(5, 0.1, np.float32)),
        graph.constant(np.zeros(5, int), kind),
    )
    weights = graph.add("DequantizeLinear", *names, axis=0)
    y = graph.add("Gemm", graph.pair("x"), weights, transB=1)
    path = graph.save(tmp_path / "m.onnx", graph.pair(y, 0.1, 0))
    operation = frontend.load(path).nodes[0].operation
    assert isinstance(operation, Dense)
    assert operation.weight_bits == bits
    assert np.array_equal(operation.weights, codes)
    assert steps_apart(path, _images(16)).max() < 1.01


def test_channels_last_input(tmp_path: Path) -> None:
    graph = Graph((7, 6, 4))
    x = graph.add("Transpose", graph.pair("x", 0.05), perm=[0, 3, 1, 2])
    y = graph.pair(_conv(3, 4)(graph, x), 0.1)
    path = graph.save(tmp_path / "m.onnx", graph.add("Transpose", y, perm=[0, 2, 3, 1]))
    network = frontend.load(path)
    assert network.layout == "NHWC"
    assert steps_apart(path, _images(7, 6, 4)).max() < 1.01


@pytest.mark.parametrize(("dtype", "kind"), [(np.int8, "INT8"), (np.uint8, "UINT8")])
def test_input_of_codes(dtype: type[np.integer], kind: str, tmp_path: Path) -> None:
    graph = Graph(IMAGE)
    parameters = graph.constant(np.float32(0.05)), graph.constant(dtype(100))
    x = graph.add("DequantizeLinear", "x", *parameters)
    y = graph.pair(_conv(3, 4)(graph, x), 0.0973)
    path = graph.save(tmp_path / "m.onnx", y, kind=TensorProto.DataType.Value(kind))
    limits = np.iinfo(dtype)
    codes = np.random.default_rng(1).integers(limits.min, limits.max + 1, (4, *IMAGE))
    assert frontend.load(path).input_unsigned == (kind == "UINT8")
    assert steps_apart(path, codes.astype(dtype)).max() < 1.01


def test_input_quantised_twice(tmp_path: Path) -> None:
    graph = Graph(IMAGE)
    pairs = graph.pair("x", 0.05), graph.pair("x", 0.09, -7)
    path = graph.save(tmp_path / "m.onnx", graph.pair(graph.add("Add", *pairs), 0.0973))
    assert steps_apart(path, _images(*IMAGE)).max() < 2.01


def test_softmax_runs_on_the_host(tmp_path: Path) -> None:
    graph = Graph((8,))
    y = graph.pair(_dense(8)(graph, graph.pair("x")), 0.1)
    path = graph.save(tmp_path / "m.onnx", graph.add("Softmax", y, axis=-1))
    network = frontend.load(path)
    assert isinstance(network.nodes[-1].operation, Softmax)
    assert network.tensors[network.output].scale == 1 / 256
    assert steps_apart(path, _images(8)).max() < 4


def test_operations_chosen(tmp_path: Path) -> None:
    graph = Graph(IMAGE)
    x = graph.pair("x", 0.05)
    x = graph.pair(_conv(4, 1, group=4)(graph, x), 0.1)
    x = graph.pair(graph.add("MaxPool", x, kernel_shape=[2, 2]), 0.1)
    x = graph.pair(graph.add("Relu", _conv(4, 2, group=2)(graph, x)), 0.1, -128)
    network = frontend.load(graph.save(tmp_path / "m.onnx", x))
    kinds = [type(node.operation) for node in network.nodes]
    assert kinds == [DepthwiseConvolution, MaximumPool, Convolution]
    assert network.layout == "NCHW"
    assert network.name == "m"
    first = network.nodes[0]
    assert first.name == "the_conv"
    assert network.tensors[first.inputs[0]].shape == (7, 6, 4)


def _refused(tmp_path: Path, build: Build, shape: tuple[int, ...] = IMAGE) -> str:
    graph = Graph(shape)
    y = build(graph, graph.pair("x", 0.05))
    path = graph.save(tmp_path / "m.onnx", graph.pair(y, 0.0973, -4))
    with pytest.raises(ModelError) as caught:
        frontend.load(path)
    return str(caught.value)


def _float_island(graph: Graph, x: str) -> str:
    return _conv(3, 5)(graph, _conv(5, 4)(graph, x))


def _asymmetric(graph: Graph, x: str) -> str:
    names = (
        graph.constant(np.ones((3, 4, 1, 1), np.int8)),
        graph.constant(np.float32(0.1)),
        graph.constant(np.int8(4)),
    )
    return graph.add("Conv", x, graph.add("DequantizeLinear", *names))


def _float_weights(graph: Graph, x: str) -> str:
    return graph.add("Conv", x, graph.constant(np.ones((3, 4, 1, 1), np.float32)))


REFUSALS: dict[str, tuple[Build, str]] = {
    "unknown operator": (
        _chain(("HardSwish", {})),
        "node the_hardswish (HardSwish, input shape (4, 7, 6)): this operator is not supported;"
        " supported: Add, AveragePool, Clip, Conv,",
    ),
    "batch normalisation": (
        lambda g, x: g.add("BatchNormalization", x, *(g.bias(4) for _ in range(4))),
        "(BatchNormalization, input shape (4, 7, 6)): this operator is not supported;"
        " fold it into the convolution before quantising",
    ),
    "float island": (
        _float_island,
        "(Conv, input shape (5, 5, 4)): reads the output of the_conv (Conv) in floats;"
        " expected a QuantizeLinear and DequantizeLinear between them",
    ),
    "weights with a zero point": (
        _asymmetric,
        "the weights have zero point 4; expected 0 (symmetric int8 weights);"
        " quantise the weights symmetrically",
    ),
    "float weights": (_float_weights, "weights of shape (3, 1, 1, 4) in floats; expected int8"),
    "padding not counted": (
        _chain(("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})),
        "averages over a padded border (1, 1, 1, 1) without counting it; expected"
        " count_include_pad = 1 or no padding",
    ),
    "transpose that moves data": (
        _chain(("Transpose", {"perm": [0, 1, 3, 2]})),
        "node the_transpose (Transpose, input shape (4, 7, 6)): transposes NCHW data by"
        " (0, 1, 3, 2), which would move data",
    ),
    "reshape that moves data": (
        _with_constant("Reshape", np.array([0, 7, 4, 6])),
        "reshapes channel-first (4, 7, 6) to (7, 4, 6), which would move data",
    ),
    "reshape of the batch": (
        _with_constant("Reshape", np.array([4, -1])),
        "reshapes to [4, -1]; expected the batch axis first",
    ),
    "mean over channels": (
        _with_constant("ReduceMean", np.array([1])),
        "mean over axes [1] of NCHW data; expected axes [2, 3] (height, width)",
    ),
    "matmul on an image": (
        lambda g, x: g.add("MatMul", x, g.weights(6, 5, axis=1)),
        "multiplies one image of shape (4, 7, 6); expected a vector; flatten it first",
    ),
    "kernel beyond the input": (
        _conv(3, 4, 9),
        "node the_conv (Conv, input shape (4, 7, 6)): kernel (9, 9) with dilation (1, 1) on (7, 6)",
    ),
    "stride of zero": (
        _conv(3, 4, strides=[0, 1]),
        "is malformed (integer division or modulo by zero); expected a valid ONNX model",
    ),
    "negative padding": (
        _conv(3, 4, pads=[-1, 0, 0, 0]),
        "padding (-1, 0, 0, 0); expected kernel, stride and dilation above 0 and no negative",
    ),
    "dilated pooling": (
        _chain(("AveragePool", {"kernel_shape": [2, 2], "dilations": [2, 2]})),
        "pools with dilation (2, 2); expected dilation 1",
    ),
    "scale out of range": (
        lambda g, x: g.pair(x, 1e-9, 0),
        "channel 0: scale",
    ),
    "flattened output": (
        _chain(("Flatten", {})),
        "the output of shape (168,) has another axis order than the input",
    ),
    "constant of another shape": (
        _with_constant("Add", np.ones((7, 6), np.float32)),
        "adds a constant of shape (7, 6); expected one value, or 4, one for each channel",
    ),
    "transposed input of Gemm": (
        _then(_chain(("GlobalAveragePool", {}), ("Flatten", {})), _requantised(0.1),
              _dense(4, alpha=2.0)),
        "has alpha, beta or transA; expected alpha = beta = 1",
    ),
    "per-channel activation": (
        lambda g, x: g.add(
            "QuantizeLinear", x, g.constant(np.full(4, 0.1, np.float32)),
            g.constant(np.zeros(4, np.int8)), axis=1,
        ),
        "the activation has 4 scales; expected one scale and zero point for a whole activation",
    ),
    "16-bit activation": (
        lambda g, x: g.pair(x, 0.1, 0, np.int16),
        "the activation has int16 codes; expected int8 or uint8; quantise again",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_refuses(case: str, tmp_path: Path) -> None:
    build, message = REFUSALS[case]
    assert message in _refused(tmp_path, build)


def test_refuses_a_float_output(tmp_path: Path) -> None:
    graph = Graph((8,))
    path = graph.save(tmp_path / "m.onnx", _dense(8)(graph, graph.pair("x")))
    message = r"node the_gemm \(Gemm, input shape \(8,\)\): its result leaves the model in floats"
    with pytest.raises(ModelError, match=message):
        frontend.load(path)


def test_refuses_an_unquantised_model(tmp_path: Path) -> None:
    graph = Graph(IMAGE)
    path = graph.save(tmp_path / "m.onnx", _conv(3, 4)(graph, "x"))
    with pytest.raises(ModelError, match=r"reads the output of x \(model input\) in floats"):
        frontend.load(path)


def test_refuses_a_fixed_batch(tmp_path: Path) -> None:
    graph = Graph(IMAGE)
    path = graph.save(tmp_path / "m.onnx", graph.pair(_conv(3, 4)(graph, graph.pair("x"))), 4)
    message = r"node x \(model input, input shape \(4, 4, 7, 6\)\): batch 4; expected a symbolic"
    with pytest.raises(ModelError, match=message):
        frontend.load(path)
