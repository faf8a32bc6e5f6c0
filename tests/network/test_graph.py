"""What a network checks, counts, and makes of a user's inputs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fpga_rt.arithmetic.operations import (
    Addition,
    Convolution,
    Dense,
    DepthwiseConvolution,
    MaximumPool,
    Reshape,
)
from fpga_rt.arithmetic.requantise import AdditionRule, Requantisation
from fpga_rt.errors import ExecutionError, ModelError
from fpga_rt.network.graph import Network, Node, Tensor


def _tensors(**shapes: tuple[int, int, int]) -> dict[str, Tensor]:
    return {name: Tensor(name, shape, 0.5, 10) for name, shape in shapes.items()}


def _pool(source: str = "x", output: str = "y") -> Node:
    return Node("pool", MaximumPool((2, 2), (2, 2)), (source,), output)


def _network(layout: str = "NHWC", input_unsigned: bool = False) -> Network:
    tensors = _tensors(x=(4, 6, 3), y=(2, 3, 3))
    return Network("n", tensors, (_pool(),), "x", "y", layout, 4, input_unsigned)


def _rule(channels: int) -> Requantisation:
    return Requantisation.from_scales(np.full(channels, 0.01), 1000, 0)


def test_counts() -> None:
    nodes = (
        Node(
            "conv",
            Convolution(np.ones((5, 3, 3, 3), np.int8), np.zeros(5, np.int32), _rule(5)),
            ("x",),
            "c",
        ),
        Node(
            "depthwise",
            DepthwiseConvolution(np.ones((3, 2, 5), np.int8), np.zeros(5, np.int32), _rule(5)),
            ("c",),
            "d",
        ),
        Node("flat", Reshape((1, 1, 30)), ("d",), "f"),
        Node(
            "dense",
            Dense(np.ones((7, 30), np.int8), np.zeros(7, np.int32), _rule(7), weight_bits=4),
            ("f",),
            "y",
        ),
    )
    tensors = _tensors(x=(6, 6, 3), c=(4, 4, 5), d=(2, 3, 5), f=(1, 1, 30), y=(1, 1, 7))
    network = Network("n", tensors, nodes, "x", "y")
    assert network.multiplications == 16 * 5 * 27 + 6 * 5 * 6 + 210
    assert network.weights_bytes == 135 + 30 + 105
    assert [node.name for node in network.consumers("d")] == ["flat"]
    assert tensors["c"].size_bytes == 80


@pytest.mark.parametrize(
    ("nodes", "output", "message"),
    [
        ((_pool("z"),), "y", "node pool reads z, which nothing wrote before"),
        ((_pool(), _pool()), "y", "node pool writes y a second time"),
        ((_pool(),), "z", "network n: no node writes its output z"),
        (
            (_pool(output="w"),),
            "w",
            r"node pool turns \(4, 6, 3\) into \(2, 3, 3\), but w is \(2, 2, 3\); check the model",
        ),
    ],
)
def test_refuses_a_broken_graph(nodes: tuple[Node, ...], output: str, message: str) -> None:
    tensors = _tensors(x=(4, 6, 3), y=(2, 3, 3), z=(4, 6, 3), w=(2, 2, 3))
    with pytest.raises(ModelError, match=message):
        Network("n", tensors, nodes, "x", output)


def test_refuses_a_tensor_that_is_not_declared() -> None:
    with pytest.raises(ModelError, match="node pool uses w, which is not declared as a tensor"):
        Network("n", _tensors(x=(4, 6, 3)), (_pool(output="w"),), "x", "w")


def test_refuses_weights_for_other_channels() -> None:
    dense = Dense(np.ones((7, 30), np.int8), np.zeros(7, np.int32), _rule(7))
    tensors = _tensors(x=(1, 1, 29), y=(1, 1, 7))
    message = "node d has weights for 30 inputs, but x has 29; check the model's shapes"
    with pytest.raises(ModelError, match=message):
        Network("n", tensors, (Node("d", dense, ("x",), "y"),), "x", "y")


def test_addends_have_one_shape() -> None:
    rule = AdditionRule.from_scales((1.0, 1.0), (0, 0), 0)
    nodes = (_pool(), Node("sum", Addition(rule), ("x", "y"), "s"))
    tensors = _tensors(x=(4, 6, 3), y=(2, 3, 3), s=(4, 6, 3))
    message = r"node sum adds \(4, 6, 3\) and \(2, 3, 3\); expected equal shapes, check the model"
    with pytest.raises(ModelError, match=message):
        Network("n", tensors, nodes, "x", "s")


@given(st.integers(-128, 127))
def test_codes_survive_dequantisation(code: int) -> None:
    tensor = Tensor("x", (1, 1, 1), 0.037, -11)
    codes = np.array([code], np.int8)
    assert tensor.quantise(tensor.dequantise(codes)) == codes


def test_quantisation_rounds_and_saturates() -> None:
    tensor = Tensor("x", (1, 1, 1), 0.5, 10)
    values = np.array([0.0, 0.25, 0.75, 1e9, -1e9])
    assert tensor.quantise(values).tolist() == [10, 10, 12, 127, -128]


def test_floats_are_quantised() -> None:
    values = np.arange(72, dtype=np.float32).reshape(1, 4, 6, 3) / 4
    codes = _network().encode_input(values)
    assert np.array_equal(codes, np.rint(values / 0.5) + 10)


def test_int8_is_taken_as_codes() -> None:
    codes = np.arange(72, dtype=np.int8).reshape(1, 4, 6, 3)
    assert np.array_equal(_network().encode_input(codes), codes)


def test_uint8_codes_where_the_model_has_them() -> None:
    codes = np.full((1, 4, 6, 3), 200, np.uint8)
    assert (_network(input_unsigned=True).encode_input(codes) == 72).all()


def test_channels_first() -> None:
    codes = np.random.default_rng(0).integers(-128, 128, (5, 3, 4, 6)).astype(np.int8)
    network = _network(layout="NCHW")
    encoded = network.encode_input(codes)
    assert np.array_equal(encoded, codes.transpose(0, 2, 3, 1))
    assert encoded.flags.c_contiguous
    assert np.array_equal(network.decode_output(encoded), codes)


def test_a_missing_batch_axis_is_added() -> None:
    assert _network().encode_input(np.zeros((4, 6, 3), np.int8)).shape == (1, 4, 6, 3)


def test_flat_images_are_accepted() -> None:
    assert _network().encode_input(np.zeros((5, 72), np.int8)).shape == (5, 4, 6, 3)


def test_vectors() -> None:
    tensors = _tensors(x=(1, 1, 8), y=(1, 1, 8))
    nodes = (Node("pool", MaximumPool((1, 1)), ("x",), "y"),)
    network = Network("n", tensors, nodes, "x", "y", input_rank=2)
    codes = np.arange(16, dtype=np.int8).reshape(2, 8)
    encoded = network.encode_input(codes)
    assert encoded.shape == (2, 1, 1, 8)
    assert np.array_equal(network.decode_output(encoded), codes)
    assert network.encode_input(codes[0]).shape == (1, 1, 1, 8)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            np.zeros((2, 5, 6, 3), np.int8),
            r"input of n has shape \(2, 5, 6, 3\), expected \(images, 4, 6, 3\); reshape it",
        ),
        (
            np.zeros((1, 4, 6, 3), np.uint8),
            "input of n has type uint8, expected int8 codes, or floating-point values; convert it",
        ),
        (np.zeros((1, 4, 6, 3), np.int64), "has type int64, expected int8 codes"),
        (
            np.pad(np.array([[[[np.nan]]]]), ((1, 0), (1, 2), (2, 3), (0, 2))),
            r"input of n is not finite at \(1, 1, 2, 0\) \(image, row, column, channel\)",
        ),
    ],
)
def test_refuses_inputs(values: NDArray[np.generic], message: str) -> None:
    with pytest.raises(ExecutionError, match=message):
        _network().encode_input(values)


def test_a_dense_layer_reads_a_vector() -> None:
    dense = Dense(np.ones((7, 30), np.int8), np.zeros(7, np.int32), _rule(7))
    tensors = _tensors(x=(3, 2, 5), y=(1, 1, 7))
    message = r"node fc is dense and reads x of shape \(3, 2, 5\), expected \(1, 1, 30\); put a Re"
    with pytest.raises(ModelError, match=message):
        Network("n", tensors, (Node("fc", dense, ("x",), "y"),), "x", "y")
