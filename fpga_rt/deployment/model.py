"""What a deployment consists of.

Parameter blocks are content-addressed and lie at fixed offsets in two segments, weights apart from
requantisation tables, so an update replaces blocks without touching a program. Launches are the
parts of a network that run without a swap in between: one doorbell each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fpga_rt.contract.memory_map import align
from fpga_rt.network.graph import Network

FORMAT_VERSION = 2


def digest(data: bytes) -> str:
    """Return the SHA-256 of a block in hex: its name everywhere."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Block:
    """A parameter block: its digest, and where it lies in its segment."""

    digest: str
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class Step:
    """One layer (or a part of it) on one partition.

    Attributes:
        layer: names of the network's nodes that it computes, joined by `+`.
        operation: operation code name in lower case.
        partition: index of the partition.
        module: name of the module variant.
        commands: first command and number of commands in its launch's ring.
        channels: output channels it computes (first, one past the last).
        weights: its weight blocks.
        tables: its table blocks.
        parameter_cycles: of all its commands.
        compute_cycles: of all its commands.
    """

    layer: str
    operation: str
    partition: int
    module: str
    commands: tuple[int, int]
    channels: tuple[int, int]
    weights: tuple[Block, ...]
    tables: tuple[Block, ...]
    parameter_cycles: int
    compute_cycles: int


@dataclass(frozen=True)
class Launch:
    """Steps that one doorbell runs: the modules they need, and a ring for each partition.

    `modules` names what must be resident, by partition index; partitions it does not name may
    hold anything and may be loaded meanwhile. `rings` are descriptors, by partition index.
    """

    modules: Mapping[int, str]
    rings: Mapping[int, bytes]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Segments:
    """Sizes of the memory that a launch addresses.

    Attributes:
        input_bytes: one image's input.
        output_bytes: one image's output.
        features_bytes: one image's intermediate tensors.
        weights_bytes: all weight blocks.
        tables_bytes: all table blocks.
        on_chip_images: images whose intermediate tensors fit the board's feature memory.
    """

    input_bytes: int
    output_bytes: int
    features_bytes: int
    weights_bytes: int
    tables_bytes: int
    on_chip_images: int


@dataclass(frozen=True, eq=False)
class Deployment:
    """A network compiled for a board.

    Attributes:
        network: the integer network; nodes from `host_nodes` on run on the host.
        board: name of the board whose floorplan it fits.
        map_id: identity of the register map it was compiled against.
        partitions: indices of the partitions it may use.
        launches: in order.
        segments: memory it needs.
        blocks: content of every parameter block by digest.
        bitstreams: content of every partial bitstream by digest.
        loads: digest of the bitstream for (partition index, module name).
        module_ids: 64-bit identity by module name.
        host_nodes: number of nodes at the end of the network that the host computes.
        static_id: identity of the static region that the bitstreams were implemented against; 0:
            they are the simulation's, which hold no logic and fit every one.
    """

    network: Network
    board: str
    map_id: int
    partitions: tuple[int, ...]
    launches: tuple[Launch, ...]
    segments: Segments
    blocks: Mapping[str, bytes]
    bitstreams: Mapping[str, bytes]
    loads: Mapping[tuple[int, str], str]
    module_ids: Mapping[str, int]
    host_nodes: int = 0
    static_id: int = 0

    def image(self, kind: Literal["weights", "tables"]) -> bytes:
        """Return the content of the weights or tables segment."""
        size = self.segments.weights_bytes if kind == "weights" else self.segments.tables_bytes
        content = bytearray(align(size))
        for launch in self.launches:
            for step in launch.steps:
                for block in getattr(step, kind):
                    data = self.blocks[block.digest]
                    content[block.offset : block.offset + block.size_bytes] = data
        return bytes(content)

    def identities(self, launch: Launch) -> dict[int, int]:
        """Return the identities of the modules that a launch needs, by partition index."""
        return {p: self.module_ids[name] for p, name in launch.modules.items()}

    def same_program(self, other: Deployment) -> bool:
        """Tell whether another deployment differs in its network's parameters at most.

        Then its blocks have the places and lengths of this one's, and the same commands, modules
        and bitstreams run it.
        """
        mine, its = (
            (
                deployment.board,
                deployment.map_id,
                deployment.segments,
                deployment.host_nodes,
                dict(deployment.module_ids),
                dict(deployment.loads),
                [(dict(launch.modules), dict(launch.rings)) for launch in deployment.launches],
                [_places(launch) for launch in deployment.launches],
            )
            for deployment in (self, other)
        )
        return mine == its

    @property
    def module_changes(self) -> int:
        """Loads that one pass over the launches needs after the first, module by module."""
        resident: dict[int, str] = {}
        changes = 0
        for launch in self.launches:
            for partition, module in launch.modules.items():
                changes += partition in resident and resident[partition] != module
                resident[partition] = module
        return changes


def _places(launch: Launch) -> list[tuple[int, int]]:
    blocks = (block for step in launch.steps for block in (*step.weights, *step.tables))
    return [(block.offset, block.size_bytes) for block in blocks]
