"""A deployment taken apart: its network, and the program that runs any network of that structure.

Parameter blocks follow from both, so an update sends the network's parameters once and leaves the
packing to the modules, whichever way they cut a layer into blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from fpga_rt.contract.command import COMMAND, COMMAND_BYTES, MAX_PARTITIONS, Segment
from fpga_rt.deployment.model import Block, Deployment, Launch, Segments, Step, digest
from fpga_rt.errors import PlanningError
from fpga_rt.modules.layer import Layer, Operands, Place, Tile
from fpga_rt.modules.module import Module
from fpga_rt.network.graph import Network
from fpga_rt.planner.assignment import tiles_of
from fpga_rt.planner.layers import plan_layers
from fpga_rt.planner.timelines import module_of

_OF_MEMORY = {"input", "residual", "output", "weights", "table", "sequence"} | {
    f"wait{p}" for p in range(MAX_PARTITIONS)
}
"""Fields of a command that say where its operands lie and when it runs, not what it computes."""

Layers = Mapping[str, Layer]


@dataclass(frozen=True, eq=False)
class Program:
    """Everything of a `Deployment` but its network and its blocks, whose digests are left blank."""

    board: str
    map_id: int
    partitions: tuple[int, ...]
    launches: tuple[Launch, ...]
    segments: Segments
    bitstreams: Mapping[str, bytes]
    loads: Mapping[tuple[int, str], str]
    module_ids: Mapping[str, int]
    host_nodes: int


def program_of(deployment: Deployment) -> Program:
    """Return the program of a deployment."""
    values = {f.name: getattr(deployment, f.name) for f in fields(Program)}
    launches = tuple(
        replace(launch, steps=tuple(_blank(step) for step in launch.steps))
        for launch in deployment.launches
    )
    return Program(**values | {"launches": launches})


def assemble(program: Program, network: Network) -> Deployment:
    """Return the deployment in which a program runs a network.

    Raises:
        PlanningError: the network lacks a layer of the program, a module is not installed, or a
            block does not fit the place that the program has for it.
    """
    values = {f.name: getattr(program, f.name) for f in fields(Program)}
    empty = Deployment(network=network, blocks={}, **values)
    layers = _layers(network)
    blocks: dict[str, bytes] = {}
    launches = tuple(
        replace(launch, steps=tuple(_filled(empty, step, layers, blocks) for step in launch.steps))
        for launch in program.launches
    )
    return replace(empty, blocks=blocks, launches=launches)


def obstacle(base: Deployment, network: Network) -> str | None:
    """Return why the program of a deployment cannot run another network, None when it can.

    Tensors must have the names and shapes of the base's, for that is what places them. The commands
    are made again for the new network and compared with those in the rings.
    """
    try:
        layers = _layers(network)
        planned = {step.layer for launch in base.launches for step in launch.steps}
        if layers.keys() != planned or plan_layers(network).host_nodes != base.host_nodes:
            return f"it has the layers {', '.join(layers)}, expected {', '.join(sorted(planned))}"
        for launch in base.launches:
            for step in launch.steps:
                if not _same_commands(base, launch, step, layers):
                    return f"layer {step.layer} needs other commands"
    except PlanningError as error:
        return str(error)
    return None


def _layers(network: Network) -> Layers:
    return {item.layer.name: item.layer for item in plan_layers(network).layers}


def _blank(step: Step) -> Step:
    weights = tuple(replace(block, digest="") for block in step.weights)
    return replace(step, weights=weights, tables=tuple(replace(b, digest="") for b in step.tables))


def _tiles(
    deployment: Deployment, step: Step, layers: Layers
) -> tuple[Module, Layer, tuple[Tile, ...]]:
    """Return the module, the layer and the tiles of a step.

    Raises:
        PlanningError: the layer or the module is missing, or the module cannot compute the layer.
    """
    layer = layers.get(step.layer)
    if layer is None:
        raise PlanningError(
            f"network {deployment.network.name} has no layer {step.layer}, which the program"
            f" computes; it has {', '.join(layers)}; compile the network again"
        )
    module = module_of(deployment, step.module)
    refusal = module.refusal(layer)
    if refusal is not None:
        raise PlanningError(
            f"layer {step.layer} cannot run on {step.module} ({refusal}); compile the network again"
        )
    return module, layer, tiles_of(layer, module, step.channels)


def _filled(deployment: Deployment, step: Step, layers: Layers, blocks: dict[str, bytes]) -> Step:
    """Return a step with the digests of its blocks, which are put into `blocks`."""
    module, layer, tiles = _tiles(deployment, step, layers)
    packed = [module.parameters(layer, tile) for tile in tiles]
    weights = [part.weights for part in packed if part.weights]
    tables = [part.table for part in packed]
    return replace(
        step,
        weights=tuple(_named(step, step.weights, weights, blocks)),
        tables=tuple(_named(step, step.tables, tables, blocks)),
    )


def _named(
    step: Step, places: Sequence[Block], contents: Sequence[bytes], blocks: dict[str, bytes]
) -> Iterator[Block]:
    got, expected = [len(data) for data in contents], [block.size_bytes for block in places]
    if got != expected:
        raise PlanningError(
            f"layer {step.layer} has parameter blocks of {got} bytes, the program has room for"
            f" {expected}; compile the network again"
        )
    for block, data in zip(places, contents, strict=True):
        name = digest(data)
        blocks[name] = data
        yield replace(block, digest=name)


def _same_commands(base: Deployment, launch: Launch, step: Step, layers: Layers) -> bool:
    module, layer, tiles = _tiles(base, step, layers)
    first, count = step.commands
    ring = launch.rings[step.partition][first * COMMAND_BYTES : (first + count) * COMMAND_BYTES]
    place = Place(Segment.FEATURES, 0, layer.output_shape)
    source = Place(Segment.FEATURES, 0, layer.input_shape)
    operands = Operands(source, place, place if layer.has_residual else None)
    if len(tiles) != count:
        return False
    for number, tile in enumerate(tiles):
        start = number * COMMAND_BYTES
        stored = COMMAND.decode(ring[start : start + COMMAND_BYTES])
        made = COMMAND.decode(COMMAND.encode(module.command(layer, tile, operands)))
        if any(stored[name] != made[name] for name in stored.keys() - _OF_MEMORY):
            return False
    return True
