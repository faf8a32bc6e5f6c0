"""Updates at random moments: every inference must be whole, and none may be missing.

    python -m benchmarks.update_campaign [--device emulator|rtl] [--updates 1000] [--seed 0]

A network runs image after image while updates of all of its parameters come in. Steps of an update
that need no turn of the device are taken in the midst of an inference, at a random cycle of it; the
others between two. Each answer is compared with golden execution of the version that it names, so
an answer of two versions, or one under the wrong name, equals neither. Signatures are made and
checked as on a device.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.measurement import Measurement
from fpga_rt import api
from fpga_rt.arch.boards import board
from fpga_rt.arithmetic.operations import Convolution, Dense, Reshape
from fpga_rt.arithmetic.requantise import Requantisation
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.interface import Completion, Device, Pending
from fpga_rt.network import golden
from fpga_rt.network.graph import Network, Node, Tensor
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.records import Log, RequestRecord
from fpga_rt.update.live import Live, Update
from fpga_rt.update.make import make_package, make_target
from fpga_rt.update.placed import Answer
from fpga_rt.update.signature import Signer
from fpga_rt.update.store import Store

BOARD = "pynq-z2"
IMAGES = 8
LONGEST_PAUSE_READS = 60
"""Register reads, of 20 cycles each, before a step in the midst of an inference."""
GOAL_MS = 1.0


@dataclass
class Outcome:
    """What a campaign saw.

    Attributes:
        updates: versions that were put in place.
        inferences: answers, each equal to golden execution of the version that it names.
        during: steps of updates that were taken in the midst of an inference.
        pauses_ps: for each update the device time from the end of the last inference of the old
            version to the begin of the first one of the new.
        package_bytes: of every update.
    """

    updates: int = 0
    inferences: int = 0
    during: int = 0
    pauses_ps: list[int] = field(default_factory=list)
    package_bytes: list[int] = field(default_factory=list)


class MixedError(AssertionError):
    """An answer is not that of the version that it names."""


def small_network(seed: int = 0) -> Network:
    """Return two layers for two modules: 16 channels of 3x3 on 8x8 pixels, then 10 classes."""
    rng = np.random.default_rng(seed)
    shape, hidden = (8, 8, 8), (4, 4, 16)
    tensors = {
        "image": Tensor("image", shape, 0.1, 0),
        "features": Tensor("features", hidden, 0.1, 0),
        "row": Tensor("row", (1, 1, 256), 0.1, 0),
        "classes": Tensor("classes", (1, 1, 10), 0.1, 0),
    }
    kernels = rng.integers(-127, 128, (16, 3, 3, 8)).astype(np.int8)
    matrix = rng.integers(-127, 128, (10, 256)).astype(np.int8)
    convolution = Convolution(kernels, *_rule(rng, 16, 72), (2, 2), (0, 1, 0, 1))
    nodes = (
        Node("first", convolution, ("image",), "features"),
        Node("flatten", Reshape((1, 1, 256)), ("features",), "row"),
        Node("second", Dense(matrix, *_rule(rng, 10, 256)), ("row",), "classes"),
    )
    return Network("small", tensors, nodes, "image", "classes")


def changed_network(network: Network, seed: int) -> Network:
    """Return a network with other weights, biases and multipliers throughout."""
    rng = np.random.default_rng(seed)
    nodes = []
    for node in network.nodes:
        operation = node.operation
        if isinstance(operation, (Convolution, Dense)):
            weights = rng.integers(-127, 128, operation.weights.shape).astype(np.int8)
            size = int(np.prod(weights.shape[1:]))
            bias, rule = _rule(rng, len(weights), size)
            operation = replace(operation, weights=weights, bias=bias, requantisation=rule)
        nodes.append(replace(node, operation=operation))
    return replace(network, nodes=tuple(nodes))


class Campaign:
    """A network on a device, and updates that come while it runs."""

    def __init__(
        self, device: Device, store: Store, signer: Signer, network: Network, seed: int
    ) -> None:
        """Prepare the device's own inferences to be interrupted."""
        self.outcome = Outcome()
        self._chance = random.Random(seed)
        self._device = device
        self._signer = signer
        self._store = store
        shape = (IMAGES, *network.tensors[network.input].shape)
        codes = np.random.default_rng(seed).integers(-128, 128, shape)
        self._images: NDArray[np.int8] = codes.astype(np.int8)
        self._base = store.deployment()
        self._golden = {store.state.active.number: golden.run(network, self._images)}
        self._update: Update | None = None

    def run(self, updates: int) -> Outcome:
        """Carry out updates while images run without a break."""
        with interrupted(self._device, self._interrupt), api.Runtime(self._device) as runtime:
            live = Live(runtime, self._store)
            for number in range(2, updates + 2):
                self._update, target = self._begin(live, number)
                while self._update.result is None:
                    self._infer(live)
                    if self._chance.random() < 0.7:
                        self._update.step()
                self._base = target
                self._update = None
                runs = self._chance.randrange(1, 4)
                for _ in range(runs):
                    self._infer(live)
                self.outcome.updates += 1
                self.outcome.pauses_ps.append(_pause_ps(runtime.log, runs))
                runtime.clear_log()
                del self._golden[number - 1]
        return self.outcome

    def _begin(self, live: Live, number: int) -> tuple[Update, Deployment]:
        network = changed_network(self._base.network, number)
        target = make_target(self._base, network).deployment
        package = make_package(self._base, target, number, self._signer)
        self.outcome.package_bytes.append(len(package))
        self._golden[number] = golden.run(network, self._images)
        return live.begin(package), target

    def _infer(self, live: Live) -> None:
        index = self._chance.randrange(IMAGES)
        answer = live.run(self._images[index : index + 1])
        self._check(answer, index)
        self.outcome.inferences += 1

    def _check(self, answer: Answer, index: int) -> None:
        if not np.array_equal(answer.codes[0], self._golden[answer.version][index]):
            equal = [
                v for v, codes in self._golden.items() if (codes[index] == answer.codes[0]).all()
            ]
            raise MixedError(
                f"an answer of version {answer.version} is golden execution of {equal or 'none'}"
            )

    def _interrupt(self) -> None:
        """Take a step of the update at a random cycle of the inference that runs."""
        update = self._update
        if update is None or update.result is not None or update.needs_device:
            return
        if self._chance.random() < 0.5:
            return
        for _ in range(self._chance.randrange(LONGEST_PAUSE_READS)):
            self._device.read32(STATIC_REGION["map_id"].offset)
        update.step()
        self.outcome.during += 1


