"""Golden execution against the operations applied by hand."""

import numpy as np
import pytest

from fpga_rt.arithmetic.operations import Addition, MaximumPool, Reshape
from fpga_rt.arithmetic.requantise import AdditionRule
from fpga_rt.network import golden
from fpga_rt.network.graph import Network, Node, Tensor


@pytest.fixture
def network() -> Network:
    """Return pool, reshape and an addition of the result to itself."""
    shapes = {"x": (4, 4, 3), "p": (2, 2, 3), "r": (1, 1, 12), "y": (1, 1, 12)}
    tensors = {name: Tensor(name, shape, 0.5, 0) for name, shape in shapes.items()}
    rule = AdditionRule.from_scales((0.25, 0.25), (0, 0), 0)
    nodes = (
        Node("pool", MaximumPool((2, 2), (2, 2)), ("x",), "p"),
        Node("flat", Reshape((1, 1, 12)), ("p",), "r"),
        Node("sum", Addition(rule), ("r", "r"), "y"),
    )
    return Network("n", tensors, nodes, "x", "y")


@pytest.mark.parametrize("images", [0, 1, 7, 8, 9, 20])
def test_any_number_of_images(network: Network, images: int) -> None:
    codes = np.random.default_rng(0).integers(-128, 128, (images, 4, 4, 3)).astype(np.int8)
    largest = codes.reshape(images, 2, 2, 2, 2, 3).max(axis=(2, 4)).astype(int)
    expected = np.floor(largest.reshape(images, 1, 1, 12) * 0.5 + 0.5)
    got = golden.run(network, codes)
    assert got.dtype == np.int8
    assert np.array_equal(got, expected)


def test_every_tensor_is_returned(network: Network) -> None:
    codes = np.ones((2, 4, 4, 3), np.int8)
    values = golden.run_all(network, codes)
    assert {name: value.shape for name, value in values.items()} == {
        "x": (2, 4, 4, 3),
        "p": (2, 2, 2, 3),
        "r": (2, 1, 1, 12),
        "y": (2, 1, 1, 12),
    }
    assert np.array_equal(values["y"], golden.run(network, codes))
