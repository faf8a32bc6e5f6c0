"""The whole package in a few names: load a model, compile, save, open a device, run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fpga_rt import frontend
from fpga_rt.arch.boards import Board
from fpga_rt.arch.boards import board as board_of
from fpga_rt.deployment import archive
from fpga_rt.deployment.built import with_bitstreams
from fpga_rt.deployment.model import Deployment
from fpga_rt.device import registry
from fpga_rt.device.interface import Device
from fpga_rt.errors import ModelError
from fpga_rt.modules.registry import named
from fpga_rt.network.graph import Network
from fpga_rt.planner import together
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.residency import PLANNED_BATCH
from fpga_rt.runtime.runtime import Request, Runtime

__all__ = [
    "Request",
    "Runtime",
    "compile",
    "compile_together",
    "is_archive",
    "load",
    "load_model",
    "open_device",
    "save",
]

_MARK_BYTES = 4
"""Of the archive's magic: enough to know one, even when a transfer in text mode hurt the rest."""


def load_model(path: str | Path) -> Network:
    """Load a quantised model file: .onnx (QDQ) or .tflite (int8).

    Raises:
        ModelError: missing, truncated, no model, unsupported, or compiled already.
        ToolchainError: the extra that reads the format is not installed.
    """
    if is_archive(path):
        raise ModelError(
            f"{path} is a compiled deployment, expected a .onnx or .tflite model; run it with"
            f" `fpga-rt run {path}`, or give the model that it was made from"
        )
    return frontend.load(path)


def compile(
    model: Network | str | Path,
    board: Board | str = "pynq-z2",
    partitions: int | Sequence[int] | None = None,
    modules: Sequence[str] | None = None,
    bitstreams: str | Path | None = None,
) -> Deployment:
    """Compile a network, or a model file, for a board.

    Args:
        model: a network, or the path of a .onnx or .tflite file.
        board: a board, or its name, see `fpga-rt devices`.
        partitions: how many of its partitions to use (the first ones), or which; all by default.
        modules: names of the module variants to choose from; every installed one by default.
        bitstreams: folder that `fpga-rt bitstream import` fills, for a board; the simulation's
            bitstreams when None, which hold no logic.

    Raises:
        ModelError: the model cannot be read.
        DeviceError: unknown board.
        PlanningError: the network does not fit the board, or partitions or modules do not exist.
        ArtifactError: a bitstream is not in the folder, or is not what it is said to be.
    """
    chosen = None if modules is None else named(modules)
    deployment = compile_network(_network(model), _board(board), partitions, chosen)
    return deployment if bitstreams is None else with_bitstreams(deployment, Path(bitstreams))


def compile_together(
    models: Sequence[Network | str | Path],
    board: str = "pynq-z2",
    partitions: int | Sequence[int] | None = None,
    batch: int = PLANNED_BATCH,
) -> list[Deployment]:
    """Compile networks, or model files, that take turns on one device.

    Each leaves the others' modules in place where that saves more in loads than it costs.

    Args:
        models: networks, or the paths of .onnx or .tflite files.
        board: name of the board, see `fpga-rt devices`.
        partitions: how many of its partitions to use (the first ones), or which; all by default.
        batch: images of a request.

    Raises:
        ModelError: a model cannot be read.
        DeviceError: unknown board.
        PlanningError: a network does not fit the board, or the partitions do not exist.
    """
    target = board_of(board)
    return together.compile_together(list(map(_network, models)), target, partitions, batch)


def _board(board: Board | str) -> Board:
    return board if isinstance(board, Board) else board_of(board)


def _network(model: Network | str | Path) -> Network:
    return model if isinstance(model, Network) else load_model(model)


def save(deployment: Deployment, path: str | Path) -> None:
    """Write a deployment to one file, whole or not at all.

    Raises:
        ArtifactError: the file cannot be written.
    """
    archive.write(deployment, path)


def load(path: str | Path) -> Deployment:
    """Read a deployment that `save` wrote; every byte is checked.

    Raises:
        ArtifactError: missing, damaged, no deployment, or of another version.
    """
    return archive.read(path)


def open_device(
    name: str = "emulator", board: Board | str = "pynq-z2", **options: object
) -> Device:
    """Open a device; a `with` block closes it at its end.

    Args:
        name: of the device, see `fpga-rt devices`.
        board: the board behind it, or its name.
        options: what the device takes by keyword.

    Raises:
        DeviceError: unknown device or board, or the device cannot be used here.
    """
    return registry.open_device(name, _board(board), **options)


def is_archive(path: str | Path) -> bool:
    """Tell whether a file is meant as a deployment, by its suffix or its first bytes."""
    path = Path(path)
    if path.suffix == archive.SUFFIX:
        return True
    try:
        with path.open("rb") as file:
            return file.read(_MARK_BYTES) == archive.MAGIC[:_MARK_BYTES]
    except OSError:
        return False
