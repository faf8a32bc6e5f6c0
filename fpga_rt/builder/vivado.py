"""Runs Vivado on a project."""

from __future__ import annotations

import shutil
import subprocess
from collections import deque
from collections.abc import Callable
from pathlib import Path

from fpga_rt.builder.project import Project
from fpga_rt.errors import ToolchainError

PROGRAM, LINKER = "vivado", "v++"
LOG = "vivado.log"
_PROGRESS = "fpga_rt: "
_LAST_LINES = 5


def find(program: str | None = None, *, for_kernels: bool = False) -> str:
    """Return the path of the vendor's program: `program`, or the one on PATH.

    It asks for no project, so that it can be asked before the minutes that one takes.

    Args:
        program: its name or path.
        for_kernels: whether it runs the linker of kernels, so that this has to be on PATH too.

    Raises:
        ToolchainError: one of them is not there.
    """
    found = shutil.which(program or PROGRAM)
    if found is None:
        where = f"{program} cannot be run" if program else f"{PROGRAM} is not on PATH"
        raise _missing(where, ", or name it with --vivado", for_kernels=for_kernels)
    if for_kernels and shutil.which(LINKER) is None:
        raise _missing(f"{LINKER} is not on PATH", "", for_kernels=for_kernels)
    return found


def _missing(where: str, or_else: str, *, for_kernels: bool) -> ToolchainError:
    suite, what = "Vivado", "Vivado with the board's device family (its free edition has it)"
    if for_kernels:
        suite, what = "Vitis", "the card's platform and Vitis, which has vivado and v++,"
    return ToolchainError(
        f"{where}: install {what} and source its settings64.sh{or_else}; or build without --run,"
        f" run the command that this prints where {suite} is installed, and take over the results"
        " with `fpga-rt build --import`"
    )


def run(project: Project, folder: Path, program: str, say: Callable[[str], None]) -> None:
    """Run the project's command in its folder; all it prints goes to `vivado.log` there.

    Args:
        project: the project.
        folder: where it lies.
        program: the tool, as `find` returns it.
        say: takes a line of progress.

    Raises:
        ToolchainError: the tool cannot be started or fails; the message ends with its last lines.
    """
    log = folder / LOG
    errors: deque[str] = deque(maxlen=_LAST_LINES)
    last: deque[str] = deque(maxlen=_LAST_LINES)
    command = [program, *project.command[1:]]
    try:
        with (
            log.open("w", encoding="utf-8") as file,
            subprocess.Popen(
                command, cwd=folder, text=True, errors="replace", stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            ) as process,
        ):  # fmt: skip
            for line in process.stdout or ():
                file.write(line)
                last.append(line.strip())
                if line.startswith(("ERROR:", f"{_PROGRESS}error:")):
                    errors.append(line.strip())
                elif line.startswith(_PROGRESS):
                    say(line.removeprefix(_PROGRESS).rstrip())
            code = process.wait()
    except OSError as error:
        raise ToolchainError(
            f"{program} cannot be run: {error.strerror}; check the path and its permissions"
        ) from error
    if code:
        said = " | ".join(errors or last) or "nothing"
        raise ToolchainError(
            f"{project.tool} stopped with exit code {code} on {folder}: {said}; all of it is in"
            f" {log}, and another run goes on where this one stopped"
        )
