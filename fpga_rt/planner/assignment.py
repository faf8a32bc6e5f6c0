"""What a layer costs where: modules that fit a partition, and layers shared between partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from fpga_rt.arch.boards import Board
from fpga_rt.arch.floorplan import Partition
from fpga_rt.contract.command import STREAM_BYTES, Segment
from fpga_rt.contract.sequencer import DISPATCH_CYCLES, SYNC_CYCLES
from fpga_rt.errors import PlanningError
from fpga_rt.modules.geometry import Ports
from fpga_rt.modules.layer import Layer, Operands, Place, Tile
from fpga_rt.modules.module import Module

Residency = Mapping[int, Module]
"""Which module is in which partition."""


@dataclass(frozen=True)
class Part:
    """A range of a layer's output channels, given to a partition."""

    partition: int
    module: Module
    channels: tuple[int, int]


@dataclass(frozen=True)
class Share:
    """How a layer is computed under a residency, and its cycles (an estimate for choosing)."""

    parts: tuple[Part, ...]
    cycles: int


class Costs:
    """Costs of layers on modules, remembered, for features on chip or in DRAM."""

    def __init__(self, board: Board, on_chip: bool, partitions: int) -> None:
        """Keep the ports of a board.

        Args:
            board: whose memories.
            on_chip: feature maps lie on chip.
            partitions: how many share the DRAM.
        """
        dram = board.dram.shared(partitions)
        features = board.on_chip if on_chip else dram
        self.ports = Ports(features, features, features, dram)
        self._cycles = lru_cache(maxsize=None)(self._compute_cycles)

    def cycles(self, layer: Layer, module: Module, channels: tuple[int, int]) -> int:
        """Return the cycles of a range of channels on a module that does not refuse the layer."""
        return self._cycles(layer, module, channels)

    def _compute_cycles(self, layer: Layer, module: Module, channels: tuple[int, int]) -> int:
        operands = Operands(
            Place(Segment.FEATURES, 0, layer.input_shape),
            Place(Segment.FEATURES, 0, layer.output_shape),
            Place(Segment.FEATURES, 0, layer.output_shape) if layer.has_residual else None,
        )
        total = 0
        for tile in tiles_of(layer, module, channels):
            cost = module.cost(module.command(layer, tile, operands), self.ports)
            total += max(cost.parameters, cost.compute) + DISPATCH_CYCLES
        return total

    def share(self, layer: Layer, residency: Residency) -> Share | None:
        """Return the fastest way to compute a layer under a residency, None if there is none."""
        able = {p: m for p, m in residency.items() if m.refusal(layer) is None}
        if not able:
            return None
        whole = (0, layer.output_shape[2])
        alone = {p: self.cycles(layer, m, whole) for p, m in able.items()}
        order = sorted(able, key=lambda p: (alone[p], p))
        best = Share((Part(order[0], able[order[0]], whole),), alone[order[0]])
        for count in range(2, len(order) + 1):
            parts = _divide(layer, [(p, able[p], alone[p]) for p in order[:count]])
            if len(parts) < count:
                break
            slowest = max(self.cycles(layer, part.module, part.channels) for part in parts)
            if slowest + SYNC_CYCLES < best.cycles:
                best = Share(parts, slowest + SYNC_CYCLES)
        return best


def _divide(layer: Layer, able: Sequence[tuple[int, Module, int]]) -> tuple[Part, ...]:
    """Give each partition channels in proportion to its speed, in whole groups of lanes."""
    total = layer.output_shape[2]
    group = max(STREAM_BYTES, *(module.lanes[0] for _, module, _ in able))
    groups = -(-total // group)
    speeds = [1 / cycles for _, _, cycles in able]
    parts, taken, weight = [], 0, 0.0
    for (partition, module, _), speed in zip(able, speeds, strict=True):
        weight += speed
        end = round(groups * weight / sum(speeds))
        first, last = taken * group, min(end * group, total)
        if last > first:
            parts.append(Part(partition, module, (first, last)))
        taken = end
    return tuple(parts)


def tiles_of(layer: Layer, module: Module, channels: tuple[int, int]) -> tuple[Tile, ...]:
    """Return the tiles of a range of output channels."""
    tiles = module.tiles(layer)
    width = tiles[0].channels[1] - tiles[0].channels[0]
    columns = sorted({tile.columns for tile in tiles})
    first, last = channels
    return tuple(
        Tile((c, min(c + width, last)), x) for x in columns for c in range(first, last, width)
    )


@dataclass(frozen=True, eq=False)
class Choice:
    """The modules worth loading into each partition for a set of layers."""

    layers: tuple[Layer, ...]
    partitions: tuple[Partition, ...]
    modules: tuple[Module, ...]

    @cached_property
    def by_partition(self) -> dict[int, tuple[Module, ...]]:
        """The largest fitting variant of every family that some layer can use."""
        found: dict[int, tuple[Module, ...]] = {}
        for partition in self.partitions:
            families: dict[str, Module] = {}
            for module in self.modules:
                if not module.resources.fits_in(partition.resources):
                    continue
                if all(module.refusal(layer) for layer in self.layers):
                    continue
                best = families.get(module.family)
                if best is None or _size(module) > _size(best):
                    families[module.family] = module
            found[partition.index] = tuple(families.values())
        return found

    def check(self) -> None:
        """Refuse layers that no module in any partition computes.

        Raises:
            PlanningError: names the layer and every family's reason.
        """
        offered = {m.name: m for modules in self.by_partition.values() for m in modules}
        for layer in self.layers:
            if all(m.refusal(layer) for m in offered.values()):
                where = ", ".join(partition.name for partition in self.partitions)
                raise PlanningError(
                    f"layer {layer.name} ({type(layer.operation).__name__} {layer.input_shape} ->"
                    f" {layer.output_shape}) fits no module in {where}: {self._reasons(layer)};"
                    " use a larger board or a smaller layer"
                )

    def _reasons(self, layer: Layer) -> str:
        """Return why no family helps: the reason of its largest variant that fits."""
        reasons = {}
        for module in sorted(self.modules, key=_size):
            largest = max((p.resources for p in self.partitions), key=lambda r: r.dsp)
            refusal = module.refusal(layer) or f"takes {module.resources}, there are {largest}"
            if module.family not in reasons or module.resources.fits_in(largest):
                reasons[module.family] = f"{module.name}: {refusal}"
        near = [text for text in reasons.values() if "does not compute" not in text]
        return "; ".join(near or reasons.values())


def _size(module: Module) -> tuple[int, int]:
    return (module.resources.dsp, module.resources.lut)
