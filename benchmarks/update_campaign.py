"""Updates at random moments: inferences must be whole, none may be missing, and none wait long.

    python -m benchmarks.update_campaign [--device emulator|rtl] [--updates 1000] [--seed 0]

A network runs image after image while updates of all of its parameters come in. Steps of an update
that need no turn of the device are taken in the midst of an inference, at a random cycle of it; the
others between two, as many in a row as chance has it. Each answer is compared with golden execution
of the version that it names, so an answer of two versions, or one under the wrong name, equals
neither; and each must have gone through the device. An inference is asked for as soon as the one
before has been answered, so what an update does in between delays it. Signatures are made and
checked as on a device.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.measurement import Measurement
from benchmarks.update_networks import BOARD, changed_network, small_network
from fpga_rt import api
from fpga_rt.arch.boards import board
from fpga_rt.contract.sequencer import REGISTER_CYCLES
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.interface import Completion, Device, Pending
from fpga_rt.errors import FpgaRtError
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.planner.compile import compile_network
from fpga_rt.update.live import Live, Update
from fpga_rt.update.make import make_package, make_target
from fpga_rt.update.placed import Answer
from fpga_rt.update.signature import Signer
from fpga_rt.update.store import Store

IMAGES = 8
STEP_CHANCE = 0.6
"""Of one more step before the next inference."""
GOAL_MS = 1.0
_PS_PER_MS = 1e9
_PS_PER_US = 1e6


@dataclass
class Outcome:
    """What a campaign saw; all times but one are the device's.

    Attributes:
        undisturbed_ps: of each image, from being asked for to its answer while no update comes.
        updates: versions that were put in place.
        during: steps of updates that were taken in the midst of an inference.
        delays_ps: of each inference, how much longer it took than undisturbed; waiting counts.
        switches_ps: of each update, what the switch took, with what the first inference behind it
            took longer than undisturbed.
        first_ps: of each update, from the end of the step that accepted it to the first right
            answer by the new version, with the inferences in between.
        host_s: of each update, the wall clock of the step that switched.
        package_bytes: of every update.
    """

    undisturbed_ps: list[int] = field(default_factory=list)
    updates: int = 0
    during: int = 0
    delays_ps: list[int] = field(default_factory=list)
    switches_ps: list[int] = field(default_factory=list)
    first_ps: list[int] = field(default_factory=list)
    host_s: list[float] = field(default_factory=list)
    package_bytes: list[int] = field(default_factory=list)

    @property
    def inferences(self) -> int:
        """Answers, each equal to golden execution of the version that it names."""
        return len(self.delays_ps)


@dataclass(frozen=True)
class _Step:
    """When a step of an update began and ended on the device, and its seconds on the wall clock."""

    begun_ps: int
    ended_ps: int
    host_s: float


class MixedError(AssertionError):
    """An answer is not that of the version that it names."""


class StaleError(AssertionError):
    """An answer is of another version than the one that is in place."""


class DroppedError(AssertionError):
    """An inference was refused, or its answer does not come from the device."""


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
        self._version = store.state.active.number
        self._golden = {self._version: golden.run(network, self._images)}
        self._update: Update | None = None
        self._steps: list[_Step] = []
        self._programs: list[Completion] = []
        self._random_ps = 1
        self._asked_ps = 0

    def run(self, updates: int) -> Outcome:
        """Carry out updates while images run without a break.

        Raises:
            MixedError: an answer is not that of the version that it names.
            StaleError: an answer is not of the version that is in place.
            DroppedError: an inference was not answered, or not by the device.
        """
        with watched(self._device, self._interrupt, self._programs.append):
            with api.Runtime(self._device) as runtime:
                live = Live(runtime, self._store)
                self._rest(live)
                for number in range(2, updates + 2):
                    self._carry_out(live, number)
                    runtime.clear_log()
        return self.outcome

    def _rest(self, live: Live) -> None:
        """Run each image while no update comes; what the very first one loads stays there."""
        for index in (0, *range(IMAGES)):
            self._asked_ps = self._device.now_ps()
            self._infer(live, index, 0)
        _, *self.outcome.undisturbed_ps = self.outcome.delays_ps
        self.outcome.delays_ps.clear()
        shortest_ps = min(program.ended_ps - program.started_ps for program in self._programs)
        clock_ps = self._device.capabilities.board.clock_ps
        self._random_ps = shortest_ps - 2 * REGISTER_CYCLES * clock_ps

    def _carry_out(self, live: Live, number: int) -> None:
        """Let an update come, and some inferences after it."""
        package, target = self._package(number)
        update = self._update = live.begin(package)
        self._steps.clear()
        while update.result is None:
            self._any(live)
            while update.result is None and self._chance.random() < STEP_CHANCE:
                self._step(update)
        self._base, self._update, self._version = target, None, number
        accepted, switch = self._steps[0], self._steps[-1]
        asked_ps = self._asked_ps
        undisturbed_ps = self._any(live)
        seen = self.outcome
        seen.updates += 1
        seen.switches_ps.append(self._asked_ps - max(asked_ps, switch.begun_ps) - undisturbed_ps)
        seen.first_ps.append(self._asked_ps - accepted.ended_ps)
        seen.host_s.append(switch.host_s)
        for _ in range(self._chance.randrange(3)):
            self._any(live)
        del self._golden[number - 1]

    def _package(self, number: int) -> tuple[bytes, Deployment]:
        network = changed_network(self._base.network, number)
        target = make_target(self._base, network).deployment
        package = make_package(self._base, target, number, self._signer)
        self.outcome.package_bytes.append(len(package))
        self._golden[number] = golden.run(network, self._images)
        return package, target

    def _step(self, update: Update) -> None:
        begun_ps, begun_s = self._device.now_ps(), time.perf_counter()
        update.step()
        host_s = time.perf_counter() - begun_s
        self._steps.append(_Step(begun_ps, self._device.now_ps(), host_s))

    def _any(self, live: Live) -> int:
        """Run some image and return what it takes undisturbed."""
        index = self._chance.randrange(IMAGES)
        undisturbed_ps = self.outcome.undisturbed_ps[index]
        self._infer(live, index, undisturbed_ps)
        return undisturbed_ps

    def _infer(self, live: Live, index: int, undisturbed_ps: int) -> None:
        """Run an image that was asked for when the one before it was answered."""
        self._programs.clear()
        try:
            answer = live.run(self._images[index : index + 1])
        except FpgaRtError as error:
            raise DroppedError(f"an inference was refused: {error}") from error
        launches = len(self._base.launches)
        if (len(answer.codes), len(self._programs)) != (1, launches):
            raise DroppedError(
                f"an inference has {len(answer.codes)} answers by {len(self._programs)} programs,"
                f" expected one by {launches}"
            )
        self._check(answer, index)
        answered_ps = self._device.now_ps()
        self.outcome.delays_ps.append(answered_ps - self._asked_ps - undisturbed_ps)
        self._asked_ps = answered_ps

    def _check(self, answer: Answer, index: int) -> None:
        if answer.version != self._version:
            raise StaleError(f"an answer of version {answer.version}, expected {self._version}")
        if not np.array_equal(answer.codes[0], self._golden[answer.version][index]):
            equal = [
                v for v, codes in self._golden.items() if (codes[index] == answer.codes[0]).all()
            ]
            raise MixedError(
                f"an answer of version {answer.version} is golden execution of {equal or 'none'}"
            )

    def _interrupt(self) -> None:
        """Take a step of the update at a random moment of the inference that runs."""
        update = self._update
        if update is None or update.result is not None or update.needs_device:
            return
        if self._chance.random() < 0.5:
            return
        until_ps = self._device.now_ps() + self._chance.randrange(self._random_ps)
        while self._device.now_ps() < until_ps:
            self._device.read32(STATIC_REGION["map_id"].offset)
        self._step(update)
        self.outcome.during += 1


@contextmanager
def watched(
    device: Device, interrupt: Callable[[], None], ended: Callable[[Completion], None]
) -> Iterator[None]:
    """Call something each time that the host begins to wait for a program, and when one ended."""
    wait = device.wait

    def waiting(*pending: Pending, timeout_s: float | None = None) -> Completion:
        if any(one.kind == "program" for one in pending):
            interrupt()
        completion = wait(*pending, timeout_s=timeout_s)
        if completion.pending.kind == "program":
            ended(completion)
        return completion

    device.wait = waiting  # type: ignore[method-assign]
    try:
        yield
    finally:
        device.wait = wait  # type: ignore[method-assign]


def run() -> list[Measurement]:
    """Return what 1,000 updates showed."""
    return _measured("emulator", 1000, 0)


def figures(outcome: Outcome, device: str) -> list[Measurement]:
    """Return what a campaign on a device showed, held to the goals."""
    clock: Literal["rtl", "virtual"] = "rtl" if device == "rtl" else "virtual"
    inference_us = max(outcome.undisturbed_ps) / _PS_PER_US
    delays_ps = np.array(outcome.delays_ps)
    late = delays_ps[delays_ps > 0]
    delay_note = (
        f"{delays_ps.max() / max(outcome.undisturbed_ps):.1f} inferences of {inference_us:.3f} us;"
        f" {len(late)} of {outcome.inferences} were delayed, {outcome.during} steps in"
        " mid-inference"
    )
    first_ms = np.array(outcome.first_ps) / _PS_PER_MS
    first_note = f"most {first_ms.max():.3f} ms; inferences of the old version in between"
    host_ms = 1000 * np.array(outcome.host_s)
    return [
        Measurement(
            "longest delay of an inference by an update", delays_ps.max() / _PS_PER_MS, "ms",
            clock, GOAL_MS, note=delay_note,
        ),
        Measurement(
            "longest switch", max(outcome.switches_ps) / _PS_PER_MS, "ms", clock, GOAL_MS,
            note=f"{outcome.updates} updates on {device}",
        ),
        Measurement(
            "host's software in a switch, median", float(np.median(host_ms)), "ms", "wall",
            GOAL_MS, note=f"most {host_ms.max():.3f} ms",
        ),
        Measurement(
            "accepted to first right inference, median", float(np.median(first_ms)), "ms", clock,
            note=first_note,
        ),
        Measurement("inferences, none mixed or dropped", outcome.inferences, "inferences", "none"),
        Measurement(
            "package, all parameters new", float(np.mean(outcome.package_bytes)), "bytes", "none"
        ),
    ]  # fmt: skip


def _measured(device: str, updates: int, seed: int) -> list[Measurement]:
    from fpga_rt.update.ed25519 import PrivateKey

    network, key = small_network(), PrivateKey.generate()
    base = compile_network(network, board(BOARD), 2)
    with tempfile.TemporaryDirectory() as folder, api.open_device(device, BOARD) as opened:
        store = Store.install(Path(folder) / "store", base, [key.public_key])
        outcome = Campaign(opened, store, key, network, seed).run(updates)
    return figures(outcome, device)


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
