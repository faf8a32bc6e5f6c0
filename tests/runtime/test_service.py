"""A service on the emulator: promises by the virtual clock, each request ended once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.device.emulator import Emulator
from fpga_rt.errors import AdmissionError, DeadlineError, ExecutionError, PlanningError
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.planner.admission import Waiting
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.relocation import movable
from fpga_rt.planner.schedule import MOVING, POLICIES, Policy
from fpga_rt.runtime.model import LoadedModel
from fpga_rt.runtime.runtime import Runtime
from fpga_rt.runtime.service import Service
from tests.random_networks import Builder

PYNQ = board("pynq-z2")
MS = 10**9


@dataclass
class Place:
    """A runtime with two networks that share a partition."""

    runtime: Runtime
    first: LoadedModel
    second: LoadedModel

    @property
    def now(self) -> int:
        return self.runtime.device.now_ps()


def _networks() -> list[Network]:
    networks = []
    for seed in (0, 1):
        builder = Builder(np.random.default_rng(seed), (8, 8, 16))
        if seed:
            builder.depthwise(3)
        else:
            builder.convolution(16, 3)
        networks.append(builder.build(f"net{seed}"))
    return networks


@pytest.fixture
def place() -> Iterator[Place]:
    with Emulator(PYNQ, memory_bytes=16 << 20) as device, Runtime(device) as runtime:
        first, second = (runtime.load(compile_network(n, PYNQ, 1)) for n in _networks())
        yield Place(runtime, first, second)


def _codes(count: int = 1) -> np.ndarray:
    return np.random.default_rng(2).integers(-128, 128, (count, 8, 8, 16)).astype(np.int8)


def test_requests_end_by_deadline_with_the_right_bytes(place: Place) -> None:
    service = Service(place.runtime, [place.first, place.second], batch=2)
    late = service.submit(place.first, _codes(2), place.now + 40 * MS)
    early = service.submit(place.second, _codes(), place.now + 20 * MS)
    assert len(service) == 2
    assert service.step() is early
    assert service.step() is late
    assert service.step() is None
    for ticket, model in ((late, place.first), (early, place.second)):
        expected = golden.run(model.deployment.network, _codes(2))
        np.testing.assert_array_equal(ticket.result(), expected[: len(ticket.result())])
        assert ticket.ended_ps is not None
        assert ticket.ended_ps <= ticket.deadline_ps


def test_a_promise_is_as_tight_as_the_prediction(place: Place) -> None:
    """The completion that was promised is the completion, to the picosecond."""
    service = Service(place.runtime, [place.first])
    ticket = service.submit(place.first, _codes(), place.now + _least(service, 0))
    service.step()
    assert ticket.ended_ps == ticket.deadline_ps
    with pytest.raises(AdmissionError, match="request 1 is refused: its deadline would be missed"):
        service.submit(place.first, _codes(), place.now)


def test_overload_is_refused(place: Place) -> None:
    service = Service(place.runtime, [place.first, place.second], capacity=3)
    accepted, reasons = [], []
    for number in range(12):
        model = (place.first, place.second)[number % 2]
        try:
            accepted.append(service.submit(model, _codes(), place.now + (1 + number) * 9 * MS))
        except AdmissionError as error:
            reasons.append(error.reason)
        assert len(service) <= 3
        if number == 8:
            service.step()
    while service.step():
        pass
    assert len(accepted) + len(reasons) == 12
    assert set(reasons) <= {"full", "late"}
    assert "full" in reasons
    assert all(isinstance(ticket.result(), np.ndarray) for ticket in accepted)


def test_what_ends_too_late_is_no_result(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(place.runtime, [place.first])
    ticket = service.submit(place.first, _codes(), place.now + 40 * MS)
    with pytest.raises(ExecutionError, match=r"request 0 waits; call Service\.step"):
        ticket.result()
    monkeypatch.setattr(ticket, "deadline_ps", place.now + 1)
    service.step()
    with pytest.raises(DeadlineError, match=r"request 0 ended [\d,.]+ us after its deadline"):
        ticket.result()


def test_an_error_ends_its_request_only(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(place.runtime, [place.first])
    first, second = (service.submit(place.first, _codes(), place.now + 90 * MS) for _ in range(2))
    trace = place.runtime.trace
    failure = ExecutionError("a bus error")

    def failing(requests, plan=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        monkeypatch.setattr(place.runtime, "trace", trace)
        raise failure

    monkeypatch.setattr(place.runtime, "trace", failing)
    assert service.step() is first
    assert first.outcome is failure
    service.step()
    assert second.result().shape[0] == 1


def test_wrong_requests_are_refused(place: Place) -> None:
    service = Service(place.runtime, [place.first])
    with pytest.raises(ExecutionError, match="network net1 is not served here; give it to Service"):
        service.submit(place.second, _codes(), place.now + 90 * MS)
    with pytest.raises(ExecutionError, match="request 1 has 2 images, expected at most 1; send"):
        service.submit(place.first, _codes(2), place.now + 90 * MS)
    with pytest.raises(ValueError, match="batch 0, expected at least 1"):
        Service(place.runtime, [place.first], batch=0)


@pytest.mark.parametrize("policy", POLICIES)
def test_modules_that_may_move_are_promised_only_where_they_stay(policy: Policy) -> None:
    """Two networks with a module each, which a moving policy may put into a slower partition."""
    with Emulator(PYNQ, memory_bytes=16 << 20) as device, Runtime(device, policy) as runtime:
        networks = _networks()
        models = [
            runtime.load(movable(compile_network(n, PYNQ, [2]), PYNQ, None)) for n in networks
        ]
        if policy in MOVING:
            with pytest.raises(PlanningError, match=f"policy {policy} moves modules .* make the"):
                Service(runtime, models)
            return
        service = Service(runtime, models)
        for number in range(4):
            now = device.now_ps()
            least = _least(service, number % 2)
            ticket = service.submit(models[number % 2], _codes(), now + least)
            service.step()
            assert ticket.ended_ps == ticket.deadline_ps


def _least(service: Service, network: int) -> int:
    """Return the shortest time in which a request would be promised its end."""
    now = service._device.now_ps()
    low, high = 0, 40 * MS
    while high - low > 1:
        middle = (low + high) // 2
        try:
            service._admission.place(service._state(), (), (), Waiting(network, now + middle, 0))
            high = middle
        except AdmissionError:
            low = middle
    return high
