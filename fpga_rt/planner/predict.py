"""Predict when everything runs, to the tick of a virtual clock.

The same policy as the runtime's is carried out by arithmetic: module cycle formulas, the
sequencer's timing rule, port rates, and the register accesses of every host operation. Host
software takes no time here, as in every virtual clock of this project, but what a board that was
calibrated adds to a swap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from fpga_rt.arch.boards import Board
from fpga_rt.arch.ports import Interval
from fpga_rt.contract import static_region
from fpga_rt.contract.sequencer import REGISTER_CYCLES
from fpga_rt.deployment.model import Deployment
from fpga_rt.planner import schedule
from fpga_rt.planner.binding import bind
from fpga_rt.planner.plan import Plan, Planned
from fpga_rt.planner.requests import jobs_of, row_of, strategy_of
from fpga_rt.planner.schedule import Job, Policy
from fpga_rt.planner.timelines import Timelines


@dataclass(frozen=True)
class Load:
    """A predicted load: partition, module, span, and whether it filled an empty partition."""

    partition: int
    module: str
    started_ps: int
    ended_ps: int
    initial: bool


@dataclass(frozen=True)
class Prediction:
    """When requests, programs and loads start and end, in picoseconds of the virtual clock.

    `programs` are the jobs' spans, one after the other; `resident` is the module that each
    partition holds in the end.
    """

    requests: tuple[tuple[int, int], ...]
    loads: tuple[Load, ...]
    reused: int
    programs: tuple[tuple[int, int], ...] = ()
    resident: Mapping[int, int] = field(default_factory=dict, hash=False)

    @property
    def total_ps(self) -> int:
        """Time from the start to the end of the last request."""
        return self.requests[-1][1] - self.requests[0][0] if self.requests else 0

    @property
    def swaps(self) -> int:
        """Loads that replaced a module."""
        return sum(not load.initial for load in self.loads)

    @property
    def load_ps(self) -> int:
        """Time of all loads, hidden or not."""
        return sum(load.ended_ps - load.started_ps for load in self.loads)

    @property
    def hidden_ps(self) -> int:
        """Time of loads during which a program ran."""
        hidden, first = 0, 0
        for load in self.loads:
            while first < len(self.programs) and self.programs[first][1] <= load.started_ps:
                first += 1
            for start, end in self.programs[first:]:
                if start >= load.ended_ps:
                    break
                hidden += min(load.ended_ps, end) - max(load.started_ps, start)
        return hidden


def predict(
    board: Board,
    requests: Sequence[tuple[Deployment, int]],
    policy: Policy | Plan = "aggressive",
    port: str | None = None,
    timelines: Timelines | None = None,
    resident: Mapping[int, int] | None = None,
) -> Prediction:
    """Predict requests (deployment and batch) in order, all of them known when the first begins.

    Args:
        board: whose figures.
        requests: in order.
        policy: when and where to load what: by a rule, or a plan for the jobs of the requests.
        port: configuration port; the board's default port unless given.
        timelines: what is known already of the deployments on this board.
        resident: module by partition at the start; all are empty by default.

    Raises:
        PlanningError: a deployment names a module that is not installed.
    """
    port = port or board.default_port
    timelines = timelines or Timelines(board)
    moving = isinstance(policy, Plan) or policy in schedule.MOVING
    jobs = jobs_of([(number, *request) for number, request in enumerate(requests)], moving)
    deployments = [deployment for deployment, _ in requests]
    if isinstance(policy, Plan):
        strategy: schedule.Strategy = Planned(policy)
    else:
        strategy = strategy_of(
            policy, jobs, lambda: row_of(board, port, jobs, deployments, timelines, resident)
        )
    clock = _Clock(board, requests, port, timelines, resident or {})
    schedule.run(jobs, clock, strategy)
    return Prediction(
        tuple(clock.ended),
        tuple(clock.loads),
        clock.reused,
        tuple(clock.programs),
        clock.contents,
    )


class _Clock:
    """An executor that only counts time."""

    def __init__(
        self,
        board: Board,
        requests: Sequence[tuple[Deployment, int]],
        port: str,
        timelines: Timelines,
        resident: Mapping[int, int],
    ) -> None:
        self._board = board
        self._requests = requests
        self._port = port
        self._timelines = timelines
        self._resident = dict(resident)
        self._names = {
            identity: name
            for deployment, _ in requests
            for name, identity in deployment.module_ids.items()
        }
        self._load: Load | None = None
        self._loading: tuple[int, int] | None = None
        self._port_started = 0
        self._in_dram: list[Interval] = []
        self._program_end = 0
        self._job: Job | None = None
        self._started = 0
        self.now = 0
        self.ended: list[tuple[int, int]] = []
        self.loads: list[Load] = []
        self.programs: list[tuple[int, int]] = []
        self.reused = 0

    @property
    def contents(self) -> dict[int, int]:
        """Return what every partition holds."""
        return dict(self._resident)

    def resident(self, partition: int) -> int | None:
        return self._resident.get(partition)

    def loading(self) -> tuple[int, int] | None:
        return self._loading

    def reuse(self, partition: int) -> None:
        self.reused += 1

    def may_load_ahead(self) -> bool:
        return True

    def begin_swap(self, partition: int, module: int, ahead: bool) -> None:
        started = self.now
        initial = partition not in self._resident
        self._resident.pop(partition, None)
        before, _ = static_region.load_accesses(self._port)
        self.now += self._board.swap_software_ps
        self._access(static_region.DECOUPLE_ACCESSES + before)
        self._port_started = self.now
        self._load = Load(partition, self._names[module], started, started, initial)
        self._loading = (partition, module)

    def finish_swap(self) -> None:
        load, self._load = self._load, None
        if load is None or self._loading is None:
            return
        self.now = max(self.now, self._port_ended(load))
        _, after = static_region.load_accesses(self._port)
        self._access(
            after
            + static_region.RESET_ACCESSES
            + static_region.IDENTIFY_ACCESSES
            + static_region.RECOUPLE_ACCESSES
        )
        partition, module = self._loading
        self._resident[partition], self._loading = module, None
        self.loads.append(replace(load, ended_ps=self.now))

    def begin_job(self, job: Job, places: tuple[int, ...]) -> None:
        self._access(static_region.SUBMIT_ACCESSES)
        deployment, batch = self._requests[job.request]
        cycles = self._timelines.get(deployment, job.launch, batch, places).total
        self._program_end = self.now + cycles * self._board.clock_ps
        self.programs.append((self.now, self._program_end))
        if not bind(deployment, batch).on_chip:
            self._in_dram.append((self.now, self._program_end))
        self._job = job

    def wait(self) -> bool:
        if self._load is not None and self._port_ended(self._load) <= self._program_end:
            self.finish_swap()
            return False
        self.now = max(self.now, self._program_end)
        self._access(static_region.PROGRAM_END_ACCESSES)
        job = self._job
        if job and job.launch == len(self._requests[job.request][0].launches) - 1:
            self.ended.append((self._started, self.now))
            self._started = self.now
        return True

    def _port_ended(self, load: Load) -> int:
        """Return when the port has taken the load in flight, given the programs begun so far."""
        size = self._board.partitions[load.partition].bitstream_bytes
        self._in_dram = [span for span in self._in_dram if span[1] > self._port_started]
        port = self._board.ports[self._port]
        return port.ended_ps(self._port_started, size, self._in_dram)

    def _access(self, count: int) -> None:
        self.now += count * REGISTER_CYCLES * self._board.clock_ps
