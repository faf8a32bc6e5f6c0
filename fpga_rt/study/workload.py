"""What is asked of a device: requests in order, or arriving with deadlines.

| kind | requests |
|---|---|
| `single-stream` | of one network, each when the one before has ended |
| `gateway` | of several networks in order, in turns or drawn from a mix; all known in advance |
| `server` | of several networks by Poisson processes, each with a deadline, admitted or refused |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Kind = Literal["single-stream", "gateway", "server"]
KINDS: tuple[Kind, ...] = ("single-stream", "gateway", "server")
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
    """

    name: str
    kind: Kind
    requests: int
    mix: Mapping[str, float] = field(hash=False)
    order: Order = "turns"
    rate_hz: float = 0.0
    deadline_us: float = 0.0
    queue: int = 64

    def networks(self, seed: int) -> list[str]:
        """Return the network of every request of a single stream or a gateway."""
        names = list(self.mix)
        if self.order == "random":
            weights = np.array([self.mix[name] for name in names], float)
            rng = np.random.default_rng(seed)
            drawn = rng.choice(len(names), self.requests, p=weights / weights.sum())
            return [names[i] for i in drawn]
        turn = [name for name in names for _ in range(round(self.mix[name]))]
        return [turn[i % len(turn)] for i in range(self.requests)]
