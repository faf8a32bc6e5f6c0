"""What the commands of a launch cost, and when each of them runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fpga_rt.arch.boards import Board, MemoryPort
from fpga_rt.contract.command import (
    COMMAND,
    COMMAND_BYTES,
    MAX_PARTITIONS,
    Segment,
    split_address,
)
from fpga_rt.contract.sequencer import CommandCost, Timeline, timeline
from fpga_rt.deployment.model import Deployment, Launch
from fpga_rt.errors import PlanningError
from fpga_rt.modules.geometry import Ports
from fpga_rt.modules.module import Module
from fpga_rt.modules.registry import by_identity
from fpga_rt.planner.binding import Binding, bind
from fpga_rt.planner.relocation import relocated


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
    """Timelines of deployments' launches, computed once for each batch and place."""

    def __init__(self, board: Board) -> None:
        """Use the memories of a board."""
        self._board = board
        self._known: dict[tuple[int, int, int, tuple[int, ...]], Timeline] = {}
        self._deployments: dict[int, Deployment] = {}

    def get(
        self, deployment: Deployment, launch: int, batch: int, places: Sequence[int] | None = None
    ) -> Timeline:
        """Return the timeline of a launch over a batch.

        Args:
            deployment: whose launch.
            launch: index.
            batch: images.
            places: partitions of its modules; those that it was compiled for by default.
        """
        compiled = deployment.launches[launch]
        places = tuple(compiled.modules if places is None else places)
        key = (id(deployment), launch, batch, places)
        if key not in self._known:
            self._deployments[id(deployment)] = deployment  # or another could get its number
            binding = bind(deployment, batch)
            costs = launch_costs(self._board, deployment, relocated(compiled, places), binding)
            self._known[key] = timeline(costs, self._board.dram, batch, binding.depth)
        return self._known[key]
