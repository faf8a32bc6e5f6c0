"""From requests to a row of jobs, its times, and the strategy that a policy asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fpga_rt.arch.boards import Board
from fpga_rt.contract import static_region
from fpga_rt.contract.sequencer import REGISTER_CYCLES
from fpga_rt.deployment.model import Deployment
from fpga_rt.planner.admission import Work
from fpga_rt.planner.look_ahead import look_ahead
from fpga_rt.planner.plan import Planned, Row
from fpga_rt.planner.policies import ByRule
from fpga_rt.planner.relocation import needs_of
from fpga_rt.planner.schedule import Job, Load, Policy, Strategy
from fpga_rt.planner.timelines import Timelines


def jobs_of(requests: Sequence[tuple[int, Deployment, int]], moving: bool) -> tuple[Job, ...]:
    """Return the jobs of requests in order.

    Args:
        requests: number of the loaded model, its deployment, images.
        moving: modules may take every partition that there is a bitstream of them for.
    """
    return tuple(
        Job(model, index, number, batch, needs_of(deployment, launch, moving))
        for number, (model, deployment, batch) in enumerate(requests)
        for index, launch in enumerate(deployment.launches)
    )


def row_of(
    board: Board,
    port: str,
    jobs: Sequence[Job],
    deployments: Sequence[Deployment],
    timelines: Timelines,
    resident: Mapping[int, int] | None = None,
) -> Row:
    """Return jobs with their times, register accesses of the host included, without contention.

    Args:
        board: whose figures.
        port: configuration port.
        jobs: in order.
        deployments: of every request.
        timelines: of the deployments on this board.
        resident: what the partitions hold; nothing by default.
    """
    accesses = static_region.SUBMIT_ACCESSES + static_region.PROGRAM_END_ACCESSES
    durations = tuple(
        (
            timelines.get(deployments[job.request], job.launch, job.batch).total
            + accesses * REGISTER_CYCLES
        )
        * board.clock_ps
        for job in jobs
    )
    loads: dict[Load, int] = {
        (partition, need.module): swap_ps(board, port, partition)
        for job in jobs
        for need in job.needs
        for partition in need.partitions
    }
    return Row(tuple(jobs), durations, loads, dict(resident or {}))


def most_of(
    board: Board, port: str, deployment: Deployment, batch: int, timelines: Timelines
) -> tuple[tuple[Work, ...], dict[Load, int]]:
    """Return what an admission test must know of a network where it was compiled for.

    Args:
        board: whose figures.
        port: configuration port.
        deployment: the network.
        batch: images of a request at most.
        timelines: of deployments on this board.

    Returns:
        Its launches and its loads, with the most that each takes: programs that use the DRAM all
        the time slow every load.
    """
    jobs = jobs_of([(0, deployment, batch)], False)
    row = row_of(board, port, jobs, [deployment], timelines)
    slow = 100 + board.ports[port].contention_percent
    works = tuple(
        Work(tuple((need.partitions[0], need.module) for need in job.needs), duration)
        for job, duration in zip(row.jobs, row.durations_ps, strict=True)
    )
    return works, {load: -(-time * slow // 100) for load, time in row.load_ps.items()}


def swap_ps(board: Board, port: str, partition: int) -> int:
    """Return how long a swap takes while no program is in its way."""
    before, after = static_region.load_accesses(port)
    accesses = (
        static_region.DECOUPLE_ACCESSES
        + before
        + after
        + static_region.RESET_ACCESSES
        + static_region.IDENTIFY_ACCESSES
        + static_region.RECOUPLE_ACCESSES
    )
    load_ps = board.ports[port].load_ps(board.partitions[partition].bitstream_bytes)
    return load_ps + board.swap_software_ps + accesses * REGISTER_CYCLES * board.clock_ps


def strategy_of(policy: Policy, jobs: Sequence[Job], row: Callable[[], Row]) -> Strategy:
    """Return what decides for some jobs under a policy.

    Args:
        policy: the rule.
        jobs: in order.
        row: makes the same jobs with their times; called only for a policy that plans by them.
    """
    if policy == "look-ahead":
        return Planned(look_ahead(row()).plan)
    return ByRule(jobs, ahead=policy == "aggressive", oldest=policy == "lru")