@contextmanager
def interrupted(device: Device, interrupt: Callable[[], None]) -> Iterator[None]:
    """Call something each time that the host begins to wait for a program."""
    wait = device.wait

    def waiting(*pending: Pending, timeout_s: float | None = None) -> Completion:
        if any(one.kind == "program" for one in pending):
            interrupt()
        return wait(*pending, timeout_s=timeout_s)

    device.wait = waiting  # type: ignore[method-assign]
    try:
        yield
    finally:
        device.wait = wait  # type: ignore[method-assign]


def run() -> list[Measurement]:
    """Return what 1,000 updates showed."""
    return _measured("emulator", 1000, 0)


def _measured(device: str, updates: int, seed: int) -> list[Measurement]:
    from fpga_rt.update.ed25519 import PrivateKey

    network, key = small_network(), PrivateKey.generate()
    base = compile_network(network, board(BOARD), 2)
    with tempfile.TemporaryDirectory() as folder, api.open_device(device, BOARD) as opened:
        store = Store.install(Path(folder) / "store", base, [key.public_key])
        outcome = Campaign(opened, store, key, network, seed).run(updates)
    clock: Literal["rtl", "virtual"] = "rtl" if device == "rtl" else "virtual"
    pause_ms = max(outcome.pauses_ps) / 1e9
    note = f"{outcome.updates} updates on {device}, {outcome.during} steps in mid-inference"
    return [
        Measurement(
            "longest pause between two versions", pause_ms, "ms", clock, GOAL_MS, note=note
        ),
        Measurement("inferences, none mixed or dropped", outcome.inferences, "inferences", "none"),
        Measurement(
            "package, all parameters new", float(np.mean(outcome.package_bytes)), "bytes", "none"
        ),
    ]


def _rule(
    rng: np.random.Generator, channels: int, inputs: int
) -> tuple[NDArray[np.int32], Requantisation]:
    """Return a bias, and a requantisation that keeps most of the int8 range."""
    bias = rng.integers(-2000, 2000, channels).astype(np.int32)
    scales = rng.uniform(0.4, 1.0, channels) / (73 * inputs**0.5)
    return bias, Requantisation.from_scales(scales, 127 * 128 * inputs + 2000, 0)


def _pause_ps(log: Log, runs_after: int) -> int:
    """Return the device time between the last answer before a switch and the first one after.

    Test vectors read the new bank before the switch, so the answers after it are the last ones.
    """
    after: RequestRecord = log.requests[-runs_after]
    before = [request for request in log.requests if request.bank != after.bank]
    return after.started_ps - before[-1].ended_ps


def main() -> int:
    """Run a campaign and print what it showed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="emulator")
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    found = _measured(arguments.device, arguments.updates, arguments.seed)
    for measurement in found:
        print(measurement)
    return int(any(measurement.missed for measurement in found))


if __name__ == "__main__":
    sys.exit(main())
