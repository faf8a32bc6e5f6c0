"""What Verilator's linter says of generated Verilog."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sim.toolchain import toolchain

_STYLE = (
    "CASEOVERLAP", "CMPCONST", "DECLFILENAME", "PINCONNECTEMPTY", "PINMISSING", "PROCASSINIT",
    "SYNCASYNCNET", "UNDRIVEN", "UNOPTFLAT", "UNUSED", "VARHIDDEN", "WIDTH",
)  # fmt: skip
"""Warnings about how generated Verilog is written; the widths of ports are for the netlist."""


def lint(files: Sequence[Path], top: str, folder: Path) -> str:
    """Return the complaints: no latch, no driver twice, nothing undeclared; "" for none.

    Args:
        files: the Verilog.
        top: name of its top module.
        folder: where to run.
    """
    tools = toolchain()
    command: list[str | Path] = [tools.verilator, "--lint-only", "-Wall", "--top-module", top]
    ran = subprocess.run(
        [*command, *(f"-Wno-{one}" for one in _STYLE), *files],
        cwd=folder,
        env={**os.environ, "VERILATOR_ROOT": str(tools.verilator_root)},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stderr[-3000:] if ran.returncode else ""
