"""Launches: commands with addresses and waits, and the parameter blocks they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fpga_rt.contract.command import COMMAND, MAX_PARTITIONS, Operation, Segment, address
from fpga_rt.contract.memory_map import align
from fpga_rt.deployment.model import Block, Launch, Step, digest
from fpga_rt.errors import PlanningError
from fpga_rt.modules.geometry import Ports
from fpga_rt.modules.layer import Operands, Place
from fpga_rt.planner.arena import Extent
from fpga_rt.planner.assignment import Part, Share, tiles_of
from fpga_rt.planner.layers import PlannedLayer


class BlockStore:
    """Parameter blocks of one kind: equal content is stored once, at an aligned offset."""

    def __init__(self) -> None:
        """Start empty."""
        self.size_bytes = 0
        self.content: dict[str, bytes] = {}
        self._blocks: dict[str, Block] = {}

    def add(self, data: bytes) -> Block:
        """Return the block with this content, stored when it is not there yet."""
        name = digest(data)
        if name not in self._blocks:
            self._blocks[name] = Block(name, self.size_bytes, len(data))
            self.content[name] = data
            self.size_bytes += align(len(data))
        return self._blocks[name]


@dataclass
class _Issued:
    """What was put into the rings for a layer: its tensors, and each ring's length after it."""

    reads: tuple[Extent, ...]
    writes: Extent
    ends: Mapping[int, int]


@dataclass
class LaunchBuilder:
    """Collects the steps of one launch.

    Attributes:
        extents: where every tensor lies.
        weights: store of weight blocks, shared by all launches.
        tables: store of table blocks, shared by all launches.
        ports: memories for the cycles written into the steps.
    """

    extents: Mapping[str, Extent]
    weights: BlockStore
    tables: BlockStore
    ports: Ports
    _rings: dict[int, list[bytes]] = field(default_factory=dict)
    _modules: dict[int, str] = field(default_factory=dict)
    _steps: list[Step] = field(default_factory=list)
    _issued: list[_Issued] = field(default_factory=list)

    def add(self, item: PlannedLayer, share: Share) -> None:
        """Append a layer to the rings of the partitions that share it.

        Raises:
            PlanningError: a tensor or block exceeds what an address reaches.
        """
        reads = tuple(self.extents[name] for name in item.reads)
        writes = self.extents[item.output]
        waits = self._waits(reads, writes)
        for part in share.parts:
            self._add_part(item, part, waits)
        ends = {part.partition: len(self._rings[part.partition]) for part in share.parts}
        self._issued.append(_Issued(reads, writes, ends))

    def build(self) -> Launch:
        """Return the launch."""
        rings = {p: b"".join(ring) for p, ring in sorted(self._rings.items())}
        return Launch(dict(sorted(self._modules.items())), rings, tuple(self._steps))

    def _waits(self, reads: Sequence[Extent], writes: Extent) -> dict[int, int]:
        """Return for each partition how many of its commands must have completed."""
        waits: dict[int, int] = {}
        for earlier in self._issued:
            conflict = any(earlier.writes.overlaps(extent) for extent in (*reads, writes))
            if conflict or any(extent.overlaps(writes) for extent in earlier.reads):
                for partition, end in earlier.ends.items():
                    waits[partition] = max(waits.get(partition, 0), end)
        return waits

    def _add_part(self, item: PlannedLayer, part: Part, waits: Mapping[int, int]) -> None:
        ring = self._rings.setdefault(part.partition, [])
        self._modules[part.partition] = part.module.name
        first, weights, tables = len(ring), [], []
        parameters = compute = operation = 0
        for tile in tiles_of(item.layer, part.module, part.channels):
            blocks = part.module.parameters(item.layer, tile)
            tables.append(self.tables.add(blocks.table))
            if blocks.weights:
                weights.append(self.weights.add(blocks.weights))
            fields = part.module.command(item.layer, tile, self._operands(item, weights, tables))
            cost = part.module.cost(fields, self.ports)
            parameters += cost.parameters
            compute += cost.compute
            operation = fields["operation"]
            others = {
                f"wait{p}": waits.get(p, 0) for p in range(MAX_PARTITIONS) if p != part.partition
            }
            ring.append(COMMAND.encode(fields | others | {"sequence": len(ring)}))
        self._steps.append(
            Step(
                item.layer.name,
                Operation(operation).name.lower(),
                part.partition,
                part.module.name,
                (first, len(ring) - first),
                part.channels,
                tuple(weights),
                tuple(tables),
                parameters,
                compute,
            )
        )

    def _operands(
        self, item: PlannedLayer, weights: Sequence[Block], tables: Sequence[Block]
    ) -> Operands:
        layer = item.layer
        residual = None
        if item.residual is not None:
            residual = _place(self.extents[item.residual], layer.output_shape)
        try:
            return Operands(
                _place(self.extents[item.input], layer.input_shape),
                _place(self.extents[item.output], layer.output_shape),
                residual,
                address(Segment.WEIGHTS, weights[-1].offset if weights else 0),
                address(Segment.TABLES, tables[-1].offset),
            )
        except ValueError as error:
            raise PlanningError(f"layer {layer.name}: {error}; the network is too big") from error


def _place(extent: Extent, shape: tuple[int, int, int]) -> Place:
    return Place(extent.segment, extent.offset, shape)
