"""Whole networks on the gateware: every output equals golden execution, and time the emulator's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import fpga_rt
from benchmarks import datasets
from fpga_rt.arch.boards import Board, board
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.interface import Device
from fpga_rt.device.registry import open_device
from fpga_rt.frontend import load
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.planner.predict import predict
from fpga_rt.runtime.records import Log
from fpga_rt.runtime.runtime import Runtime
from sim.toolchain import obstacle
from tests.command_cycles import counts, timelines

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(obstacle() is not None, reason=str(obstacle())),
]

BOARD = "pynq-z2"
EXAMPLE = Path(__file__).parents[2] / "examples" / "digits"
RANDOM = 20
"""Inputs of random codes, besides real ones."""
BATCH = 4
ICAP_BYTES_PER_SECOND = 400_000_000
"""What the controller sends; the board's own figure is what others measured."""
Codes = NDArray[np.int8]


def photographs(network: Network) -> Codes:
    """Return photographs, each pixel as often as makes the network's size."""
    height, width, _ = network.tensors[network.input].shape
    images = datasets.cifar10(BATCH)[0]
    return images.repeat(height // 32, axis=1).repeat(width // 32, axis=2)


def sounds(network: Network) -> Codes:
    """Return windows of a machine's sound."""
    tensor = network.tensors[network.input]
    return datasets.machine_sounds(tensor.scale, tensor.zero_point)[:BATCH]


def keywords(network: Network) -> Codes:
    """Return spoken words."""
    return datasets.keywords(BATCH)[0]


def digits(network: Network) -> Codes:
    """Return handwritten digits."""
    with np.load(EXAMPLE / "digits.npz") as data:
        return network.encode_input(data["x"][:BATCH])


REAL: dict[str, Callable[[Network], Codes]] = {
    "resnet8": photographs,
    "ds-cnn": keywords,
    "vww": photographs,
    "ad": sounds,
    "demo": digits,
}


def network_of(name: str, request: pytest.FixtureRequest) -> Network:
    """Return a network, or skip where its file or what reads it is missing."""
    if name == "demo":
        pytest.importorskip("onnx")
        return load(EXAMPLE / "digits.onnx")
    request.getfixturevalue("data_dir")
    pytest.importorskip("tflite")
    pytest.importorskip("PIL")
    return load(datasets.model_path(name))


def inputs(name: str, network: Network, random: int = RANDOM) -> Codes:
    """Return random codes, then real data."""
    shape = network.tensors[network.input].shape
    codes = np.random.default_rng(5).integers(-128, 128, (random, *shape), np.int8)
    return np.concatenate([codes, REAL[name](network)])


@pytest.fixture(scope="module")
def devices() -> Iterator[dict[str, Device]]:
    with open_device("emulator", BOARD) as said, open_device("rtl", BOARD, load_time="stream") as d:
        yield {"emulator": said, "rtl": d}


def run(device: Device, deployment: Deployment, codes: Codes, batch: int) -> tuple[Codes, Log]:
    """Return outputs and log; the partitions start as the tests before left them."""
    with Runtime(device, port="icap") as runtime:
        return runtime.run(runtime.load(deployment), codes, batch), runtime.log


@dataclass(frozen=True)
class Case:
    """A network and the plan that is run.

    Attributes:
        name: of the network.
        partitions: of the board.
        modules: that the planner may choose from; all when empty.
        exact: share of all commands that take what their formula says to the cycle, at least; as
            counted, rounded down.
        real_only: run real inputs only, not the random ones.
    """

    name: str
    partitions: int
    exact: float
    modules: tuple[str, ...] = ()
    real_only: bool = False

    def __str__(self) -> str:
        """Return the case's name in a report."""
        return f"{self.name}-{self.partitions}"


CASES = (
    Case("resnet8", 3, 0.458),
    Case("resnet8", 1, 1.0, ("convolution_8x16",), real_only=True),
    Case("ds-cnn", 3, 0.611),
    Case("ds-cnn", 2, 1.0, real_only=True),
    Case("vww", 3, 0.636),
    Case("vww", 2, 0.967, real_only=True),
    Case("ad", 1, 0.818, ("dense_8",)),
    Case("ad", 2, 0.671, ("dense_8",), real_only=True),
    Case("demo", 3, 0.833),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_output_and_every_cycle(
    case: Case, devices: dict[str, Device], request: pytest.FixtureRequest
) -> None:
    network = network_of(case.name, request)
    codes = inputs(case.name, network, 0 if case.real_only else RANDOM)
    deployment = fpga_rt.compile(network, BOARD, case.partitions, case.modules or None)
    with timelines(devices["emulator"]) as said:
        run(devices["emulator"], deployment, codes, BATCH)
    with timelines(devices["rtl"]) as took:
        outputs, found = run(devices["rtl"], deployment, codes, BATCH)
    np.testing.assert_array_equal(outputs, golden.run(network, codes))
    commands = [
        count
        for program, times, expected in zip(found.programs, took, said, strict=True)
        for count in counts(deployment, program, times, expected)
    ]
    wrong = [str(count) for count in commands if not count.is_explained]
    assert not wrong, "\n".join(wrong)
    if case.partitions == 1:  # all but those at the ends of the network are alone and on chip
        assert sum(not count.causes for count in commands) >= 0.7 * len(commands)
    assert sum(count.is_exact for count in commands) >= case.exact * len(commands)
    requests = [(deployment, BATCH)] * len(found.requests)
    warm = predict(board(BOARD), requests).requests[1:]
    for record, (start, end) in zip(found.requests[1:], warm, strict=True):
        assert record.ended_ps - record.started_ps == pytest.approx(end - start, rel=0.003)


def full_rate(target: Board) -> Board:
    """Return a board whose ICAP takes a word in every clock, as the gateware's controller sends."""
    icap = replace(target.ports["icap"], bytes_per_second=ICAP_BYTES_PER_SECOND)
    return replace(target, ports={**target.ports, "icap": icap})


@pytest.mark.parametrize(
    ("name", "partitions", "at_least"),
    [("vww", 1, 21), ("vww", 2, 0), ("vww", 3, 0), ("demo", 1, 7), ("demo", 2, 2)],
)
def test_modules_change_as_planned_and_for_as_long_as_predicted(
    name: str, partitions: int, at_least: int, request: pytest.FixtureRequest
) -> None:
    """Every load takes as long as the partition's real bitstream does."""
    network = network_of(name, request)
    codes = inputs(name, network, 2)[:BATCH]
    deployment = fpga_rt.compile(network, BOARD, partitions)
    with open_device("rtl", BOARD, load_time="board") as device:
        outputs, log = run(device, deployment, codes, BATCH)
    np.testing.assert_array_equal(outputs, golden.run(network, codes))
    swaps = [(swap.partition, swap.module) for swap in log.swaps if not swap.initial]
    said = predict(full_rate(board(BOARD)), [(deployment, BATCH)], port="icap")
    assert swaps == [(load.partition, load.module) for load in said.loads if not load.initial]
    assert len(swaps) == deployment.module_changes >= at_least
    assert len(log.swaps) - len(swaps) == partitions
    (record,), ((start, end),) = log.requests, said.requests
    assert record.ended_ps - record.started_ps == pytest.approx(end - start, rel=0.003)
