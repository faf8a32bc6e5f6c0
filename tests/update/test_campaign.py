"""A sample of `python -m benchmarks.update_campaign`, and whether it notices what is wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.update_campaign import (
    Campaign,
    DroppedError,
    MixedError,
    Outcome,
    StaleError,
    figures,
    watched,
)
from benchmarks.update_networks import changed_network, small_network
from fpga_rt.arch.boards import board
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.contract.submission import Submission
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.interface import Completion, Device
from fpga_rt.errors import DeviceError
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.banks import Banks
from fpga_rt.runtime.model import LoadedModel
from fpga_rt.runtime.runtime import Runtime
from fpga_rt.update.live import Live
from fpga_rt.update.make import make_package, make_target
from fpga_rt.update.placed import Answer, Place, Placed
from fpga_rt.update.store import Store
from tests.random_networks import Builder
from tests.update.disk import Disk
from tests.update.signing import Secret

TOO_LONG_PS = 2 * 10**9
DELAY, SWITCH, HOST = (
    "longest delay of an inference by an update",
    "longest switch",
    "host's software in a switch, median",
)


@pytest.fixture
def device() -> Iterator[Device]:
    with Emulator("pynq-z2", memory_bytes=16 << 20) as opened:
        yield opened


Run = Callable[..., Outcome]


@pytest.fixture
def campaign(device: Device, owner: Secret) -> Run:
    """Return a campaign of a few updates."""

    def run(network: Network | None = None, updates: int = 12) -> Outcome:
        base = compile_network(network or small_network(), board("pynq-z2"), 2)
        store = Store.install(Disk(), base, [owner.public_key])
        return Campaign(device, store, owner, base.network, 11).run(updates)

    return run


def _missed(outcome: Outcome) -> set[str]:
    """Return the goals that are missed in device time, which is the same in every run."""
    return {one.name for one in figures(outcome, "emulator") if one.missed} - {HOST}


def test_updates_at_random_moments(campaign: Run) -> None:
    """An inference waits for the test vectors that are run before it, and for nothing else."""
    outcome = campaign()
    assert outcome.updates == len(outcome.switches_ps) == len(outcome.first_ps) == 12
    assert outcome.inferences > 60
    assert outcome.during > 10
    assert set(outcome.switches_ps) == {0}
    (undisturbed_ps,) = set(outcome.undisturbed_ps)
    vectors = {delay_ps / undisturbed_ps for delay_ps in outcome.delays_ps}
    assert {0, 1, 2} <= vectors <= {0, 1, 2, 3, 4}
    assert sum(outcome.delays_ps) == 12 * 4 * undisturbed_ps
    assert min(outcome.first_ps) >= 5 * undisturbed_ps
    assert _missed(outcome) == set()
    longest = next(one for one in figures(outcome, "emulator") if one.name == DELAY)
    assert longest.note.startswith(f"{max(vectors):.1f} inferences of ")


@pytest.mark.parametrize("updates", [12, pytest.param(50, marks=pytest.mark.slow)])
def test_updates_from_another_thread(device: Device, owner: Secret, updates: int) -> None:
    """Inferences run without a break; each is whole, and each ran once."""
    base = compile_network(small_network(), board("pynq-z2"), 2)
    store = Store.install(Disk(), base, [owner.public_key])
    images = np.random.default_rng(5).integers(-128, 128, (3, 8, 8, 8)).astype(np.int8)
    packages, expected = list[bytes](), {1: golden.run(base.network, images)}
    for number in range(2, updates + 2):
        target = make_target(base, changed_network(base.network, number)).deployment
        packages.append(make_package(base, target, number, owner))
        expected[number] = golden.run(target.network, images)
        base = target
    problems, programs = list[BaseException](), list[Completion]()

    def update() -> None:
        try:
            for package in packages:
                live.apply(package)
        except BaseException as error:  # noqa: BLE001 - shown by the other thread
            problems.append(error)

    seen = list[int]()
    thread = threading.Thread(target=update)
    with watched(device, lambda: None, programs.append), Runtime(device) as runtime:
        live = Live(runtime, store)
        thread.start()
        while thread.is_alive() or len(seen) < 100:
            answer = live.run(images)
            np.testing.assert_array_equal(answer.codes, expected[answer.version])
            seen.append(answer.version)
        thread.join()
        assert live.run(images).version == updates + 1
    assert problems == []
    assert seen == sorted(seen)
    assert len(set(seen)) > updates // 4
    vectors = store.state.vectors_count
    assert len(programs) == (len(seen) + 1 + updates * vectors) * len(base.launches)


def test_a_bank_written_while_it_is_read(campaign: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Banks, "_other", lambda self, kind, bank: getattr(bank, kind))
    with pytest.raises(MixedError, match="an answer of version 1 is golden execution of"):
        campaign()


def _three_modules() -> Network:
    """Return a network that takes more than one program."""
    builder = Builder(np.random.default_rng(4), (8, 8, 16))
    builder.convolution(16, 3)
    builder.depthwise(3)
    builder.maximum(2, 2)
    builder.dense(7)
    return builder.build("three")


def test_a_switch_in_the_midst_of_an_inference(
    campaign: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next inference's last program is the first one to read the other bank."""
    assert campaign(_three_modules(), 2).updates == 2
    submission, late = LoadedModel.submission, list[Callable[[], None]]()

    def unlocked(placed: Placed, place: Place, number: int) -> None:
        placed._numbers[place.model.index, place.bank] = number
        placed.place = place
        place.model.banks.switch(place.bank)

    def put_off(self: Placed, place: Place, number: int) -> None:
        late.append(lambda: unlocked(self, place, number))

    def mixed(
        self: LoadedModel, launch: int, batch: int, bank: int, places: tuple[int, ...]
    ) -> Submission:
        if late and launch == len(self.deployment.launches) - 1:
            late.pop()()
            bank = self.banks.active
        return submission(self, launch, batch, bank, places)

    monkeypatch.setattr(Placed, "switch", put_off)
    monkeypatch.setattr(LoadedModel, "submission", mixed)
    with pytest.raises(MixedError, match=r"an answer of version \d is golden execution of none"):
        campaign(_three_modules(), 2)


