"""An end-to-end latency budget: where a swap sits in it, and what the rest leaves room for.

All terms are of a model, so all have the virtual clock and may be added; none is measured wall
time. Each says where it comes from. A case is one kind of request: `warm` finds its modules where
the request before left them, `swap` has to load every one, `static` meets a design of the same
area that is never reconfigured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fpga_rt.arch.boards import Board
from fpga_rt.deployment.model import Deployment
from fpga_rt.planner.schedule import Policy
from fpga_rt.study.device_time import DeviceTimes, device_times
from fpga_rt.study.path import Path, reach_km
from fpga_rt.study.queueing import md1_mean, md1_quantile

CLOCK = "virtual"
_PS_PER_S = 10**12
_PS_PER_MS = 10**9

Queue = Literal["none", "md1"]
QUEUES: tuple[Queue, ...] = ("none", "md1")


@dataclass(frozen=True)
class Traffic:
    """What a device is asked for.

    Attributes:
        queue: `none`, the device is idle when a request arrives, or `md1`.
        rate_hz: requests a second, None for unknown.
        percentile: of the waits that `md1` charges.
    """

    queue: Queue = "none"
    rate_hz: float | None = None
    percentile: float = 99.0


@dataclass(frozen=True)
class Term:
    """A line of the budget: picoseconds by case, None for a queue that grows without end."""

    name: str
    ps: Mapping[str, int | None]
    origin: str
    basis: str


@dataclass(frozen=True)
class Budget:
    """A budget.

    Attributes:
        limit_ps: what all terms together may take.
        terms: in the order of the way.
        device: what the device's terms are made of.
        path: the network.
        traffic: how requests come.
    """

    limit_ps: int
    terms: Sequence[Term]
    device: DeviceTimes
    path: Path
    traffic: Traffic

    @property
    def cases(self) -> tuple[str, ...]:
        """The kinds of request, `static` only where there is such a design."""
        return tuple(self.terms[0].ps)

    def total_ps(self, case: str) -> int | None:
        """Return the sum of a case, None for a queue that grows without end."""
        total = 0
        for term in self.terms:
            part = term.ps[case]
            if part is None:
                return None
            total += part
        return total

    def spare_ps(self, case: str) -> int | None:
        """Return what is left of the limit; negative where it is missed."""
        total = self.total_ps(case)
        return None if total is None else self.limit_ps - total

    def reach_km(self, case: str) -> float | None:
        """Return how far away the device may be, None where no distance is short enough."""
        spare = self.spare_ps(case)
        if spare is None or spare + self.path.fibre_ps < 0:
            return None
        return reach_km(spare + self.path.fibre_ps)

    @property
    def swaps_in_a_request(self) -> int | None:
        """How many changes of all modules a warm request has room for, None if they are free."""
        spare = self.spare_ps("warm")
        if self.device.swap_ps <= 0:
            return None
        return 0 if spare is None else max(0, spare // self.device.swap_ps)

    @property
    def swapping_share(self) -> float | None:
        """Largest share of requests that may swap before the queue never ends; None: no rate."""
        if self.traffic.rate_hz is None:
            return None
        room_ps = _PS_PER_S / self.traffic.rate_hz - self.device.warm.total_ps
        if self.device.swap_ps <= 0:
            return float(room_ps > 0)
        return min(1.0, max(0.0, room_ps / self.device.swap_ps))


@dataclass(frozen=True)
class Service:
    """A deployment and how it is used.

    Attributes:
        deployment: what the device runs.
        board: its figures.
        port: configuration port.
        batch: images of a request.
        policy: of loading ahead.
    """

    deployment: Deployment
    board: Board
    port: str
    batch: int
    policy: Policy


def budget(
    service: Service, path: Path, traffic: Traffic, limit_ms: float, rest_ms: float
) -> Budget:
    """Return the budget of requests to a device at the end of a path.

    Args:
        service: what answers.
        path: the network between.
        traffic: how requests come; with `md1` it needs a rate.
        limit_ms: milliseconds from the request's departure to the answer's arrival.
        rest_ms: milliseconds that the application takes for everything else.

    Raises:
        PlanningError: a module of the deployment is not installed.
        ValueError: `md1` without a rate.
    """
    device = device_times(
        service.deployment, service.board, service.batch, service.policy, service.port
    )
    static = {} if device.static_ps is None else {"static": device.static_ps}
    cases = {"warm": device.warm.total_ps, "swap": device.swapped.total_ps, **static}
    terms = [
        *_network_terms(service, path, tuple(cases)),
        _queue_term(traffic, cases),
        *_device_terms(service, device),
        Term("rest", dict.fromkeys(cases, round(rest_ms * _PS_PER_MS)), "assumed",
             "what the application takes besides: microphone, other models, actuators"),
    ]  # fmt: skip
    return Budget(round(limit_ms * _PS_PER_MS), terms, device, path, traffic)


def _network_terms(service: Service, path: Path, cases: Sequence[str]) -> list[Term]:
    network = service.deployment.network
    sizes = [
        service.batch * network.tensors[name].size_bytes for name in (network.input, network.output)
    ]
    sent, got = sizes
    return [
        Term("fibre", dict.fromkeys(cases, path.fibre_ps), "document",
             f"{path.distance_km:g} km there and back, 4.9 us a km (ITU-T G.652)"),
        Term("hops", dict.fromkeys(cases, path.hops_ps(*sizes)), "assumed",
             f"{path.hops} hops of {path.hop_us:g} us each way, and a frame to store at each"),
        Term("transfer", dict.fromkeys(cases, path.transfer_ps(*sizes)), "assumed",
             f"{sent:,} bytes there, {got:,} back at {path.link_mbps:g} Mb/s; no headers"),
    ]  # fmt: skip


def _queue_term(traffic: Traffic, service_ps: Mapping[str, int]) -> Term:
    if traffic.queue == "none":
        return Term("queue", dict.fromkeys(service_ps, 0), "assumed",
                    "none: the device is idle when a request arrives")  # fmt: skip
    if traffic.rate_hz is None:
        raise ValueError("a queue M/D/1 without a rate of requests")
    waits, means = {}, []
    for case, ps in service_ps.items():
        load = traffic.rate_hz * ps / _PS_PER_S
        stable = load < 1
        waits[case] = round(md1_quantile(load, traffic.percentile / 100) * ps) if stable else None
        mean = f"{md1_mean(load) * ps / _PS_PER_MS:.3f} ms" if stable else "without end"
        means.append(f"{case} {load:.1%} busy, {mean}")
    return Term(
        "queue", waits, "modelled",
        f"M/D/1 of one kind of request, {traffic.rate_hz:g}/s, percentile {traffic.percentile:g};"
        f" mean: {'; '.join(means)}",
    )  # fmt: skip


def _device_terms(service: Service, device: DeviceTimes) -> list[Term]:
    origin = service.board.origin
    warm, swapped = device.warm, device.swapped

    def term(name: str, part: str, static_ps: int, basis: str) -> Term:
        static = {} if device.static_ps is None else {"static": static_ps}
        ps = {"warm": getattr(warm, part), "swap": getattr(swapped, part), **static}
        return Term(name, ps, origin, basis)

    return [
        term("load", "load_ps", 0,
             f"loads through {service.port} that nothing hides, with decouple, reset, identify"),
        term("parameters", "parameters_ps", 0, "parameters that no computing hides"),
        term("compute", "compute_ps", device.static_ps or 0,
             "computing and descriptors; of the static design the whole request"),
        term("host", "host_ps", 0, "register accesses that begin and end programs"),
    ]  # fmt: skip
