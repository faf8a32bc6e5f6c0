"""What is asked of a device: requests in order, or arriving with deadlines.

| kind | requests |
|---|---|
| `single-stream` | of one network, each when the one before has ended |
| `gateway` | of several networks in order, in turns or drawn from a mix; all known in advance |
| `server` | of several networks by Poisson processes, each with a deadline, admitted or refused |
| `drift` | of one network, as a single stream, while updates of its parameters come |

A gateway's order and a server's arrivals may be those of a recorded trace instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from fpga_rt.study.online import Arrival, poisson
from fpga_rt.study.trace_file import Recorded
from fpga_rt.study.updates import Updates

Kind = Literal["single-stream", "gateway", "server", "drift"]
KINDS: tuple[Kind, ...] = ("single-stream", "gateway", "server", "drift")
Order = Literal["turns", "random"]
ORDERS: tuple[Order, ...] = ("turns", "random")


@dataclass(frozen=True)
class Workload:
    """Requests by kind and number.

    Attributes:
        name: what a study calls it.
        kind: see the module.
        requests: how many.
        mix: share of the requests of every network, in any unit.
        order: of a gateway: networks in turns, each as often as its share says (a whole number),
            or drawn at random.
        rate_hz: requests a second of a server, all networks together.
        deadline_us: of a server's requests, from arrival.
        queue: requests of a server that may wait.
        trace: the requests themselves, where they were recorded: of a gateway only their order
            counts, of a server their times and their deadlines, where they have their own.
        trace_sha256: of the file that they are from.
        updates: that come under drift.
    """

    name: str
    kind: Kind
    requests: int
    mix: Mapping[str, float] = field(hash=False)
    order: Order = "turns"
    rate_hz: float = 0.0
    deadline_us: float = 0.0
    queue: int = 64
    trace: tuple[Recorded, ...] = ()
    trace_sha256: str = ""
    updates: Updates | None = None

    def networks(self, seed: int) -> list[str]:
        """Return the network of every request of a single stream or a gateway."""
        if self.trace:
            return [request.network for request in self.trace]
        names = list(self.mix)
        if self.order == "random":
            weights = np.array([self.mix[name] for name in names], float)
            rng = np.random.default_rng(seed)
            drawn = rng.choice(len(names), self.requests, p=weights / weights.sum())
            return [names[i] for i in drawn]
        turn = [n for n in names for _ in range(min(round(self.mix[n]), self.requests))]
        return [turn[i % len(turn)] for i in range(self.requests)]

    def arrivals(self, seed: int) -> Iterator[Arrival]:
        """Return the requests of a server; their networks are numbered as in the mix.

        The times of a trace count from its first request.
        """
        if not self.trace:
            total = sum(self.mix.values())
            rates = [self.rate_hz * share / total for share in self.mix.values()]
            deadlines = [round(self.deadline_us * 1e6)] * len(rates)
            return poisson(rates, deadlines, self.requests, seed)
        first_us = self.trace[0].at_us
        number = {name: i for i, name in enumerate(self.mix)}
        return (
            Arrival(
                round((request.at_us - first_us) * 1e6),
                number[request.network],
                round((request.at_us - first_us + self._within_us(request)) * 1e6),
            )
            for request in self.trace
        )

    @property
    def longest_us(self) -> float:
        """Most that a request of a server may take."""
        return max(map(self._within_us, self.trace), default=self.deadline_us)

    def _within_us(self, request: Recorded) -> float:
        return self.deadline_us if request.deadline_us is None else request.deadline_us
