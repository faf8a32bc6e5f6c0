"""What runs a stream with updates: swapped modules, and the static design of the same area."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fpga_rt.arch.boards import Board
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import PlanningError
from fpga_rt.planner.baseline import SharedBaseline
from fpga_rt.planner.one_by_one import OneByOne, Taken
from fpga_rt.planner.requests import swap_ps
from fpga_rt.planner.schedule import POLICIES
from fpga_rt.study.axes import Point
from fpga_rt.study.context import Context
from fpga_rt.study.drift import Stream, simulate
from fpga_rt.study.updates import Updates
from fpga_rt.study.workload import Workload


@dataclass(frozen=True)
class Drifted:
    """A stream on the swapped modules, and on the static design where there is one.

    Attributes:
        stream: on the swapped modules.
        static: with its own updates on the static design.
        static_ps: what the static design takes for the very runs of `stream`: its own stream may
            have other updates by then, and so answer other requests by another program.
        modules: of the static design.
    """

    stream: Stream
    static: Stream | None = None
    static_ps: int | None = None
    modules: tuple[str, ...] = ()


def drifted(context: Context, point: Point, workload: Workload, updates: Updates) -> Drifted:
    """Run a point's stream with its updates.

    Raises:
        PlanningError: the policy cannot serve it, or no update is in place before it ends.
        FpgaRtError: a network does not fit.
    """
    policy = next((policy for policy in POLICIES if policy == point.policy), None)
    if policy is None:
        raise PlanningError(
            f"policy {point.policy} plans requests that are all known, but updates come while they"
            f" run; expected one of {', '.join(POLICIES)} under drift, so leave it out there"
        )
    names = [updates.network, *filter(None, [updates.other])]
    board, compiled = context.board(point), context.deployments(point, names)
    deployments = [compiled[name] for name in names]
    sizes = [_parameter_bytes(deployment) for deployment in deployments]
    device = OneByOne(board, policy, context.timelines(point))
    swapped = Swapped(device, deployments, _region_ps(board, device, deployments[0], point.batch))
    stream = simulate(workload.requests, point.batch, updates, sizes, swapped)
    if not stream.updates:
        raise PlanningError(_too_few(workload, updates, stream))
    found = context.static(point, names, [1.0] * len(names))
    if found is None:
        return Drifted(stream)

    def static_of(images: int) -> SharedBaseline:
        return context.static_of(point, names, found.modules, images)

    alone = replace(updates, way="bank", vectors=0) if updates.way == "region" else updates
    static = _Static(static_of)
    fixed = simulate(workload.requests, point.batch, alone, sizes, static)
    static_ps = sum(count * static.settled_ps(*run) for run, count in stream.runs.items())
    return Drifted(stream, fixed, static_ps, found.modules)


class Swapped:
    """Deployments by version, on one device."""

    def __init__(self, device: OneByOne, deployments: Sequence[Deployment], region_ps: int) -> None:
        """Run deployments; `region_ps` is what a reconfiguration of their region takes."""
        self.region_ps = region_ps
        self._device, self._deployments = device, deployments

    def run(self, version: int, images: int) -> Taken:
        """Return what the next request takes."""
        return self._device.run(self._deployments[version], images)

    def settled_ps(self, version: int, images: int) -> int:
        """Return what a request takes that nothing disturbs."""
        return self._device.settled_ps(self._deployments[version], images)


class _Static:
    """A static design, which has parameter banks as well."""

    region_ps = 0

    def __init__(self, static_of: Callable[[int], SharedBaseline]) -> None:
        self._static_of = static_of
        self._taken: dict[tuple[int, int], Taken] = {}

    def run(self, version: int, images: int) -> Taken:
        if (version, images) not in self._taken:
            self._taken[version, images] = Taken(self.settled_ps(version, images))
        return self._taken[version, images]

    def settled_ps(self, version: int, images: int) -> int:
        return self._static_of(images).latencies_ps[version]


def _parameter_bytes(deployment: Deployment) -> int:
    """Return what a device keeps of parameters, as `fpga_rt.runtime.model` counts them."""
    return deployment.segments.weights_bytes + deployment.segments.tables_bytes


def _region_ps(board: Board, device: OneByOne, deployment: Deployment, images: int) -> int:
    """Return how long the largest partition of a network takes to be reconfigured.

    It is 0 where inferences load it anyway: they find another bitstream, and no load is added.
    """
    sizes = {index: board.partitions[index].bitstream_bytes for index in deployment.partitions}
    largest = max(sizes, key=sizes.__getitem__)
    if largest in device.settled_loads(deployment, images):
        return 0
    return swap_ps(board, board.default_port, largest)


def _too_few(workload: Workload, updates: Updates, stream: Stream) -> str:
    """Say why no update was in place in time, and what helps."""
    begins = f"{updates.every} requests" if updates.every else f"{updates.every_s:g} s"
    coming = stream.coming
    if coming is None:
        why = f"the first is due after {begins}; give it more requests, or update more often"
    elif coming.arrived_ps > stream.total_ps:
        why = (
            f"the first is sent after {begins} and is {coming.link_ps / 1e12:.4g} s on the link;"
            " give it more requests, a faster link or smaller updates"
        )
    elif updates.way == "bank" and updates.vectors:
        why = (
            f"the first had come after {coming.arrived_ps / 1e12:.4g} s, and {stream.tried} of"
            f" {updates.vectors} test vectors had run; give it more requests, fewer `vectors` or"
            " more `vectors_between`"
        )
    else:
        why = (
            f"the first came after {coming.arrived_ps / 1e12:.4g} s, while the last of them ran;"
            " give it more requests"
        )
    return (
        f"no update answered one of {workload.requests} requests, which end after"
        f" {stream.total_ps / 1e12:.4g} s: {why}"
    )
