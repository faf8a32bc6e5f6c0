"""Which module lives where, and when it changes: swap as rarely as the floorplan allows.

A swap costs milliseconds and a layer microseconds, so a residency that never changes is taken
whenever one computes every layer. Otherwise a dynamic program over (layer, residency) finds the
changes with the least time in loads and layers for a batch, returning to its start at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.boards import Board
from fpga_rt.errors import PlanningError
from fpga_rt.modules.module import Module
from fpga_rt.planner.assignment import Choice, Costs, Share

PLANNED_BATCH = 4
"""Images for which loads are weighed against layers when a network must swap."""
_MOST_RESIDENCIES = 700


@dataclass(frozen=True, eq=False)
class Placement:
    """For every layer the residency it runs under and how it is shared."""

    residencies: tuple[dict[int, Module], ...]
    shares: tuple[Share, ...]
    costs: Costs

    @cached_property
    def cycles(self) -> int:
        """Cycles of one image (an estimate for choosing)."""
        return sum(share.cycles for share in self.shares)

    @cached_property
    def used(self) -> dict[int, Module]:
        """The last module that each partition computes with."""
        return {part.partition: part.module for share in self.shares for part in share.parts}


def place(board: Board, choice: Choice, on_chip: bool) -> Placement:
    """Choose residencies for the layers of a choice, feature maps on chip or in DRAM.

    Fewer partitions than offered are used where that is faster: they share the DRAM.

    Raises:
        PlanningError: a layer fits nowhere, or there are too many combinations to weigh.
    """
    options = _options(board, choice, on_chip)
    best = min(options, key=lambda option: option.resident_cycles)
    if np.isfinite(best.resident_cycles):
        path = [int(best.totals.argmin())] * len(choice.layers)
        return best.placement(path)
    everything = options[0]
    loads = _load_cycles(board, everything.residencies)
    return everything.placement(_cheapest_cycle(everything.cycles * PLANNED_BATCH, loads))


def resident_placements(board: Board, choice: Choice, on_chip: bool, most: int) -> list[Placement]:
    """Return placements that never change, fastest first, one for each set of modules used.

    Raises:
        PlanningError: a layer fits nowhere, or there are too many combinations to weigh.
    """
    found: dict[frozenset[tuple[int, str]], tuple[float, Placement]] = {}
    for option in _options(board, choice, on_chip):
        for state in np.flatnonzero(np.isfinite(option.totals)):
            placement = option.placement([int(state)] * len(choice.layers))
            key = frozenset((p, m.name) for p, m in placement.used.items())
            cycles = float(option.totals[state])
            if key not in found or cycles < found[key][0]:
                found[key] = (cycles, placement)
    ranked = sorted(found.values(), key=lambda pair: pair[0])
    return [placement for _, placement in ranked[:most]]


def _options(board: Board, choice: Choice, on_chip: bool) -> list[_Option]:
    """Return every set of partitions with its residencies, the largest set first."""
    choice.check()
    indices = [p.index for p in choice.partitions if choice.by_partition[p.index]]
    subsets = [s for n in range(len(indices), 0, -1) for s in combinations(indices, n)]
    return [_Option(choice, subset, Costs(board, on_chip, len(subset))) for subset in subsets]


class _Option:
    """Every residency of a set of partitions, and what each layer costs under it."""

    def __init__(self, choice: Choice, indices: Sequence[int], costs: Costs) -> None:
        combined = list(product(*(choice.by_partition[i] for i in indices)))
        if len(combined) > _MOST_RESIDENCIES:
            raise PlanningError(
                f"{len(combined)} combinations of modules and partitions, expected at most"
                f" {_MOST_RESIDENCIES}; use fewer partitions"
            )
        self.residencies = [dict(zip(indices, modules, strict=True)) for modules in combined]
        self.costs = costs
        self._layers = choice.layers
        self._shares = [
            [costs.share(layer, residency) for residency in self.residencies]
            for layer in choice.layers
        ]
        self.cycles = np.array(
            [[share.cycles if share else np.inf for share in row] for row in self._shares]
        )
        self.totals: NDArray[np.float64] = self.cycles.sum(axis=0)

    @property
    def resident_cycles(self) -> float:
        """Cycles of one image under the best residency that never changes."""
        return float(self.totals.min())

    def placement(self, path: Sequence[int]) -> Placement:
        """Return the placement of a residency for each layer."""
        shares = []
        for layer, row, state in zip(self._layers, self._shares, path, strict=True):
            share = row[state]
            if share is None:
                raise PlanningError(f"layer {layer.name} fits no residency; use another board")
            shares.append(share)
        residencies = tuple(self.residencies[state] for state in path)
        return Placement(residencies, tuple(shares), self.costs)


def _load_cycles(board: Board, residencies: Sequence[dict[int, Module]]) -> NDArray[np.float64]:
    """Return the compute cycles that the loads from one residency to another take."""
    port = board.ports[board.default_port]
    cost = {
        p.index: (port.load_ps(p.bitstream_bytes) + board.swap_software_ps) / board.clock_ps
        for p in board.partitions
    }
    count = len(residencies)
    loads = np.zeros((count, count))
    for a, before in enumerate(residencies):
        for b, after in enumerate(residencies):
            loads[a, b] = sum(cost[p] for p in before if before[p] is not after[p])
    return loads


def _cheapest_cycle(cycles: NDArray[np.float64], loads: NDArray[np.float64]) -> list[int]:
    """Return a state for each layer with least cycles plus loads, the way back included.

    `best[a, b]`: cost of reaching layer k in state b after starting layer 0 in state a.
    """
    count = len(loads)
    best = np.full((count, count), np.inf)
    np.fill_diagonal(best, cycles[0])
    origins = []
    for row in cycles[1:]:
        through = best[:, :, None] + loads[None, :, :]
        origins.append(through.argmin(axis=1))
        best = through.min(axis=1) + row[None, :]
    start, state = np.unravel_index(int((best + loads.T).argmin()), best.shape)
    path = [int(state)]
    for origin in reversed(origins):
        path.append(int(origin[start, path[-1]]))
    return path[::-1]
