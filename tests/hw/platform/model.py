"""Runs the model of Vivado (`vivado_model/`) in place of Vivado."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).with_name("vivado_model")
ROOT = Path(__file__).resolve().parents[3]
_PROGRAM = """#!/bin/sh
exec tclsh {script} "$@"
"""


@dataclass
class Model:
    """The model, for a project in a folder; `environment` is what it is told besides."""

    folder: Path
    board: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """All of its environment."""
        writer = [sys.executable, str(FOLDER / "write_bitstream.py"), self.board]
        return {
            **os.environ,
            "FPGA_RT_NETLIST": str(self.folder / "netlist.tcl"),
            "FPGA_RT_USED": str(self.folder / "used.txt"),
            "FPGA_RT_BITSTREAM": " ".join(writer),
            "PYTHONPATH": str(ROOT),
            **self.environment,
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `build.tcl` as its first lines say."""
        command = ["tclsh", str(FOLDER / "vivado.tcl"), "-mode", "batch", "-nojournal"]
        command += ["-source", "build.tcl", *(["-tclargs", *arguments] if arguments else [])]
        return subprocess.run(
            command, cwd=self.folder, env=self.variables, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    def used(self) -> set[str]:
        """Return which rows of the table were used."""
        return set((self.folder / "used.txt").read_text().splitlines())

    def program(self, folder: Path) -> Path:
        """Write a program `vivado` that runs the model."""
        folder.mkdir(exist_ok=True)
        path = folder / "vivado"
        path.write_text(_PROGRAM.format(script=FOLDER / "vivado.tcl"))
        path.chmod(0o755)
        return path
