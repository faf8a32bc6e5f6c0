"""What projects for a vendor tool have in common: modules as Verilog, digests, a plan as Tcl."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from fpga_rt.contract.boundary import BOUNDARY, Direction
from fpga_rt.modules.module import Module
from hw.modules.registry import gateware
from hw.platform.board_logic import PARTITION_MODULE
from hw.verilog import to_verilog

TOOL, TOOL_VERSION = "Vivado", "2022.1"
COMMAND = ("vivado", "-mode", "batch", "-nojournal", "-source", "build.tcl")
Announce = Callable[[str], None]
"""Takes a line before what takes long, and after what can be refused at once."""
_FLOW = Path(__file__).with_name("flow")


def unheard(_: str) -> None:
    """Announce nothing."""


def announce_verilog(announce: Announce, modules: int) -> None:
    """Tell that Verilog is made of the static region and of a number of modules."""
    noun = "module" if modules == 1 else "modules"
    announce(f"making Verilog of the static region and {modules} {noun}: minutes")


def flow_files(flow: str) -> dict[str, str]:
    """Return the scripts of a project, by name: those of all of them, and a flow as `flow.tcl`."""
    files = {"build.tcl": "build.tcl", "project.tcl": "project.tcl", "flow.tcl": flow}
    return {name: (_FLOW / source).read_text(encoding="utf-8") for name, source in files.items()}


def plan_text(plan: Mapping[str, object]) -> str:
    """Return a plan, as a Tcl dictionary that `build.tcl` reads."""
    body = "".join(f"    {key} {_tcl(value)}\n" for key, value in plan.items())
    return f"# What to build; `flow.tcl` says how.\nset plan {{\n{body}}}\n"


def digest(*parts: str) -> str:
    """Return a digest of texts, hexadecimal."""
    total = hashlib.sha256()
    for part in parts:
        total.update(f"{len(part)}:".encode() + part.encode())
    return total.hexdigest()


def module_file(module: Module) -> str:
    """Return the path of a module's Verilog in a project."""
    return f"rtl/modules/{module.name}.v"


def _ports() -> str:
    """Return the ports of a partition's module, as Verilog declares them."""
    directions = {Direction.INPUT: "input", Direction.OUTPUT: "output"}
    lines = ["    input clk"]
    for wire in BOUNDARY:
        width = f"[{wire.width - 1}:0] " if wire.width > 1 else ""
        lines.append(f"    {directions[wire.direction]} {width}{wire.name}")
    return ",\n".join(lines)


def black_box() -> str:
    """Return the module of every partition without content."""
    return f"(* black_box *)\nmodule {PARTITION_MODULE} (\n{_ports()}\n);\nendmodule\n"


def module_verilog(module: Module) -> str:
    """Return a module's RTL under the name and with the ports that every partition expects.

    Its registers have their reset values when it is loaded, and `reset` of the boundary resets it;
    that of the clock's domain is not used.
    """
    connections = ["        .clk(clk)", "        .rst(1'b0)"]
    connections += [f"        .{wire.name}({wire.name})" for wire in BOUNDARY]
    return (
        f"module {PARTITION_MODULE} (\n{_ports()}\n);\n"
        f"    {module.name} content (\n"
        + ",\n".join(connections)
        + "\n    );\nendmodule\n\n"
        + to_verilog(gateware(module), module.name)
    )


def _tcl(value: object) -> str:
    """Return a value as a Tcl word: dictionaries and lists in braces, names as they are."""
    if isinstance(value, dict):
        return "{" + " ".join(f"{key} {_tcl(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "{" + " ".join(_tcl(entry) for entry in value) + "}"
    return str(value)
