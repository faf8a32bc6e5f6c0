"""torch modules, quantised both ways on the digits, against ONNX Runtime."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from fpga_rt.arithmetic.operations import Addition, Dense, DepthwiseConvolution, MaximumPool
from fpga_rt.errors import ModelError
from fpga_rt.frontend import torch_export
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from tests.frontend.qdq import run

Digits = tuple[NDArray[np.float32], NDArray[np.int64]]
TRAINING = 1200


class _Net(nn.Module):
    """Convolution, batch normalisation, depthwise, pointwise, residual, pooling, dense."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.normalise = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.pointwise = nn.Conv2d(8, 8, 1)
        self.wide = nn.Conv2d(8, 16, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.dense = nn.Linear(16 * 4, 32)
        self.last = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.normalise(self.first(x)))
        y = self.pointwise(functional.relu6(self.depthwise(x)))
        x = self.pool(functional.relu(x + y))
        x = self.pool(functional.relu(self.wide(x)))
        x = functional.relu(self.dense(x.flatten(1)))
        scores: torch.Tensor = self.last(x)
        return scores


@pytest.fixture(scope="module")
def digits() -> Digits:
    """Return images (1797, 1, 8, 8) in 0..1 and labels."""
    images, labels = load_digits(return_X_y=True)
    return (images.reshape(-1, 1, 8, 8) / 16).astype(np.float32), labels


@pytest.fixture(scope="module")
def module(digits: Digits) -> nn.Module:
    """Return a network trained for two seconds."""
    images, labels = (torch.from_numpy(array) for array in digits)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = _Net()
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(8):
        for batch in torch.randperm(TRAINING).split(50):
            optimiser.zero_grad()
            functional.cross_entropy(net(images[batch]), labels[batch]).backward()
            optimiser.step()
    return net.eval()


def _scores(network: Network, images: NDArray[np.float32]) -> NDArray[np.float32]:
    codes = golden.run(network, network.encode_input(images))
    return network.tensors[network.output].dequantise(network.decode_output(codes))


@pytest.mark.parametrize(("method", "bits"), [("onnxruntime", 8), ("onnxruntime", 4), ("pt2e", 8)])
def test_agrees_with_onnxruntime(
    method: str, bits: int, module: nn.Module, digits: Digits, tmp_path: Path
) -> None:
    images, labels = digits
    path = tmp_path / "digits.onnx"
    calibration = [images[:100], images[100:200]]
    logging.disable(logging.NOTSET)
    network = torch_export.quantise(module, calibration, path, method, bits)
    assert logging.root.manager.disable == logging.NOTSET
    assert [file.name for file in tmp_path.iterdir()] == ["digits.onnx"]
    kinds = {type(node.operation) for node in network.nodes}
    assert {Addition, Dense, DepthwiseConvolution, MaximumPool} <= kinds
    assert network.weights_bytes == 3728 * bits // 8
    got, expected = _scores(network, images), run(path, images)
    agreement = (got.argmax(axis=1) == expected.argmax(axis=1)).mean()
    accuracies = [(scores.argmax(axis=1) == labels).mean() for scores in (got, expected)]
    assert agreement >= 0.995
    assert abs(accuracies[0] - accuracies[1]) <= 0.003
    with torch.no_grad():
        floats = module(torch.from_numpy(images)).numpy()
    if bits == 8:
        assert abs(accuracies[0] - (floats.argmax(axis=1) == labels).mean()) <= 0.01
    assert accuracies[0] > 0.9


def test_refuses_what_the_network_has_not(digits: Digits, tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Sigmoid(), nn.Flatten(), nn.Linear(144, 10))
    path = tmp_path / "m.onnx"
    with pytest.raises(ModelError, match=r"\(Sigmoid, input shape \(4, 6, 6\)\): this operator"):
        torch_export.quantise(net, [digits[0][:8]], path)
    assert not path.exists()


def test_refuses_empty_calibration() -> None:
    with pytest.raises(ModelError, match="calibration has no batch, expected inputs as the model"):
        torch_export.quantise(nn.Linear(4, 4), [])


def test_misuse() -> None:
    batches = [np.zeros((1, 4), np.float32)]
    with pytest.raises(ValueError, match="method 'brevitas', expected one of"):
        torch_export.quantise(nn.Linear(4, 4), batches, method="brevitas")
    with pytest.raises(ValueError, match=r"weight_bits 4 with pt2e, expected 8"):
        torch_export.quantise(nn.Linear(4, 4), batches, method="pt2e", weight_bits=4)
