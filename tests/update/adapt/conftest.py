"""A network with everything that can be trained, what it sees, and what that becomes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fpga_rt.arch.boards import board
from fpga_rt.arithmetic.operations import (
    Addition,
    AveragePool,
    Convolution,
    Dense,
    DepthwiseConvolution,
    MaximumPool,
    Softmax,
)
from fpga_rt.arithmetic.requantise import AdditionRule, Requantisation
from fpga_rt.deployment.model import Deployment
from fpga_rt.network import golden
from fpga_rt.network.graph import Network, Node, Tensor
from fpga_rt.planner.compile import compile_network
from fpga_rt.update.adapt.samples import Samples
from fpga_rt.update.adapt.weighted import WEIGHTED, Weighted

SCALE = 0.05


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Let torch use one thread: tests run side by side, and its threads wait by spinning."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def network(codes: np.ndarray) -> Network:
    """Return a stem, a residual block with a strided depthwise convolution behind it, a classifier.

    Its tensors are symmetric and hardly saturate, so that real numbers describe it well, and each
    of its classes is as likely as another.
    """
    network = _untuned()
    features = golden.run_all(network, codes)["mean"].reshape(len(codes), -1)
    *first, dense, softmax = network.nodes
    assert isinstance(dense.operation, Dense)
    sums = features.astype(np.int64) @ dense.operation.weights.T.astype(np.int64)
    spread = Requantisation.from_scales(40 / sums.std(axis=0), 1 << 23, 0)
    bias = -sums.mean(axis=0).astype(np.int32)
    tuned = replace(dense, operation=replace(dense.operation, bias=bias, requantisation=spread))
    return replace(network, nodes=(*first, tuned, softmax))


def weighted(network: Network) -> dict[str, Weighted]:
    """Return the operations with weights, by node."""
    found = {node.name: node.operation for node in network.nodes}
    return {name: o for name, o in found.items() if isinstance(o, WEIGHTED)}


def _untuned() -> Network:
    rng = np.random.default_rng(11)
    shapes = {
        "image": (12, 12, 3), "stem": (12, 12, 8), "branch": (12, 12, 8), "sum": (12, 12, 8),
        "pooled": (6, 6, 8), "depth": (3, 3, 8), "mean": (1, 1, 8), "logits": (1, 1, 4),
        "answer": (1, 1, 4),
    }  # fmt: skip
    tensors = {name: Tensor(name, shape, SCALE, 0) for name, shape in shapes.items()}
    for name in ("sum", "pooled"):
        tensors[name] = Tensor(name, shapes[name], SCALE / 0.7, 0)
    addition = AdditionRule.from_scales((0.7, 0.7), (0, 0), 0)
    nodes = (
        Node("stem", _convolution(rng, 8, 3), ("image",), "stem"),
        Node("branch", _convolution(rng, 8, 8), ("stem",), "branch"),
        Node("sum", Addition(addition), ("stem", "branch"), "sum"),
        Node("pool", MaximumPool((2, 2), (2, 2)), ("sum",), "pooled"),
        Node("depth", _depthwise(rng, 8), ("pooled",), "depth"),
        Node("mean", _average(8), ("depth",), "mean"),
        Node("dense", _dense(rng, 4, 8), ("mean",), "logits"),
        Node("softmax", Softmax(SCALE), ("logits",), "answer"),
    )  # fmt: skip
    return Network("everything", tensors, nodes, "image", "answer")


@pytest.fixture(scope="session")
def codes() -> np.ndarray:
    """Return smooth images of moderate contrast."""
    rng = np.random.default_rng(3)
    coarse = rng.normal(0, 30, (160, 4, 4, 3)).repeat(3, axis=1).repeat(3, axis=2)
    return np.clip(np.rint(coarse + rng.normal(0, 6, coarse.shape)), -100, 100).astype(np.int8)


@pytest.fixture(scope="session")
def labels(network: Network, codes: np.ndarray) -> np.ndarray:
    """Return what the network itself says of them, so without drift it is always right."""
    answers: np.ndarray = golden.run(network, codes).reshape(len(codes), -1).argmax(axis=1)
    return answers


@pytest.fixture(scope="session")
def dim(codes: np.ndarray, labels: np.ndarray) -> Samples:
    """Return the images as a camera with a third of the contrast and more light gives them."""
    return Samples(np.rint(codes * 0.3 + 30).astype(np.int8), labels)


@pytest.fixture(scope="session")
def base(network: Network) -> Deployment:
    """Return the network as it is deployed."""
    return compile_network(network, board("pynq-z2"))


def _rule(rng: np.random.Generator, channels: int, depth: int) -> Requantisation:
    scales = rng.uniform(0.5, 0.9, channels) / (60 * np.sqrt(depth))
    return Requantisation.from_scales(scales, 1 << 23, 0)


def _convolution(rng: np.random.Generator, outputs: int, inputs: int) -> Convolution:
    weights = rng.integers(-127, 128, (outputs, 3, 3, inputs)).astype(np.int8)
    bias = rng.integers(-900, 900, outputs).astype(np.int32)
    return Convolution(weights, bias, _rule(rng, outputs, 9 * inputs), (1, 1), (1, 1, 1, 1))


def _depthwise(rng: np.random.Generator, channels: int) -> DepthwiseConvolution:
    weights = rng.integers(-127, 128, (3, 3, channels)).astype(np.int8)
    bias = rng.integers(-900, 900, channels).astype(np.int32)
    # Padded below and on the right alone, as a stride of two asks for.
    return DepthwiseConvolution(weights, bias, _rule(rng, channels, 9), (2, 2), (0, 1, 0, 1))


def _average(channels: int) -> AveragePool:
    rule = Requantisation.from_scales(np.full(channels, 1 / 9), 128 * 9, 0)
    return AveragePool((3, 3), np.zeros(channels, np.int32), rule, (3, 3))


def _dense(rng: np.random.Generator, outputs: int, inputs: int) -> Dense:
    weights = rng.integers(-127, 128, (outputs, inputs)).astype(np.int8)
    bias = rng.integers(-900, 900, outputs).astype(np.int32)
    return Dense(weights, bias, _rule(rng, outputs, inputs))
