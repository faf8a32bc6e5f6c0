"""From the file that a command names to a deployment."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from fpga_rt import api
from fpga_rt.arch.boards import Board
from fpga_rt.cli.options import DEFAULT_BOARD, board_of
from fpga_rt.deployment.built import with_bitstreams_of
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import DeviceError
from fpga_rt.planner.compile import choose_partitions
from fpga_rt.planner.relocation import movable
from fpga_rt.planner.schedule import MOVING

_log = logging.getLogger(__name__)


def deployment_of(arguments: argparse.Namespace) -> tuple[Deployment, Board]:
    """Return the deployment that `add_source`'s arguments name, compiled if need be, and its board.

    Under a policy that moves modules it has bitstreams for all partitions that it may use.

    Raises:
        FpgaRtError: whatever is wrong with the file, the board or the fit.
    """
    deployment, board = _named(arguments)
    if arguments.prefetch in MOVING:
        deployment = movable(deployment, board, deployment.partitions)
    return deployment, board


def _named(arguments: argparse.Namespace) -> tuple[Deployment, Board]:
    path: Path = arguments.model
    if not api.is_archive(path):
        board = board_of(arguments.board or DEFAULT_BOARD, arguments.calibration)
        return compiled(path, board, arguments.partitions, arguments.modules), board
    deployment = api.load(path)
    if arguments.board not in (None, deployment.board):
        raise DeviceError(
            f"{path} is compiled for board {deployment.board}, got --board {arguments.board};"
            f" compile the model for {arguments.board}, or leave --board out"
        )
    board = board_of(deployment.board, arguments.calibration)
    wanted = deployment.partitions
    if arguments.partitions is not None:
        wanted = choose_partitions(board, arguments.partitions)
    if wanted == deployment.partitions and arguments.modules is None:
        return deployment, board
    got, asked = (", ".join(map(str, part)) for part in (deployment.partitions, wanted))
    choice = f" and modules {', '.join(arguments.modules)}" if arguments.modules else ""
    _note(
        f"{path} is compiled for partitions {got}; its network is compiled again for"
        f" {asked}{choice}, the file stays as it is"
    )
    again = api.compile(deployment.network, board, wanted, arguments.modules)
    return with_bitstreams_of(again, deployment), board


def compiled(
    path: Path,
    board: Board,
    partitions: int | Sequence[int] | None,
    modules: Sequence[str] | None = None,
) -> Deployment:
    """Return a model file compiled for a board.

    Raises:
        FpgaRtError: whatever is wrong with the file, the board or the fit.
    """
    network = api.load_model(path)
    _log.info("%s: %d nodes, %d weights", path, len(network.nodes), network.weights_bytes)
    deployment = api.compile(network, board, partitions, modules)
    _log.info("compiled for %s: %d launches", board.name, len(deployment.launches))
    return deployment


def _note(text: str) -> None:
    print(f"fpga-rt: note: {text}", file=sys.stderr)
