"""A small network whose modules must swap, its files, and the command line in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import fpga_rt
from fpga_rt.cli.main import main
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from tests.random_networks import Builder

IMAGES, CLASSES = 5, 7


@dataclass(frozen=True)
class Answer:
    """What a command did: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


Cli = Callable[..., Answer]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return a function that runs `fpga-rt` with arguments."""

    def run(*arguments: object) -> Answer:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def network() -> Network:
    """Return a network that needs three modules."""
    builder = Builder(np.random.default_rng(4), (8, 8, 16))
    builder.convolution(16, 3)
    builder.depthwise(3)
    builder.maximum(2, 2)
    builder.dense(CLASSES)
    return builder.build("small")


@pytest.fixture(scope="session")
def codes(network: Network) -> NDArray[np.int8]:
    """Return input codes (N, H, W, C)."""
    shape = network.tensors[network.input].shape
    return np.random.default_rng(5).integers(-128, 128, (IMAGES, *shape)).astype(np.int8)


@pytest.fixture(scope="session")
def expected(network: Network, codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the network's output codes (N, classes)."""
    return golden.run(network, codes).reshape(IMAGES, CLASSES)


@pytest.fixture
def archive(network: Network, tmp_path: Path) -> Path:
    """Return the network compiled for two partitions of a PYNQ-Z2, in a file."""
    path = tmp_path / "small.frt"
    fpga_rt.save(fpga_rt.compile(network, "pynq-z2", 2), path)
    return path


@pytest.fixture
def data(codes: NDArray[np.int8], expected: NDArray[np.int8], tmp_path: Path) -> Path:
    """Return images `x` and labels `y` that are right but for the last image."""
    labels = expected.argmax(axis=1)
    labels[-1] = (labels[-1] + 1) % CLASSES
    path = tmp_path / "data.npz"
    np.savez(path, x=codes, y=labels)
    return path
