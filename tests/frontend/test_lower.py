"""What the network has no operation for, against torch in real numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from fpga_rt.arithmetic.operations import Convolution, DepthwiseConvolution
from fpga_rt.errors import ModelError
from fpga_rt.frontend.encoding import Encoding, Place, Result, Weights
from fpga_rt.frontend.lower import Builder, Window, add_padding, same_padding
from fpga_rt.network import golden
from fpga_rt.network.graph import Network

PLACE = Place("layer", "Conv")
INPUT = Encoding(0.05, 7)
OUTPUT = Encoding(0.11, -3)


def _weights(*shape: int, bias: bool = True) -> Weights:
    random = np.random.default_rng(2)
    codes = random.integers(-127, 128, shape).astype(np.int8)
    scales = random.random(shape[0]) * 0.004 + 0.001
    return Weights(codes, scales, 8, random.normal(size=shape[0]) if bias else None)


def _finish(builder: Builder) -> Network:
    return builder.finish("x", "y", "NHWC", 4)


def _real(codes: NDArray[np.int8]) -> torch.Tensor:
    values = (codes.astype(np.float64) - INPUT.zero_point) * INPUT.scale
    return torch.from_numpy(values.transpose(0, 3, 1, 2))


def _codes(*shape: int) -> NDArray[np.int8]:
    return np.random.default_rng(4).integers(-128, 128, shape).astype(np.int8)


def _apart(network: Network, codes: NDArray[np.int8], expected: torch.Tensor) -> float:
    """Return the largest distance in output steps, saturation considered."""
    steps = expected.numpy().transpose(0, 2, 3, 1) / OUTPUT.scale + OUTPUT.zero_point
    return float(np.abs(golden.run(network, codes) - np.clip(steps, -128, 127)).max())


@pytest.mark.parametrize(
    ("outputs", "depth", "window", "kind"),
    [
        (5, 4, Window((2, 1), (1, 1), (1, 0, 2, 1)), Convolution),
        (4, 1, Window(groups=4), DepthwiseConvolution),
        (8, 1, Window(groups=4), Convolution),
        (6, 2, Window((1, 1), (2, 3), (1, 1, 1, 1), 2), Convolution),
        (4, 1, Window(dilation=(2, 2), groups=4), DepthwiseConvolution),
    ],
)
def test_convolution(outputs: int, depth: int, window: Window, kind: type) -> None:
    weights = _weights(outputs, 3, 2, depth)
    builder = Builder("n")
    builder.add_input("x", (9, 8, 4), INPUT)
    builder.convolution(PLACE, "x", Result("y", OUTPUT), weights, window)
    network = _finish(builder)
    assert isinstance(network.nodes[0].operation, kind)
    codes = _codes(2, 9, 8, 4)
    top, bottom, left, right = window.padding
    real = weights.codes * weights.scales.reshape(-1, 1, 1, 1)
    assert weights.bias is not None
    expected = functional.conv2d(
        functional.pad(_real(codes), (left, right, top, bottom)),
        torch.from_numpy(real.transpose(0, 3, 1, 2).copy()),
        torch.from_numpy(weights.bias),
        window.stride,
        0,
        window.dilation,
        window.groups,
    )
    assert _apart(network, codes, expected) <= 0.52


def test_a_bias_beyond_the_limit_enlarges_the_scale() -> None:
    codes = np.array([[[[100, -50]]], [[[3, 1]]]], np.int8)
    weights = Weights(codes, np.array([1e-2, 1e-12]), 8, np.array([0.5, 3.0]))
    builder = Builder("n")
    builder.add_input("x", (1, 1, 2), INPUT)
    builder.convolution(PLACE, "x", Result("y", OUTPUT), weights, Window())
    network = _finish(builder)
    operation = network.nodes[0].operation
    assert isinstance(operation, Convolution)
    assert np.array_equal(operation.weights[0, 0, 0], [100, -50])
    assert operation.requantisation.pre_shift == 0
    got = golden.run(network, _codes(3, 1, 1, 2))
    assert (got[..., 1] == round(3.0 / OUTPUT.scale) + OUTPUT.zero_point).all()


@pytest.mark.parametrize("bias", [None, [0.31, -2.0, 0.0]])
def test_rescale(bias: list[float] | None) -> None:
    builder = Builder("n")
    builder.add_input("x", (2, 2, 3), INPUT)
    array = None if bias is None else np.array(bias)
    builder.rescale(PLACE, "x", Result("y", OUTPUT, 0.0, 6.0), array)
    codes = _codes(4, 2, 2, 3)
    offset = 0.0 if bias is None else torch.tensor(bias).reshape(1, 3, 1, 1)
    expected = (_real(codes) + offset).clamp(0.0, 6.0)
    assert _apart(_finish(builder), codes, expected) <= 0.55


def test_unread_nodes_are_left_out() -> None:
    builder = Builder("n")
    builder.add_input("x", (2, 2, 3), INPUT)
    builder.rescale(PLACE, "x", Result("unread", OUTPUT))
    builder.rescale(PLACE, "x", Result("y", OUTPUT))
    network = _finish(builder)
    assert [node.output for node in network.nodes] == ["y"]
    assert set(network.tensors) == {"x", "y"}


def test_nodes_of_one_name_are_numbered() -> None:
    builder = Builder("n")
    builder.add_input("x", (2, 2, 3), INPUT)
    builder.rescale(PLACE, builder.rescale(PLACE, "x", Result("m", OUTPUT)), Result("y", INPUT))
    assert [node.name for node in _finish(builder).nodes] == ["layer", "layer/1"]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "lower", "padding"),
    [
        ((7, 6), (3, 3), (2, 2), False, (1, 1, 0, 1)),
        ((7, 6), (3, 3), (2, 2), True, (1, 1, 1, 0)),
        ((5, 5), (1, 1), (2, 2), False, (0, 0, 0, 0)),
        ((49, 10), (10, 4), (2, 2), False, (4, 5, 1, 1)),
    ],
)
def test_same_padding(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    lower: bool,
    padding: tuple[int, int, int, int],
) -> None:
    assert same_padding(size, kernel, stride, lower) == padding


def test_add_padding() -> None:
    assert add_padding((1, 2, 3, 4), (10, 20, 30, 40)) == (11, 22, 33, 44)


def _started() -> Builder:
    builder = Builder("n")
    builder.add_input("x", (4, 4, 4), INPUT)
    return builder


def test_refuses_groups_that_do_not_divide() -> None:
    with pytest.raises(ModelError, match=r"weights of shape \(5, 1, 1, 2\) with 2 groups"):
        _started().convolution(
            PLACE, "x", Result("y", OUTPUT), _weights(5, 1, 1, 2), Window(groups=2)
        )


def test_refuses_a_dense_layer_of_another_size() -> None:
    with pytest.raises(ModelError, match=r"weights of shape \(5, 60\) on 64 inputs"):
        _started().dense(PLACE, "x", Result("y", OUTPUT), _weights(5, 60))


def test_refuses_a_bias_of_another_size() -> None:
    weights = Weights(np.ones((2, 64), np.int8), np.ones(2), 8, np.zeros(3))
    with pytest.raises(ModelError, match="the bias has 3 values, or one that is not finite"):
        _started().dense(PLACE, "x", Result("y", OUTPUT), weights)


def test_refuses_unequal_addends() -> None:
    builder = _started()
    other = builder.maximum_pool(PLACE, "x", Result("m", INPUT), (2, 2), Window())
    message = r"adds shapes \(4, 4, 4\) and \(3, 3, 4\) \(height, width, channels\)"
    with pytest.raises(ModelError, match=message):
        builder.addition(PLACE, "x", other, Result("y", OUTPUT))


def test_refuses_softmax_over_an_image() -> None:
    with pytest.raises(ModelError, match=r"works on shape \(4, 4, 4\) \(height, width, channels\)"):
        _started().softmax(PLACE, "x", Result("y", OUTPUT))


def test_refuses_a_name_used_twice() -> None:
    with pytest.raises(ModelError, match="writes x a second time; expected a name for each"):
        _started().rescale(PLACE, "x", Result("x", OUTPUT))


def test_refuses_a_network_of_nothing() -> None:
    with pytest.raises(ModelError, match="network n has no operation between input and output"):
        _started().finish("x", "x", "NHWC", 4)