def test_a_switch_that_is_forgotten(campaign: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Placed, "switch", lambda self, place, number: None)
    with pytest.raises(StaleError, match="an answer of version 1, expected 2"):
        campaign()


def test_a_switch_that_comes_too_soon(campaign: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the test vectors have passed."""
    put = Placed.put

    def hasty(self: Placed, deployment: Deployment) -> Place:
        place = put(self, deployment)
        self._numbers[place.model.index, place.bank] = 2
        self.place = place
        return place

    monkeypatch.setattr(Placed, "put", hasty)
    with pytest.raises(StaleError, match="an answer of version 2, expected 1"):
        campaign()


def test_a_request_that_is_lost(campaign: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is answered with what the one before was told."""
    run, last = Live.run, list[Answer]()

    def forgetful(self: Live, values: np.ndarray) -> Answer:
        if len(last) < 20:
            last.append(run(self, values))
        return last[-1]

    monkeypatch.setattr(Live, "run", forgetful)
    with pytest.raises(DroppedError, match="has 1 answers by 0 programs, expected one by 1"):
        campaign()


def test_an_answer_without_outputs(campaign: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Live.run

    def empty(self: Live, values: np.ndarray) -> Answer:
        answer = run(self, values)
        return replace(answer, codes=answer.codes[:0]) if answer.version > 3 else answer

    monkeypatch.setattr(Live, "run", empty)
    with pytest.raises(DroppedError, match="has 0 answers by 1 programs"):
        campaign()


def test_a_request_that_is_refused(campaign: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    put, run, busy = Placed.put, Placed.run, list[bool]()

    def jealous(self: Placed, deployment: Deployment) -> Place:
        busy.append(True)
        return put(self, deployment)

    def refused(self: Placed, values: np.ndarray) -> Answer:
        if busy:
            raise DeviceError("an update is on its way")
        return run(self, values)

    monkeypatch.setattr(Placed, "put", jealous)
    monkeypatch.setattr(Placed, "run", refused)
    with pytest.raises(DroppedError, match="an inference was refused: an update is on its way"):
        campaign()


def _spend(placed: Placed) -> None:
    device = placed._runtime.device
    until_ps = device.now_ps() + TOO_LONG_PS
    while device.now_ps() < until_ps:
        device.read32(STATIC_REGION["map_id"].offset)


def _slow(name: str, placed: Callable[..., None] = _spend) -> Callable[..., object]:
    original = getattr(Placed, name)

    def slow(self: Placed, *arguments: object) -> object:
        placed(self)
        return original(self, *arguments)

    return slow


@pytest.mark.parametrize(
    ("where", "missed"),
    [("switch", {DELAY, SWITCH}), ("put", {DELAY}), ("outputs", {DELAY})],
)
def test_a_step_that_takes_two_milliseconds(
    campaign: Run, monkeypatch: pytest.MonkeyPatch, where: str, missed: set[str]
) -> None:
    monkeypatch.setattr(Placed, where, _slow(where))
    assert _missed(campaign(updates=2)) == missed


def test_a_first_inference_that_takes_two_milliseconds(
    campaign: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a switch leaves for later counts as part of it."""
    switch, run, late = Placed.switch, Placed.run, list[int]()

    def lazy(self: Placed, place: Place, number: int) -> None:
        late.append(number)
        switch(self, place, number)

    def slow(self: Placed, values: np.ndarray) -> Answer:
        if late:
            late.pop()
            _spend(self)
        return run(self, values)

    monkeypatch.setattr(Placed, "switch", lazy)
    monkeypatch.setattr(Placed, "run", slow)
    assert _missed(campaign(updates=2)) == {DELAY, SWITCH}


def test_a_host_that_takes_two_milliseconds(campaign: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Placed, "switch", _slow("switch", lambda placed: time.sleep(0.002)))
    missed = {one.name for one in figures(campaign(updates=2), "emulator") if one.missed}
    assert HOST in missed
