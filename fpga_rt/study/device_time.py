"""What a device does during a request: loads, parameters, computing, register accesses.

Every figure comes from the planner's prediction of the deployment; they add up to the request's
latency, to the picosecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fpga_rt.arch.boards import Board
from fpga_rt.contract.sequencer import REGISTER_CYCLES, timeline
from fpga_rt.contract.static_region import PROGRAM_END_ACCESSES, SUBMIT_ACCESSES
from fpga_rt.deployment.model import Deployment
from fpga_rt.planner.baseline import static_baseline
from fpga_rt.planner.binding import bind
from fpga_rt.planner.predict import predict
from fpga_rt.planner.schedule import Policy
from fpga_rt.planner.timelines import launch_costs

_REQUESTS = 3
"""The first is cold; the last is what every later one takes."""


@dataclass(frozen=True)
class DeviceTime:
    """Picoseconds of a request.

    Attributes:
        load_ps: loads that no program hid, with decoupling, reset, identification, recoupling.
        parameters_ps: parameters that no computing hid.
        compute_ps: computing, descriptors and dispatch included.
        host_ps: register accesses that begin and end programs.
    """

    load_ps: int
    parameters_ps: int
    compute_ps: int
    host_ps: int

    @property
    def total_ps(self) -> int:
        """Latency of the request."""
        return self.load_ps + self.parameters_ps + self.compute_ps + self.host_ps


@dataclass(frozen=True)
class DeviceTimes:
    """A request that follows others of its kind, one that finds its modules gone, and neither.

    Attributes:
        warm: the modules are where the request before left them.
        swapped: every module has to be loaded first.
        static_ps: a static design of the same area, None where its modules do not fit together.
    """

    warm: DeviceTime
    swapped: DeviceTime
    static_ps: int | None

    @property
    def swap_ps(self) -> int:
        """What a change to this deployment costs its first request."""
        return self.swapped.total_ps - self.warm.total_ps


def device_times(
    deployment: Deployment, board: Board, batch: int, policy: Policy, port: str
) -> DeviceTimes:
    """Predict what requests of `batch` images take.

    Raises:
        PlanningError: a module of the deployment is not installed.
    """
    requests = predict(board, [(deployment, batch)] * _REQUESTS, policy, port).requests
    whole, bare = (_programs_ps(deployment, board, batch, left_out) for left_out in (False, True))
    accesses = len(deployment.launches) * (SUBMIT_ACCESSES + PROGRAM_END_ACCESSES)
    host_ps = accesses * REGISTER_CYCLES * board.clock_ps

    def parts(span: Sequence[int]) -> DeviceTime:
        return DeviceTime(span[1] - span[0] - whole - host_ps, whole - bare, bare, host_ps)

    static = static_baseline(deployment.network, board, deployment.partitions, batch)
    static_ps = static.latency_ps if static else None
    return DeviceTimes(parts(requests[-1]), parts(requests[0]), static_ps)


def _programs_ps(deployment: Deployment, board: Board, batch: int, free_parameters: bool) -> int:
    """Return the time of all programs, with parameters as they are or taking no time at all."""
    binding, cycles = bind(deployment, batch), 0
    for launch in deployment.launches:
        costs = launch_costs(board, deployment, launch, binding)
        if free_parameters:
            costs = {
                partition: tuple(replace(cost, parameters=0, streamed=False) for cost in ring)
                for partition, ring in costs.items()
            }
        cycles += timeline(costs, board.dram, batch, binding.depth).total
    return cycles * board.clock_ps
