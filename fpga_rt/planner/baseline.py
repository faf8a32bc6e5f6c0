"""The static baseline: every module a network needs resident at once, in the same area.

What reconfiguration competes with, so it must not be a straw man: of all sets of up to
`MAX_PARTITIONS` module variants that fit the area of the partitions together, the one whose layers
take the fewest cycles, or that of the plan without swaps, if there is one. Sets are tried in the
order of a bound, the cycles they would take if every layer were shared perfectly, until no bound
is below the best set found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.boards import Board
from fpga_rt.arch.resources import Resources
from fpga_rt.contract.command import MAX_PARTITIONS
from fpga_rt.modules.layer import Layer
from fpga_rt.modules.module import Module
from fpga_rt.modules.registry import modules as installed_modules
from fpga_rt.network.graph import Network
from fpga_rt.planner.assignment import Costs
from fpga_rt.planner.compile import choose_partitions, compile_network, prepare
from fpga_rt.planner.predict import predict
from fpga_rt.planner.residency import resident_placements
from fpga_rt.planner.timelines import Timelines

_BOUND_MARGIN = 0.8
"""A part of a layer may take less than its share of the cycles: lanes that idle in the whole need
not idle in the part."""
_PREDICTED = 6
"""Sets whose latency is predicted to the tick; the order of estimates is not quite the order of
latencies."""


@dataclass(frozen=True)
class Baseline:
    """A static design of the same area: its modules, and the latency of a warm request."""

    modules: tuple[str, ...]
    resources: Resources
    latency_ps: int


@dataclass(frozen=True)
class SharedBaseline:
    """A static design for several networks: its modules, and a warm request's latency of each."""

    modules: tuple[str, ...]
    resources: Resources
    latencies_ps: tuple[int, ...]


def static_baseline(
    network: Network,
    board: Board,
    partitions: int | Sequence[int] | None = None,
    batch: int = 1,
) -> Baseline | None:
    """Return the best static design, None when the modules do not fit the area together.

    Args:
        network: the integer network.
        board: its partitions' area is what the design may use.
        partitions: how many partitions, or which; all by default.
        batch: images of a request.

    Raises:
        PlanningError: the partitions do not exist, or a layer fits no module.
    """
    found = StaticDesigns([network], board, partitions).best(batch)
    if found is None:
        return None
    return Baseline(found.modules, found.resources, found.latencies_ps[0])


class StaticDesigns:
    """Static designs of an area on which each of some networks runs, to choose from by batch."""

    def __init__(
        self,
        networks: Sequence[Network],
        board: Board,
        partitions: int | Sequence[int] | None = None,
    ) -> None:
        """Find the sets of modules worth a prediction, and compile the networks for each.

        Args:
            networks: the integer networks.
            board: its partitions' area is what the designs may use.
            partitions: how many partitions, or which; all by default.

        Raises:
            PlanningError: the partitions do not exist, or a layer fits no module.
        """
        chosen = choose_partitions(board, partitions)
        area = sum((board.partitions[i].resources for i in chosen), Resources())
        tasks = [prepare(network, board, chosen) for network in networks]
        on_chip = all(task.on_chip_images > 0 for task in tasks)
        layers = [layer for task in tasks for layer in task.choice.layers]
        found = best_sets(layers, area, board, on_chip, _PREDICTED)
        if len(tasks) == 1:
            lasting = resident_placements(board, tasks[0].choice, on_chip, 1)
            found += [tuple(placement.used.values()) for placement in lasting]
        self._designs = [_Design(networks, board, picked) for picked in found]

    def best(self, batch: int = 1, weights: Sequence[float] | None = None) -> SharedBaseline | None:
        """Return the design on which requests take least time, None when there is none.

        Args:
            batch: images of a request.
            weights: requests of each network in any unit; as many of each by default.
        """
        return min(
            (design.predicted(batch) for design in self._designs),
            key=lambda found: sum(
                share * latency
                for share, latency in zip(
                    weights or [1.0] * len(found.latencies_ps), found.latencies_ps, strict=True
                )
            ),
            default=None,
        )

    def of(self, modules: Sequence[str], batch: int) -> SharedBaseline:
        """Return a design that was found before, for another batch.

        Args:
            modules: names of its modules, as `best` gave them.
            batch: images of a request.

        Raises:
            KeyError: there is no such design.
        """
        for design in self._designs:
            if design.names == tuple(modules):
                return design.predicted(batch)
        raise KeyError(f"no static design of {', '.join(modules)}")


