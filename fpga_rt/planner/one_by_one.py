"""Requests that come one by one: none is known before it begins, as a runtime in service has them.

What a request takes depends on the network, its images and what the partitions hold, so each of
these is predicted once, however many requests come.
"""

from __future__ import annotations

from dataclasses import dataclass

from fpga_rt.arch.boards import Board
from fpga_rt.deployment.model import Deployment
from fpga_rt.planner.predict import predict
from fpga_rt.planner.schedule import Policy
from fpga_rt.planner.timelines import Timelines


@dataclass(frozen=True)
class Taken:
    """What a request takes, in picoseconds: from its start to its end, and its loads.

    `partitions` are those that it loads.
    """

    duration_ps: int
    loads: int = 0
    load_ps: int = 0
    hidden_ps: int = 0
    partitions: frozenset[int] = frozenset()


class OneByOne:
    """A device under such requests; its partitions are empty at first."""

    def __init__(self, board: Board, policy: Policy, timelines: Timelines) -> None:
        """Predict for a board and its default port.

        Args:
            board: whose figures.
            policy: when and where to load, of the jobs of a request.
            timelines: of deployments on this board.
        """
        self._board, self._policy, self._timelines = board, policy, timelines
        self._contents: list[dict[int, int]] = [{}]
        """What the partitions have held: a number stands for each in the following."""
        self._held = 0
        self._known: dict[tuple[int, int, int], tuple[Taken, int]] = {}
        self._deployments: dict[int, Deployment] = {}

    def run(self, deployment: Deployment, images: int) -> Taken:
        """Return what the next request takes.

        Raises:
            PlanningError: the deployment names a module that is not installed.
        """
        taken, self._held = self._taken(deployment, images, self._held)
        return taken

    def settled_ps(self, deployment: Deployment, images: int) -> int:
        """Return what a request takes once many of its kind have come; nothing is run.

        Where they go round among several contents of the partitions, it is the longest of a round.

        Raises:
            PlanningError: the deployment names a module that is not installed.
        """
        return max(taken.duration_ps for taken in self._round(deployment, images))

    def settled_loads(self, deployment: Deployment, images: int) -> frozenset[int]:
        """Return the partitions that such requests load, each or some of a round; nothing is run.

        Raises:
            PlanningError: the deployment names a module that is not installed.
        """
        return frozenset().union(*(taken.partitions for taken in self._round(deployment, images)))

    def _round(self, deployment: Deployment, images: int) -> list[Taken]:
        """Return what requests of one kind take once they go round among the same contents."""
        found: dict[int, Taken] = {}
        held = self._held
        while held not in found:
            found[held], then = self._taken(deployment, images, held)
            held = then
        return list(found.values())[list(found).index(held) :]

    def _taken(self, deployment: Deployment, images: int, held: int) -> tuple[Taken, int]:
        """Return what a request takes from some contents on, and the contents behind it."""
        key = (id(deployment), images, held)
        if key not in self._known:
            self._deployments[id(deployment)] = deployment  # or another could get its number
            found = predict(
                self._board,
                [(deployment, images)],
                self._policy,
                timelines=self._timelines,
                resident=self._contents[held],
            )
            after = dict(found.resident)
            if after not in self._contents:
                self._contents.append(after)
            taken = Taken(
                found.total_ps, len(found.loads), found.load_ps, found.hidden_ps,
                frozenset(load.partition for load in found.loads),
            )  # fmt: skip
            self._known[key] = taken, self._contents.index(after)
        return self._known[key]
