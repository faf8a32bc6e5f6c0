"""How many images a request should have: a decision between swaps hidden and answers in time.

With more images a launch runs longer, so more of the load for the next one hides behind it, and the
loads of a request are shared by more images. Every image waits for the whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass

from fpga_rt.arch.boards import Board
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import PlanningError
from fpga_rt.planner.predict import Prediction, predict
from fpga_rt.planner.schedule import Policy
from fpga_rt.planner.timelines import Timelines

MOST = 4096
"""Images that are tried at most."""
_WARM = 2
"""Requests of which the last is like all that follow."""


@dataclass(frozen=True)
class Batch:
    """A batch, and what its requests come to once modules are where the last one left them.

    Attributes:
        images: of a request.
        latency_ps: of a request, and so of each of its images.
        exposed_ps: time of a request in which nothing computes for a load.
    """

    images: int
    latency_ps: int
    exposed_ps: int

    @property
    def image_ps(self) -> float:
        """Time of a request by image."""
        return self.latency_ps / self.images


class Batches:
    """The batches that a network's requests may have on a board."""

    def __init__(
        self,
        board: Board,
        deployment: Deployment,
        policy: Policy = "aggressive",
        port: str | None = None,
        most: int = MOST,
    ) -> None:
        """Weigh batches of a network.

        Args:
            board: whose figures.
            deployment: the network.
            policy: when to load.
            port: configuration port; the board's default port unless given.
            most: images that are tried at most.
        """
        self._board, self._deployment, self._policy = board, deployment, policy
        self._port, self._most = port, most
        self._timelines = Timelines(board)
        self._known: dict[int, Batch] = {}

    def weigh(self, images: int) -> Batch:
        """Return what requests of so many images come to."""
        if images not in self._known:
            found = predict(
                self._board,
                [(self._deployment, images)] * _WARM,
                self._policy,
                self._port,
                self._timelines,
            )
            start, end = found.requests[-1]
            self._known[images] = Batch(images, end - start, _exposed_ps(found, start))
        return self._known[images]

    def hiding(self) -> Batch:
        """Return the smallest batch that hides every load of a request behind its launches.

        Raises:
            PlanningError: no batch up to the most hides them, as when all use one partition.
        """
        high = 1
        while self.weigh(high).exposed_ps:
            if high >= self._most:
                exposed_ms = self.weigh(high).exposed_ps / 1e9
                raise PlanningError(
                    f"loads of {self._deployment.network.name} under policy {self._policy} leave"
                    f" {exposed_ms:.3f} ms exposed at a batch of {self._most}, expected none; give"
                    " it more partitions, or a policy that loads ahead"
                )
            high = min(2 * high, self._most)
        low = high // 2  # exposed, or 0
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.weigh(middle).exposed_ps else (low, middle)
        return self.weigh(high)

    def fastest(self, deadline_ps: int) -> Batch:
        """Return a batch of little time an image whose requests end by a deadline.

        Of the largest such batch, its half, its quarter and so on it is the one with the least time
        an image. That falls with the batch nearly always, so others are not tried.

        Args:
            deadline_ps: for a request, from its start.

        Raises:
            PlanningError: a single image takes longer.
        """
        one_ps = self.weigh(1).latency_ps
        if one_ps > deadline_ps:
            raise PlanningError(
                f"one image of {self._deployment.network.name} takes {one_ps / 1e9:.3f} ms,"
                f" expected at most {deadline_ps / 1e9:.3f} ms; give it more time, more partitions"
                " or a faster port"
            )
        low, high = 1, self._most + 1  # latency grows with the batch
        while high - low > 1:
            middle = (low + high) // 2
            in_time = self.weigh(middle).latency_ps <= deadline_ps
            low, high = (middle, high) if in_time else (low, middle)
        tried = {low}
        while tried and min(tried) > 1:
            tried.add(min(tried) // 2)
        return min(map(self.weigh, tried), key=lambda batch: (batch.image_ps, batch.images))


def _exposed_ps(prediction: Prediction, since_ps: int) -> int:
    """Return the time from a moment on in which a load runs and no program."""
    exposed = 0
    for load in prediction.loads:
        if load.ended_ps <= since_ps:
            continue
        begin = max(load.started_ps, since_ps)
        computed = sum(
            max(0, min(load.ended_ps, end) - max(begin, start))
            for start, end in prediction.programs
        )
        exposed += load.ended_ps - begin - computed
    return exposed
