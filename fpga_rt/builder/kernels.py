"""Takes over the xclbins that the vendor tools have linked: all are checked before any is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fpga_rt.arch.boards import Board
from fpga_rt.builder.card_platform import card_model, is_of_card
from fpga_rt.builder.folder import replace_folder
from fpga_rt.builder.kernel_clock import data_clock_mhz
from fpga_rt.builder.project import Project, Run
from fpga_rt.device.xrt.xclbin import parse
from fpga_rt.errors import ArtifactError

FOLDER = "xclbins"
"""In a project's folder, what a machine with the card needs of it."""


@dataclass(frozen=True)
class Kept:
    """An xclbin that was looked at and copied.

    Attributes:
        module: in the kernel.
        path: of the copy.
        data_clock_mhz: what the file says of its clock; None where it says nothing.
    """

    module: str
    path: Path
    data_clock_mhz: int | None


def keep_kernels(project: Project, folder: Path, board: Board) -> tuple[Kept, ...]:
    """Copy what a project's tools have linked to `FOLDER`, each file named after its module.

    The folder is replaced as a whole: a kernel of another static region would be taken for one of
    this project's. Where something fails it stays as it was.

    Returns:
        what was copied, in the order of the project's runs.

    Raises:
        ArtifactError: one is missing, is no xclbin, has no bitstream, is for another card, or
            cannot be written.
    """
    found = {run.module: _xclbin(run, folder, board) for run in project.runs}
    kept = [
        Kept(name, folder / FOLDER / f"{name}.xclbin", data_clock_mhz(data, f"{name}.xclbin"))
        for name, data in found.items()
    ]
    replace_folder(folder / FOLDER, {Path(k.path.name): found[k.module] for k in kept})
    return tuple(kept)


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
