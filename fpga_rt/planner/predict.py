"""Predict when everything runs, to the tick of a virtual clock.

The same policy as the runtime's is carried out by arithmetic: module cycle formulas, the
sequencer's timing rule, port rates, and the register accesses of every host operation. Host
software takes no time here, as in every virtual clock of this project, but what a board that was
calibrated adds to a swap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fpga_rt.arch.boards import Board, MemoryPort
from fpga_rt.arch.ports import Interval
from fpga_rt.contract import static_region
from fpga_rt.contract.command import (
    COMMAND,
    COMMAND_BYTES,
    MAX_PARTITIONS,
    Segment,
    split_address,
)
from fpga_rt.contract.sequencer import REGISTER_CYCLES, CommandCost, Timeline, timeline
from fpga_rt.deployment.model import Deployment, Launch
from fpga_rt.errors import PlanningError
from fpga_rt.modules.geometry import Ports
from fpga_rt.modules.module import Module
from fpga_rt.modules.registry import by_identity
from fpga_rt.planner import schedule
from fpga_rt.planner.binding import Binding, bind
from fpga_rt.planner.schedule import Job, Policy


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
    """When requests and loads start and end, in picoseconds of the virtual clock."""

    requests: tuple[tuple[int, int], ...]
    loads: tuple[Load, ...]
    reused: int

    @property
    def total_ps(self) -> int:
        """Time from the start to the end of the last request."""
        return self.requests[-1][1] - self.requests[0][0] if self.requests else 0

    @property
    def swaps(self) -> int:
        """Loads that replaced a module."""
        return sum(not load.initial for load in self.loads)


def predict(
    board: Board,
    requests: Sequence[tuple[Deployment, int]],
    policy: Policy = "aggressive",
    port: str | None = None,
) -> Prediction:
    """Predict requests (deployment and batch) in order on a device whose partitions are empty.

    Raises:
        PlanningError: a deployment names a module that is not installed.
    """
    clock = _Clock(board, requests, port or board.default_port)
    jobs = [
        Job(number, index, number, batch, deployment.identities(launch))
        for number, (deployment, batch) in enumerate(requests)
        for index, launch in enumerate(deployment.launches)
    ]
    schedule.run(jobs, clock, policy)
    return Prediction(tuple(clock.ended), tuple(clock.loads), clock.reused)


def launch_costs(
    board: Board, deployment: Deployment, launch: Launch, binding: Binding
) -> Mapping[int, tuple[CommandCost, ...]]:
    """Return the cost of every command of a launch by partition.

    Raises:
        PlanningError: a module is not installed.
    """
    dram = board.dram.shared(len(launch.rings))
    features = board.on_chip if binding.on_chip else dram
    memories = {Segment.FEATURES: features}
    costs = {}
    for partition, ring in launch.rings.items():
        module = module_of(deployment, launch.modules[partition])
        commands = (ring[i : i + COMMAND_BYTES] for i in range(0, len(ring), COMMAND_BYTES))
        costs[partition] = tuple(_cost(module, command, memories, dram) for command in commands)
    return costs


def module_of(deployment: Deployment, name: str) -> Module:
    """Return the installed module that a deployment calls by a name.

    Raises:
        PlanningError: it is not installed.
    """
    module = by_identity().get(deployment.module_ids[name])
    if module is None:
        raise PlanningError(
            f"module {name} of network {deployment.network.name} is not installed;"
            " install its package or compile the network again"
        )
    return module


def _cost(
    module: Module, descriptor: bytes, memories: Mapping[Segment, MemoryPort], dram: MemoryPort
) -> CommandCost:
    fields = COMMAND.decode(descriptor)

    def port(operand: str) -> MemoryPort:
        return memories.get(Segment(split_address(fields[operand])[0]), dram)

    waits = tuple(fields[f"wait{p}"] for p in range(MAX_PARTITIONS))
    return replace(
        module.cost(fields, Ports(port("input"), port("output"), port("residual"), dram)),
        waits=waits,
    )


class Timelines:
    """Timelines of a deployment's launches, computed once for each batch."""

    def __init__(self, board: Board) -> None:
        """Use the memories of a board."""
        self._board = board
        self._known: dict[tuple[int, int, int], Timeline] = {}

    def get(self, deployment: Deployment, launch: int, batch: int) -> Timeline:
        """Return the timeline of a launch over a batch."""
        key = (id(deployment), launch, batch)
        if key not in self._known:
            binding = bind(deployment, batch)
            costs = launch_costs(self._board, deployment, deployment.launches[launch], binding)
            self._known[key] = timeline(costs, self._board.dram, batch, binding.depth)
        return self._known[key]


class _Clock:
    """An executor that only counts time."""

    def __init__(self, board: Board, requests: Sequence[tuple[Deployment, int]], port: str) -> None:
        self._board = board
        self._requests = requests
        self._port = port
        self._timelines = Timelines(board)
        self._resident: dict[int, int] = {}
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
        self.reused = 0

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

    def begin_job(self, job: Job) -> None:
        self._access(static_region.SUBMIT_ACCESSES)
        deployment, batch = self._requests[job.request]
        cycles = self._timelines.get(deployment, job.launch, batch).total
        self._program_end = self.now + cycles * self._board.clock_ps
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
