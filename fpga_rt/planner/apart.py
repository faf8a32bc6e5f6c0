"""A deployment in which every tensor has memory of its own, so that all can be read afterwards.

Nothing but addresses changes: modules, commands and their order, waits and parameters stay. Feature
maps lie in DRAM, where the host can read them, side by side instead of in each other's place. An
address that is wrong stays wrong by as much; the gaps keep it from hitting the next tensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fpga_rt.contract.command import (
    COMMAND,
    COMMAND_BYTES,
    OFFSET_MASK,
    Segment,
    address,
    split_address,
)
from fpga_rt.contract.memory_map import align
from fpga_rt.deployment.model import Deployment, Launch, Step
from fpga_rt.errors import PlanningError
from fpga_rt.planner.arena import Extent, allocate
from fpga_rt.planner.layers import PlannedLayer, plan_layers

GAP_BYTES = 4096
"""Between two tensors."""


@dataclass(frozen=True, eq=False)
class Apart:
    """A deployment with its tensors apart.

    Attributes:
        deployment: what to run.
        layers: what its steps compute, in order.
        extents: where every tensor lies, by name.
    """

    deployment: Deployment
    layers: tuple[PlannedLayer, ...]
    extents: Mapping[str, Extent]


def tensors_apart(deployment: Deployment) -> Apart:
    """Return a deployment with every tensor in memory of its own.

    Raises:
        PlanningError: it was compiled by another version of the planner, or all tensors together
            exceed what a command can address.
    """
    name = deployment.network.name
    plan = plan_layers(deployment.network)
    before, size_bytes = allocate(plan)
    layers = {item.layer.name: item for item in plan.layers}
    steps = {step.layer for launch in deployment.launches for step in launch.steps}
    if size_bytes != deployment.segments.features_bytes or steps != layers.keys():
        raise PlanningError(
            f"network {name} was compiled with other addresses or layers than this version's"
            f" ({deployment.segments.features_bytes} bytes of feature maps, expected {size_bytes});"
            " compile the model again"
        )
    after, total_bytes = _side_by_side(before)
    if total_bytes > OFFSET_MASK:
        raise PlanningError(
            f"network {name} has {total_bytes} bytes of feature maps, expected at most"
            f" {OFFSET_MASK} to keep them all; compare a smaller input"
        )
    moves = {tensor: after[tensor].offset - before[tensor].offset for tensor in after}
    launches = tuple(_moved(launch, layers, moves) for launch in deployment.launches)
    segments = replace(deployment.segments, features_bytes=total_bytes, on_chip_images=0)
    kept = replace(deployment, launches=launches, segments=segments)
    return Apart(kept, plan.layers, after)


def _side_by_side(extents: Mapping[str, Extent]) -> tuple[dict[str, Extent], int]:
    """Return the same tensors one behind the other, and their bytes with the gaps."""
    offset, found = 0, {}
    for name, extent in extents.items():
        found[name] = extent
        if extent.segment is Segment.FEATURES:
            found[name] = replace(extent, offset=offset)
            offset += align(extent.size_bytes) + GAP_BYTES
    return found, offset


def _moved(launch: Launch, layers: Mapping[str, PlannedLayer], moves: Mapping[str, int]) -> Launch:
    rings = {partition: bytearray(ring) for partition, ring in launch.rings.items()}
    for step in launch.steps:
        _move_commands(rings[step.partition], step, layers[step.layer], moves)
    return replace(launch, rings={partition: bytes(ring) for partition, ring in rings.items()})


def _move_commands(
    ring: bytearray, step: Step, item: PlannedLayer, moves: Mapping[str, int]
) -> None:
    """Change the addresses of a step's commands in their ring."""
    tensors = {"input": item.input, "output": item.output, "residual": item.residual}
    first, count = step.commands
    for start in range(first * COMMAND_BYTES, (first + count) * COMMAND_BYTES, COMMAND_BYTES):
        place = slice(start, start + COMMAND_BYTES)
        fields = COMMAND.decode(bytes(ring[place]))
        for operand, tensor in tensors.items():
            segment, offset = split_address(fields[operand])
            if tensor is not None and segment == Segment.FEATURES:
                offset = (offset + moves[tensor]) & OFFSET_MASK
                fields[operand] = address(Segment.FEATURES, offset)
        ring[place] = COMMAND.encode(fields)
