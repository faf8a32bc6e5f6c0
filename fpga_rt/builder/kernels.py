"""Takes over the xclbins that the vendor tools have linked: all are checked before any is kept."""

from __future__ import annotations

from pathlib import Path

from fpga_rt.arch.boards import Board
from fpga_rt.builder.card_platform import card_model, is_of_card
from fpga_rt.builder.folder import replace_folder
from fpga_rt.builder.project import Project, Run
from fpga_rt.device.xrt.xclbin import parse
from fpga_rt.errors import ArtifactError

FOLDER = "xclbins"
"""In a project's folder, what a machine with the card needs of it."""


def keep_kernels(project: Project, folder: Path, board: Board) -> tuple[Path, ...]:
    """Copy what a project's tools have linked to `FOLDER`, each file named after its module.

    The folder is replaced as a whole: a kernel of another static region would be taken for one of
    this project's. Where something fails it stays as it was.

    Returns:
        the copies.

    Raises:
        ArtifactError: one is missing, is no xclbin, has no bitstream, is for another card, or
            cannot be written.
    """
    found = {Path(f"{run.module}.xclbin"): _xclbin(run, folder, board) for run in project.runs}
    replace_folder(folder / FOLDER, found)
    return tuple(folder / FOLDER / name for name in found)


def _xclbin(run: Run, folder: Path, board: Board) -> bytes:
    """Return an xclbin that was looked at."""
    path = folder / run.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path} is missing ({error.strerror}): the tools have not linked {run.module}; run"
            " them again, they go on where they stopped"
        ) from error
    content = parse(data, str(path))
    if not is_of_card(content.platform, board):
        raise ArtifactError(
            f"{path} was linked for platform {content.platform}, expected one of {board.name}, with"
            f" {card_model(board)} in its name; write the project again with --platform of the card"
        )
    if not content.bitstream:
        raise ArtifactError(
            f"{path} has no bitstream: was it linked for emulation? Link it with `--target hw`"
        )
    return data
