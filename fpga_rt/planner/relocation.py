"""Run a launch in other partitions than those it was compiled for.

Modules have one boundary in every partition and address memory by segments, so a launch moves by
giving its rings to other partitions and renaming the partitions that its commands wait for.
Nothing else changes; a partition that is too small, or without a bitstream, is none to move to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fpga_rt.arch.boards import Board
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.contract.command import COMMAND, COMMAND_BYTES, MAX_PARTITIONS
from fpga_rt.deployment.model import Deployment, Launch, digest
from fpga_rt.modules.registry import by_identity
from fpga_rt.planner.compile import choose_partitions
from fpga_rt.planner.schedule import Need


def movable(
    deployment: Deployment, board: Board, partitions: int | Sequence[int] | None = None
) -> Deployment:
    """Return a deployment with bitstreams of its modules for every partition that they fit.

    One with built bitstreams stays as it is: its modules move to where they were built for.

    Args:
        deployment: compiled for some partitions of the board.
        board: the board.
        partitions: how many partitions modules may move to (the first ones), or which; all by
            default. Those that the deployment was compiled for always stay.

    Raises:
        PlanningError: the partitions do not exist.
    """
    if deployment.static_id:
        return deployment
    chosen = sorted({*choose_partitions(board, partitions), *deployment.partitions})
    installed = by_identity()
    loads, bitstreams = dict(deployment.loads), dict(deployment.bitstreams)
    for name, identity in deployment.module_ids.items():
        module = installed.get(identity)
        for index in chosen:
            partition = board.partitions[index]
            if (index, name) in loads or module is None:
                continue
            if module.resources.fits_in(partition.resources):
                data = simulation_bitstream(board.device, partition, identity)
                loads[index, name] = digest(data)
                bitstreams[digest(data)] = data
    return replace(deployment, partitions=tuple(chosen), loads=loads, bitstreams=bitstreams)


def needs_of(deployment: Deployment, launch: Launch, moving: bool) -> tuple[Need, ...]:
    """Return the modules of a launch with their partitions: that it was compiled for comes first.

    Args:
        deployment: whose bitstreams say where a module may run.
        launch: one of its launches.
        moving: name the other partitions too.
    """
    found = []
    for home, name in launch.modules.items():
        others: Sequence[int] = ()
        if moving:
            others = sorted(p for p, module in deployment.loads if module == name and p != home)
        found.append(Need(deployment.module_ids[name], (home, *others)))
    return tuple(found)


def relocated(launch: Launch, places: Sequence[int]) -> Launch:
    """Return a launch whose modules, in the order of `launch.modules`, are in other partitions."""
    homes = tuple(launch.modules)
    if homes == tuple(places):
        return launch
    moved = dict(zip(homes, places, strict=True))
    return replace(
        launch,
        modules={moved[p]: name for p, name in launch.modules.items()},
        rings={moved[p]: _renamed(ring, moved) for p, ring in launch.rings.items()},
        steps=tuple(replace(step, partition=moved[step.partition]) for step in launch.steps),
    )


def _renamed(ring: bytes, moved: dict[int, int]) -> bytes:
    commands = []
    for start in range(0, len(ring), COMMAND_BYTES):
        fields = COMMAND.decode(ring[start : start + COMMAND_BYTES])
        waits = {p: fields[f"wait{p}"] for p in range(MAX_PARTITIONS)}
        fields |= dict.fromkeys((f"wait{p}" for p in waits), 0)
        fields |= {f"wait{moved[p]}": count for p, count in waits.items() if count}
        commands.append(COMMAND.encode(fields))
    return b"".join(commands)