class _Design:
    """Networks compiled for partitions that are just as large as the modules in them."""

    def __init__(self, networks: Sequence[Network], board: Board, picked: Sequence[Module]) -> None:
        fixed = tuple(
            replace(board.partitions[0], name=f"static{i}", index=i, resources=module.resources)
            for i, module in enumerate(picked)
        )
        self._board = replace(board, partitions=fixed)
        self._picked = picked
        self.names = tuple(module.name for module in picked)
        self._deployments = [compile_network(n, self._board, modules=picked) for n in networks]
        self._timelines = Timelines(self._board)

    def predicted(self, batch: int) -> SharedBaseline:
        latencies = []
        for deployment in self._deployments:
            requests = [(deployment, batch)] * 2
            found = predict(self._board, requests, "none", timelines=self._timelines)
            start, end = found.requests[-1]
            latencies.append(end - start)
        return SharedBaseline(self.names, _total(self._picked), tuple(latencies))


def best_sets(
    layers: Sequence[Layer], area: Resources, board: Board, on_chip: bool, most: int
) -> list[tuple[Module, ...]]:
    """Return the sets of modules with the fewest cycles that fit an area, best first."""
    best: list[tuple[float, int, tuple[Module, ...]]] = []
    costs = [Costs(board, on_chip, count) for count in range(1, MAX_PARTITIONS + 1)]
    for number, (bound, picked) in enumerate(_by_bound(layers, area, costs)):
        if len(best) == most and bound * _BOUND_MARGIN >= best[-1][0]:
            break
        cycles = estimated_cycles(layers, picked, costs[len(picked) - 1])
        best = sorted([*best, (cycles, number, picked)])[:most]
    return [picked for _, _, picked in best]


def estimated_cycles(layers: Sequence[Layer], picked: Sequence[Module], costs: Costs) -> float:
    """Return the cycles of all layers when a set of modules is resident."""
    residency = dict(enumerate(picked))
    shares = [costs.share(layer, residency) for layer in layers]
    return sum(float("inf") if share is None else share.cycles for share in shares)


def _by_bound(
    layers: Sequence[Layer], area: Resources, costs: Sequence[Costs]
) -> Iterator[tuple[float, tuple[Module, ...]]]:
    """Yield every set that fits and computes all layers, with its bound, the lowest bound first."""
    able = [m for m in installed_modules() if not all(m.refusal(layer) for layer in layers)]
    able = [m for m in able if m.resources.fits_in(area)]
    found: list[tuple[float, tuple[Module, ...]]] = []
    for count, cost in enumerate(costs, 1):
        rates = _rates(layers, able, cost)
        sets = [
            indices
            for indices in combinations_with_replacement(range(len(able)), count)
            if _total([able[i] for i in indices]).fits_in(area)
        ]
        if sets:
            together = rates[:, np.array(sets)].sum(axis=2)
            with np.errstate(divide="ignore"):
                bounds = (1 / together).sum(axis=0)
            found += [
                (float(bound), tuple(able[i] for i in indices))
                for bound, indices in zip(bounds, sets, strict=True)
                if np.isfinite(bound)
            ]
    yield from sorted(found, key=lambda pair: pair[0])


def _rates(layers: Sequence[Layer], able: Sequence[Module], costs: Costs) -> NDArray[np.float64]:
    """Return whole layers a cycle, (layers, modules); 0 where a module refuses the layer."""
    return np.array(
        [
            [
                0.0 if m.refusal(layer) else 1 / costs.cycles(layer, m, (0, layer.output_shape[2]))
                for m in able
            ]
            for layer in layers
        ]
    )


def _total(picked: Sequence[Module]) -> Resources:
    return sum((module.resources for module in picked), Resources())
