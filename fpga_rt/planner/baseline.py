"""The static baseline: every module a network needs resident at once, in the same area.

What reconfiguration competes with. Variants are chosen greedily: the smallest of every family
that the network needs, then whatever growth or second copy helps most, while all of them together
fit the area of the partitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fpga_rt.arch.boards import Board
from fpga_rt.arch.resources import Resources
from fpga_rt.contract.command import MAX_PARTITIONS
from fpga_rt.errors import PlanningError
from fpga_rt.modules.layer import Layer
from fpga_rt.modules.module import Module
from fpga_rt.modules.registry import modules as installed_modules
from fpga_rt.network.graph import Network
from fpga_rt.planner.assignment import Costs
from fpga_rt.planner.compile import choose_partitions, compile_network
from fpga_rt.planner.layers import plan_layers
from fpga_rt.planner.predict import predict


@dataclass(frozen=True)
class Baseline:
    """A static design of the same area: its modules, and the latency of a warm request."""

    modules: tuple[str, ...]
    resources: Resources
    latency_ps: int


def static_baseline(
    network: Network,
    board: Board,
    partitions: int | Sequence[int] | None = None,
    batch: int = 1,
) -> Baseline | None:
    """Return the best static design found, None when the modules do not fit the area together.

    Args:
        network: the integer network.
        board: its partitions' area is what the design may use.
        partitions: how many partitions, or which; all by default.
        batch: images of a request.

    Raises:
        PlanningError: the partitions do not exist.
    """
    chosen = choose_partitions(board, partitions)
    area = sum((board.partitions[i].resources for i in chosen), Resources())
    layers = tuple(item.layer for item in plan_layers(network).layers)
    picked = _pick(layers, area, Costs(board, True, len(chosen)))
    if picked is None:
        return None
    fixed = tuple(
        replace(board.partitions[0], name=f"static{i}", index=i, resources=module.resources)
        for i, module in enumerate(picked)
    )
    static_board = replace(board, partitions=fixed)
    try:
        deployment = compile_network(network, static_board, modules=picked)
    except PlanningError:
        return None
    prediction = predict(static_board, [(deployment, batch)] * 2, "none")
    start, end = prediction.requests[-1]
    total = sum((module.resources for module in picked), Resources())
    return Baseline(tuple(m.name for m in picked), total, end - start)


def _pick(layers: Sequence[Layer], area: Resources, costs: Costs) -> list[Module] | None:
    able = [m for m in installed_modules() if not all(m.refusal(layer) for layer in layers)]
    smallest = sorted(able, key=lambda m: (m.resources.dsp, m.resources.lut))
    picked: list[Module] = []
    for layer in layers:
        if all(m.refusal(layer) for m in picked):
            candidate = next((m for m in smallest if m.refusal(layer) is None), None)
            if candidate is None:
                return None
            picked.append(candidate)
    if not _fits(picked, area) or len(picked) > MAX_PARTITIONS:
        return None
    while True:
        better = _improve(picked, able, layers, area, costs)
        if better is None:
            return picked
        picked = better


def _improve(
    picked: list[Module],
    able: Sequence[Module],
    layers: Sequence[Layer],
    area: Resources,
    costs: Costs,
) -> list[Module] | None:
    """Return the best set that differs in one module or has one more, None if none is faster."""
    options = [[*picked[:i], m, *picked[i + 1 :]] for i in range(len(picked)) for m in able]
    if len(picked) < MAX_PARTITIONS:
        options += [[*picked, m] for m in able]
    rated = [(_cycles(o, layers, costs), o) for o in options if _fits(o, area)]
    best = min(rated, key=lambda pair: pair[0], default=None)
    return best[1] if best and best[0] < _cycles(picked, layers, costs) else None


def _fits(picked: Sequence[Module], area: Resources) -> bool:
    return sum((m.resources for m in picked), Resources()).fits_in(area)


def _cycles(picked: Sequence[Module], layers: Sequence[Layer], costs: Costs) -> float:
    residency = dict(enumerate(picked))
    shares = [costs.share(layer, residency) for layer in layers]
    return sum(float("inf") if share is None else share.cycles for share in shares)
