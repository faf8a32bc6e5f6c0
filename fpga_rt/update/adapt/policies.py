"""Which parameters of a network move: from normalisation alone to all of them.

A block ends where a single tensor holds all that later layers read: after a residual addition, or
after each layer of a plain chain. Weights are priced before they are trained: the changes of a
trained layer compress to about a quarter of its weights, and a weight that moves alone takes six or
seven bits, most of them to say which one it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from fpga_rt.arithmetic.operations import Dense
from fpga_rt.network.graph import Network
from fpga_rt.update.adapt.weighted import WEIGHTED

Policy = Literal[
    "statistics", "affine", "last_layer", "first_blocks", "sensitive_blocks", "sparse", "full"
]  # fmt: skip
POLICIES: tuple[Policy, ...] = get_args(Policy)
ESCALATION: tuple[Policy, ...] = ("statistics", "affine", "sparse", "full")
"""The order in which `auto` tries policies."""
COMPRESSION = 4
"""Bytes of weights for each byte that their changes are expected to take."""
SPARSE_WEIGHTS = 1.25
"""Weights chosen one by one for each byte that their changes are expected to take."""
SPARSE_SHARE = 0.05
"""Of all weights, where no budget says how many."""


@dataclass(frozen=True)
class Plan:
    """What moves.

    Attributes:
        normalise: normalise by the samples' own moments instead of the reference's.
        affine: train gain and offset of every channel.
        weights: nodes whose weights are trained.
        alone: train gain and offset of these nodes only.
        count: how many of these weights are trained, those where the loss is steepest once gains
            and offsets are trained; 0 for all.
    """

    normalise: bool = True
    affine: bool = False
    weights: frozenset[str] = frozenset()
    alone: bool = False
    count: int = 0

    @property
    def trains(self) -> bool:
        """Whether anything needs gradients, and so labels."""
        return self.affine or bool(self.weights)


def plan(
    policy: Policy, network: Network, room_bytes: int | None, gains: Mapping[str, float]
) -> Plan:
    """Return what a policy moves.

    Args:
        policy: which.
        network: of the device.
        room_bytes: what the budget leaves for changes of weights; None without a budget, when some
            blocks are those of a quarter of all weights.
        gains: by node, what a byte of its weights promises (see `sensitivity`).
    """
    sizes = weight_bytes(network)
    if policy in {"statistics", "affine"}:
        return Plan(affine=policy == "affine")
    if policy == "full":
        return Plan(affine=True, weights=frozenset(sizes))
    if policy == "last_layer":
        last = list(sizes)[-1]
        return Plan(normalise=False, affine=True, weights=frozenset([last]), alone=True)
    if policy == "sparse":
        total = sum(sizes.values())
        count = SPARSE_SHARE * total if room_bytes is None else SPARSE_WEIGHTS * room_bytes
        return Plan(affine=True, weights=frozenset(sizes), count=min(max(1, int(count)), total))
    room = sum(sizes.values()) // 4 if room_bytes is None else COMPRESSION * room_bytes
    if policy == "first_blocks":
        chosen = _leading([sum(sizes[n] for n in block) for block in blocks(network)], room)
        names = [name for block in blocks(network)[:chosen] for name in block]
        return Plan(affine=True, weights=frozenset(names))
    ranked = sorted(sizes, key=lambda name: -gains[name])
    return Plan(affine=True, weights=frozenset(_fitting(ranked, sizes, room)))


def weight_bytes(network: Network) -> dict[str, int]:
    """Return the bytes of weights of every node that has some, in order."""
    return {
        node.name: node.operation.weights.size * node.operation.weight_bits // 8
        for node in network.nodes
        if isinstance(node.operation, WEIGHTED)
    }


def blocks(network: Network) -> tuple[tuple[str, ...], ...]:
    """Return the nodes with weights, block by block; those of the classifier are the last."""
    last_reads = {name: i for i, node in enumerate(network.nodes) for name in node.inputs}
    alive = {network.input}
    found: list[tuple[str, ...]] = []
    block: list[str] = []
    for i, node in enumerate(network.nodes):
        if isinstance(node.operation, WEIGHTED):
            block.append(node.name)
        alive = {name for name in alive | {node.output} if last_reads.get(name, i) > i}
        classifies = isinstance(node.operation, Dense)
        if block and (len(alive) <= 1 or classifies):
            found.append(tuple(block))
            block = []
    return tuple(found)


def _leading(sizes: Sequence[int], room: int) -> int:
    """Return how many leading blocks fit, at least one."""
    total, count = 0, 0
    for size in sizes:
        total += size
        if count and total > room:
            break
        count += 1
    return count


def _fitting(ranked: Sequence[str], sizes: Mapping[str, int], room: int) -> list[str]:
    """Return those that fit, best first, at least the best."""
    chosen: list[str] = []
    for name in ranked:
        if not chosen or sizes[name] + sum(sizes[n] for n in chosen) <= room:
            chosen.append(name)
    return chosen
