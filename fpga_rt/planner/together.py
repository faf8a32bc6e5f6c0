"""Plan several networks for one device: residencies that leave each other's modules in place.

Compiled one by one, every network takes the partitions that suit it best, and requests that
alternate swap all the time. Together, a slower residency is chosen where it saves more in loads
than it costs in cycles.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

from fpga_rt.arch.boards import Board
from fpga_rt.deployment.model import Deployment
from fpga_rt.network.graph import Network
from fpga_rt.planner.compile import Task, assemble, compile_network, prepare
from fpga_rt.planner.residency import PLANNED_BATCH, Placement, resident_placements

_CANDIDATES = 24
_MOST_COMBINATIONS = 20_000


def compile_together(
    networks: Sequence[Network],
    board: Board,
    partitions: int | Sequence[int] | None = None,
    batch: int = PLANNED_BATCH,
) -> list[Deployment]:
    """Return a deployment for each network, for requests of `batch` images in turn.

    A network that no lasting residency can compute is compiled by itself.

    Raises:
        PlanningError: a network does not fit, or the partitions do not exist.
    """
    tasks = [prepare(network, board, partitions) for network in networks]
    candidates = [_candidates(board, task) for task in tasks]
    lasting = [index for index, found in enumerate(candidates) if found]
    chosen = dict(
        zip(lasting, _choose(board, [candidates[i] for i in lasting], batch), strict=True)
    )
    return [
        assemble(task, chosen[index])
        if index in chosen
        else compile_network(task.network, board, partitions)
        for index, task in enumerate(tasks)
    ]


def _candidates(board: Board, task: Task) -> list[Placement]:
    return resident_placements(board, task.choice, task.on_chip_images > 0, _CANDIDATES)


def _choose(
    board: Board, candidates: Sequence[Sequence[Placement]], batch: int
) -> tuple[Placement, ...]:
    """Return one candidate for each network with the least time of a round of requests."""
    if prod(map(len, candidates)) <= _MOST_COMBINATIONS:
        return min(product(*candidates), key=lambda chosen: round_ps(board, chosen, batch))
    chosen = [found[0] for found in candidates]
    improved = True
    while improved:
        improved = False
        for index, found in enumerate(candidates):
            options = [[*chosen[:index], option, *chosen[index + 1 :]] for option in found]
            best = min(options, key=lambda option: round_ps(board, option, batch))
            if round_ps(board, best, batch) < round_ps(board, chosen, batch):
                chosen, improved = best, True
    return tuple(chosen)


def round_ps(board: Board, placements: Sequence[Placement], batch: int) -> int:
    """Estimate the picoseconds of one request of each network in turn, loads included.

    A load hides behind the requests since its partition was last used; loads share one port.
    """
    port = board.ports[board.default_port]
    resident: dict[int, str] = {}
    free_since: dict[int, int] = {}
    now = start = 0
    for _ in range(2):
        start = now
        for placement in placements:
            used = placement.used
            missing = [p for p, m in used.items() if resident.get(p) != m.name]
            load_ps = len(missing) * board.swap_software_ps
            load_ps += sum(port.load_ps(board.partitions[p].bitstream_bytes) for p in missing)
            hidden_ps = min((now - free_since.get(p, now) for p in missing), default=0)
            now += max(0, load_ps - hidden_ps) + placement.cycles * batch * board.clock_ps
            for partition, module in used.items():
                resident[partition], free_since[partition] = module.name, now
    return now - start
