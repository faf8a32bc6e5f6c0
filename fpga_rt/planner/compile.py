"""Compile a network for a board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fpga_rt.arch.boards import Board
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.contract.command import MAX_PARTITIONS, OFFSET_MASK
from fpga_rt.contract.memory_map import align
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.deployment.model import Deployment, Launch, Segments, digest
from fpga_rt.errors import PlanningError
from fpga_rt.modules.module import Module
from fpga_rt.modules.registry import modules as installed_modules
from fpga_rt.network.graph import Network
from fpga_rt.planner.arena import Extent, allocate
from fpga_rt.planner.assignment import Choice, Share
from fpga_rt.planner.layers import Layers, PlannedLayer, plan_layers
from fpga_rt.planner.program import BlockStore, LaunchBuilder
from fpga_rt.planner.residency import Placement, place

_NO_FEATURES_IMAGES = 1 << 16
"""A network of one layer has no feature maps; any batch fits."""


@dataclass(frozen=True, eq=False)
class Task:
    """A network on a board before any module is placed."""

    network: Network
    board: Board
    partitions: tuple[int, ...]
    layers: Layers
    choice: Choice
    extents: Mapping[str, Extent]
    features_bytes: int

    @property
    def on_chip_images(self) -> int:
        """Images whose feature maps fit the feature memory together."""
        if not self.features_bytes:
            return _NO_FEATURES_IMAGES
        return self.board.feature_memory_bytes // self.features_bytes


def compile_network(
    network: Network,
    board: Board,
    partitions: int | Sequence[int] | None = None,
    modules: Sequence[Module] | None = None,
) -> Deployment:
    """Return a deployment of `network` on `board`.

    Args:
        network: the integer network.
        board: floorplan, clocks, ports and memories.
        partitions: how many partitions to use (the first ones), or which; all by default.
        modules: variants to choose from; every installed one by default.

    Raises:
        PlanningError: it does not fit, or the partitions do not exist.
    """
    task = prepare(network, board, partitions, modules)
    return assemble(task, place(board, task.choice, task.on_chip_images > 0))


def prepare(
    network: Network,
    board: Board,
    partitions: int | Sequence[int] | None = None,
    modules: Sequence[Module] | None = None,
) -> Task:
    """Return the layers and tensors of a network, and the modules that may compute them.

    Raises:
        PlanningError: the partitions do not exist, or nothing is left for them to compute.
    """
    chosen = choose_partitions(board, partitions)
    layers = plan_layers(network)
    choice = Choice(
        tuple(item.layer for item in layers.layers),
        tuple(board.partitions[i] for i in chosen),
        tuple(modules or installed_modules()),
    )
    return Task(network, board, chosen, layers, choice, *allocate(layers))


def assemble(task: Task, placement: Placement) -> Deployment:
    """Return the deployment of a network whose modules are placed.

    Raises:
        PlanningError: a tensor or block exceeds what a command can address.
    """
    extents, layers, board = task.extents, task.layers, task.board
    weights, tables = BlockStore(), BlockStore()
    launches = tuple(
        _build(LaunchBuilder(extents, weights, tables, placement.costs.ports), group)
        for group in _cut(layers.layers, placement)
    )
    _check_reach(task.network, weights.size_bytes, tables.size_bytes, task.features_bytes)
    used = {m.name: m for r in placement.residencies for m in r.values()}
    return Deployment(
        network=task.network,
        board=board.name,
        map_id=STATIC_REGION.map_id,
        partitions=task.partitions,
        launches=launches,
        segments=Segments(
            extents[layers.input].size_bytes,
            extents[layers.output].size_bytes,
            align(task.features_bytes),
            weights.size_bytes,
            tables.size_bytes,
            task.on_chip_images,
        ),
        blocks=weights.content | tables.content,
        module_ids={
            name: used[name].module_id
            for name in sorted({m for launch in launches for m in launch.modules.values()})
        },
        host_nodes=layers.host_nodes,
        **_bitstreams(board, launches, used),  # type: ignore[arg-type]
    )


def choose_partitions(board: Board, wanted: int | Sequence[int] | None) -> tuple[int, ...]:
    """Return the indices of the partitions to use.

    Raises:
        PlanningError: more than the board has, or none.
    """
    available = tuple(p.index for p in board.partitions)[:MAX_PARTITIONS]
    if wanted is None:
        return available
    chosen = available[:wanted] if isinstance(wanted, int) else tuple(sorted(set(wanted)))
    count = wanted if isinstance(wanted, int) else len(chosen)
    if count < 1 or count > len(available) or not set(chosen) <= set(available):
        names = ", ".join(p.name for p in board.partitions)
        if isinstance(wanted, int):
            got, expected = f"{wanted} partitions", f"1..{len(available)}"
        else:
            got = f"partitions {', '.join(map(str, wanted)) or '(none)'}"
            expected = f"some of 0..{len(available) - 1}"
        raise PlanningError(f"{got} asked of board {board.name}, expected {expected} ({names})")
    return chosen


def _cut(
    layers: Sequence[PlannedLayer], placement: Placement
) -> list[list[tuple[PlannedLayer, Share]]]:
    """Cut the layers where a module changes, and after the last use of one that will change.

    The second cut lets the next module be loaded while other partitions go on.
    """
    uses: dict[int, list[tuple[int, str]]] = {}
    for index, share in enumerate(placement.shares):
        for part in share.parts:
            uses.setdefault(part.partition, []).append((index, part.module.name))
    cuts = set()
    for history in uses.values():
        following = [*history[1:], history[0]]
        for (index, module), (after, successor) in zip(history, following, strict=True):
            if module != successor:
                cuts |= {index + 1, after}
    groups: list[list[tuple[PlannedLayer, Share]]] = []
    for index, pair in enumerate(zip(layers, placement.shares, strict=True)):
        if index == 0 or index in cuts:
            groups.append([])
        groups[-1].append(pair)
    return groups


def _build(builder: LaunchBuilder, group: Sequence[tuple[PlannedLayer, Share]]) -> Launch:
    for item, share in group:
        builder.add(item, share)
    return builder.build()


def _check_reach(network: Network, *sizes: int) -> None:
    if max(sizes) > OFFSET_MASK:
        raise PlanningError(
            f"network {network.name} needs a segment of {max(sizes)} bytes, expected at most"
            f" {OFFSET_MASK}; it is too big for one deployment"
        )


def _bitstreams(
    board: Board, launches: Sequence[Launch], used: dict[str, Module]
) -> dict[str, object]:
    """Return a simulation bitstream for every partition and module that a launch needs."""
    contents: dict[str, bytes] = {}
    loads: dict[tuple[int, str], str] = {}
    for launch in launches:
        for index, name in launch.modules.items():
            data = simulation_bitstream(board.device, board.partitions[index], used[name].module_id)
            contents[digest(data)] = data
            loads[index, name] = digest(data)
    return {"bitstreams": contents, "loads": loads}
