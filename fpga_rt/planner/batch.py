"""How many images a request should have: a decision between swaps hidden and answers in time.

With more images a launch runs longer, so more of the load for the next one hides behind it, and the
loads of a request are shared by more images. Every image waits for the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable
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


def hiding_batch(
    board: Board,
    deployment: Deployment,
    policy: Policy = "aggressive",
    port: str | None = None,
    most: int = MOST,
) -> Batch:
    """Return the smallest batch that hides every load of a request behind its launches.

    Args:
        board: whose figures.
        deployment: the network.
        policy: when to load.
        port: configuration port; the board's default port unless given.
        most: images that are tried at most.

    Raises:
        PlanningError: no batch up to `most` hides them, as when all use one partition.
    """
    weigh = _weigher(board, deployment, policy, port)
    high = 1
    while weigh(high).exposed_ps:
        if high >= most:
            raise PlanningError(
                f"loads of {deployment.network.name} under policy {policy} leave"
                f" {weigh(most).exposed_ps / 1e9:.3f} ms exposed at a batch of {most}, expected"
                " none; give it more partitions, or a policy that loads ahead"
            )
        high = min(2 * high, most)
    low = high // 2  # exposed, or 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if weigh(middle).exposed_ps else (low, middle)
    return weigh(high)


def fastest_batch(
    board: Board,
    deployment: Deployment,
    deadline_ps: int,
    policy: Policy = "aggressive",
    port: str | None = None,
    most: int = MOST,
) -> Batch:
    """Return the batch with the least time an image whose requests end by a deadline.

    Args:
        board: whose figures.
        deployment: the network.
        deadline_ps: for a request, from its start.
        policy: when to load.
        port: configuration port; the board's default port unless given.
        most: images that are tried at most.

    Raises:
        PlanningError: a single image takes longer.
    """
    weigh = _weigher(board, deployment, policy, port)
    if weigh(1).latency_ps > deadline_ps:
        raise PlanningError(
            f"one image of {deployment.network.name} takes {weigh(1).latency_ps / 1e9:.3f} ms,"
            f" expected at most {deadline_ps / 1e9:.3f} ms; give it more time, more partitions or"
            " a faster port"
        )
    low, high = 1, most + 1  # latency grows with the batch
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if weigh(middle).latency_ps <= deadline_ps else (low, middle)
    tried = {low}
    while tried and min(tried) > 1:
        tried.add(min(tried) // 2)
    return min(
        (weigh(images) for images in tried), key=lambda batch: (batch.image_ps, batch.images)
    )


def _weigher(
    board: Board, deployment: Deployment, policy: Policy, port: str | None
) -> Callable[[int], Batch]:
    timelines = Timelines(board)
    known: dict[int, Batch] = {}

    def weigh(images: int) -> Batch:
        if images not in known:
            requests = [(deployment, images)] * _WARM
            found = predict(board, requests, policy, port, timelines)
            start, end = found.requests[-1]
            known[images] = Batch(images, end - start, _exposed_ps(found, start))
        return known[images]

    return weigh


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
