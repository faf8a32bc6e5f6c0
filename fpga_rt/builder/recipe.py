"""Recipes: how a registered bitstream can be built again. They lie beside its manifest."""

from __future__ import annotations

import json

from fpga_rt.arch.boards import board
from fpga_rt.builder.project import Project

FILE_NAME = "recipe.json"
FORMAT, VERSION = "fpga-rt recipe", 1
_MHZ_PS = 1_000_000


def recipe(project: Project, partition: str, module: str, digest: str) -> bytes:
    """Return the recipe of a partial bitstream as JSON: same arguments, same bytes.

    Args:
        project: what it was built by.
        partition: name of the partition it is for.
        module: name of the module in it, one of the project's runs; anything else is a blank one.
        digest: SHA-256 of the bitstream that came of it, hexadecimal.
    """
    is_run = any((run.partition, run.module) == (partition, module) for run in project.runs)
    command = ["fpga-rt", "build", *([f"{module}@{partition}"] if is_run else [])]
    command += ["--board", project.board]
    if project.clock_ps != board(project.board).clock_ps:
        command += ["--clock", f"{_MHZ_PS / project.clock_ps:.2f}"]
    content = {
        "format": FORMAT,
        "version": VERSION,
        "command": [*command, "--run", "--output", f"build/{project.board}"],
        "part": project.part,
        "tool": project.tool,
        "tool_version": project.tool_version,
        "clock_ps": project.clock_ps,
        "source_id": f"{project.source_id:08x}",
        "digest": digest,
    }
    return (json.dumps(content, indent=2) + "\n").encode()
